/** Several networks as one graph: each task gives what its network gave, whatever ran before it. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, Task, ValueId } from '../../src/graph/ir.ts';
import { union } from '../../src/graph/merge/union.ts';
import { optimize } from '../../src/graph/optimize.ts';
import { print } from '../../src/graph/print.ts';
import { compile } from '../../src/graph/run/compile.ts';
import type { Session } from '../../src/graph/run/session.ts';
import { neededBy } from '../../src/graph/tasks.ts';
import { verify } from '../../src/graph/verify.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { readContainer, readVireo, writeContainer, writeVireo } from '../../src/io/vireo/index.ts';
import { type KernelSet, noClamp } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { wasm, wasmKernels } from '../../src/kernels/wasm/index.ts';
import type { Quantization, TensorData } from '../../src/tensor.ts';
import { compileThreaded } from '../../src/threads/index.ts';
import { compileTraining, freeze, trainable } from '../../src/train.ts';
import { smallNetwork } from '../core/networks.ts';
import { itWithData, readData, seeded } from '../data.ts';
import { type NetworkType, randomGraph, randomInputs } from './random-graph.ts';

const kernelSets: readonly { readonly name: string; readonly kernels: readonly KernelSet[] }[] = [
  { name: 'reference', kernels: [reference] },
  { name: 'js', kernels: [js, reference] },
  { name: 'wasm', kernels: [wasm, js, reference] },
  { name: 'wasm without relaxed SIMD', kernels: [wasmKernels({ relaxed: false }), js, reference] },
];

const inputOf = (session: Session, i: number): TensorData => session.input(i, session.inputs[i]!.dtype);
const outputOf = (session: Session, i: number): TensorData => session.output(i, session.outputs[i]!.dtype);

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const outputsOf = (session: Session): Uint8Array[] =>
  session.outputs.map((_, i) => bytesOf(outputOf(session, i)).slice());

function feed(session: Session, at: number, data: readonly TensorData[]): void {
  data.forEach((numbers, i) => {
    inputOf(session, at + i).set(numbers as never); // of the dtype that was asked for
  });
}

/**
 * Parts as sessions of their own beside the union's: fed, and run in a random order, they hold the same bytes after
 * each step, in outputs of tasks that were not run, too.
 */
function expectSame(
  parts: readonly { readonly name: string; readonly graph: Graph }[],
  kernels: readonly KernelSet[],
  seed: number,
  actions: number,
): void {
  const { graph } = union(parts);
  verify(graph);
  const whole = compile(graph, { kernels });
  expect(whole.tasks).toEqual(parts.map(({ name }) => name));
  const alone = parts.map((part) => compile(part.graph, { kernels }));
  const next = seeded(seed);
  let fed = 0;
  const inputsFrom = alone.map((session) => (fed += session.inputs.length) - session.inputs.length);
  const refill = (which: number): void => {
    const data = randomInputs(parts[which]!.graph, next(1e6));
    feed(whole, inputsFrom[which]!, data);
    feed(alone[which]!, 0, data);
  };
  for (const i of parts.keys()) refill(i);
  for (let action = 0; action < actions; action++) {
    const which = next(parts.length);
    if (next(3) > 0) refill(which);
    if (next(4) === 0) {
      whole.run();
      for (const session of alone) session.run();
    } else {
      whole.run(parts[which]!.name);
      alone[which]!.run();
    }
    expect(outputsOf(whole), `seed ${seed}, action ${action}`).toEqual(alone.flatMap(outputsOf));
  }
}

