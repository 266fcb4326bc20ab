/**
 * Operators with weights or a window: convolutions, the fully connected layer, pooling.
 *
 * Hybrid ones (float activations, integer weights) read their input rounded to int8 with a scale for each
 * slice, found anew in every inference:
 *
 *   CONV_2D             a slice is a picture; symmetric, but asymmetric where the scales of the output
 *                       channels differ or the convolution is grouped
 *   DEPTHWISE_CONV_2D   a slice is a picture; asymmetric; int8 weights only
 *   FULLY_CONNECTED     a slice is a row of K; symmetric, or asymmetric where its options say so
 *   TRANSPOSE_CONV      has no hybrid kernel
 *
 * Source: tensorflow/lite/kernels, conv.cc, depthwise_conv.cc, fully_connected.cc, transpose_conv.cc.
 */
import { samePad } from '../../../graph/shapes.ts';
import { type Clamp, noClamp, noPad, type Pad, type Pair, type Window } from '../../../kernels/call.ts';
import { elementCount, type Shape, showShape } from '../../../tensor.ts';
import type { Table } from '../flatbuffer.ts';
import type { Operand, Operator } from '../operator.ts';
import {
  conv2d,
  conv3d,
  depthwiseConv2d,
  fullyConnected,
  paddings,
  pool2d,
  transposeConv,
} from '../schema.ts';

