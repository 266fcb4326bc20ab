/**
 * Every operator with an int8 form: alone in a network, quantised, near to its float self and the same in all kernel sets;
 * every other one stays in float and is named.
 */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import type { Op } from '../../src/graph/ops.ts';
import { verify } from '../../src/graph/verify.ts';
import { noClamp, noPad, type UnaryFn } from '../../src/kernels/call.ts';
import { calibrate, prepare, quantize } from '../../src/quant/index.ts';
import { randomStream } from '../../src/random.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { outputsOf, runEverywhere } from './run.ts';

const random = randomStream(5);
const numbers = (shape: Shape, size = 1): Float32Array =>
  Float32Array.from({ length: elementCount(shape) }, () => size * random.normal());

interface Case {
  readonly label: string;
  readonly build: (b: GraphBuilder, x: ValueId, z: ValueId) => ValueId | readonly ValueId[];
  readonly shape?: Shape;
  /** Largest difference allowed, in steps of the output's scale. */
  readonly steps?: number;
}

const relu = { min: 0, max: Number.POSITIVE_INFINITY };
const window = { stride: [1, 1], dilation: [1, 1], pad: { top: 1, left: 1, bottom: 1, right: 1 } } as const;
const weights = (b: GraphBuilder, shape: Shape): ValueId => b.constant('w', 'f32', shape, numbers(shape));
const bias = (b: GraphBuilder, n: number): ValueId => b.constant('b', 'f32', [n], numbers([n]));
const op =
  (kind: Op, steps?: number) =>
  (label: string): Case => ({
    label,
    build: (b, x) => b.add(kind, [x]),
    ...(steps === undefined ? {} : { steps }),
  });
const unary = (fn: UnaryFn, alpha = 0): Case => op({ kind: 'unary', fn, alpha }, 2)(fn);

