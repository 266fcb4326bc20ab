/** Division by the Euclidean length along the innermost axis. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { inverseSquareRoot } from '../fixed-point.ts';
import {
  clampTo,
  isQuantized8,
  multiplyByQuantizedMultiplier,
  rangeOf,
  scaleOf,
  zeroPointOf,
} from '../requantize.ts';
import { allF32, numbersOf, offer } from './support.ts';

/**
 * y[i,c] = x[i,c] / max(√Σ_c x[i,c]², 10⁻⁶)
 *
 *   x, y  (…, C)
 *
 * int8: the root in fixed point, and no lower limit but 1 step; y has scale 1/128 and its zero point in
 * the middle of the dtype.
 * Exact: f32 in f64, rounded once; int8 equals TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/l2normalization.h, reference/integer_ops/l2normalization.h.
 */
export function l2Normalize(call: KernelCall): Offer | null {
  const { inputs, output } = call;
  if (allF32(call)) return l2NormalizeF32(call);
  const [x] = inputs;
  if (!isQuantized8(x) || !isQuantized8(output) || x.dtype !== output.dtype) return null;
  if (scaleOf(output) !== 1 / 128 || zeroPointOf(output) !== (output.dtype === 'i8' ? 0 : 128)) return null;
  return l2NormalizeInt8(call);
}

function l2NormalizeF32(call: KernelCall): Offer {
  const { shape } = call.output;
  const C = shape[shape.length - 1];
  const rows = elementCount(shape) / C;
  return offer('l2-normalize-f32', ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < rows; i++) {
        const xAt = xView.offset + i * C;
        const yAt = yView.offset + i * C;
        let sum = 0;
        for (let c = 0; c < C; c++) sum += x[xAt + c] ** 2;
        const length = Math.max(Math.sqrt(sum), 1e-6);
        for (let c = 0; c < C; c++) y[yAt + c] = x[xAt + c] / length;
      }
    };
  });
}

function l2NormalizeInt8(call: KernelCall): Offer {
  const { shape, dtype } = call.output;
  const C = shape[shape.length - 1];
  const rows = elementCount(shape) / C;
  const range = rangeOf(dtype);
  const zx = zeroPointOf(call.inputs[0]);
  const zy = zeroPointOf(call.output);
  const outputBits = 7; // scale 1/128
  return offer(`l2-normalize-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    const inverse = new Int32Array(2); // multiplier, shift
    return () => {
      for (let i = 0; i < rows; i++) {
        const xAt = xView.offset + i * C;
        const yAt = yView.offset + i * C;
        let sum = 0;
        for (let c = 0; c < C; c++) sum += (x[xAt + c] - zx) ** 2;
        inverseSquareRoot(sum, inverse);
        for (let c = 0; c < C; c++) {
          // The u8 kernel shifts left before it multiplies, the i8 kernel by the sum of both shifts.
          const scaled =
            dtype === 'u8'
              ? multiplyByQuantizedMultiplier((x[xAt + c] - zx) << outputBits, inverse[0], inverse[1])
              : multiplyByQuantizedMultiplier(x[xAt + c] - zx, inverse[0], inverse[1] + outputBits);
          y[yAt + c] = clampTo(range, zy + scaled);
        }
      }
    };
  });
}