export const windows: Readonly<Record<string, (op: Operator) => void>> = {
  CONV_2D(op) {
    const options = op.options(conv2d.union);
    const x = picture(op, 0);
    const w = filters(op, x, 0); // (outC, kH, kW, inC/groups)
    const { stride, dilation, pad, clamp } = window(op, options, conv2d, x, w);
    const groups = x.shape[3]! / (w.shape[3] || 1);
    if (!Number.isInteger(groups)) op.fail(`weights ${showShape(w.shape)} of ${x.shape[3]} input channels`);
    const input = op.isHybrid(1, x) ? op.hybridInput(x, 1, groups === 1 && hasOneScale(op.operand(1))) : x;
    op.compute({ kind: 'conv2d', stride, dilation, pad, groups, clamp }, [input.id, w.id, ...op.bias(2, x)]);
  },

  /** The multiplier follows from the shapes; newer files may leave it out. */
  DEPTHWISE_CONV_2D(op) {
    const options = op.options(depthwiseConv2d.union);
    const x = picture(op, 0);
    const w = filters(op, x, 3); // (1, kH, kW, outC)
    const { stride, dilation, pad, clamp } = window(op, options, depthwiseConv2d, x, w);
    const rounds = op.isHybrid(1, x) && op.operand(1).value.dtype === 'i8';
    const input = rounds ? op.hybridInput(x, 1, false) : x;
    op.compute({ kind: 'depthwiseConv2d', stride, dilation, pad, clamp }, [input.id, w.id, ...op.bias(2, x)]);
  },

  /** x (n, d, h, w, inC), weights (kD, kH, kW, inC, outC); float only */
  CONV_3D(op) {
    const o = conv3d;
    const options = op.options(o.union);
    const [x, w] = [op.activation(0), op.plain(1)];
    if (x.value.dtype !== 'f32' || w.value.dtype !== 'f32') op.unsupported('an input that is not float32');
    if (x.shape.length !== 5 || w.shape.length !== 5)
      op.fail(`input ${showShape(x.shape)} and weights ${showShape(w.shape)} expect rank 5`);
    const stride = [options.i32(o.strideD), options.i32(o.strideH), options.i32(o.strideW)];
    const dilation = [options.i32(o.dilationD, 1), options.i32(o.dilationH, 1), options.i32(o.dilationW, 1)];
    if (![...stride, ...dilation].every((n) => n >= 1)) op.fail(`strides ${stride}, dilations ${dilation}`);
    const isSame = paddings[options.i8(o.padding)] === 'SAME';
    const pads = stride.map((by, i) => {
      const [size, k] = [x.shape[1 + i]!, w.shape[i]!];
      const { top, bottom } = samePad([size, 1], [k, 1], [by, 1], [dilation[i]!, 1]);
      return isSame ? [top, bottom] : [0, 0];
    });
    const [before, after] = [pads.map(([cells]) => cells!), pads.map(([, cells]) => cells!)];
    const clamp = op.clamp(options.i8(o.activation));
    const filters = op.transpose(w, [4, 0, 1, 2, 3]);
    const conv = { kind: 'convNd', stride, dilation, before, after, groups: 1 } as const;
    const inputs = [x.id, filters.id, ...op.bias(2, x)];
    if (clamp.min === noClamp.min && clamp.max === noClamp.max) op.compute(conv, inputs);
    else op.compute({ kind: 'clamp', clamp }, [op.step(conv, inputs)]);
  },

  /** The output's extents are the file's own; the padding is what the forward convolution would have had. */
  TRANSPOSE_CONV(op) {
    const o = transposeConv;
    const options = op.options(o.union);
    const outputShape = op.integers(0, 'output extents');
    const x = picture(op, 2);
    const w = filters(op, x, 0); // (outC, kH, kW, inC)
    if (outputShape.length !== 4) op.fail(`output ${showShape(outputShape)} expects rank 4`);
    const stride = extents(op, 'stride', options.i32(o.strideH), options.i32(o.strideW));
    const kernel: Pair = [w.shape[1]!, w.shape[2]!];
    const size: Pair = [outputShape[1]!, outputShape[2]!];
    const pad = padding(op, options.i8(o.padding), size, kernel, stride, [1, 1]);
    for (const i of [0, 1] as const) {
      // Every output cell lies under some window, give or take the stride's remainder.
      const reach = x.shape[1 + i]! * stride[i] + kernel[i];
      if (size[i] > reach) op.fail(`output extent ${size[i]} is beyond ${reach}`);
    }
    const clamp = op.clamp(options.i8(o.activation));
    const inputs = [x.id, w.id, ...op.bias(3, x)];
    op.compute({ kind: 'transposedConv2d', stride, pad, clamp }, inputs, outputShape);
  },

  FULLY_CONNECTED(op) {
    const options = op.options(fullyConnected.union);
    if (options.i8(fullyConnected.weightsFormat) !== 0) op.unsupported('shuffled weights');
    const x = op.activation(0);
    const w = op.weights(1, x, 0); // (N, K)
    const k = w.shape[1];
    if (w.shape.length !== 2 || !k) return op.fail(`weights expect (N, K), got [${w.shape.join(', ')}]`);
    const symmetric = !options.bool(fullyConnected.asymmetricQuantizeInputs);
    // Rows are rounded before they are reshaped where they are rows already, so that layers can share it.
    const batchDims = op.isHybrid(1, x) ? batchDimsOf(x.shape, k) : -1;
    let input = batchDims >= 0 ? op.hybridInput(x, batchDims, symmetric) : x;
    if (!options.bool(fullyConnected.keepNumDims) && !(x.shape.length === 2 && x.shape[1] === k)) {
      const count = elementCount(x.shape);
      if (count % k !== 0) op.fail(`${count} inputs are no whole number of rows of ${k}`);
      input = op.reshape(input, [count / k, k]);
    }
    if (batchDims < 0 && op.isHybrid(1, x)) input = op.hybridInput(input, 1, symmetric);
    const clamp = op.clamp(options.i8(fullyConnected.activation));
    op.compute({ kind: 'dense', clamp }, [input.id, w.id, ...op.bias(2, x)]);
  },

  AVERAGE_POOL_2D: (op) => pool(op, 'averagePool2d'),
  MAX_POOL_2D: (op) => pool(op, 'maxPool2d'),
};

/**
 * Pooling hands stored numbers on: TensorFlow Lite wants both sides alike (scales to 1e-6), and here a
 * `convert` follows where they are not.
 */
