/**
 * TensorFlow Lite's double rounding (docs/decisions/0001) as a staircase in the sum.
 *
 * With s = max(0, −shift), l = max(0, shift) and M the multiplier, multiplyByQuantizedMultiplier(sum) ≥ v where
 *
 *   high product ≥ H(v) = v·2^s − 2^(s−1) + (v ≤ 0 ? 1 : 0)      s = 0: v
 *   sum ≥ ⌈(2·H(v) − 1)·2^(30−l) / M⌉
 *
 * Counted away from zero, n = |sum| gives k or more (below zero, only > holds)
 *
 *   where n ≥ (k·B + A) / M     B = 2^(s+1+30−l),   A = −((s > 0 ? 2^s : 0) + 1)·2^(30−l)
 *
 * so y(n) = (n·M − A) / B is a line that climbs the steps in exact numbers, and the n that first reaches k clears
 * it by g/B, g = −(k·B + A) mod M. Rounding to f32 can only matter where g is next to 0 or to M. As k counts up,
 * g goes round a circle of M numbers in strides of −B, and those k are found without a look at the others.
 */

import { multiplyByQuantizedMultiplier } from '../requantize.ts';
import { edges, mostStarts, mostUlps, type Staircase } from './fit-line.ts';

const { fround } = Math;

const powersOfTwo = Float64Array.from({ length: 64 }, (_, i) => 2 ** i);

/** All steps of u = clamp(rounded − offset, 0, most) between stairs.ends, whose sums·2^l are within int32. */
export function allSteps(stairs: Staircase, multiplier: number, shift: number, offset: number): void {
  const { at, k, free, ends, most } = stairs;
  free[0] = Number.NEGATIVE_INFINITY;
  free[1] = Number.POSITIVE_INFINITY;
  const slope = multiplier * 2 ** (shift - 31);
  stairs.least = roundedWithin(ends[0], multiplier, shift, slope, offset, offset + most) - offset;
  stairs.last = roundedWithin(ends[1], multiplier, shift, slope, offset, offset + most) - offset;
  stairs.count = stairs.last - stairs.least;
  for (let i = 0; i < stairs.count; i++) {
    k[i] = stairs.least + 1 + i;
    at[i] = leastSum(k[i] + offset, multiplier, shift);
  }
}

/** multiplyByQuantizedMultiplier(sum), kept within lo…hi. `slope` is its rise: it is never more than 1 beside sum·slope. */
export function roundedWithin(
  sum: number,
  multiplier: number,
  shift: number,
  slope: number,
  lo: number,
  hi: number,
): number {
  const near = sum * slope;
  if (near < lo - 1) return lo;
  if (near > hi + 1) return hi;
  return Math.min(Math.max(multiplyByQuantizedMultiplier(sum, multiplier, shift), lo), hi);
}

/** The least sum that is rounded to v or more, v from −512 to 512. */
export function leastSum(v: number, multiplier: number, shift: number): number {
  const left = powersOfTwo[30 - Math.max(0, shift)];
  const one = powersOfTwo[Math.max(0, -shift)];
  const highProduct = shift < 0 ? v * one - one / 2 + (v <= 0 ? 1 : 0) : v;
  const quotient = ((2 * highProduct - 1) * left) / multiplier;
  const sum = Math.ceil(quotient);
  // A large quotient may have been rounded down to an integer.
  const isShort =
    sum === quotient && Math.abs(sum) > 2 ** 20 && multiplyByQuantizedMultiplier(sum, multiplier, shift) < v;
  return isShort ? sum + 1 : sum;
}

/**
 * The steps of u = clamp(|rounded| − offset, 0, most), offset ≥ 0, that a line could miss: one with the scale
 * nearest to the slope, or with `search` any that fit-line.ts tries. stairs.ends are of n = sign·sum ≥ 0, or any
 * with sign 1. False where too much is lost to rounding for this to pay.
 */
