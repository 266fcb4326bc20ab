/** Dynamic fake quantisation: each slice rounded to int8 levels of its own, and still f32. */

import type { KernelCall, Offer, View } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { roundHalfAway } from '../requantize.ts';
import { allF32, numbersOf, type Of, offer } from './support.ts';

/**
 * y = s·(q − z),  q = clamp(round(z + x·r))  for the x of one slice, halves away from zero
 *
 *   a = min(x, 0), b = max(x, 0) over the slice; [·] is rounded to f32, and so are x·r and z + x·r
 *   symmetric    m = max(−a, b),  s = [m/127],        r = [127/m],  z = 0,              q in −127…127
 *   asymmetric                    s = [(b − a)/255],  r = [1/s],    z by `sliceZeroPoint`,  q in −128…127
 *
 * A slice whose r overflows (max|x| under 4e-37) becomes 0, as one that is 0. A slice with NaN or an
 * infinity in it has no scale and becomes NaN. TensorFlow Lite leaves these undefined but for the 0.
 * Exact: the q and s of TensorFlow Lite; it multiplies by s later, behind the sum over q − z. No −0.
 * Source: tensorflow/lite/kernels/internal/reference/portable_tensor_utils.cc,
 * PortableSymmetricQuantizeFloats, PortableAsymmetricQuantizeFloats.
 */
export function fakeQuantize(call: KernelCall, op: Of<'fakeQuantize'>): Offer | null {
  if (!allF32(call)) return null;
  const { shape } = call.output;
  const { symmetric } = op;
  const slices = extentBetween(shape, 0, op.batchDims);
  const size = extentBetween(shape, op.batchDims, shape.length);
  const lowest = symmetric ? -127 : -128;
  const bind = ([xView]: readonly View[], yView: View) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let slice = 0; slice < slices; slice++) {
        const xBegin = xView.offset + slice * size;
        const yBegin = yView.offset + slice * size;
        let min = 0;
        let max = 0;
        for (let i = 0; i < size; i++) {
          min = Math.min(min, x[xBegin + i]);
          max = Math.max(max, x[xBegin + i]);
        }
        const scale = sliceScale(min, max, symmetric);
        const inverse = sliceInverse(min, max, symmetric);
        const zeroPoint = symmetric ? 0 : sliceZeroPoint(min, max);
        for (let i = 0; i < size; i++) {
          const level = roundHalfAway(Math.fround(zeroPoint + Math.fround(x[xBegin + i] * inverse)));
          const q = Math.min(Math.max(level, lowest), 127) + 0; // −0 + 0 is 0
          y[yBegin + i] = inverse === Number.POSITIVE_INFINITY ? 0 : scale * (q - zeroPoint);
        }
      }
    };
  };
  return offer('fake-quantize-f32', bind, [0]);
}

/** s of a slice between min ≤ 0 and max ≥ 0. */
export function sliceScale(min: number, max: number, symmetric: boolean): number {
  return Math.fround(symmetric ? Math.max(-min, max) / 127 : (max - min) / 255);
}

/** r; infinite where the slice counts as 0. */
export function sliceInverse(min: number, max: number, symmetric: boolean): number {
  return Math.fround(symmetric ? 127 / Math.max(-min, max) : 1 / sliceScale(min, max, false));
}

/**
 * z = round(−128 − a/s) or round(127 − b/s) with the unrounded s: whichever has the smaller terms and so the
 * smaller error.
 */
export function sliceZeroPoint(min: number, max: number): number {
  const scale = (max - min) / 255;
  const low = min / scale;
  const high = max / scale;
  const zeroPoint = 128 + Math.abs(low) < 127 + Math.abs(high) ? -128 - low : 127 - high;
  return roundHalfAway(Math.min(Math.max(zeroPoint, -128), 127));
}
