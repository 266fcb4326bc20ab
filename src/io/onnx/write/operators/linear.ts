/**
 * Convolutions and matrix products. Pictures are (n, c, …) here; weights, constant or not, are asked for in the
 * layout that ONNX wants: (outC, inC/groups, …kernel).
 *
 * Integers, between their pairs: x, w and the bias (int32, scale sₓ·s_w) are dequantised, the result is quantised.
 * In the form of QLinear operators, QLinearConv takes all of them as they are; a dense layer is one too, with a
 * kernel of one cell, unless it has no bias: then it is a QLinearMatMul.
 */
import { type Clamp, noClamp, type Pad } from '../../../../kernels/call.ts';
import { elementCount, type Quantization } from '../../../../tensor.ts';
import type { Tensor } from '../emission.ts';
import { channelsFirst, inLayout, type Perm, straight } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { Attribute } from '../proto.ts';
import { isQuantized } from '../values.ts';
import type { Writers } from './index.ts';

type Attributes = Readonly<Record<string, Attribute>>;

/** One element for each spatial axis. */
interface Windows {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The bias as (outC), in int32 or in the numbers that it stands for. */
function bias(n: NodeWriter, what: 'stored' | 'real'): Tensor | null {
  if (!n.has(2)) return null;
  const value = n.value(2);
  const flat = [elementCount(value.shape)];
  const stored = value.data ? n.values.constant(n.id(2), flat, [0], 'stored') : n.reshape(n.stored(2), flat);
  if (what === 'stored' || !n.isQuantized(0)) return stored;
  const q = biasQuantization(n);
  const { data } = value;
  if (n.form !== 'float' || !(data instanceof Int32Array))
    return n.values.dequantize(stored, q, [0], `${value.name}/real`);
  const real = Float32Array.from(data, (b, c) => b * q.scale[q.scale.length === 1 ? 0 : c]!);
  return n.emission.constant(value.name, 'f32', flat, real);
}

/** sₓ·s_w, in f32 */
function biasQuantization(n: NodeWriter): Quantization {
  const [x, w] = [n.value(0).quantization, n.value(1).quantization];
  const scale = w!.scale.map((s) => Math.fround(Math.fround(x!.scale[0]!) * Math.fround(s)));
  return { scale, zeroPoint: scale.map(() => 0), axis: 0 };
}

function convolution(n: NodeWriter, windows: Windows, groups: number, weights: Perm, clamp: Clamp): void {
  const perm = channelsFirst(n.output.shape.length);
  const shape = n.shapeIn(perm);
  const { stride, dilation, before, after } = windows;
  const kernel = inLayout(n.value(1).shape, weights).slice(2);
  const attributes: Attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: [...before, ...after] },
    dilations: { ints: dilation },
    group: { i: groups },
  };
  if (isLinearInteger(n)) {
    const inputs = [...linearOperands(n, n.stored(0, perm), n.stored(1, weights)), bias(n, 'stored')];
    n.quantized(n.emit('QLinearConv', inputs, { dtype: n.output.dtype, shape, attributes }), perm, clamp);
    return;
  }
  const inputs = [n.number(0, perm), n.number(1, weights), bias(n, 'real')];
  n.done(n.emit('Conv', inputs, { shape, attributes }), perm, clamp);
}

/** Whether a QLinear operator computes this node: all integers, of types and zero points that runtimes mix. */
function isLinearInteger(n: NodeWriter): boolean {
  const zeroPoints = n.value(1).quantization?.zeroPoint ?? [];
  return (
    n.form === 'qlinear' &&
    n.isQuantized(0) &&
    isQuantized(n.output) &&
    n.output.dtype === n.value(0).dtype &&
    (n.value(1).dtype === 'i8' || n.value(0).dtype === 'u8') &&
    zeroPoints.every((z) => z === zeroPoints[0]) &&
    (!n.has(2) || n.value(2).dtype === 'i32')
  );
}

/** x, w and the output's parameters, as QLinearConv and QLinearMatMul want them. */
function linearOperands(n: NodeWriter, x: Tensor, w: Tensor): Tensor[] {
  const parameters = (like: Tensor, q: Quantization | null) =>
    n.values.parameters(like, q ?? n.fail('integers without a scale'));
  const { output } = n;
  return [
    x,
    ...parameters(x, n.value(0).quantization),
    w,
    ...parameters(w, n.value(1).quantization),
    ...parameters(output, output.quantization),
  ];
}

