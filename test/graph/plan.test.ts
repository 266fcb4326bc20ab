/**
 * The plan against slow oracles: every operator evaluated alone on fresh arrays, and the arena watched step
 * by step while a network runs.
 */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import { evaluate } from '../../src/graph/evaluate.ts';
import type { Graph, Node, ValueId } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile.ts';
import type { Session } from '../../src/graph/run/session.ts';
import { verify } from '../../src/graph/verify.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { type KernelSet, noClamp, type View } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { wasm, wasmKernels } from '../../src/kernels/wasm/index.ts';
import { elementCount, type Shape, type TensorData } from '../../src/tensor.ts';
import { itWithData, readData } from '../data.ts';
import { networkFiles } from '../networks/files.ts';
import { type NetworkType, randomGraph, randomInputs } from './random-graph.ts';

const seeds = 250;

describe('plans of random networks', () => {
  it.each([
    { dtype: 'f32', sets: [js, reference] },
    { dtype: 'f32', sets: [reference] },
    { dtype: 'i8', sets: [js, reference] },
    { dtype: 'i8', sets: [reference] },
    { dtype: 'u8', sets: [js, reference] },
  ] as const)('$dtype with $sets.0.name: as each operator alone', ({ dtype, sets }) => {
    for (let seed = 0; seed < seeds; seed++) tryGraph(randomGraph(seed, dtype), seed, dtype, sets);
  });

  const plain = wasmKernels({ relaxed: false });
  it.each([
    { what: 'wasm', dtype: 'f32', sets: [wasm, js, reference] },
    { what: 'wasm', dtype: 'i8', sets: [wasm, js, reference] },
    { what: 'wasm', dtype: 'u8', sets: [wasm, js, reference] },
    { what: 'wasm without relaxed SIMD', dtype: 'i8', sets: [plain, js, reference] },
    { what: 'wasm without relaxed SIMD', dtype: 'u8', sets: [plain, js, reference] },
  ] as const)(
    '$dtype with $what: as each operator alone',
    ({ dtype, sets }) => {
      for (let seed = 0; seed < 80; seed++) tryGraph(randomGraph(seed, dtype), seed, dtype, sets);
      for (let seed = 1000; seed < 1010; seed++) tryGraph(randomGraph(seed, dtype, 60), seed, dtype, sets);
    },
    120_000,
  );

  it('larger networks, which share more', () => {
    for (let seed = 1000; seed < 1040; seed++)
      for (const dtype of ['f32', 'i8'] as const)
        tryGraph(randomGraph(seed, dtype, 60), seed, dtype, [js, reference]);
  });

  it('the networks cover what plans do: windows, in place, borders, scratch, copies left over', () => {
    const seen = {
      elidedConcat: 0,
      keptConcat: 0,
      elidedSlice: 0,
      keptSlice: 0,
      border: 0,
      scratch: 0,
      inPlace: 0,
    };
    for (let seed = 0; seed < 100; seed++) {
      const { plan, graph } = compile(randomGraph(seed, 'i8'));
      const copies = (node: Node) => plan.steps.filter((step) => step.call.node === node).length;
      for (const node of graph.nodes) {
        if (node.op.kind === 'concat') {
          seen.keptConcat += copies(node);
          seen.elidedConcat += node.inputs.length - copies(node);
        }
        if (node.op.kind === 'slice') {
          seen.keptSlice += copies(node);
          seen.elidedSlice += 1 - copies(node);
        }
      }
      const arena = new ArrayBuffer(plan.arenaBytes);
      for (const { borders, scratch, call } of plan.steps) {
        seen.border += borders.length;
        seen.scratch += scratch ? 1 : 0;
        const place = (id: ValueId) => plan.viewIn(arena, id);
        const [x, y] = [place(call.inputs[0] ?? -1), place(call.output)];
        if (x && y && x.data.byteOffset + x.offset === y.data.byteOffset + y.offset) seen.inPlace++;
      }
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(15);
  });
});

describe('plans of small networks', () => {
  const alone = { kind: 'concat', axis: 3 } as const;
  const window = {
    kind: 'depthwiseConv2d',
    stride: [1, 1],
    dilation: [1, 1],
    pad: { top: 1, left: 1, bottom: 1, right: 1 },
    clamp: noClamp,
  } as const;
  const weights = (b: GraphBuilder) => b.constant('w', 'f32', [1, 3, 3, 2], new Float32Array(18).fill(0.5));

  it.each([
    {
      label: 'an input under another shape, concatenated alone and read with a border',
      make: (b: GraphBuilder) => {
        const x = b.input('x', 'f32', [1, 3, 1, 2]);
        const y = b.add({ kind: 'reshape', shape: [1, 1, 3, 2] }, [x]); // one row is dense with a border, too
        return [b.add(window, [b.add(alone, [y]), weights(b)])];
      },
    },
    {
      label: 'a slice of an input, concatenated alone and read with a border',
      make: (b: GraphBuilder) => {
        const x = b.input('x', 'f32', [2, 1, 3, 2]);
        const y = b.add({ kind: 'slice', begin: [1, 0, 0, 0], size: [1, 1, 3, 2], step: [1, 1, 1, 1] }, [x]);
        return [b.add(window, [b.add(alone, [y]), weights(b)])];
      },
    },
    {
      label: 'a concatenation of one value twice, read with a border and as an output',
      make: (b: GraphBuilder) => {
        const x = b.input('x', 'f32', [1, 4, 3, 1]);
        const y = b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [x]);
        const z = b.add(alone, [y, y]);
        return [b.add(window, [z, weights(b)]), z, y, x];
      },
    },
    {
      label: 'a concatenation of concatenations, all of them read',
      make: (b: GraphBuilder) => {
        const x = b.input('x', 'f32', [1, 4, 3, 1]);
        const y = b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [x]);
        const z = b.add(alone, [y, x]);
        const all = b.add(alone, [z, y, z]);
        const some = b.add({ kind: 'slice', begin: [0, 0, 0, 1], size: [1, 4, 3, 2], step: [1, 1, 1, 1] }, [
          all,
        ]);
        return [b.add(window, [z, weights(b)]), b.add(window, [some, weights(b)])];
      },
    },
    {
      label: 'an output that is only another shape of an input',
      make: (b: GraphBuilder) => {
        const x = b.input('x', 'f32', [1, 4, 3, 2]);
        return [b.add({ kind: 'reshape', shape: [24] }, [x]), x];
      },
    },
    {
      label: 'constants for outputs',
      make: (b: GraphBuilder) => {
        b.input('x', 'f32', [2]);
        const k = b.constant('k', 'f32', [2], Float32Array.of(3, 4));
        return [k, b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [k])];
      },
    },
  ])('$label', ({ make }) => {
    const builder = new GraphBuilder('small');
    const graph = builder.finish(make(builder));
    tryGraph(graph, 1, 'f32', [js, reference]);
    tryGraph(graph, 2, 'f32', [reference]);
  });
});