const cases: readonly Case[] = [
  {
    label: 'conv2d',
    build: (b, x) =>
      b.add({ kind: 'conv2d', ...window, groups: 1, clamp: relu }, [x, weights(b, [5, 3, 3, 4]), bias(b, 5)]),
    steps: 4,
  },
  {
    label: 'conv2d in groups, without bias',
    build: (b, x) =>
      b.add({ kind: 'conv2d', ...window, groups: 2, clamp: noClamp }, [x, weights(b, [6, 3, 3, 2])]),
    steps: 4,
  },
  {
    label: 'depthwiseConv2d',
    build: (b, x) =>
      b.add({ kind: 'depthwiseConv2d', ...window, clamp: { min: 0, max: 6 } }, [
        x,
        weights(b, [1, 3, 3, 8]),
        bias(b, 8),
      ]),
    steps: 4,
  },
  {
    label: 'transposedConv2d',
    build: (b, x) =>
      b.add(
        { kind: 'transposedConv2d', stride: [2, 2], pad: noPad, clamp: noClamp },
        [x, weights(b, [3, 2, 2, 4]), bias(b, 3)],
        { shape: [1, 12, 10, 3] },
      ),
    steps: 4,
  },
  {
    label: 'dense',
    shape: [3, 16],
    build: (b, x) => b.add({ kind: 'dense', clamp: noClamp }, [x, weights(b, [7, 16]), bias(b, 7)]),
    steps: 4,
  },
  {
    label: 'add',
    build: (b, x, z) => b.add({ kind: 'binary', fn: 'add', clamp: relu }, [x, z]),
    steps: 2,
  },
  {
    label: 'sub',
    build: (b, x, z) => b.add({ kind: 'binary', fn: 'sub', clamp: noClamp }, [x, z]),
    steps: 2,
  },
  {
    label: 'mul',
    build: (b, x, z) => b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [x, z]),
    steps: 4,
  },
  {
    label: 'add of a constant',
    build: (b, x) => b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [x, bias(b, 4)]),
    steps: 2,
  },
  { label: 'max', build: (b, x, z) => b.add({ kind: 'binary', fn: 'max', clamp: noClamp }, [x, z]) },
  { label: 'min', build: (b, x) => b.add({ kind: 'binary', fn: 'min', clamp: noClamp }, [x, bias(b, 4)]) },
  op({ kind: 'clamp', clamp: { min: -0.5, max: 1 } }, 4)('clamp'),
  {
    label: 'prelu',
    build: (b, x) =>
      b.add({ kind: 'prelu' }, [x, b.constant('s', 'f32', [4], Float32Array.of(0.1, 0.2, 0.5, 1))]),
    steps: 2,
  },
  op({ kind: 'maxPool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp })('maxPool2d'),
  op({ kind: 'averagePool2d', kernel: [2, 3], stride: [1, 1], pad: noPad, clamp: noClamp })('averagePool2d'),
  op(
    { kind: 'averagePool2d', kernel: [6, 5], stride: [1, 1], pad: noPad, clamp: noClamp },
    4,
  )('averagePool2d over the whole picture'),
  op({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, 4)('mean'),
  op({ kind: 'reduce', fn: 'sum', axes: [3] }, 4)('sum'),
  op({ kind: 'reduce', fn: 'max', axes: [1, 2] })('reduce max'),
  op({ kind: 'softmax', beta: 1, log: false }, 6)('softmax'),
  op({ kind: 'l2Normalize' }, 4)('l2Normalize'),
  unary('logistic'),
  op({ kind: 'unary', fn: 'tanh', alpha: 0 }, 3)('tanh'),
  unary('abs'),
  unary('hardSwish'),
  unary('leakyRelu', 0.2),
  unary('elu', 1),
  op({ kind: 'reshape', shape: [1, 120] })('reshape'),
  op({ kind: 'transpose', perm: [0, 3, 1, 2] })('transpose'),
  op({ kind: 'slice', begin: [0, 1, 1, 0], size: [1, 4, 2, 4], step: [1, 1, 2, 1] })('slice'),
  op({ kind: 'pad', before: [0, 1, 0, 0], after: [0, 0, 2, 0], value: 0 })('pad'),
  op({ kind: 'pad', before: [0, 1, 0, 0], after: [0, 0, 2, 0], value: 9 })('pad beyond what was seen'),
  op({ kind: 'mirrorPad', before: [0, 1, 1, 0], after: [0, 1, 0, 0], mode: 'reflect' })('mirrorPad'),
  op({
    kind: 'resize',
    mode: 'nearest',
    size: [9, 9],
    alignCorners: false,
    halfPixelCenters: true,
  })('resize nearest'),
  op({
    kind: 'resize',
    mode: 'bilinear',
    size: [9, 9],
    alignCorners: false,
    halfPixelCenters: true,
  })('resize bilinear'),
  {
    label: 'gather',
    build: (b, x) =>
      b.add({ kind: 'gather', axis: 3, batchDims: 0 }, [x, b.constant('i', 'i32', [2], Int32Array.of(3, 1))]),
  },
  { label: 'concat', build: (b, x, z) => b.add({ kind: 'concat', axis: 3 }, [x, z]) },
  {
    label: 'concat with a fixed scale',
    build: (b, x, z) =>
      b.add({ kind: 'concat', axis: 3 }, [b.add({ kind: 'unary', fn: 'logistic', alpha: 0 }, [x]), z]),
    steps: 2,
  },
  {
    label: 'concat of two fixed scales that differ',
    build: (b, x, z) =>
      b.add({ kind: 'concat', axis: 3 }, [
        b.add({ kind: 'unary', fn: 'logistic', alpha: 0 }, [x]),
        b.add({ kind: 'unary', fn: 'tanh', alpha: 0 }, [z]),
      ]),
    steps: 3,
  },
];

function network({ build, shape = [1, 6, 5, 4] }: Pick<Case, 'build' | 'shape'>): Graph {
  const b = new GraphBuilder('one operator');
  const x = b.input('x', 'f32', shape);
  const z = b.input('z', 'f32', shape);
  const built = build(b, x, z);
  return b.finish(Array.isArray(built) ? built : [built as ValueId]);
}

describe('an operator with an int8 form', () => {
  it.each(cases)('$label', ({ build, shape, steps = 1 }) => {
    const { graph } = prepare(network({ build, ...(shape && { shape }) }));
    const samples = Array.from({ length: 4 }, () =>
      graph.inputs.map((id) => numbers(graph.values[id].shape, 1.5)),
    );
    const calibration = calibrate(graph, samples, { method: 'minmax' });
    const quantized = quantize(graph, calibration, { io: 'int8' });
    verify(quantized.graph);
    expect(quantized.report.warnings).toEqual([]);
    const [output] = quantized.graph.outputs.map((id) => quantized.graph.values[id]);
    expect(output.dtype).toBe('i8');
    const { scale, zeroPoint } = output.quantization!;
    for (const sample of samples) {
      const [expected] = outputsOf(graph, sample);
      const [got] = runEverywhere(quantized.graph, sample);
      const worst = Array.from(
        expected,
        (y, i) => Math.abs(y - scale[0] * (got[i] - zeroPoint[0])) / scale[0],
      );
      expect(Math.max(...worst)).toBeLessThanOrEqual(steps);
    }
  });

  it('argMax reads int8', () => {
    const graph = network({
      build: (b, x) => b.add({ kind: 'argMax', axis: 3, least: false, last: false }, [x], { dtype: 'i32' }),
    });
    const sample = graph.inputs.map((id) => numbers(graph.values[id].shape));
    const { graph: int8 } = quantize(graph, calibrate(graph, [sample]));
    expect(int8.values[int8.inputs[0]].dtype).toBe('i8');
    expect(int8.nodes.map(({ op: { kind } }) => kind)).toEqual(['argMax']);
    const same = outputsOf(graph, sample)[0];
    const got = runEverywhere(int8, sample)[0];
    expect(Array.from(got).filter((v, i) => v !== same[i]).length).toBeLessThanOrEqual(1);
  });
});

const floats: readonly (Case & { readonly reason: string })[] = [
  { ...unary('exp'), reason: '256 numbers are too few for exp' },
  { ...unary('rsqrt'), reason: '256 numbers are too few for rsqrt' },
  {
    label: 'div',
    build: (b, x, z) => b.add({ kind: 'binary', fn: 'div', clamp: noClamp }, [x, z]),
    reason: 'div has no int8 form here',
  },
  {
    ...op({ kind: 'softmax', beta: 1, log: true })('logarithm of softmax'),
    reason: 'a logarithm of softmax has no int8 form here',
  },
  {
    ...op({ kind: 'lrn', size: 3, alpha: 1, beta: 1, bias: 1 })('lrn'),
    reason: 'lrn has no int8 form here',
  },
  {
    label: 'dense with computed weights',
    shape: [4, 4],
    build: (b, x, z) => b.add({ kind: 'dense', clamp: noClamp }, [x, z]),
    reason: 'its weights are not constant',
  },
];

describe('an operator without one', () => {
  it.each(floats)(
    '$label stays in float between int8 layers, and the report says so',
    ({ build, shape, reason }) => {
      const inner = (b: GraphBuilder, x: ValueId, z: ValueId): ValueId => {
        const positive = b.add({ kind: 'unary', fn: 'abs', alpha: 0 }, [x], { name: 'before' });
        const made = build(b, positive, z) as ValueId;
        return b.add({ kind: 'clamp', clamp: { min: 0, max: 2 } }, [made], { name: 'after' });
      };
      const graph = network({ build: inner, ...(shape && { shape }) });
      const sample = graph.inputs.map((id) => numbers(graph.values[id].shape).map((v) => v + Math.sign(v)));
      const { graph: mixed, report } = quantize(graph, calibrate(graph, [sample]));
      verify(mixed);
      const kind = graph.nodes[1].op.kind;
      expect(report.warnings).toEqual([`${kind} "${kind}" stays in float: ${reason}`]);
      expect(mixed.nodes.filter(({ op: o }) => o.kind === 'convert').length).toBeGreaterThanOrEqual(2);
      expect(report.layers.map(({ precision }) => precision)).toEqual(['int8', 'float', 'int8']);
      const [expected] = outputsOf(graph, sample);
      const [got] = runEverywhere(mixed, sample);
      const q = mixed.values[mixed.outputs[0]].quantization!;
      const errors = Array.from(expected, (y, i) => Math.abs(y - q.scale[0] * (got[i] - q.zeroPoint[0])));
      expect(Math.max(...errors)).toBeLessThan(0.15);
    },
  );
});
