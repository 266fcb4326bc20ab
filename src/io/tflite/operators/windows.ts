/** Operators with weights or a window: convolutions, the fully connected layer, pooling. */
import { samePad } from '../../../graph/shapes.ts';
import { type Clamp, noPad, type Pad, type Pair, type Window } from '../../../kernels/call.ts';
import { elementCount, showShape } from '../../../tensor.ts';
import type { Table } from '../flatbuffer.ts';
import type { Operand, Operator } from '../operator.ts';
import { conv2d, depthwiseConv2d, fullyConnected, paddings, pool2d, transposeConv } from '../schema.ts';

export const windows: Readonly<Record<string, (op: Operator) => void>> = {
  CONV_2D(op) {
    const options = op.options(conv2d.union);
    const x = picture(op, 0);
    const w = filters(op, x, 0); // (outC, kH, kW, inC/groups)
    const { stride, dilation, pad, clamp } = window(op, options, conv2d, x, w);
    const groups = x.shape[3]! / (w.shape[3] || 1);
    if (!Number.isInteger(groups)) op.fail(`weights ${showShape(w.shape)} of ${x.shape[3]} input channels`);
    op.compute({ kind: 'conv2d', stride, dilation, pad, groups, clamp }, [x.id, w.id, ...op.bias(2, x)]);
  },

  /** The multiplier follows from the shapes; newer files may leave it out. */
  DEPTHWISE_CONV_2D(op) {
    const options = op.options(depthwiseConv2d.union);
    const x = picture(op, 0);
    const w = filters(op, x, 3); // (1, kH, kW, outC)
    const { stride, dilation, pad, clamp } = window(op, options, depthwiseConv2d, x, w);
    op.compute({ kind: 'depthwiseConv2d', stride, dilation, pad, clamp }, [x.id, w.id, ...op.bias(2, x)]);
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
    let input = x;
    if (!options.bool(fullyConnected.keepNumDims) && !(x.shape.length === 2 && x.shape[1] === k)) {
      const count = elementCount(x.shape);
      if (count % k !== 0) op.fail(`${count} inputs are no whole number of rows of ${k}`);
      input = op.reshape(x, [count / k, k]);
    }
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
  else op.compute({ kind: 'convert' }, [op.step(arithmetic, [x.id], own)]);
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