describe('the arena is within 5 % of its lower bound', () => {
  for (const path of networkFiles())
    itWithData(path, [path], () => {
      const { arena, lowerBound } = compile(readTflite(readData(path))).memory;
      expect(lowerBound).toBeGreaterThan(0);
      expect(arena).toBeGreaterThanOrEqual(lowerBound);
      expect(arena / lowerBound).toBeLessThanOrEqual(1.05);
    });
});

function tryGraph(graph: Graph, seed: number, dtype: NetworkType, sets: readonly KernelSet[]): void {
  // Values between generated kernels may be encoded, or fused away: their places hold something else.
  const isPlain = sets.every(({ program }) => !program);
  const where = `seed ${seed}`;
  verify(graph);
  const inputs = randomInputs(graph, seed);
  const expected = valuesOf(graph, inputs);
  const session = compile(graph, { kernels: sets });
  const arena = session.input(0).buffer as ArrayBuffer;
  const bound = dtype === 'f32' ? { absolute: 1e-5, relative: 1e-4 } : { absolute: 0, relative: 0 };
  const feed = (junk: number): void => {
    new Uint8Array(arena, 0, session.plan.arenaBytes).fill(junk);
    inputs.forEach((data, i) => {
      session.input(i).set(data as Float32Array);
    });
  };
  const outputs = () => graph.outputs.map((_, i) => session.output(i).slice());
  const checkInputs = (): void =>
    inputs.forEach((data, i) => {
      if (difference(session.input(i), data, 0, 0) >= 0) expect.fail(`${where}: input ${i} is not as fed`);
    });

  feed(0xff); // NaN, for floats
  session.run();
  const first = outputs();
  graph.outputs.forEach((id, i) => {
    const at = difference(first[i], expected[id]!, bound.absolute, bound.relative);
    if (at >= 0)
      expect.fail(
        `${where}: output ${i} "${graph.values[id].name}", element ${at} is ${first[i][at]}, expected ${expected[id]![at]}`,
      );
  });
  checkInputs();

  session.run();
  outputs().forEach((data, i) => {
    if (difference(data, first[i], 0, 0) >= 0) expect.fail(`${where}: a second run changes output ${i}`);
  });
  checkInputs();

  feed(0x5a);
  if (isPlain) watch(session, inputs, bound, where);
  else session.run();
  outputs().forEach((data, i) => {
    if (difference(data, first[i], 0, 0) >= 0)
      expect.fail(`${where}: what lay in the arena before changes output ${i}`);
  });
}

