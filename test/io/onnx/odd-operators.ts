/** Operators that random networks and the backend suite do not have, or not of these types. */
import { GraphBuilder } from '../../../src/graph/build.ts';
import type { Graph, ValueId } from '../../../src/graph/ir.ts';
import type { Op } from '../../../src/graph/ops.ts';
import { noClamp, noPad, type UnaryFn } from '../../../src/kernels/call.ts';
import {
  bytesPerElement,
  type DType,
  elementCount,
  isBig,
  type Quantization,
  type Shape,
  type TensorData,
  viewOf,
} from '../../../src/tensor.ts';
import { random } from '../../kernels/run-call.ts';

const q = (scale: number, zeroPoint: number): Quantization => ({
  scale: [scale],
  zeroPoint: [zeroPoint],
  axis: 0,
});

interface Operand {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quantization?: Quantization;
  /** Numbers of a constant. */
  readonly data?: readonly number[];
  /** Whole numbers below this. */
  readonly below?: number;
}

export interface OneOperator {
  readonly label: string;
  readonly op: Op;
  readonly in: readonly Operand[];
  readonly out?: { readonly dtype?: DType; readonly quantization?: Quantization; readonly shape?: Shape };
}

function dataOf(dtype: DType, values: readonly number[]): TensorData {
  const data = viewOf(dtype, new ArrayBuffer(values.length * bytesPerElement[dtype]), 0, values.length);
  if (isBig(data)) data.set(values.map((v) => BigInt(v)));
  else data.set(values);
  return data;
}

function valuesOf({ dtype, shape, below }: Operand, seed: number): number[] {
  const next = random(seed);
  return Array.from({ length: elementCount(shape) }, () => {
    if (below !== undefined) return Math.floor(next() * below);
    if (dtype === 'f32' || dtype === 'f64') return next() * 4 - 2;
    if (dtype === 'bool') return Math.floor(next() * 2);
    return Math.floor(next() * 200) - (dtype.startsWith('u') ? 0 : 100);
  });
}

/** A network of it alone, and numbers for its inputs. */
export function build({ op, in: operands, out = {} }: OneOperator): { graph: Graph; inputs: TensorData[] } {
  const b = new GraphBuilder('one');
  const inputs: TensorData[] = [];
  const ids = operands.map((operand, i): ValueId => {
    const { dtype, shape, quantization = null, data } = operand;
    if (data) return b.constant(`c${i}`, dtype, shape, dataOf(dtype, data), quantization);
    inputs.push(dataOf(dtype, valuesOf(operand, i + 1)));
    return b.input(`x${i}`, dtype, shape, quantization);
  });
  return { graph: b.finish([b.add(op, ids, { ...out, name: 'y' })]), inputs };
}

const f32 = (...shape: number[]): Operand => ({ dtype: 'f32', shape });
const f64 = (...shape: number[]): Operand => ({ dtype: 'f64', shape });
const i8 = (scale: number, zeroPoint: number, ...shape: number[]): Operand => ({
  dtype: 'i8',
  shape,
  quantization: q(scale, zeroPoint),
});
const u8 = (scale: number, zeroPoint: number, ...shape: number[]): Operand => ({
  dtype: 'u8',
  shape,
  quantization: q(scale, zeroPoint),
});
const plain = (dtype: DType, ...shape: number[]): Operand => ({ dtype, shape });
const indices = (below: number, ...shape: number[]): Operand => ({ dtype: 'i32', shape, below });
const binary = (fn: Extract<Op, { kind: 'binary' }>['fn'], clamp = noClamp): Op => ({
  kind: 'binary',
  fn,
  clamp,
});
const unary = (fn: UnaryFn, alpha = 0): Op => ({ kind: 'unary', fn, alpha });
const pad = (top: number, left: number, bottom: number, right: number) => ({ top, left, bottom, right });
const resize = (mode: 'nearest' | 'bilinear', alignCorners: boolean, halfPixelCenters: boolean): Op => ({
  kind: 'resize',
  mode,
  size: [7, 5],
  alignCorners,
  halfPixelCenters,
});

