/**
 * From a range of real numbers to the int8 parameters that cover it.
 *
 *   s = (max − min)/255,  z = round(−128 − min/s)        with 0 in [min, max]      (docs/quantization.md, eq. 2)
 *
 * s is the f32 that kernels and files hold; z is whole, so 0 is stored without error.
 * Source: Jacob et al. 2018, arXiv:1712.05877, §2.1 and §3.1.
 */
import { clampTo, rangeOf, roundHalfAway } from '../kernels/requantize.ts';
import type { Quantization } from '../tensor.ts';

/** Real numbers from `min` to `max`. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const uniteRanges = (a: Range, b: Range): Range => ({
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
});

/** The parameters of an int8 tensor whose numbers lie in `range`; of one that is always 0, scale 1. */
export function parametersOf(range: Range): Quantization {
  const min = Math.min(range.min, 0);
  const max = Math.max(range.max, 0);
  const scale = Math.fround((max - min) / 255);
  // Narrower than an f32 can divide by 255: 0 will do.
  if (!(scale > 2 ** -120)) return oneScale(1, min < 0 ? 127 : -128);
  return oneScale(scale, clampTo(rangeOf('i8'), roundHalfAway(-128 - min / scale)) + 0); // never −0
}

export function oneScale(scale: number, zeroPoint: number): Quantization {
  return { scale: [scale], zeroPoint: [zeroPoint], axis: 0 };
}

/** The real numbers that the parameters reach. */
export function rangeOfParameters({ scale: [s], zeroPoint: [z] }: Quantization, lo = -128, hi = 127): Range {
  return { min: s * (lo - z), max: s * (hi - z) };
}
