/** Every rule of `verify` by a graph that breaks it, and the limits on what a graph may ask for. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, Node, Value } from '../../src/graph/ir.ts';
import { checkTensorSize, defaultLimits } from '../../src/graph/limits.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { verify } from '../../src/graph/verify.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import type { Quantization } from '../../src/tensor.ts';

const q = (scale: number[], zeroPoint: number[], axis = 0): Quantization => ({ scale, zeroPoint, axis });

/** in → conv2d (w, b) → abs → out, i8 all through. */
function good(): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('in', 'i8', [1, 2, 2, 3], q([0.5], [1]));
  const w = b.constant('w', 'i8', [2, 1, 1, 3], new Int8Array(6).fill(1), q([0.5, 0.25], [0, 0]));
  const bias = b.constant('b', 'i32', [2], new Int32Array(2));
  const window = { stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: noClamp } as const;
  const y = b.add({ kind: 'conv2d', ...window, groups: 1 }, [x, w, bias], {
    name: 'conv',
    quantization: q([1], [0]),
  });
  const z = b.add({ kind: 'unary', fn: 'abs', alpha: 0 }, [y], { name: 'abs', quantization: q([1], [0]) });
  return b.finish([z]);
}

const [input, weights, bias, conv, abs] = [0, 1, 2, 3, 4];

const withValue =
  (id: number, change: Partial<Value>) =>
  (graph: Graph): Graph => ({
    ...graph,
    values: graph.values.map((value, i) => (i === id ? { ...value, ...change } : value)),
  });
const withNode =
  (at: number, change: Partial<Node>) =>
  (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map((node, i) => (i === at ? { ...node, ...change } : node)),
  });

const bad: [label: string, change: (graph: Graph) => Graph, message: string][] = [
  [
    'a negative extent',
    withValue(input, { shape: [1, -2, 2, 3] }),
    '"in": shape [1, -2, 2, 3] expects whole extents',
  ],
  [
    'half an extent',
    withValue(input, { shape: [1, 2.5, 2, 3] }),
    '"in": shape [1, 2.5, 2, 3] expects whole extents',
  ],
  [
    'a constant too short',
    withValue(weights, { data: new Int8Array(5) }),
    'constant "w": [2, 1, 1, 3] expects 6 elements, got 5',
  ],
  [
    'scales along no axis',
    withValue(weights, { quantization: q([1, 1], [0, 0], 9) }),
    'quantisation of "w": axis 9',
  ],
  [
    'scales that do not fit',
    withValue(weights, { quantization: q([1, 1, 1], [0, 0, 0]) }),
    'quantisation of "w": axis 0 of [2, 1, 1, 3] does not have 3 scales',
  ],
  [
    'zero points missing',
    withValue(weights, { quantization: q([1, 1], [0]) }),
    'quantisation of "w": 2 scales but 1 zero points',
  ],
  [
    'scale 0',
    withValue(input, { quantization: q([0], [0]) }),
    'quantisation of "in": scale 0 is not a positive number',
  ],
  [
    'scale NaN',
    withValue(input, { quantization: q([Number.NaN], [0]) }),
    'scale NaN is not a positive number',
  ],
  [
    'scale ∞',
    withValue(input, { quantization: q([Number.POSITIVE_INFINITY], [0]) }),
    'scale Infinity is not',
  ],
  [
    'zero point outside',
    withValue(input, { quantization: q([1], [128]) }),
    'quantisation of "in": zero point 128 is outside i8',
  ],
  ['half a zero point', withValue(input, { quantization: q([1], [0.5]) }), 'zero point 0.5 is outside i8'],
  ['an input that is not there', (graph) => ({ ...graph, inputs: [77] }), 'input 77 does not exist'],
  [
    'an input that is constant',
    (graph) => ({ ...graph, inputs: [input, weights] }),
    'input "w" is a constant or listed twice',
  ],
  [
    'an input twice',
    (graph) => ({ ...graph, inputs: [input, input] }),
    'input "in" is a constant or listed twice',
  ],
  ['an operand that is not there', withNode(1, { inputs: [-1] }), 'abs: value -1 does not exist'],
  [
    'an operand not made yet',
    withNode(0, { inputs: [abs, weights] }),
    'conv: "abs" is used before it is made',
  ],
  [
    'nodes out of order',
    (graph) => ({ ...graph, nodes: [...graph.nodes].reverse() }),
    'abs: "conv" is used before it is made',
  ],
  ['an input left out', (graph) => ({ ...graph, inputs: [] }), 'conv: "in" is used before it is made'],
  ['a result that is not there', withNode(1, { output: 5 }), 'abs: value 5 does not exist'],
  ['a result made twice', withNode(1, { output: conv }), '"conv" is made twice'],
  ['a result that is an input', withNode(1, { output: input }), '"in" is made twice'],
  ['a result that is constant', withNode(1, { output: bias }), '"b" is made twice'],
  [
    'another shape declared',
    withValue(abs, { shape: [1, 2, 2, 3] }),
    'unary "abs": makes [1, 2, 2, 2], its output is declared [1, 2, 2, 3]',
  ],
  [
    'an operator rule',
    withValue(input, { shape: [1, 2, 2, 4] }),
    'conv2d "conv": weights expect 3 input channels, got 4',
  ],
  [
    'an output that is not there',
    (graph) => ({ ...graph, outputs: [9] }),
    'an output: value 9 does not exist',
  ],
  [
    'an output never made',
    (graph) => ({ ...graph, nodes: graph.nodes.slice(0, 1) }),
    'an output: "abs" is used before it is made',
  ],
  [
    'dtypes mixed',
    withValue(conv, { dtype: 'f32', quantization: null }),
    'conv2d "conv": input i8, weights i8 and output f32 do not go together',
  ],
  [
    'a bias of the wrong dtype',
    withValue(bias, { dtype: 'f32', data: new Float32Array(2) }),
    'conv2d "conv": bias expects i32, got f32',
  ],
  [
    'weights along the wrong axis',
    withValue(weights, { quantization: q([1, 1, 1], [0, 0, 0], 3) }),
    'weights are quantised along axis 3, expected 0',
  ],
  [
    'an activation per channel',
    withValue(input, { quantization: q([1, 1, 1], [0, 0, 0], 3) }),
    '"in" is an activation quantised per channel',
  ],
  [
    'i8 without a scale',
    withValue(input, { quantization: null }),
    'conv2d "conv": "in" is i8 without scale and zero point',
  ],
  [
    'i8 out of an operator without a scale',
    withValue(abs, { quantization: null }),
    'unary "abs": "abs" is i8 without scale and zero point',
  ],
];

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('verify', () => {
  it('takes the good graph', () => {
    verify(good());
    compile(good()).run();
  });

  it.each(bad)('refuses %s', (_, change, message) => {
    const error = caught(() => verify(change(good())));
    expect(error).toBeInstanceOf(VireoError);
    expect((error as Error).message).toContain(message);
    expect(error).toMatchObject({ code: 'bad-graph' });
    expect(caught(() => compile(change(good())))).toEqual(error);
  });

  it('refuses data moved into another dtype', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', 'f32', [2]);
    const y = b.add({ kind: 'reshape', shape: [2, 1] }, [x], { name: 'y', dtype: 'i32' });
    expect(() => verify(b.finish([y]))).toThrow('reshape "y": "x" is f32, the output i32');
  });
});

