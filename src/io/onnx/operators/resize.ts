/**
 * Resize and Upsample, one axis after another: nearest is a gather, the others a product with a constant
 * matrix. What TensorFlow's two ways of resizing pictures cover goes to their kernel.
 */
import { checkTensorSize } from '../../../graph/limits.ts';
import type { Resize } from '../../../kernels/call.ts';
import { elementCount, type Shape, showShape } from '../../../tensor.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import {
  type AxisPlan,
  coordinateModes,
  nearestModes,
  placeOf,
  type Sampling,
  tapsOf,
} from '../resampling.ts';
import type { Converters } from './index.ts';

interface Plan {
  readonly axes: readonly AxisPlan[];
  readonly sampling: Sampling;
  /** What stands where a cropped region reaches beyond the picture. */
  readonly outside: number;
}

const mostCells = 2 ** 20;

function resized(op: Operator, x: Operand, plan: Plan): Operand {
  const shape = plan.axes.map((axis) => axis.out);
  if (shape.some((extent) => extent > mostCells)) op.fail(`output ${showShape(shape)}`);
  checkTensorSize(op.label, x.dtype, shape, op.builder.limits);
  if (shape.some((extent) => extent < 1) || elementCount(x.shape) === 0)
    return op.unsupported(`resizing ${showShape(x.shape)} to ${showShape(shape)}`);
  const fast = pictureResize(x, plan);
  if (fast) return op.channelsFirst(op.node(fast, [op.channelsLast(x)]));
  let y = x;
  plan.axes.forEach((axis, d) => {
    if (isIdentity(axis, plan.sampling)) return;
    y = plan.sampling.mode === 'nearest' ? nearest(op, y, d, axis, plan) : product(op, y, d, axis, plan);
  });
  return plan.sampling.coordinates === 'tf_crop_and_resize' ? withOutside(op, y, plan) : y;
}

function isIdentity({ size, out, scale, roi }: AxisPlan, { coordinates }: Sampling): boolean {
  if (coordinates === 'tf_crop_and_resize' && (roi[0] !== 0 || roi[1] !== 1)) return false;
  return size === out && scale === 1;
}

/** Kernels have TensorFlow's resizing of (n, h, w, c), with whole output extents. */
function pictureResize(x: Operand, { axes, sampling }: Plan): Resize | null {
  const { mode, coordinates, excludeOutside, antialias } = sampling;
  if (x.dtype !== 'f32' || axes.length !== 4 || excludeOutside || antialias) return null;
  const [n, c, h, w] = axes as readonly [AxisPlan, AxisPlan, AxisPlan, AxisPlan];
  if (!isIdentity(n, sampling) || !isIdentity(c, sampling)) return null;
  if (![h, w].every(({ size, out, scale }) => Math.abs(out - scale * size) < 1e-6 * out)) return null;
  const size: [number, number] = [h.out, w.out];
  if (mode === 'nearest') {
    if (coordinates !== 'asymmetric' || sampling.nearest !== 'floor') return null;
    return { kind: 'resize', mode: 'nearest', size, alignCorners: false, halfPixelCenters: false };
  }
  if (mode !== 'linear' || !['half_pixel', 'align_corners', 'asymmetric'].includes(coordinates)) return null;
  return {
    kind: 'resize',
    mode: 'bilinear',
    size,
    alignCorners: coordinates === 'align_corners',
    halfPixelCenters: coordinates === 'half_pixel',
  };
}

const within = (i: number, size: number): number => Math.min(size - 1, Math.max(0, i));

function nearest(op: Operator, x: Operand, d: number, axis: AxisPlan, { sampling }: Plan): Operand {
  const cells = range(0, axis.out).map((i) => {
    const { first, weights } = tapsOf(i, axis, sampling);
    return within(first + weights.findIndex((weight) => weight !== 0), axis.size);
  });
  return op.pick(x, d, cells);
}

/** y[…, o, …] = Σᵢ M[o,i]·x[…, i, …]; cells outside are those of the edge */
function product(op: Operator, x: Operand, d: number, axis: AxisPlan, { sampling }: Plan): Operand {
  if (x.dtype !== 'f32' && x.dtype !== 'f64') op.unsupported(`mode ${sampling.mode} of whole numbers`);
  if (axis.out * axis.size > 2 ** 24) op.unsupported(`an axis of ${axis.size} resized to ${axis.out}`);
  const Numbers = x.dtype === 'f32' ? Float32Array : Float64Array;
  const matrix = new Numbers(axis.out * axis.size); // (out, size)
  for (let o = 0; o < axis.out; o++) {
    const { first, weights } = tapsOf(o, axis, sampling);
    weights.forEach((weight, k) => {
      matrix[o * axis.size + within(first + k, axis.size)]! += weight;
    });
  }
  const outer = elementCount(x.shape.slice(0, d));
  const inner = elementCount(x.shape.slice(d + 1));
  const m = op.constant(x.dtype, [axis.out, axis.size], matrix);
  const y = op.matmul(m, op.reshape(x, [outer, axis.size, inner]));
  return op.reshape(y, [...x.shape.slice(0, d), axis.out, ...x.shape.slice(d + 1)]);
}

