/** Convolutions of all kinds of numbers, moved to channels-last and back. */
import type { OutputSpec } from '../../graph/build.ts';
import type { Op } from '../../graph/ops.ts';
import { noClamp } from '../../kernels/call.ts';
import { type Quantization, type Shape, showShape } from '../../tensor.ts';
import { type Operand, range } from './emitter.ts';
import type { Operator } from './operator.ts';
import { windowsOf } from './windows.ts';

export interface Convolution {
  readonly x: Operand; // (n, inC, …)
  readonly w: Operand; // (outC, inC/groups, …kernel)
  readonly bias: Operand | undefined; // (outC)
  /** Of integer weights: the axis is that of w as it comes. */
  readonly weightQuantization?: Quantization;
  readonly output?: Omit<OutputSpec, 'name'>;
  readonly rounding?: 'even';
}

/** Weights seen as `view`, their axes then in the order `perm`, with their scales along. */
function weights(op: Operator, c: Convolution, view: Shape, perm: readonly number[]): Operand {
  const q = c.weightQuantization;
  const moved = op.moveWeights(c.w, view, perm);
  if (!q) return moved;
  return op.tagged(moved, q.scale.length === 1 ? q : { ...q, axis: perm.indexOf(0) });
}

/**
 * One and two spatial axes: conv2d, or depthwiseConv2d where each group is one input channel; more: convNd.
 * The picture comes and goes as (n, c, …).
 */
export function convolve(op: Operator, c: Convolution): Operand {
  const { x, w } = c;
  const rank = x.shape.length;
  if (w.shape.length !== rank || rank < 3)
    op.fail(`input ${showShape(x.shape)} and weights ${showShape(w.shape)} do not go together`);
  const windows = windowsOf(op, x.shape.slice(2), { kernel: w.shape.slice(2) });
  const groups = op.int('group', 1);
  const { stride, dilation, before, after } = windows;
  const bias = c.bias ? [c.bias] : [];
  const [n, inC, outC] = [x.shape[0]!, x.shape[1]!, w.shape[0]!];
  const isPlane = rank <= 4 && x.dtype !== 'f64';
  if (!isPlane) {
    const conv: Op = { kind: 'convNd', stride, dilation, before, after, groups };
    const moved = weights(op, c, w.shape, [0, ...range(2, rank), 1]);
    return op.channelsFirst(op.node(conv, [op.channelsLast(x), moved, ...bias], c.output));
  }
  // One spatial axis is two with a height of 1.
  const one = rank === 3;
  const pair = (list: readonly number[], unit: number): [number, number] =>
    one ? [unit, list[0]!] : [list[0]!, list[1]!];
  const [top, left] = pair(before, 0);
  const [bottom, right] = pair(after, 0);
  const window = {
    stride: pair(stride, 1),
    dilation: pair(dilation, 1),
    pad: { top, left, bottom, right },
    clamp: noClamp,
    ...(c.rounding ? { rounding: c.rounding } : {}),
  };
  const plane = one ? op.reshape(x, [n, inC, 1, x.shape[2]!]) : x;
  const view = one ? [outC, w.shape[1]!, 1, w.shape[2]!] : w.shape;
  const isDepthwise = groups === inC && inC > 1 && w.shape[1] === 1;
  const conv: Op = isDepthwise
    ? { kind: 'depthwiseConv2d', ...window }
    : { kind: 'conv2d', groups, ...window };
  const moved = weights(op, c, view, isDepthwise ? [1, 2, 3, 0] : [0, 2, 3, 1]);
  const y = op.channelsFirst(op.node(conv, [op.channelsLast(plane), moved, ...bias], c.output));
  return one ? op.reshape(y, [n, outC, y.shape[3]!]) : y;
}
