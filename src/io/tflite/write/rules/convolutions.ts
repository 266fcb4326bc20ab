/** Convolutions, the fully connected layer and products of matrices. TensorFlow Lite's windows lie by SAME or VALID; other padding is a PAD. */
import type { ValueId } from '../../../../graph/ir.ts';
import type { OpOf } from '../../../../graph/ops.ts';
import { noClamp, noPad, type Pair } from '../../../../kernels/call.ts';
import type { Shape } from '../../../../tensor.ts';
import { cellsOf, isByte, paddingOf, volumePadding, type Window } from '../fused.ts';
import type { Site } from '../site.ts';
import { bounded } from './bounds.ts';
import { hybridDense, hybridFilters } from './hybrid.ts';
import { padded } from './movement.ts';

export const rowsAndColumns = (shape: Shape): Pair => [shape[1]!, shape[2]!];

/** Constant, and of a kind that TensorFlow Lite's kernels take beside the activations. */
export function checkWeights(site: Site): void {
  const [x, w] = site.inputs.map((id) => site.value(id));
  if (!w!.data) site.unsupported('weights that are not constant');
  if (!isByte(x!)) {
    if (x!.dtype !== 'f32') site.unsupported(`${x!.dtype} activations`);
    return;
  }
  const [scales, zeroPoints] = [w!.quantization?.scale.length ?? 0, w!.quantization?.zeroPoint ?? []];
  if (w!.dtype !== x!.dtype || site.output.dtype !== x!.dtype)
    site.unsupported(`${x!.dtype} activations, ${w!.dtype} weights and ${site.output.dtype} output`);
  if (w!.dtype === 'u8' && scales !== 1) site.unsupported('uint8 weights with a scale for each channel');
  const isDense = w!.shape.length === 2;
  if (w!.dtype === 'i8' && !(isDense && scales === 1) && zeroPoints.some((z) => z !== 0))
    site.unsupported('int8 weights with a zero point');
}

export function convolution(site: Site, op: OpOf<'conv2d' | 'depthwiseConv2d'>): ValueId {
  const { stride, dilation, clamp } = op;
  checkWeights(site);
  if (op.rounding === 'even') site.changed('rounding');
  const w = hybridFilters(site, op);
  const window: Window = {
    size: rowsAndColumns(site.value(site.x).shape),
    kernel: rowsAndColumns(site.value(w).shape),
    stride,
    dilation,
  };
  const padding = paddingOf(window, op.pad, rowsAndColumns(site.output.shape));
  const x = padding ? site.x : padded(site, site.x, op.pad, 0);
  const inputs = [x, w, ...site.inputs.slice(2)];
  const moves = { stride, dilation, pad: padding ? cellsOf(padding, window) : noPad, clamp };
  return op.kind === 'conv2d'
    ? bounded(site, { kind: 'conv2d', ...moves, groups: op.groups }, inputs)
    : bounded(site, { kind: 'depthwiseConv2d', ...moves }, inputs);
}

/** `asymmetric` is told of a hybrid layer whose options say how its input is rounded. */
export function dense(site: Site, op: OpOf<'dense'>, asymmetric: (id: ValueId) => void): ValueId {
  checkWeights(site);
  if (op.rounding === 'even') site.changed('rounding');
  const rounded = site.rounded[0];
  const w = hybridDense(site);
  return bounded(site, { kind: 'dense', clamp: op.clamp }, [site.x, w, ...site.inputs.slice(2)], (id) => {
    if (rounded && !rounded.symmetric) asymmetric(id);
  });
}

/**
 * One or two spatial axes: a conv2d of them. Three: CONV_3D, without groups.
 * What the convolution over a picture is by SAME and VALID the one over a volume is for each of its axes.
 */
export function convNd(site: Site, op: OpOf<'convNd'>): ValueId {
  const axes = op.stride.length;
  const weights = site.value(site.inputs[1]!);
  if (!(weights.data instanceof Float32Array))
    return site.unsupported('weights that are no float32 constant');
  if (axes > 3) site.unsupported(`${axes} spatial axes`);
  const from = site.value(site.x);
  if (axes < 3) {
    const plane = (shape: Shape): Shape => (axes === 1 ? [shape[0]!, 1, ...shape.slice(1)] : shape);
    const pair = (list: readonly number[], unit: number): Pair =>
      axes === 1 ? [unit, list[0]!] : [list[0]!, list[1]!];
    const [top, left] = pair(op.before, 0);
    const [bottom, right] = pair(op.after, 0);
    const x = site.reshape('plane', site.x, plane(from.shape));
    const w = site.reshape('weights', site.inputs[1]!, plane(weights.shape));
    const inner = site.within('conv', { shape: plane(site.output.shape) }, [x, w, ...site.inputs.slice(2)]);
    const pad = { top, left, bottom, right };
    const [stride, dilation] = [pair(op.stride, 1), pair(op.dilation, 1)];
    return site.same(
      convolution(inner, { kind: 'conv2d', stride, dilation, pad, groups: op.groups, clamp: noClamp }),
    );
  }
  if (op.groups !== 1) site.unsupported('groups over three spatial axes');
  const zeros = op.before.map(() => 0);
  const padding = volumePadding(op, from.shape, weights.shape, site.output.shape);
  const around = { kind: 'pad', before: [0, ...op.before, 0], after: [0, ...op.after, 0], value: 0 } as const;
  const x = padding ? site.x : site.step('padded', around, [site.x]);
  const [before, after] = padding === 'SAME' ? [op.before, op.after] : [zeros, zeros];
  return site.done({ ...op, before, after }, [x, ...site.inputs.slice(1)]);
}

export function matmul(site: Site, op: OpOf<'matmul'>): ValueId {
  if (site.output.dtype !== 'f32') site.unsupported(`${site.output.dtype} matrices`);
  return site.done(op, site.inputs);
}