/** Cells whose place lies beyond the first or last one, along any axis, hold the value for outside. */
function withOutside(op: Operator, y: Operand, plan: Plan): Operand {
  const rank = y.shape.length;
  let result = y;
  plan.axes.forEach((axis, d) => {
    if (isIdentity(axis, plan.sampling)) return;
    const isOutside = range(0, axis.out).map((i) => {
      const place = placeOf(i, axis, plan.sampling.coordinates);
      return Number(place < 0 || place > axis.size - 1);
    });
    if (!isOutside.includes(1)) return;
    const shape: Shape = [axis.out, ...range(d + 1, rank).map(() => 1)];
    const mask = op.numbers('bool', shape, isOutside);
    result = op.where(mask, op.scalar(y.dtype, plan.outside), result);
  });
  return result;
}

function modeOf(op: Operator, text: string): Sampling['mode'] {
  if (text === 'nearest' || text === 'cubic') return text;
  return text === 'linear' || text === 'bilinear' ? 'linear' : op.unsupported(`mode ${text.slice(0, 40)}`);
}

/** Scales for all axes, extents cut down to whole cells. */
function fromScales(op: Operator, x: Operand, scales: readonly number[], sampling: Sampling): Plan {
  if (scales.length !== x.shape.length || !scales.every((s) => s > 0 && Number.isFinite(s)))
    op.fail(`scales [${scales.join(', ')}] do not fit ${showShape(x.shape)}`);
  const axes = x.shape.map((size, d): AxisPlan => {
    const scale = scales[d]!;
    return { size, out: Math.floor(size * scale), scale, roi: [0, 1] };
  });
  return { axes, sampling, outside: 0 };
}

/** Before opset 11: coordinates are cut off, i / scale. */
const plainSampling = (op: Operator): Sampling => ({
  coordinates: 'asymmetric',
  mode: modeOf(op, op.text('mode', 'nearest')),
  nearest: 'floor',
  cubicA: -0.75,
  excludeOutside: false,
  antialias: false,
});

const roundHalfUp = (v: number): number => Math.floor(v + 0.5);

/** From opset 11 on: inputs x, roi, scales, sizes. */
function resizePlan(op: Operator, x: Operand): Plan {
  const coordinates = op.text('coordinate_transformation_mode', 'half_pixel');
  const nearestMode = op.text('nearest_mode', 'round_prefer_floor');
  if (!coordinateModes.has(coordinates)) op.unsupported(`coordinates ${coordinates.slice(0, 40)}`);
  if (!nearestModes.has(nearestMode)) op.unsupported(`nearest_mode ${nearestMode.slice(0, 40)}`);
  const sampling: Sampling = {
    coordinates,
    mode: modeOf(op, op.text('mode', 'nearest')),
    nearest: nearestMode,
    cubicA: op.number('cubic_coeff_a', -0.75),
    excludeOutside: op.flag('exclude_outside'),
    antialias: op.version >= 18 && op.flag('antialias'),
  };
  const rank = x.shape.length;
  const listed = op.version >= 18 ? op.ints('axes') : undefined;
  const axes = listed ? listed.map((a) => op.axis(a, rank)) : range(0, rank);
  const policy = op.version >= 18 ? op.text('keep_aspect_ratio_policy', 'stretch') : 'stretch';
  const scales = op.has(2) ? op.reals(2, 'the scales') : [];
  const sizes = op.has(3) ? op.integers(3, 'the sizes') : [];
  const roi = coordinates === 'tf_crop_and_resize' ? op.reals(1, 'the region') : [];
  const given = scales.length > 0 ? scales : sizes;
  if (given.length !== axes.length) op.fail(`${given.length} scales or sizes for ${axes.length} axes`);
  if (!given.every((v) => v > 0 && Number.isFinite(v))) op.fail(`scales or sizes [${given.join(', ')}]`);
  if (roi.length > 0 && roi.length !== 2 * axes.length) op.fail(`a region of ${roi.length} numbers`);
  const plans = x.shape.map((size): AxisPlan => ({ size, out: size, scale: 1, roi: [0, 1] }));
  const ratios = axes.map((d, i) => given[i]! / x.shape[d]!);
  const common = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  if (!['stretch', 'not_larger', 'not_smaller'].includes(policy))
    op.unsupported(`policy ${policy.slice(0, 40)}`);
  axes.forEach((d, i) => {
    const size = x.shape[d]!;
    const [begin, end] = roi.length > 0 ? [roi[i]!, roi[axes.length + i]!] : [0, 1];
    const span = roi.length > 0 ? end - begin : 1;
    if (scales.length > 0)
      plans[d] = { size, out: Math.floor(size * span * scales[i]!), scale: scales[i]!, roi: [begin, end] };
    else if (policy === 'stretch')
      plans[d] = { size, out: sizes[i]!, scale: sizes[i]! / size, roi: [begin, end] };
    else plans[d] = { size, out: roundHalfUp(common * size), scale: common, roi: [begin, end] };
  });
  return { axes: plans, sampling, outside: op.number('extrapolation_value', 0) };
}

export const resizing: Converters = {
  Resize(op) {
    const x = op.plain(op.x(0));
    if (op.version < 11)
      op.done(resized(op, x, fromScales(op, x, op.reals(1, 'the scales'), plainSampling(op))));
    else op.done(resized(op, x, resizePlan(op, x)));
  },

  Upsample(op) {
    const x = op.plain(op.x(0));
    let scales: readonly number[] = [];
    if (op.version >= 9) scales = op.reals(1, 'the scales');
    else if (op.version >= 7) scales = op.floats('scales') ?? op.fail('expected scales');
    else scales = [1, 1, op.number('height_scale'), op.number('width_scale')];
    op.done(resized(op, x, fromScales(op, x, scales, plainSampling(op))));
  },
};