describe.each(kernelSets)('union with $name', ({ kernels }) => {
  it.each<[NetworkType, NetworkType]>([
    ['i8', 'i8'],
    ['i8', 'f32'],
    ['u8', 'i8'],
    ['f32', 'f32'],
  ])('%s and %s: random networks, in any order of runs', (first, second) => {
    for (let seed = 0; seed < 15; seed++)
      expectSame(
        [
          { name: 'image', graph: randomGraph(seed, first) },
          { name: 'sound', graph: randomGraph(500 + seed, second) },
        ],
        kernels,
        seed,
        8,
      );
  });

  it('a network with itself, and a third', () => {
    for (let seed = 0; seed < 6; seed++) {
      const graph = randomGraph(seed, 'i8', 20);
      const third = randomGraph(900 + seed, 'f32');
      expectSame(
        [
          { name: 'a', graph },
          { name: 'b', graph },
          { name: 'c', graph: third },
        ],
        kernels,
        seed,
        8,
      );
    }
  });

  it('values that two tasks need: each gives what it gives alone, and leaves what it need not compute', () => {
    let left = 0;
    let shared = 0;
    for (let seed = 0; seed < 60; seed++) {
      const dtype = (['i8', 'f32', 'u8'] as const)[seed % 3]!;
      const ordinary = randomGraph(seed, dtype, 16);
      const graph = forked(ordinary);
      if (!graph) continue;
      const alone = compile(ordinary, { kernels });
      const whole = compile(graph, { kernels });
      const needed = neededBy(whole.graph);
      shared += whole.graph.nodes.filter(({ output }) => needed[output] === 3).length;
      const rootOf = (id: ValueId): ValueId => {
        const maker = whole.graph.nodes.find(({ output, op }) => output === id && op.kind === 'reshape');
        return maker ? rootOf(maker.inputs[0]!) : id;
      };
      const next = seeded(seed);
      for (let action = 0; action < 6; action++) {
        const t = next(2);
        const task = graph.tasks![t]!;
        const data = randomInputs(graph, next(1e6));
        feed(whole, 0, data);
        const before = outputsOf(whole);
        whole.run(task.name);
        const after = outputsOf(whole);
        feed(alone, 0, data);
        alone.run();
        const expected = outputsOf(alone);
        graph.outputs.forEach((_, i) => {
          const root = rootOf(whole.graph.outputs[i]!);
          if (task.outputs.includes(i)) expect(after[i], `seed ${seed}: output ${i}`).toEqual(expected[i]);
          else if (((needed[root]! >>> t) & 1) === 0) {
            expect(after[i], `seed ${seed}: output ${i} of the other task`).toEqual(before[i]);
            left++;
          }
        });
      }
    }
    expect(shared).toBeGreaterThan(50);
    expect(left).toBeGreaterThan(50);
  });
});

/** Two tasks of one network that both read all inputs: the first output or so, and the rest. */
function forked(graph: Graph): Graph | null {
  const { length } = graph.outputs;
  if (length < 2) return null;
  const inputs = [...graph.inputs.keys()];
  const outputs = [...graph.outputs.keys()];
  const half = length >> 1;
  return {
    ...graph,
    tasks: [
      { name: 'left', inputs, outputs: outputs.slice(0, half) },
      { name: 'right', inputs, outputs: outputs.slice(half) },
    ],
  };
}

const kws = 'mlperf-tiny/kws/kws_ref_model.tflite';
const ic = 'mlperf-tiny/ic/pretrainedResnet_quant.tflite';
const spectra = 'mlperf-tiny/kws/kws01-inputs-700.bin';

describe('real networks', () => {
  const parts = () => [
    { name: 'image', graph: readTflite(readData(ic)) },
    { name: 'sound', graph: readTflite(readData(kws)) },
  ];

  for (const { name, kernels } of kernelSets.slice(0, 3))
    itWithData(
      `ResNet-8 and DS-CNN with ${name}: byte for byte, in any order`,
      [kws, ic],
      () => expectSame(parts(), kernels, 7, name === 'reference' ? 4 : 30),
      60_000,
    );

  itWithData('running the image leaves the word', [kws, ic, spectra], () => {
    const { graph, report } = union(parts());
    const session = compile(graph);
    const inputs = readData(spectra);
    const spectrum = session.input(1, 'i8');
    spectrum.set(new Int8Array(inputs.buffer, 0, spectrum.length));
    session.run('sound');
    const word = session.output(1, 'i8').slice();
    expect(new Set(word).size).toBeGreaterThan(1);
    for (let i = 0; i < 3; i++) {
      session.input(0, 'i8').fill(40 * i);
      session.run('image');
      expect(session.output(1, 'i8')).toEqual(word);
    }
    const alone = parts().map((part) => compile(part.graph).memory.weights);
    expect(report.bytesBefore).toBe(alone[0]! + alone[1]!);
    expect(session.memory.weights).toBe(report.bytesAfter);
  });

  itWithData('a file keeps the tasks, and all else', [kws, ic], () => {
    const { graph } = union(parts());
    const bytes = writeVireo(graph);
    expect(readVireo(bytes)).toStrictEqual(graph);
    expect(writeVireo(readVireo(bytes))).toEqual(bytes);
  });
});

