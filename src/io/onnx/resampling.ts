/**
 * One axis of a Resize: where each output cell lies in the input, and the weights of the cells around it.
 *
 * Source: onnx/onnx, onnx/reference/ops/op_resize.py, whose names the modes keep.
 */
export interface AxisPlan {
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  /** Begin and end of the region of interest, in shares of the axis. */
  readonly roi: readonly [begin: number, end: number];
}

export interface Sampling {
  readonly coordinates: string;
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly nearest: string;
  readonly cubicA: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

/** Weights of the cells `first`, `first + 1`, … which may lie outside. */
export interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

export const coordinateModes: ReadonlySet<string> = new Set([
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_crop_and_resize',
  'tf_half_pixel_for_nn',
]);
export const nearestModes: ReadonlySet<string> = new Set([
  'round_prefer_floor',
  'round_prefer_ceil',
  'floor',
  'ceil',
]);

/** The place of output cell `i`, in cells of the input. */
export function placeOf(i: number, { size, out, scale, roi }: AxisPlan, coordinates: string): number {
  const length = scale * size;
  switch (coordinates) {
    case 'align_corners':
      return length === 1 ? 0 : (i * (size - 1)) / (length - 1);
    case 'asymmetric':
      return i / scale;
    case 'pytorch_half_pixel':
      return length === 1 ? -0.5 : (i + 0.5) / scale - 0.5;
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / scale;
    case 'half_pixel_symmetric': {
      const adjustment = out / length;
      return (size / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    }
    case 'tf_crop_and_resize': {
      const [begin, end] = roi;
      const inside =
        length === 1 ? ((end - begin) * (size - 1)) / 2 : (i * (end - begin) * (size - 1)) / (length - 1);
      return inside + begin * (size - 1);
    }
    default:
      return (i + 0.5) / scale - 0.5;
  }
}

/** The cells that make output cell `i`; weights sum to 1. */
export function tapsOf(i: number, plan: AxisPlan, sampling: Sampling): Taps {
  const place = placeOf(i, plan, sampling.coordinates);
  // The share of the way from the cell left of the place: in (0, 1], as the left cell is preferred.
  const base = Math.ceil(place) - 1;
  const ratio = place - base;
  const raw = weightsOf(ratio, plan.scale, sampling);
  const first = base + 1 - raw.length / 2;
  if (!sampling.excludeOutside) return { first, weights: raw };
  const kept = raw.map((weight, k) => (first + k < 0 || first + k >= plan.size ? 0 : weight));
  const sum = kept.reduce((a, b) => a + b, 0);
  return { first, weights: kept.map((weight) => weight / sum) };
}

/** An even number of weights around a place at `ratio` between the two in the middle. */
function weightsOf(ratio: number, scale: number, { mode, nearest, cubicA, antialias }: Sampling): number[] {
  if (mode === 'nearest') return isRight(ratio, nearest) ? [0, 1] : [1, 0];
  const reach = mode === 'linear' ? 1 : 2;
  const kernel = mode === 'linear' ? triangle : (x: number) => cubic(x, cubicA);
  const shrink = antialias ? Math.min(scale, 1) : 1;
  const start = Math.floor(-reach / shrink) + 1;
  const weights: number[] = [];
  for (let k = start; k <= 1 - start; k++) weights.push(kernel((k - ratio) * shrink));
  const sum = weights.reduce((a, b) => a + b, 0);
  return antialias ? weights.map((weight) => weight / sum) : weights;
}

function isRight(ratio: number, nearest: string): boolean {
  switch (nearest) {
    case 'round_prefer_ceil':
      return ratio >= 0.5;
    case 'floor':
      return ratio === 1;
    case 'ceil':
      return true;
    default:
      return ratio > 0.5;
  }
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

/** Source: Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", eq. 15. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}
