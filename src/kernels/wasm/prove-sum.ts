/**
 * The sum or difference of two 8-bit tensors in f32 lanes:
 *
 *   q = lo + clamp(trunc([[x₁·a] + [[x₂·b] + g]]), 0, hi − lo)
 *
 *   x₁, x₂   stored integers less `origin`, as f32
 *   [·]      rounds to f32; fused, [x₂·b] and [x₁·a] are left as they are
 *
 * Of the 65,536 pairs few need a look. In steps of the output, counted from lo, a sum lies at p = left + right, real
 * numbers; the exact function turns from k − 1 to k within `off` of p = k, and what is computed lies within
 * `spread` of p. So only pairs can be wrong whose p is nearer than off + spread to an integer: the fractions of
 * `left` and `right` find them, g is put in the middle of what they leave it, and all of them are evaluated.
 * TensorFlow Lite's fixed-point sum and ONNX's f32 sum alike.
 */

import type { Clamp, KernelCall } from '../call.ts';
import {
  isQuantized8,
  multiplyByQuantizedMultiplier,
  quantizedBounds,
  type Range,
  rangeOf,
  roundHalfEven,
  roundsToEven,
  scaleOf,
  sumMultipliers,
  zeroPointOf,
} from '../requantize.ts';
import { edges, ulpsAway } from './fit-line.ts';

const { fround } = Math;

export interface SumConstants {
  readonly a: number;
  readonly b: number;
  readonly g: number;
  readonly lo: number;
  readonly hi: number;
}

/**
 * For `add` or `sub` of two tensors and an output of one 8-bit type. With `fused`, the constants hold if both
 * products go unrounded into their additions as well as if both are rounded first. Null where none are found.
 */
export function proveSum(
  call: KernelCall,
  fused: boolean,
  origin: readonly [number, number] = [0, 0],
): SumConstants | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || (op.fn !== 'add' && op.fn !== 'sub')) return null;
  if (!isQuantized8(output) || !inputs.every((x) => isQuantized8(x) && x.dtype === output.dtype)) return null;
  const [p, q] = inputs;
  const sign = op.fn === 'add' ? 1 : -1;
  const bounds = quantizedBounds(op.clamp, output, roundsToEven(call) ? roundHalfEven : undefined);
  const sum = roundsToEven(call) ? evenSum(call, op.clamp, sign, bounds) : fixedPointSum(call, op.fn, bounds);
  if (sum === null) return null;
  const least = rangeOf(output.dtype).lo;
  const line = { least1: least - origin[0], least2: least - origin[1], most: bounds.hi - bounds.lo, fused };
  const a = fround(scaleOf(p) / scaleOf(output));
  const b = fround((sign * scaleOf(q)) / scaleOf(output));
  for (let i = 0; i < neighbours.length; i += 2) {
    const nearA = ulpsAway(a, neighbours[i]);
    const nearB = ulpsAway(b, neighbours[i + 1]);
    const g = fitSum(sum, line, nearA, nearB);
    if (!Number.isNaN(g)) return { a: nearA, b: nearB, g, ...bounds };
  }
  return null;
}

/** What is tried beside the nearest a and b, in ulps. */
const neighbours = Int8Array.of(
  ...[0, 0, 1, 0, 0, 1, -1, 0, 0, -1, 1, 1, -1, -1, 1, -1, -1, 1],
  ...[2, 0, 0, 2, -2, 0, 0, -2, 2, 1, 1, 2, -2, -1, -1, -2, 2, -1, -1, 2, -2, 1, 1, -2, 2, 2, -2, -2],
);

/** A function of two bytes, as numbers that are summed. */
interface Sum {
  /** In steps of the output. */
  readonly left: Float64Array; // (256)
  readonly right: Float64Array; // (256)
  /** What left + right is counted from: where it is k, the output is about to become lo + k. */
  readonly start: number;
  readonly off: number;
  /** q − lo, not clamped, of the i-th value of the first tensor and the j-th of the second. */
  readonly exact: (i: number, j: number) => number;
}