const channels = (axis: number): Quantization => ({ scale: [0.1, 0.02, 0.5], zeroPoint: [0, 10, -20], axis });

const windows = { stride: [2, 1, 1], dilation: [1, 2, 1], before: [1, 0, 2], after: [0, 1, 1] };
const flat = { stride: [2, 2], dilation: [1, 1], before: [0, 0], after: [0, 0] };

export const oddOnes: readonly OneOperator[] = [
  {
    label: 'conv2d of f32 with weights that are fed',
    op: {
      kind: 'conv2d',
      stride: [1, 2],
      dilation: [1, 1],
      pad: noPad,
      groups: 2,
      clamp: { min: -1, max: 1 },
    },
    in: [f32(1, 5, 5, 4), f32(6, 2, 3, 2), f32(6)],
  },
  {
    label: 'depthwise with weights that are fed, two outputs a channel',
    op: { kind: 'depthwiseConv2d', stride: [1, 1], dilation: [2, 1], pad: pad(1, 0, 1, 2), clamp: noClamp },
    in: [f32(2, 5, 5, 3), f32(1, 3, 2, 6)],
  },
  {
    label: 'transposed, cells cut off at the end',
    op: { kind: 'transposedConv2d', stride: [2, 3], pad: pad(1, 0, 0, 1), clamp: { min: 0, max: 6 } },
    in: [f32(1, 4, 3, 2), f32(5, 3, 3, 2), f32(5)],
    out: { shape: [1, 7, 8, 5] },
  },
  {
    label: 'transposed, cells left over',
    op: { kind: 'transposedConv2d', stride: [2, 2], pad: noPad, clamp: noClamp },
    in: [f32(1, 4, 3, 2), f32(5, 2, 2, 2)],
    out: { shape: [1, 9, 6, 5] },
  },
  {
    label: 'transposed, int8',
    op: { kind: 'transposedConv2d', stride: [2, 2], pad: pad(1, 1, 0, 0), clamp: noClamp },
    in: [
      i8(0.1, 3, 1, 4, 4, 2),
      {
        dtype: 'i8',
        shape: [2, 3, 3, 2],
        quantization: { scale: [0.01, 0.02], zeroPoint: [0, 0], axis: 0 },
        data: Array.from({ length: 36 }, (_, i) => ((i * 37) % 255) - 127),
      },
    ],
    out: { quantization: q(0.1, -5) },
  },
  {
    label: 'three spatial axes',
    op: { kind: 'convNd', groups: 2, ...windows },
    in: [f32(1, 5, 6, 4, 4), f32(4, 2, 2, 3, 2)],
  },
  {
    label: 'of f64',
    op: { kind: 'convNd', groups: 1, ...flat },
    in: [f64(1, 5, 5, 2), f64(3, 2, 2, 2), f64(3)],
  },
  {
    label: 'transposed over one axis, grouped and dilated',
    op: { kind: 'transposedConvNd', stride: [2], dilation: [2], before: [1], groups: 2 },
    in: [f32(1, 6, 4), f32(4, 3, 2), f32(4)],
  },
  {
    label: 'dense over three axes',
    op: { kind: 'dense', clamp: { min: -1, max: 2 } },
    in: [f32(2, 3, 5), f32(4, 5), f32(4)],
  },
  {
    label: 'dense of a row alone, int8',
    op: { kind: 'dense', clamp: noClamp },
    in: [i8(0.1, 0, 6), { ...i8(0.02, 0, 2, 6), data: [5, -6, 7, 100, -128, 127, 1, 2, 3, 4, 5, 6] }],
    out: { quantization: q(0.3, 1) },
  },
  {
    label: 'dense, uint8 weights of uint8',
    op: { kind: 'dense', clamp: noClamp },
    in: [
      u8(0.1, 100, 3, 4),
      { ...u8(0.02, 120, 2, 4), data: [0, 255, 7, 100, 128, 127, 1, 2] },
      { ...plain('i32', 2), data: [70, -90] },
    ],
    out: { quantization: q(0.1, 128) },
  },
  {
    label: 'matrices in batches that broadcast',
    op: { kind: 'matmul' },
    in: [f32(2, 1, 3, 4), f32(5, 4, 2)],
  },
  {
    label: 'matrices of whole numbers',
    op: { kind: 'matmul' },
    in: [plain('i32', 3, 4), plain('i32', 4, 2)],
  },
  {
    label: 'maximum, dilated, last windows beyond the padding',
    op: {
      kind: 'poolNd',
      fn: 'max',
      kernel: [2, 3],
      stride: [2, 2],
      dilation: [2, 1],
      before: [0, 1],
      after: [0, 0],
      countPad: false,
      p: 1,
    },
    in: [f32(1, 6, 6, 2)],
    out: { shape: [1, 3, 4, 2] },
  },
  {
    label: 'mean that counts the padding',
    op: {
      kind: 'poolNd',
      fn: 'average',
      kernel: [3, 3],
      ...flat,
      before: [1, 1],
      after: [1, 1],
      countPad: true,
      p: 1,
    },
    in: [f32(1, 5, 5, 2)],
  },
  {
    label: 'mean that counts the padding, windows beyond it',
    op: {
      kind: 'poolNd',
      fn: 'average',
      kernel: [3, 3],
      ...flat,
      before: [1, 1],
      after: [0, 0],
      countPad: true,
      p: 1,
    },
    in: [f32(1, 5, 5, 2)],
    out: { shape: [1, 3, 3, 2] },
  },
  {
    label: 'norm of windows',
    op: { kind: 'poolNd', fn: 'lp', kernel: [2, 2], ...flat, countPad: false, p: 3 },
    in: [f32(1, 6, 4, 2)],
  },
  {
    label: 'where maxima lie',
    op: { kind: 'maxPoolIndices', kernel: [2, 2], ...flat, countPad: false, p: 1, columnMajor: false },
    in: [f32(1, 6, 4, 2)],
    out: { dtype: 'i64' },
  },
  {
    label: 'where maxima lie, columns first',
    op: {
      kind: 'maxPoolIndices',
      kernel: [2, 3],
      ...flat,
      before: [0, 1],
      countPad: false,
      p: 1,
      columnMajor: true,
    },
    in: [f32(2, 6, 5, 2)],
    out: { dtype: 'i64' },
  },
  ...(['nearest', 'bilinear'] as const).flatMap((mode) =>
    (
      [
        [false, false],
        [true, false],
        [false, true],
      ] as const
    ).map(
      ([align, half]): OneOperator => ({
        label: `${mode}, ${align ? 'corners aligned' : half ? 'half-pixel centres' : 'plain'}`,
        op: resize(mode, align, half),
        in: [f32(1, 3, 4, 2)],
      }),
    ),
  ),
  {
    label: 'nearest, int8',
    op: resize('nearest', false, true),
    in: [i8(0.1, 5, 1, 3, 4, 2)],
    out: { quantization: q(0.1, 5) },
  },
  {
    label: 'bilinear, int8',
    op: resize('bilinear', false, true),
    in: [i8(0.1, 5, 1, 3, 4, 2)],
    out: { quantization: q(0.1, 5) },
  },
  ...(
    ['add', 'sub', 'mul', 'div', 'min', 'max', 'mod', 'fmod', 'equal', 'less', 'greaterOrEqual'] as const
  ).flatMap((fn): OneOperator[] => {
    const dtype = ['equal', 'less', 'greaterOrEqual'].includes(fn) ? { out: { dtype: 'bool' as const } } : {};
    return [
      { label: `${fn} of f32, broadcast`, op: binary(fn), in: [f32(2, 3, 4), f32(3, 1)], ...dtype },
      {
        label: `${fn} of i32`,
        op: binary(fn),
        in: [plain('i32', 6), { ...plain('i32', 6), data: [1, -2, 3, 7, -9, 5] }],
        ...dtype,
      },
    ];
  }),
  {
    label: 'sum of plain i8 wraps, then is bounded',
    op: binary('add', { min: -99.5, max: 90.5 }),
    in: [plain('i8', 40), plain('i8', 40)],
  },
  {
    label: 'powers with an exponent of another type',
    op: binary('pow'),
    in: [f32(6), { ...plain('i32', 6), data: [0, 1, 2, 3, -1, -2] }],
  },
  { label: 'truths', op: binary('xor'), in: [plain('bool', 6), plain('bool', 6)], out: { dtype: 'bool' } },
  { label: 'not', op: unary('not'), in: [plain('bool', 6)], out: { dtype: 'bool' } },
  {
    label: 'quotient of int8',
    op: binary('div'),
    in: [i8(0.1, 3, 40), { ...i8(0.05, 0, 40), data: Array.from({ length: 40 }, (_, i) => i * 3 + 5) }],
    out: { quantization: q(0.2, -4) },
  },
  {
    label: 'int8 numbers compared',
    op: binary('less'),
    in: [i8(0.1, 3, 40), i8(0.1, 3, 40)],
    out: { dtype: 'bool' },
  },
  ...(
    [
      'abs',
      'neg',
      'sign',
      'floor',
      'ceil',
      'round',
      'square',
      'exp',
      'sin',
      'cos',
      'erf',
      'logistic',
      'tanh',
      'hardSwish',
      'softplus',
      'softsign',
    ] as const
  ).map((fn): OneOperator => ({ label: `${fn} of f32`, op: unary(fn), in: [f32(2, 50)] })),
  ...(['elu', 'leakyRelu'] as const).map(
    (fn): OneOperator => ({ label: `${fn} of f32`, op: unary(fn, 0.375), in: [f32(2, 50)] }),
  ),
  ...(['sqrt', 'rsqrt', 'reciprocal', 'log'] as const).map(
    (fn): OneOperator => ({
      label: `${fn} of f32`,
      op: unary(fn),
      in: [{ ...f32(40), below: 40 }],
    }),
  ),
  ...(['sqrt', 'rsqrt', 'log', 'exp', 'elu', 'square'] as const).flatMap((fn): OneOperator[] => [
    {
      label: `${fn} of int8`,
      op: unary(fn, 1),
      in: [i8(0.02, -20, 200)],
      out: { quantization: q(0.05, -30) },
    },
    {
      label: `${fn} of uint8`,
      op: unary(fn, 1),
      in: [u8(0.02, 90, 200)],
      out: { quantization: q(0.05, 120) },
    },
  ]),
  { label: 'neg of i64', op: unary('neg'), in: [plain('i64', 6)] },
  {
    label: 'a choice of f32',
    op: { kind: 'where' },
    in: [plain('bool', 3, 1), f32(4), f32(2, 3, 4)],
    out: { dtype: 'f32' },
  },
  {
    label: 'a choice of int8',
    op: { kind: 'where' },
    in: [plain('bool', 3, 1), i8(0.1, 3, 3, 4), i8(0.1, 3, 4)],
    out: { dtype: 'i8', quantization: q(0.1, 3) },
  },
  { label: 'a slope for each channel', op: { kind: 'prelu' }, in: [f32(1, 3, 4, 2), f32(2)] },
  {
    label: 'a slope for each channel, int8',
    op: { kind: 'prelu' },
    in: [i8(0.1, 4, 1, 3, 4, 2), i8(0.01, 0, 2)],
    out: { quantization: q(0.1, 9) },
  },
  {
    label: 'a bound that other scales do not reach',
    op: { kind: 'clamp', clamp: { min: 0, max: 6 } },
    in: [i8(0.1, 4, 60)],
    out: { quantization: q(0.05, -100) },
  },
  {
    label: 'quantised channel by channel',
    op: { kind: 'convert', rounding: 'even' },
    in: [f32(2, 3, 4)],
    out: { dtype: 'i8', quantization: channels(1) },
  },
  {
    label: 'dequantised channel by channel',
    op: { kind: 'convert', rounding: 'even' },
    in: [{ dtype: 'i8', shape: [2, 4, 3], quantization: channels(2) }],
    out: { dtype: 'f32' },
  },
  {
    label: 'dequantised sums',
    op: { kind: 'convert', rounding: 'even' },
    in: [{ dtype: 'i32', shape: [5], quantization: q(0.001, 0) }],
    out: { dtype: 'f32' },
  },
  {
    label: 'plain bytes between bounds of no byte',
    op: { kind: 'clamp', clamp: { min: -300.5, max: 20.5 } },
    in: [plain('i8', 30)],
  },
  { label: 'numbers cut to whole ones', op: { kind: 'cast' }, in: [f32(20)], out: { dtype: 'i32' } },
  { label: 'the integers themselves', op: { kind: 'cast' }, in: [i8(0.1, 4, 30)], out: { dtype: 'f32' } },
  { label: 'int8 as its integers', op: { kind: 'cast' }, in: [i8(0.1, 4, 30)], out: { dtype: 'i8' } },
  {
    label: 'logarithm of a softmax, sharpened',
    op: { kind: 'softmax', beta: 2.5, log: true },
    in: [f32(3, 5)],
  },
  {
    label: 'rows of length one',
    op: { kind: 'l2Normalize' },
    in: [{ ...f32(3, 4), data: [0, 0, 0, 0, 1, 2, 3, 4, 1e-9, 0, 0, 0] }],
  },
  {
    label: 'rows of length one, int8',
    op: { kind: 'l2Normalize' },
    in: [i8(0.1, 4, 5, 6)],
    out: { quantization: q(1 / 128, 0) },
  },
  {
    label: 'local response',
    op: { kind: 'lrn', size: 3, alpha: 0.1, beta: 0.75, bias: 2 },
    in: [f32(1, 3, 3, 7)],
  },
  {
    label: 'local response of a row',
    op: { kind: 'lrn', size: 4, alpha: 0.1, beta: 0.5, bias: 1 },
    in: [f32(7)],
  },
  ...(['mean', 'sum', 'max', 'min', 'prod'] as const).flatMap((fn): OneOperator[] => [
    { label: `${fn} over two axes`, op: { kind: 'reduce', fn, axes: [0, 2] }, in: [f32(2, 3, 4)] },
    { label: `${fn} over rows and columns`, op: { kind: 'reduce', fn, axes: [1, 2] }, in: [f32(2, 3, 4, 5)] },
    { label: `${fn} over nothing`, op: { kind: 'reduce', fn, axes: [] }, in: [f32(2, 3)] },
  ]),
  {
    label: 'sum of int8',
    op: { kind: 'reduce', fn: 'sum', axes: [1] },
    in: [i8(0.1, 3, 2, 5)],
    out: { quantization: q(0.4, 1) },
  },
  {
    label: 'maximum of int8',
    op: { kind: 'reduce', fn: 'max', axes: [1] },
    in: [i8(0.1, 3, 2, 5)],
    out: { quantization: q(0.1, 3) },
  },
  { label: 'all of truths', op: { kind: 'reduce', fn: 'min', axes: [1] }, in: [plain('bool', 6, 2)] },
  {
    label: 'the last of the least',
    op: { kind: 'argMax', axis: 1, least: true, last: true },
    in: [{ ...f32(2, 9), below: 3 }],
    out: { dtype: 'i64' },
  },
  {
    label: 'the largest, along the middle',
    op: { kind: 'argMax', axis: 1, least: false, last: false },
    in: [i8(0.1, 0, 2, 5, 3)],
    out: { dtype: 'i32' },
  },
  {
    label: 'the three largest',
    op: { kind: 'topK', axis: 1, k: 3, largest: true, indices: false },
    in: [f32(2, 6, 2)],
  },
  {
    label: 'where the two least are',
    op: { kind: 'topK', axis: 0, k: 2, largest: false, indices: true },
    in: [f32(6, 2)],
    out: { dtype: 'i64' },
  },
  {
    label: 'rows picked',
    op: { kind: 'gather', axis: 1, batchDims: 0 },
    in: [i8(0.1, 2, 2, 5, 3), indices(5, 2, 4)],
    out: { quantization: q(0.1, 2) },
  },
  {
    label: 'rows picked in batches',
    op: { kind: 'gather', axis: 1, batchDims: 1 },
    in: [f32(2, 5, 3), indices(5, 2, 4)],
  },
  {
    label: 'columns picked in batches',
    op: { kind: 'gather', axis: 3, batchDims: 1 },
    in: [f32(2, 3, 4, 5, 2), indices(5, 2, 3, 2)],
  },
  { label: 'elements picked', op: { kind: 'gatherElements', axis: 1 }, in: [f32(2, 5), indices(5, 2, 3)] },
  {
    label: 'slices picked by pairs',
    op: { kind: 'gatherNd', batchDims: 0 },
    in: [f32(3, 3, 2), indices(3, 4, 2)],
  },
  {
    label: 'slices picked in batches',
    op: { kind: 'gatherNd', batchDims: 1 },
    in: [f32(2, 3, 4), indices(3, 2, 5, 2)],
  },
  {
    label: 'reflected',
    op: { kind: 'mirrorPad', before: [0, 2, 1, 0], after: [0, 1, 0, 0], mode: 'reflect' },
    in: [f32(1, 4, 3, 2)],
  },
  {
    label: 'mirrored with the edge',
    op: { kind: 'mirrorPad', before: [0, 4, 1, 0], after: [0, 1, 3, 0], mode: 'symmetric' },
    in: [f32(1, 4, 3, 2)],
  },
  {
    label: 'padded with a number',
    op: { kind: 'pad', before: [1, 0], after: [0, 2], value: -2.25 },
    in: [i8(0.1, 4, 3, 2)],
    out: { quantization: q(0.1, 4) },
  },
  {
    label: 'walked backwards',
    op: { kind: 'slice', begin: [3, 4], size: [4, 2], step: [-1, -3] },
    in: [f32(4, 5)],
  },
  {
    label: 'nothing left',
    op: { kind: 'slice', begin: [0, 0], size: [0, 5], step: [1, 1] },
    in: [f32(4, 5)],
  },
  { label: 'no element at all', op: { kind: 'reshape', shape: [0, 7] }, in: [f32(3, 0)] },
  {
    label: 'rounded to int8 levels, a scale a picture',
    op: { kind: 'fakeQuantize', batchDims: 1, symmetric: false },
    in: [f32(3, 4, 5, 2)],
  },
  {
    label: 'rounded to int8 levels, symmetric',
    op: { kind: 'fakeQuantize', batchDims: 2, symmetric: true },
    in: [f32(3, 4, 50)],
  },
  {
    label: 'rounded to int8 levels, all of it 0',
    op: { kind: 'fakeQuantize', batchDims: 0, symmetric: false },
    in: [{ ...f32(6), below: 1 }],
  },
  { label: 'spectrum of rows', op: { kind: 'rfft2d', length: [1, 16] }, in: [f32(3, 1, 12)] },
  { label: 'spectrum of rows, cut', op: { kind: 'rfft2d', length: [1, 8] }, in: [f32(2, 3, 12)] },
  { label: 'spectrum of pictures', op: { kind: 'rfft2d', length: [6, 8] }, in: [f32(2, 5, 7)] },
  { label: 'sizes of complex numbers', op: { kind: 'complexAbs' }, in: [f32(2, 3, 2)] },
];
