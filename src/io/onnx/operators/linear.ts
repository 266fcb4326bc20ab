/** Convolutions and matrix products of real numbers. */
import type { Op } from '../../../graph/ops.ts';
import { noClamp } from '../../../kernels/call.ts';
import { elementCount, showShape } from '../../../tensor.ts';
import { convolve } from '../convolution.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { padsOf, perAxis } from '../windows.ts';
import type { Converters } from './index.ts';

/** a·b for operands of any rank: a vector stands as a row on the left, as a column on the right. */
export function product(op: Operator, a: Operand, b: Operand): Operand {
  if (a.shape.length === 0 || b.shape.length === 0) op.fail('a scalar has no matrix product');
  const left = a.shape.length === 1 ? op.reshape(a, [1, ...a.shape]) : a;
  const right = b.shape.length === 1 ? op.reshape(b, [...b.shape, 1]) : b;
  const source = op.importer.dequantized.get(right.id);
  const isWeights = right.shape.length === 2 && (right.data !== null || source !== undefined);
  const y =
    left.dtype === 'f32' && isWeights
      ? op.node({ kind: 'dense', clamp: noClamp }, [left, op.moveWeights(right, right.shape, [1, 0])])
      : op.matmul(left, right);
  let shape = y.shape;
  if (a.shape.length === 1) shape = shape.filter((_, i) => i !== shape.length - 2);
  if (b.shape.length === 1) shape = shape.slice(0, -1);
  return op.reshape(y, shape);
}

/** Where the windows of a transposed convolution lie, and how large its output is. */
function transposedWindows(op: Operator, size: readonly number[], kernel: readonly number[]) {
  const axes = size.length;
  op.ints('kernel_shape');
  const stride = perAxis(op, 'strides', axes, 1, 1);
  const dilation = perAxis(op, 'dilations', axes, 1, 1);
  const extra = perAxis(op, 'output_padding', axes, 0, 0);
  const auto = op.text('auto_pad', 'NOTSET');
  const given = op.ints('output_shape');
  const natural = size.map(
    (extent, i) => stride[i]! * (extent - 1) + extra[i]! + (kernel[i]! - 1) * dilation[i]! + 1,
  );
  const pads = padsOf(op, axes);
  const isSame = auto === 'SAME_UPPER' || auto === 'SAME_LOWER';
  if (!isSame && !['NOTSET', 'VALID', ''].includes(auto)) op.unsupported(`auto_pad ${auto.slice(0, 40)}`);
  if (given || isSame) {
    const out = given ? given.slice(-axes) : size.map((extent, i) => extent * stride[i]!);
    if (out.length !== axes) op.fail(`output_shape [${out.join(', ')}] does not fit ${axes} axes`);
    const total = natural.map((extent, i) => Math.max(0, extent - out[i]!));
    const before = total.map((t) => (auto === 'SAME_UPPER' ? t >> 1 : t - (t >> 1)));
    return { stride, dilation, before, out };
  }
  const { before, after } = auto === 'VALID' ? { before: size.map(() => 0), after: size.map(() => 0) } : pads;
  return { stride, dilation, before, out: natural.map((extent, i) => extent - before[i]! - after[i]!) };
}

function transposedConvolution(op: Operator): Operand {
  const x = op.picture(0);
  const w = op.x(1); // (inC, outC/groups, …kernel)
  const rank = x.shape.length;
  if (w.shape.length !== rank)
    op.fail(`input ${showShape(x.shape)} and weights ${showShape(w.shape)} do not go together`);
  const groups = op.int('group', 1);
  const [n, outC] = [x.shape[0]!, w.shape[1]! * groups];
  const bias = op.has(2) ? [op.x(2)] : [];
  const { stride, dilation, before, out } = transposedWindows(op, x.shape.slice(2), w.shape.slice(2));
  if (out.some((extent) => extent < 1)) op.fail(`output of ${showShape(out)}`);
  const isPlane =
    rank <= 4 && groups === 1 && dilation.every((d) => d === 1) && x.dtype === 'f32' && before.length > 0;
  if (!isPlane) {
    const conv: Op = { kind: 'transposedConvNd', stride, dilation, before, groups };
    const moved = op.moveWeights(w, w.shape, [0, ...range(2, rank), 1]);
    return op.channelsFirst(
      op.node(conv, [op.channelsLast(x), moved, ...bias], { shape: [n, ...out, outC] }),
    );
  }
  const one = rank === 3;
  const pair = (list: readonly number[], unit: number): [number, number] =>
    one ? [unit, list[0]!] : [list[0]!, list[1]!];
  const [top, left] = pair(before, 0);
  const plane = one ? op.reshape(x, [n, x.shape[1]!, 1, x.shape[2]!]) : x;
  const view = one ? [w.shape[0]!, w.shape[1]!, 1, w.shape[2]!] : w.shape;
  const y = op.node(
    {
      kind: 'transposedConv2d',
      stride: pair(stride, 1),
      pad: { top, left, bottom: 0, right: 0 },
      clamp: noClamp,
    },
    [op.channelsLast(plane), op.moveWeights(w, view, [1, 2, 3, 0]), ...bias],
    { shape: [n, ...pair(out, 1), outC] },
  );
  return op.reshape(op.channelsFirst(y), [n, outC, ...out]);
}

/** α·A·B + β·C */
function gemm(op: Operator): Operand {
  const [a, b] = [op.x(0), op.x(1)];
  if (a.shape.length !== 2 || b.shape.length !== 2)
    op.fail(`expected matrices, got ${showShape(a.shape)} and ${showShape(b.shape)}`);
  const alpha = op.number('alpha', 1);
  const beta = op.number('beta', 1);
  op.flag('broadcast'); // before opset 7; c is broadcast since, with or without
  const left = op.flag('transA') ? op.swap(a, 0, 1) : a;
  const isTurned = op.flag('transB');
  const c = beta === 0 ? undefined : op.optional(2);
  const scaled = c && beta !== 1 ? op.withNumber('mul', c, beta) : c;
  if (a.dtype !== 'f32') {
    const y = op.matmul(left, isTurned ? op.swap(b, 0, 1) : b);
    const grown = alpha === 1 ? y : op.withNumber('mul', y, alpha);
    return scaled ? op.binary('add', grown, scaled) : grown;
  }
  const w = op.moveWeights(b, b.shape, isTurned ? [0, 1] : [1, 0]); // (N, K)
  const N = w.shape[0]!;
  const grown = alpha === 1 ? w : op.withNumber('mul', w, alpha);
  const isBias = scaled && elementCount(scaled.shape) === N && (scaled.shape.at(-1) ?? 1) === N;
  const bias = isBias ? [op.reshape(scaled, [N])] : [];
  const y = op.node({ kind: 'dense', clamp: noClamp }, [left, grown, ...bias]);
  return scaled && !isBias ? op.binary('add', y, scaled) : y;
}

export const linear: Converters = {
  Conv: (op) => op.done(convolve(op, { x: op.picture(0), w: op.x(1), bias: op.optional(2) })),
  ConvTranspose: (op) => op.done(transposedConvolution(op)),
  MatMul: (op) => op.done(product(op, op.x(0), op.x(1))),
  Gemm: (op) => op.done(gemm(op)),
};