/** Turns at (k − ½ + c·2^shift)/slope with |c| ≤ ½ (double-rounding.ts), and sums are integers. */
function fixedPointSum(call: KernelCall, fn: 'add' | 'sub', { lo }: Range): Sum | null {
  const [p, q] = call.inputs;
  const m = sumMultipliers(fn, p, q, call.output);
  const { multiplier, shift } = m.output;
  if (shift > 0) return null;
  const sign = fn === 'add' ? 1 : -1;
  const least = rangeOf(p.dtype).lo;
  const slope = multiplier * 2 ** (shift - 31);
  const sums1 = new Int32Array(256);
  const sums2 = new Int32Array(256);
  const left = new Float64Array(256);
  const right = new Float64Array(256);
  for (let i = 0; i < 256; i++) {
    const x = (least + i - zeroPointOf(p)) << m.leftShift;
    const y = (least + i - zeroPointOf(q)) << m.leftShift;
    sums1[i] = multiplyByQuantizedMultiplier(x, m.a.multiplier, m.a.shift);
    sums2[i] = sign * multiplyByQuantizedMultiplier(y, m.b.multiplier, m.b.shift);
    left[i] = sums1[i] * slope;
    right[i] = sums2[i] * slope;
  }
  const base = zeroPointOf(call.output) - lo;
  return {
    left,
    right,
    start: base + 0.5,
    off: 2 ** (shift - 1) + slope,
    exact: (i, j) => base + multiplyByQuantizedMultiplier(sums1[i] + sums2[j], multiplier, shift),
  };
}

/** Both made real, summed, clamped and quantised in f32, halves to even (reference/binary.ts). */
function evenSum({ inputs, output }: KernelCall, clamp: Clamp, sign: number, { lo }: Range): Sum {
  const { min, max } = clamp;
  const [p, q] = inputs;
  const least = rangeOf(output.dtype).lo;
  const scale = scaleOf(output);
  const reals1 = new Float32Array(256);
  const reals2 = new Float32Array(256);
  for (let i = 0; i < 256; i++) {
    reals1[i] = scaleOf(p) * (least + i - zeroPointOf(p));
    reals2[i] = sign * fround(scaleOf(q) * (least + i - zeroPointOf(q)));
  }
  const base = zeroPointOf(output) - lo;
  return {
    left: Float64Array.from(reals1, (x) => x / scale),
    right: Float64Array.from(reals2, (x) => x / scale),
    start: base + 0.5,
    off: 2 ** -13, // two roundings of a number that is below 512 where the output is not clamped
    exact: (i, j) => {
      const real = fround(Math.min(Math.max(reals1[i] + reals2[j], min), max));
      return base + roundHalfEven(fround(real / scale));
    },
  };
}

/** Where g may lie between the bounds that the steps leave it in exact numbers, in eighths. */
const places = Int8Array.of(4, 5, 3, 6, 2, 7, 1);

interface LaneSum {
  /** x₁ and x₂ of the first values. */
  readonly least1: number;
  readonly least2: number;
  readonly most: number; // hi − lo
  readonly fused: boolean;
}

/** Pairs of x₁ and x₂, and where their sum must be before it is rounded to f32. */
interface Pairs {
  readonly x1: number[];
  readonly x2: number[];
  readonly from: number[];
  readonly below: number[];
}