export function nearSteps(
  stairs: Staircase,
  multiplier: number,
  shift: number,
  offset: number,
  sign: number,
  search: boolean,
): boolean {
  const { at, k, free, ends, most } = stairs;
  stairs.count = stairs.least = stairs.last = 0;
  free[0] = Number.NEGATIVE_INFINITY;
  free[1] = Number.POSITIVE_INFINITY;
  if (ends[0] > ends[1]) return true;
  const left = powersOfTwo[30 - Math.max(0, shift)];
  const one = powersOfTwo[Math.max(0, -shift)];
  const b = 2 * one * left;
  const slope = multiplier / b;
  const lo = sign > 0 ? offset : -offset - most;
  stairs.least = Math.abs(roundedWithin(sign * ends[0], multiplier, shift, slope, lo, lo + most)) - offset;
  stairs.last = Math.abs(roundedWithin(sign * ends[1], multiplier, shift, slope, lo, lo + most)) - offset;
  const steps = stairs.last - stairs.least;
  if (steps === 0) return true;
  const a = offset * b - ((shift < 0 ? one : 0) + 1) * left;
  const first = (stairs.least + 1) * b + a;
  const farthest = ((stairs.last + (search ? 1 : 0)) * b + a) / multiplier + mostStarts;
  const offSlope = search ? (mostUlps + 1) * slope * 2 ** -23 : Math.abs(fround(slope) - slope);
  const product = Math.ceil(farthest * (slope + offSlope));
  if (farthest > 2 ** 24 || product > 512) return false;
  // Lost in y: half an ulp of the result and of the product, what the scale is off, doubles.
  const lost = stairs.last - edges[stairs.last] + product - edges[product] + offSlope * farthest + 2 ** -40;
  const near = Math.ceil(2 * lost * b) + 1;
  if (4 * near > multiplier) return false;
  free[0] = -a / b - near / b + lost;
  free[1] = -a / b + near / b - lost;
  // g + near, so that what is near lies in 0…2·near − 1
  const stride = (multiplier - (b % multiplier)) % multiplier;
  let place = (near - (first % multiplier) + multiplier) % multiplier;
  for (let i = 0; i < steps; i++) {
    const skipped = firstBelow(2 * near, place, stride, multiplier, steps - 1 - i);
    i += skipped;
    if (i >= steps) break;
    place = (place + skipped * stride) % multiplier;
    // (k·B + A) / M is just below the n that reaches k, or just above its predecessor.
    const beside = Math.round((first + i * b) / multiplier);
    at[stairs.count] = place < near || (place === near && sign < 0) ? beside + 1 : beside;
    k[stairs.count++] = stairs.least + 1 + i;
    place = (place + stride) % multiplier;
  }
  return true;
}

/**
 * The least i ≥ 0 with (start + i·stride) mod size < length, or ∞ where it would be above `most`. As Euclid's
 * algorithm; start, stride < size are int32, whose remainders are quick.
 */
export function firstBelow(
  length: number,
  start: number,
  stride: number,
  size: number,
  most: number,
): number {
  if (start < length) return 0;
  if (stride === 0) return Number.POSITIVE_INFINITY;
  // Long strides forwards are short ones backwards.
  if (2 * stride > size) return firstBelow(length, size - 1 - start + length, size - stride, size, most);
  // After the first round, and after every further one, the place is one of 0…stride − 1: a smaller circle.
  const i = Math.ceil((size - start) / stride);
  if (i > most) return Number.POSITIVE_INFINITY;
  const place = start + i * stride - size;
  const rest = (size | 0) % (stride | 0);
  const mostRounds = Math.floor(((most - i) * stride + place) / size);
  const rounds = firstBelow(length, place, rest === 0 ? 0 : stride - rest, stride, mostRounds);
  // Each round moves the place by −rest, and it stays on the circle.
  const found = i + Math.ceil((rounds * size - place) / stride);
  return found > most ? Number.POSITIVE_INFINITY : found;
}