/** Pads that leave the output its extents: those in front are given; where the end is too long, cells are added. */
function transposedConvolution(
  n: NodeWriter,
  windows: Omit<Windows, 'after'>,
  groups: number,
  weights: Perm,
  clamp: Clamp,
): void {
  const perm = channelsFirst(n.output.shape.length);
  const { stride, dilation, before } = windows;
  const kernel = inLayout(n.value(1).shape, weights).slice(2);
  const out = n.output.shape.slice(1, -1);
  const inner = n.value(0).shape.slice(1, -1);
  const rest = kernel.map(
    (k, i) => (inner[i]! - 1) * stride[i]! + (k - 1) * dilation[i]! + 1 - before[i]! - out[i]!,
  );
  const attributes: Attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: [...before, ...rest.map((r) => Math.max(0, r))] },
    dilations: { ints: dilation },
    output_padding: { ints: rest.map((r) => Math.max(0, -r)) },
    group: { i: groups },
  };
  const inputs = [n.number(0, perm), n.number(1, weights), bias(n, 'real')];
  n.done(n.emit('ConvTranspose', inputs, { shape: n.shapeIn(perm), attributes }), perm, clamp);
}

/** x (…, K) as (M, K), Y = X·Wᵀ + b */
function dense(n: NodeWriter, clamp: Clamp): void {
  const [N, K] = n.value(1).shape as [number, number];
  const M = elementCount(n.output.shape) / N;
  // Integers are reshaped as integers, so that the pairs stand right at the operator.
  const { quantization: q } = n.value(0);
  const isBetweenPairs = n.isQuantized(0) && n.values.primary(n.id(0)) === 'stored' && n.rank(0) !== 2;
  const x =
    isBetweenPairs && q
      ? n.values.dequantize(n.reshape(n.stored(0), [M, K]), q, [0, 1], `${n.label}/x`)
      : n.reshape(n.number(0), [M, K]);
  const inputs = [x, n.number(1), bias(n, 'real')];
  const y = n.emit('Gemm', inputs, { shape: [M, N], attributes: { transB: { i: 1 } } });
  const perm = straight(n.output.shape.length);
  const back = (rows: Tensor) => n.reshape(rows, n.output.shape);
  if (isQuantized(n.output) && n.form !== 'float')
    n.quantized(back(n.values.quantize(y, n.output, [0, 1], n.label)), perm, clamp);
  else n.done(back(y), perm, clamp);
}

/** The same in integers. */
function integerDense(n: NodeWriter, clamp: Clamp): void {
  const [N, K] = n.value(1).shape as [number, number];
  const M = elementCount(n.output.shape) / N;
  const { dtype } = n.output;
  const finish = (y: Tensor) =>
    n.quantized(n.reshape(y, n.output.shape), straight(n.output.shape.length), clamp);
  if (!n.has(2)) {
    const operands = linearOperands(n, n.reshape(n.stored(0), [M, K]), n.stored(1, [1, 0]));
    finish(n.emit('QLinearMatMul', operands, { dtype, shape: [M, N] }));
    return;
  }
  const cell = [N, K, 1, 1];
  const w = n.value(1).data
    ? n.values.constant(n.id(1), cell, straight(4), 'stored')
    : n.reshape(n.stored(1), cell);
  const operands = linearOperands(n, n.reshape(n.stored(0), [M, K, 1, 1]), w);
  const options = { dtype, shape: [M, N, 1, 1], attributes: { kernel_shape: { ints: [1, 1] } } };
  finish(n.emit('QLinearConv', [...operands, bias(n, 'stored')], options));
}

const pads = ({ top, left, bottom, right }: Pad) => ({ before: [top, left], after: [bottom, right] });

export const linear: Writers<
  'conv2d' | 'depthwiseConv2d' | 'transposedConv2d' | 'convNd' | 'transposedConvNd' | 'dense' | 'matmul'
> = {
  conv2d(n, { stride, dilation, pad, groups, clamp }) {
    convolution(n, { stride, dilation, ...pads(pad) }, groups, channelsFirst(4), clamp);
  },

  /** A group for each input channel: w (1, kH, kW, outC) is (outC, 1, kH, kW). */
  depthwiseConv2d(n, { stride, dilation, pad, clamp }) {
    const inC = n.value(0).shape[3]!;
    convolution(n, { stride, dilation, ...pads(pad) }, inC, [1, 2, 3, 0], clamp);
  },

  convNd(n, op) {
    convolution(n, op, op.groups, channelsFirst(n.rank(1)), noClamp);
  },

  /** w (outC, kH, kW, inC) is (inC, outC, kH, kW). */
  transposedConv2d(n, { stride, pad, clamp }) {
    const { before } = pads(pad);
    transposedConvolution(n, { stride, dilation: [1, 1], before }, 1, [1, 2, 3, 0], clamp);
  },

  transposedConvNd(n, op) {
    transposedConvolution(n, op, op.groups, channelsFirst(n.rank(1)), noClamp);
  },

  dense: (n, { clamp }) => (isLinearInteger(n) ? integerDense(n, clamp) : dense(n, clamp)),

  matmul(n) {
    const [a, b] = [n.wide(n.number(0)), n.wide(n.number(1))];
    n.done(n.emit('MatMul', [a, b], { shape: n.output.shape }), straight(n.output.shape.length));
  },
};