describe('the generated module', () => {
  const graph = smallNetwork('i8');
  const parts = [
    { name: 'image', graph },
    { name: 'sound', graph: smallNetwork('f32') },
  ];

  it('has one function for all tasks and one for each', () => {
    const { info, steps } = compile(union(parts).graph);
    expect(new Set(steps.map(({ set }) => set))).toEqual(new Set(['wasm']));
    const named = exportsOf(info.module!);
    expect(named.filter((name) => name.startsWith('stretch'))).toEqual(['stretch0', 'stretch1', 'stretch2']);
  });

  it('threads leave a network of tasks alone, and say so', async () => {
    const session = await compileThreaded(union(parts).graph, { threads: 2 });
    expect(session.threads).toBe(1);
    expect(session.info.notices).toContain('one thread: the network has several tasks');
    session.run('sound');
    await session.close();
  });
});

interface Modules {
  readonly Module: {
    new (bytes: Uint8Array): object;
    exports(module: object): readonly { readonly name: string }[];
  };
}

function exportsOf(bytes: Uint8Array): string[] {
  const { Module } = (globalThis as unknown as { readonly WebAssembly: Modules }).WebAssembly; // not in the library's types
  return Module.exports(new Module(bytes)).map(({ name }) => name);
}

/** in → · w → out; the numbers and quantisation of w as given. */
function product(
  numbers: readonly number[],
  {
    scale = 0.5,
    name = 'w',
    shape = [numbers.length],
  }: Partial<{ scale: number; name: string; shape: number[] }> = {},
): Graph {
  const b = new GraphBuilder('product');
  const q: Quantization = { scale: [scale], zeroPoint: [0], axis: 0 };
  const x = b.input('in', 'i8', [1, 4], q);
  const w = b.constant(name, 'i8', shape, Int8Array.from(numbers), q);
  return b.finish([
    b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [x, w], { name: 'out', quantization: q }),
  ]);
}