/** Every value of a graph, each operator on its own by reference. */
function valuesOf(graph: Graph, inputs: readonly TensorData[]): (TensorData | null)[] {
  const data: (TensorData | null)[] = graph.values.map((value) => value.data);
  graph.inputs.forEach((id, i) => {
    data[id] = inputs[i];
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((id) => ({ ...graph.values[id], data: data[id] }));
    data[node.output] = evaluate(node.op, operands, graph.values[node.output]);
  }
  return data;
}

/**
 * Runs one step after another; after each, every value that is complete and still to be read holds, at its
 * place in the arena, what it should.
 *
 * When a value is complete, and until when it is read, follows from the graph and from which copies are left
 * in the list of steps; how the plan shares memory is not looked at.
 */
function watch(
  session: Session,
  inputs: readonly TensorData[],
  bound: { readonly absolute: number; readonly relative: number },
  where: string,
): void {
  const { graph, plan } = session;
  const expected = valuesOf(graph, inputs);
  const arena = session.input(0).buffer as ArrayBuffer;
  const never = Number.POSITIVE_INFINITY;
  const ready = new Array<number>(graph.values.length).fill(-1);
  const stepsOf = new Map<Node, number[]>();
  plan.steps.forEach(({ call }, step) => {
    stepsOf.set(call.node, [...(stepsOf.get(call.node) ?? []), step]);
  });
  for (const node of graph.nodes)
    ready[node.output] = Math.max(...node.inputs.map((id) => ready[id]), ...(stepsOf.get(node) ?? []));

  const needed = new Array<number>(graph.values.length).fill(-1);
  for (const id of [...graph.inputs, ...graph.outputs]) needed[id] = never;
  for (const node of [...graph.nodes].reverse()) {
    const calls = (stepsOf.get(node) ?? []).map((step) => ({ step, inputs: plan.steps[step].call.inputs }));
    for (const id of new Set(node.inputs)) {
      const reads = calls.filter((call) => call.inputs.includes(id));
      const isMoved = ['reshape', 'concat', 'slice'].includes(node.op.kind);
      const times = node.inputs.filter((input) => input === id).length;
      const isAlias = isMoved && reads.length < times;
      needed[id] = Math.max(needed[id], ...reads.map(({ step }) => step), isAlias ? needed[node.output] : -1);
    }
  }

  let at = 0;
  for (let step = -1; step < plan.steps.length; step++) {
    if (step >= 0) for (let i = plan.steps[step].borders.length; i >= 0; i--) session.steps[at++].run();
    graph.values.forEach((value, id) => {
      const view = plan.viewIn(arena, id);
      if (!view || ready[id] > step || needed[id] <= step) return;
      const actual = read(view, value.shape);
      const cell = difference(actual, expected[id]!, bound.absolute, bound.relative);
      if (cell >= 0)
        expect.fail(
          `${where}: after step ${step} (${plan.steps[step]?.call.node.name}), "${value.name}" has ${actual[cell]} at ${cell}, expected ${expected[id]![cell]}; it is read until ${needed[id]}`,
        );
    });
  }
  expect(at).toBe(session.steps.length);
}

function read({ data, offset, strides }: View, shape: Shape): (number | bigint)[] {
  return Array.from({ length: elementCount(shape) }, (_, i) => {
    let rest = i;
    let at = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]) * strides[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    return data[at];
  });
}

/** The first element that is off by more than the bound, or −1. */
function difference(
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
  absolute: number,
  relative: number,
): number {
  if (actual.length !== expected.length) return Math.min(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    const b = Number(expected[i]);
    if (!(Math.abs(Number(actual[i]) - b) <= absolute + relative * Math.abs(b))) return i;
  }
  return -1;
}