function pool(op: Operator, kind: 'averagePool2d' | 'maxPool2d'): void {
  const o = pool2d;
  const options = op.options(o.union);
  const x = picture(op, 0);
  const stride = extents(op, 'stride', options.i32(o.strideH), options.i32(o.strideW));
  const kernel = extents(op, 'kernel', options.i32(o.kernelH), options.i32(o.kernelW));
  const size: Pair = [x.shape[1]!, x.shape[2]!];
  const pad = padding(op, options.i8(o.padding), size, kernel, stride, [1, 1]);
  if ((pad.top > 0 && pad.top >= size[0]) || (pad.left > 0 && pad.left >= size[1]))
    op.unsupported('a padding wider than the picture');
  const clamp = op.clamp(options.i8(o.activation));
  const out = op.computedQuantization(x.value.dtype);
  const own = x.value.quantization;
  const alike =
    !out ||
    !own ||
    (out.zeroPoint[0] === own.zeroPoint[0] && Math.abs(out.scale[0]! - own.scale[0]!) <= 1e-6);
  const arithmetic = { kind, kernel, stride, pad, clamp };
  if (alike) op.compute(arithmetic, [x.id]);
  else op.compute({ kind: 'convert', rounding: 'away' }, [op.step(arithmetic, [x.id], own)]);
}

function hasOneScale(w: Operand): boolean {
  const scale = w.value.quantization?.scale ?? [];
  return scale.every((s) => s === scale[0]);
}

/** The axes before the trailing ones that make up rows of `k`, best 1 as in a convolution; −1 where none do. */
function batchDimsOf(shape: Shape, k: number): number {
  for (let axes = 1; axes < shape.length; axes++) if (elementCount(shape.slice(axes)) === k) return axes;
  return shape.length > 0 && elementCount(shape) === k ? 0 : -1;
}

function picture(op: Operator, i: number): Operand {
  const x = op.activation(i);
  return x.shape.length === 4 ? x : op.fail(`the input expects rank 4, got ${showShape(x.shape)}`);
}

/** Operand 1 of every convolution. Its integer kernels take int8 weights without a zero point. */
function filters(op: Operator, x: Operand, axis: number): Operand {
  const w = op.weights(1, x, axis);
  if (w.shape.length !== 4) op.fail(`the weights expect rank 4, got ${showShape(w.shape)}`);
  if (w.value.dtype === 'i8' && w.value.quantization?.zeroPoint.some((z) => z !== 0))
    op.unsupported('int8 weights with a zero point');
  return w;
}

function window(
  op: Operator,
  options: Table,
  o: typeof conv2d | typeof depthwiseConv2d,
  x: Operand,
  w: Operand,
): Window & { readonly clamp: Clamp } {
  const stride = extents(op, 'stride', options.i32(o.strideH), options.i32(o.strideW));
  const dilation = extents(op, 'dilation', options.i32(o.dilationH, 1), options.i32(o.dilationW, 1));
  const size: Pair = [x.shape[1]!, x.shape[2]!];
  const kernel: Pair = [w.shape[1]!, w.shape[2]!];
  const pad = padding(op, options.i8(o.padding), size, kernel, stride, dilation);
  return { stride, dilation, pad, clamp: op.clamp(options.i8(o.activation)) };
}

function extents(op: Operator, what: string, h: number, w: number): Pair {
  return h >= 1 && w >= 1 ? [h, w] : op.fail(`${what} expects positive numbers, got ${h} and ${w}`);
}

/** SAME or VALID, worked out to cells. */
function padding(op: Operator, code: number, size: Pair, kernel: Pair, stride: Pair, dilation: Pair): Pad {
  switch (paddings[code]) {
    case 'SAME':
      return samePad(size, kernel, stride, dilation);
    case 'VALID':
      return noPad;
    default:
      return op.fail(`unknown padding ${code}`);
  }
}