describe('equal constants', () => {
  const join = (first: Graph, second: Graph) =>
    union([
      { name: 'a', graph: first },
      { name: 'b', graph: second },
    ]);
  const constants = ({ values }: Graph) => values.filter(({ data }) => data);

  it('become one value where their quantisation is the same, under the first name', () => {
    const { graph, report } = join(product([1, 2, 3, 4]), product([1, 2, 3, 4], { name: 'v' }));
    expect(constants(graph).map(({ name }) => name)).toEqual(['a/w']);
    expect(graph.nodes[0]!.inputs[1]).toBe(graph.nodes[1]!.inputs[1]);
    expect(report).toEqual({
      bytesBefore: 8,
      bytesAfter: 4,
      shared: [{ names: ['a/w', 'b/v'], dtype: 'i8', shape: [4], bytes: 4 }],
    });
  });

  it('are one array, but two values, where it is not', () => {
    const { graph, report } = join(product([1, 2, 3, 4]), product([1, 2, 3, 4], { scale: 0.25 }));
    const [first, second] = constants(graph);
    expect(second!.data).toBe(first!.data);
    expect([first!.quantization!.scale, second!.quantization!.scale]).toEqual([[0.5], [0.25]]);
    expect(report.bytesAfter).toBe(4);
    expect(compile(graph).memory.weights).toBe(4);
  });

  it.each([
    { label: 'one number differs', second: product([1, 2, 3, 5]) },
    { label: 'the shape differs', second: product([1, 2, 3, 4], { shape: [1, 4] }) },
  ])('stay two: $label', ({ second }) => {
    const { graph, report } = join(product([1, 2, 3, 4]), second);
    expect(constants(graph).length).toBe(2);
    expect(report).toEqual({ bytesBefore: 8, bytesAfter: 8, shared: [] });
  });

  it('stay two: 0 and −0', () => {
    const of = (zero: number): Graph => {
      const b = new GraphBuilder('net');
      const w = b.constant('w', 'f32', [1], Float32Array.of(zero));
      return b.finish([b.add({ kind: 'binary', fn: 'div', clamp: noClamp }, [b.input('x', 'f32', [1]), w])]);
    };
    const session = compile(join(of(0), of(-0)).graph);
    session.input(0).fill(1);
    session.input(1).fill(1);
    session.run();
    expect([session.output(0)[0], session.output(1)[0]]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
  });

  it('that are outputs keep their names', () => {
    const b = new GraphBuilder('net');
    const graph = b.finish([b.constant('c', 'f32', [2], Float32Array.of(1, 2))]);
    const session = compile(join(graph, graph).graph);
    expect([...session.output('b/c')]).toEqual([1, 2]);
    session.run('b');
  });
});

describe('names and tasks', () => {
  const graph = product([1, 2, 3, 4]);

  it('values, nodes and notes are prefixed; a union of unions keeps its tasks', () => {
    const pair = union([
      { name: 'image', graph: { ...graph, notes: ['half of it was guessed'] } },
      { name: 'sound', graph },
    ]).graph;
    expect(pair.nodes.map(({ name }) => name)).toEqual(['image/out', 'sound/out']);
    expect(pair.inputs.map((id) => pair.values[id]!.name)).toEqual(['image/in', 'sound/in']);
    expect(pair.notes).toEqual(['image: half of it was guessed']);
    const all = union([
      { name: 'touch', graph },
      { name: 'rest', graph: pair },
    ]).graph;
    verify(all);
    expect(all.tasks).toEqual([
      { name: 'touch', inputs: [0], outputs: [0] },
      { name: 'rest/image', inputs: [1], outputs: [1] },
      { name: 'rest/sound', inputs: [2], outputs: [2] },
    ]);
    expect(print(all)).toContain('task   (%0) → %2 "touch"');
  });

  it('rewrites keep them', () => {
    const { graph: pair } = union([
      { name: 'a', graph: smallNetwork('f32') },
      { name: 'b', graph: smallNetwork('i8') },
    ]);
    const { graph: after } = optimize(pair);
    verify(after);
    expect(after.tasks).toEqual(pair.tasks);
  });

  it('training keeps them, and so does what comes out of it', () => {
    const { graph: two } = union([
      { name: 'a', graph: smallNetwork('f32') },
      { name: 'b', graph: smallNetwork('f32') },
    ]);
    const { graph: learning } = trainable(two);
    verify(learning);
    expect(learning.tasks).toEqual(two.tasks);
    const session = compileTraining(learning);
    expect([session.tasks, session.states.length > 0]).toEqual([[], true]);
    const whole = freeze(learning, learning.outputs, session.state);
    verify(whole);
    expect(whole.tasks).toEqual(two.tasks);
    const half = freeze(learning, learning.outputs.slice(2), session.state);
    verify(half);
    expect(half.tasks).toEqual([{ name: 'b', inputs: [0], outputs: [0, 1] }]);
  });

  it('32 tasks', () => {
    const parts = Array.from({ length: 32 }, (_, i) => ({ name: `t${i}`, graph: product([i, 1, 2, 3]) }));
    const session = compile(union(parts).graph);
    for (const i of parts.keys()) session.input(i).fill(2);
    session.run('t31');
    const first = session.outputs.map((_, i) => session.output(i)[0]);
    expect(first).toEqual([...new Array<number>(31).fill(0), 31]);
    expect(() => union([...parts, { name: 'more', graph }])).toThrow(/33 tasks, expected at most 32/);
  });

  const training: Graph = { ...graph, states: [{ input: 0, output: null, data: new Int8Array(4) }] };
  it.each<[string, Parameters<typeof union>[0], RegExp]>([
    ['no networks', [], /at least one network/],
    ['an empty name', [{ name: '', graph }], /"product" has an empty name/],
    ['a slash', [{ name: 'a/b', graph }], /"a\/b": expected a name without a slash/],
    ['one name twice', ['a', 'b', 'a'].map((name) => ({ name, graph })), /two networks are named "a"/],
    ['a network in training', [{ name: 'a', graph: training }], /"a" is in training/],
    ['no outputs', [{ name: 'a', graph: { ...graph, outputs: [] } }], /"a" has no outputs/],
    ['a broken network', [{ name: 'a', graph: { ...graph, outputs: [9] } }], /value 9 does not exist/],
  ])('union refuses %s', (_, parts, message) => {
    expect(() => union(parts)).toThrow(VireoError);
    expect(() => union(parts)).toThrow(message);
  });

  it('run refuses a name that it does not know', () => {
    const session = compile(union([{ name: 'image', graph }]).graph);
    expect(() => session.run('sound')).toThrow('no task "sound": there are 1 ("image")');
    expect(() => compile(graph).run('image')).toThrow('no task "image": there are 0 ()');
  });
});

const pair = union([
  { name: 'image', graph: product([1, 2, 3, 4]) },
  { name: 'sound', graph: product([4, 3, 2, 1]) },
]).graph;

const wrong: readonly [string, readonly Task[], RegExp][] = [
  ['no task at all', [], /input "image\/in" belongs to no task/],
  [
    'an input of no task',
    [{ name: 'image', inputs: [0], outputs: [0] }],
    /input "sound\/in" belongs to no task/,
  ],
  [
    'an output of no task',
    [{ name: 'image', inputs: [0, 1], outputs: [0] }],
    /output "sound\/out" belongs to no task/,
  ],
  [
    'an output that needs the input of another task',
    [
      { name: 'image', inputs: [0], outputs: [1] },
      { name: 'sound', inputs: [1], outputs: [0] },
    ],
    /task "image": output "sound\/out" depends on inputs of other tasks/,
  ],
  [
    'an input that is not there',
    [{ name: 'image', inputs: [0, 2], outputs: [0, 1] }],
    /input 2 does not exist/,
  ],
  [
    'an output that is not there',
    [{ name: 'image', inputs: [0, 1], outputs: [0, 7] }],
    /output 7 does not exist/,
  ],
  [
    'an input twice',
    [{ name: 'image', inputs: [0, 1, 0], outputs: [0, 1] }],
    /input "image\/in" is listed twice/,
  ],
  ['no outputs', [{ name: 'image', inputs: [0, 1], outputs: [] }], /task "image" has no outputs/],
  ['no name', [{ name: '', inputs: [0, 1], outputs: [0, 1] }], /a task has no name/],
  [
    'one name twice',
    [
      { name: 'x', inputs: [0], outputs: [0] },
      { name: 'x', inputs: [1], outputs: [1] },
    ],
    /two tasks are named "x"/,
  ],
  [
    'too many',
    Array.from({ length: 33 }, (_, i) => ({ name: `${i}`, inputs: [0, 1], outputs: [0, 1] })),
    /33 tasks, expected at most 32/,
  ],
];

describe('verify and files refuse', () => {
  it.each(wrong)('%s', (_, tasks, message) => {
    expect(() => verify({ ...pair, tasks })).toThrow(message);
    expect(() =>
      readVireo(withTasks(tasks.map(({ name, inputs, outputs }) => [name, inputs, outputs]))),
    ).toThrow(message);
  });

  it('a task with an input of a state', () => {
    const states = [{ input: 0, output: null, data: new Int8Array(4) }];
    const trained = { ...pair, states };
    expect(() => verify(trained)).toThrow(/task "image": input "image\/in" is that of a state/);
    const tasks = [{ ...pair.tasks![0]!, inputs: [] }, pair.tasks![1]!];
    verify({ ...trained, tasks });
    expect(compile({ ...trained, tasks }).tasks).toEqual([]);
  });

  const withTasks = (tasks: Json): Uint8Array => {
    const { meta } = readContainer(writeVireo(pair));
    const { tensors } = readContainer(writeVireo(pair));
    return writeContainer({ kind: 'network', meta: { ...(meta as object), tasks }, tensors });
  };

  it.each<[string, Json, RegExp]>([
    ['tasks that are no list', 3, /tasks expects a list/],
    ['a task that is no list', ['image'], /task 0 expects a list/],
    ['a name that is no text', [[1, [0], [0]]], /the name of task 0 expects text/],
    ['positions that are no list', [['image', 0, [0]]], /task "image": inputs expects a list/],
    ['a position that is not whole', [['image', [0.5], [0]]], /task "image": inputs expect positions/],
    ['a position under 0', [['image', [0], [-1]]], /task "image": outputs expect positions/],
    ['nothing', null, /tasks expects a list/],
  ])('in a file: %s', (_, tasks, message) => {
    expect(() => readVireo(withTasks(tasks))).toThrow(VireoError);
    expect(() => readVireo(withTasks(tasks))).toThrow(message);
  });

  it('a file without tasks has no key for them', () => {
    const { meta } = readContainer(writeVireo(product([1, 2, 3, 4])));
    expect(Object.keys(meta as object)).not.toContain('tasks');
    expect(readVireo(writeVireo(product([1, 2, 3, 4])))).not.toHaveProperty('tasks');
  });
});

type Json = null | number | string | readonly Json[];