/** g, or NaN where none of those tried is right everywhere. */
function fitSum(sum: Sum, line: LaneSum, a: number, b: number): number {
  const { least1, least2, fused } = line;
  const ends1 = endsOf(sum.left, least1, a);
  const ends2 = endsOf(sum.right, least2, b);
  const g = sum.start + (ends1[0] + ends1[1] + ends2[0] + ends2[1]) / 2;
  const largest =
    (Math.abs(least1) + 256) * a + 2 * (Math.abs(least2) + 256) * Math.abs(b) + Math.abs(g) + 512;
  const spread = (ends1[1] - ends1[0] + ends2[1] - ends2[0]) / 2 + largest * 2 ** -23; // twice what roundings lose
  const room = sum.off + spread; // for g on both sides
  const pairs = nearPairs(sum, line, room + sum.off + spread);
  if (pairs === null) return Number.NaN;
  let low = g - room;
  let high = g + room;
  for (let i = 0; i < pairs.x1.length; i++) {
    const y = pairs.x1[i] * a + pairs.x2[i] * b;
    low = Math.max(low, pairs.from[i] - y);
    high = Math.min(high, pairs.below[i] - y);
  }
  if (!(low < high)) return Number.NaN;
  for (let i = 0; i < places.length; i++) {
    const near = fround(low + ((high - low) * places[i]) / 8);
    if (Math.abs(near - g) > room) continue;
    if (isExact(pairs, a, b, near, false) && (!fused || isExact(pairs, a, b, near, true))) return near;
  }
  return Number.NaN;
}

/** The least and the most that `positions` are above (least + i)·factor. */
function endsOf(positions: Float64Array, least: number, factor: number): [low: number, high: number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < 256; i++) {
    const above = positions[i] - (least + i) * factor;
    low = Math.min(low, above);
    high = Math.max(high, above);
  }
  return [low, high];
}

/** All pairs whose position is within `distance` of an integer, or null where those are too many. */
function nearPairs({ left, right, start, exact }: Sum, line: LaneSum, distance: number): Pairs | null {
  if (!(distance < 0.25)) return null;
  const { least1, least2, most } = line;
  // Lists of the second values, by the 256th of a step that they lie in.
  const first = new Int16Array(256).fill(-1);
  const next = new Int16Array(256);
  for (let j = 0; j < 256; j++) {
    const place = Math.floor(right[j] * 256) & 255;
    next[j] = first[place];
    first[place] = j;
  }
  const pairs: Pairs = { x1: [], x2: [], from: [], below: [] };
  for (let i = 0; i < 256; i++) {
    const from = Math.floor((-distance - left[i] - start) * 256);
    const to = Math.floor((distance - left[i] - start) * 256);
    for (let place = from; place <= to; place++)
      for (let j = first[place & 255]; j >= 0; j = next[j]) {
        const position = left[i] + right[j] + start;
        if (Math.abs(position - Math.round(position)) > distance) continue;
        pairs.x1.push(least1 + i);
        pairs.x2.push(least2 + j);
        const k = exact(i, j);
        pairs.from.push(k <= 0 ? Number.NEGATIVE_INFINITY : edges[Math.min(k, most)]);
        pairs.below.push(k >= most ? Number.POSITIVE_INFINITY : edges[Math.max(k, 0) + 1]);
      }
  }
  return pairs;
}

function isExact({ x1, x2, from, below }: Pairs, a: number, b: number, g: number, fused: boolean): boolean {
  for (let i = 0; i < x1.length; i++) {
    const right = fused ? fusedAdd(x2[i] * b, g) : fround(fround(x2[i] * b) + g);
    const y = (fused ? x1[i] * a : fround(x1[i] * a)) + right;
    // This sum is rounded to a double: one that meets its edge might be on either side.
    if (!(y > from[i] && y < below[i])) return false;
  }
  return true;
}

/** product + g rounded to f32 once, or NaN where the double between them might tip it. */
function fusedAdd(product: number, g: number): number {
  const sum = product + g;
  const taken = sum - product;
  const isWhole = product === sum - taken && g === taken; // Knuth's two-sum
  const margin = isWhole ? 0 : Math.abs(sum) * 2 ** -52;
  const result = fround(sum + margin);
  return result === fround(sum - margin) ? result : Number.NaN;
}