describe('limits', () => {
  it('a tensor', () => {
    expect(() => checkTensorSize('t', 'f32', [256, 2 ** 20], defaultLimits)).not.toThrow();
    const error = caught(() => checkTensorSize('t', 'f32', [257, 2 ** 20], defaultLimits));
    expect(error).toMatchObject({ code: 'too-large' });
    expect((error as Error).message).toBe(
      '"t": f32[257, 1048576] needs 1077936128 bytes, the limit is 1073741824',
    );
    // Empty, but loops run over its other extents.
    expect(caught(() => checkTensorSize('t', 'i8', [0, 2 ** 31], defaultLimits))).toMatchObject({
      code: 'too-large',
    });
    expect(
      caught(() => checkTensorSize('t', 'i8', [2 ** 53, 2 ** 53, 2 ** 53], defaultLimits)),
    ).toMatchObject({ code: 'too-large' });
  });

  it('all constants together', () => {
    const b = new GraphBuilder('net', { bytes: 100 });
    b.constant('a', 'i8', [60], new Int8Array(60));
    const error = caught(() => b.constant('b', 'i8', [60], new Int8Array(60)));
    expect(error).toMatchObject({
      code: 'too-large',
      message: 'constant "b": all constants together pass 100 bytes',
    });
  });

  it('nodes', () => {
    const b = new GraphBuilder('net', { nodes: 2 });
    let x = b.input('x', 'f32', [1]);
    for (let i = 0; i < 2; i++) x = b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [x]);
    expect(() => b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [x])).toThrow(
      'graph "net": more than 2 nodes',
    );
  });

  it('work and arena of a session', () => {
    expect(caught(() => compile(good(), { limits: { work: 10 } }))).toMatchObject({
      code: 'too-large',
      message: expect.stringContaining('loop steps, the limit is 10') as string,
    });
    const b = new GraphBuilder('net');
    let x = b.input('x', 'f32', [4]);
    for (let i = 0; i < 3; i++) x = b.add({ kind: 'softmax', beta: 1, log: false }, [x]);
    const graph = b.finish([x]);
    const { arena } = compile(graph).memory;
    expect(() => compile(graph, { limits: { bytes: arena } })).not.toThrow();
    expect(caught(() => compile(graph, { limits: { bytes: arena - 1 } }))).toMatchObject({
      code: 'too-large',
      message: `graph "net": the arena needs ${arena} bytes, the limit is ${arena - 1}`,
    });
  });

  it('folding: what a few bytes ask for stays in the graph', () => {
    const b = new GraphBuilder('net');
    const k = b.constant('k', 'f32', [1, 1], Float32Array.of(1));
    const row = b.add({ kind: 'pad', before: [0, 0], after: [999, 0], value: 0 }, [k]);
    expect(b.value(row).data?.length).toBe(1000);
    const all = b.add({ kind: 'pad', before: [0, 0], after: [0, 99_999], value: 0 }, [row]);
    expect(b.value(all).data).toBeNull();
  });
});
