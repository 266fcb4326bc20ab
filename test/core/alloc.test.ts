/**
 * After warm-up a run allocates nothing: over 10,000 runs the heap grows by less than 64 KB, where one object of
 * the smallest size a run would be 160 KB.
 *
 * The engine's compiler allocates too, whenever it has another idea; so of several times 10,000 runs the quietest
 * counts. The young generation is large enough that nothing is collected between two looks at the heap.
 */
import { describe, expect, it } from 'vitest';
import { bundle, runNode } from './bundle.ts';

const limit = 64 * 1024;

/** `quietest(run)`: bytes by which the heap grows over 10,000 runs. */
const watch = `
declare const gc: () => void;
function quietest(run: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10000; i++) run();
  for (let time = 0; time < 5 && least > ${limit / 2}; time++) {
    let growth = 0;
    for (let part = 0; part < 10; part++) {
      gc();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < 1000; i++) run();
      growth += Math.max(0, process.memoryUsage().heapUsed - before);
    }
    least = Math.min(least, growth);
  }
  return least;
}
`;

const networks = `
import { compile, js, reference, wasm } from './src/index.ts';
import { smallNetwork } from './test/core/networks.ts';
const report: Record<string, number> = {};
const kept: unknown[] = [];
for (const dtype of ['i8', 'f32'] as const)
for (const [set, sets] of [['js', [js, reference]], ['wasm', [wasm, js, reference]]] as const) {
  const session = compile(smallNetwork(dtype), { kernels: sets });
  const input = session.input(0);
  for (let i = 0; i < input.length; i++) input[i] = dtype === 'i8' ? (i * 37) % 251 : ((i * 37) % 251) / 100 - 1;
  report[dtype + ' ' + set] = quietest(session.run);
  report[dtype + ' ' + set + ', one object a run'] = quietest(() => {
    kept[0] = { session };
    session.run();
  });
}
console.log(JSON.stringify(report));
`;

/** The tasks of two networks in one, in turns and together. */
const tasks = `
import { compile, js, reference, wasm } from './src/index.ts';
import { union } from './src/graph/merge/union.ts';
import { smallNetwork } from './test/core/networks.ts';
const report: Record<string, number> = {};
const kept: unknown[] = [];
const { graph } = union([{ name: 'image', graph: smallNetwork('i8') }, { name: 'sound', graph: smallNetwork('f32') }]);
for (const [set, sets] of [['js', [js, reference]], ['wasm', [wasm, js, reference]]] as const) {
  const session = compile(graph, { kernels: sets });
  for (const i of [0, 1]) session.input(i).forEach((_, j, all) => { all[j] = (j * 37) % 51; });
  let turn = 0;
  const run = () => {
    turn = (turn + 1) % 3;
    if (turn === 2) session.run();
    else session.run(session.tasks[turn]);
  };
  report[set] = quietest(run);
  report[set + ', one object a run'] = quietest(() => {
    kept[0] = { session };
    run();
  });
}
console.log(JSON.stringify(report));
`;

/** All in one process, so that the engine sees every kernel with all kinds of arguments. */
const kernels = `
import { js, noPad } from './src/index.ts';
import { denseStrides } from './src/tensor.ts';
import { allocationCases } from './test/core/alloc-cases.ts';
import { dataOf, operandsOf } from './test/kernels/run-call.ts';
const report: Record<string, number> = {};
const steps = allocationCases().flatMap(({ label, call }) => {
  const offer = js.offer(operandsOf(call));
  if (!offer) return [];
  const view = (data, shape) => ({ data, offset: 0, strides: denseStrides(shape), border: noPad });
  const { dtype, shape } = call.output;
  const output = dataOf(dtype, shape, new Array(shape.reduce((x, y) => x * y, 1)).fill(0));
  const scratch = new Uint8Array(offer.scratch?.(false) ?? 0);
  const inputs = call.inputs.map((input) => view(input.data, input.shape));
  return [{ label: offer.kernel + ': ' + label, step: offer.bind(inputs, view(output, shape), scratch) }];
});
for (let round = 0; round < 6; round++) for (const { step } of steps) for (let i = 0; i < 500; i++) step();
for (const { label, step } of steps) {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 8 && least > 1000; time++) {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 500; i++) step();
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  report[label] = 20 * least;
}
console.log(JSON.stringify(report));
`;

/** A network compiled again and again: what the process holds after 1,000 times, beyond what it held after 300. */
const compiled = `
import { compile } from './src/index.ts';
import { smallNetwork } from './test/core/networks.ts';
declare const gc: () => void;
const report: Record<string, number> = {};
const kept: unknown[] = [];
for (const keep of [false, true]) {
  const graph = smallNetwork('i8');
  let before = 0;
  for (let i = 1; i <= (keep ? 400 : 1000); i++) {
    const session = compile(graph);
    session.run();
    if (keep) kept.push(session);
    if (i % 50 === 0) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
      gc();
    }
    if (i === 300) before = process.memoryUsage().rss;
  }
  report[keep ? 'kept' : 'let go'] = process.memoryUsage().rss - before;
}
console.log(JSON.stringify(report));
`;

async function measure(entry: string): Promise<[what: string, growth: number][]> {
  const code = await bundle(`${entry}\n${watch}`, 'esm', 'node');
  const flags = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=128'];
  return Object.entries(JSON.parse(runNode(flags, { 'measure.mjs': code })) as Record<string, number>);
}

describe('run() after warm-up', () => {
  it('allocates nothing over 10,000 runs; one object a run would show', async () => {
    const report = await measure(networks);
    expect(report.length).toBe(8);
    console.log(report);
    for (const [what, growth] of report) {
      if (what.includes('object')) expect(growth, what).toBeGreaterThan(limit);
      else expect(growth, what).toBeLessThan(limit);
    }
  }, 120_000);

  it('nor do runs of tasks', async () => {
    const report = await measure(tasks);
    expect(report.length).toBe(4);
    console.log(report);
    for (const [what, growth] of report) {
      if (what.includes('object')) expect(growth, what).toBeGreaterThan(limit);
      else expect(growth, what).toBeLessThan(limit);
    }
  }, 120_000);

  it('nor does any kernel of the js set', async () => {
    const report = await measure(kernels);
    expect(report.length).toBeGreaterThan(150);
    console.log(report.sort((a, b) => b[1] - a[1]).slice(0, 4));
    expect(report.filter(([, growth]) => growth > limit)).toEqual([]);
  }, 120_000);

  it('a network compiled 1,000 times leaves nothing behind', async () => {
    const report = Object.fromEntries(await measure(compiled));
    console.log(report);
    // 100 sessions that are kept show what 700 that leak would.
    expect(report['kept']).toBeGreaterThan(2 ** 20);
    expect(report['let go']).toBeLessThan(report['kept']!);
  }, 120_000);
});
