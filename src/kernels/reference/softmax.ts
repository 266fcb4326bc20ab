/** Softmax over the innermost axis. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, Operand } from '../call.ts';
import { expOnNegativeValues, inputRadius, reciprocalScale } from '../fixed-point.ts';
import {
  clampTo,
  isQuantized8,
  multiplyByQuantizedMultiplier,
  quantizeMultiplier,
  rangeOf,
  roundingDivideByPowerOfTwo,
  saturatingRoundingDoublingHighMul,
  scaleOf,
  zeroPointOf,
} from '../requantize.ts';
import { allFloating, numbersOf, type Of, offer } from './support.ts';

/**
 * y[i,c] = e^(β·(x[i,c] − mᵢ)) / Σ_c e^(β·(x[i,c] − mᵢ)),  mᵢ = max_c x[i,c]; or its logarithm
 *
 *   x, y  (…, C)
 *
 * int8: fixed point. Differences to the maximum become Q5 (range ±32), e^· is Q0, the sum Q12; y has
 * scale 1/256 and its zero point at the bottom of the dtype. Differences beyond the range of Q5 give 0.
 * Exact: f64 throughout, rounded once for f32; int8 equals TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/softmax.h; gemmlowp, fixedpoint.h.
 */
export function softmax(call: KernelCall, op: Of<'softmax'>): Offer | null {
  if (allFloating(call)) return softmaxFloat(call, op);
  if (op.log) return null;
  if (call.inputs[0].dtype === call.output.dtype && hasSoftmaxScale(call.inputs[0], call.output)) {
    return softmaxInt8(call, op);
  }
  return null;
}

/** The output's quantisation is the one that TensorFlow Lite fixes. */
export function hasSoftmaxScale(x: Operand, y: Operand): boolean {
  return (
    isQuantized8(x) && isQuantized8(y) && scaleOf(y) === 1 / 256 && zeroPointOf(y) === rangeOf(y.dtype).lo
  );
}

function softmaxFloat(call: KernelCall, op: Of<'softmax'>): Offer {
  const { shape, dtype } = call.output;
  const C = shape[shape.length - 1];
  const rows = elementCount(shape) / C;
  return offer(`${op.log ? 'log-' : ''}softmax-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    const exps = new Float64Array(C);
    return () => {
      for (let i = 0; i < rows; i++) {
        const xAt = xView.offset + i * C;
        const yAt = yView.offset + i * C;
        let max = Number.NEGATIVE_INFINITY;
        for (let c = 0; c < C; c++) max = Math.max(max, x[xAt + c]);
        let sum = 0;
        for (let c = 0; c < C; c++) sum += exps[c] = Math.exp(op.beta * (x[xAt + c] - max));
        const log = Math.log(sum);
        for (let c = 0; c < C; c++) {
          y[yAt + c] = op.log ? op.beta * (x[xAt + c] - max) - log : exps[c] / sum;
        }
      }
    };
  });
}

/** Fraction bits that the sum of exponentials leaves out. */
export const sumBits = 12;

/** e^(β·sₓ·diff) in Q0 for diff ≤ 0; 0 where that is beyond the range of Q5. */
export function expOfDifference(x: Operand, beta: number): (diff: number) => number {
  const diffBits = 5;
  const real = Math.min(beta * scaleOf(x) * 2 ** (31 - diffBits), 2 ** 31 - 1);
  const { multiplier, shift } = quantizeMultiplier(real);
  const smallestDiff = -inputRadius(diffBits, shift);
  return (diff) =>
    diff < smallestDiff
      ? 0
      : expOnNegativeValues(multiplyByQuantizedMultiplier(diff, multiplier, shift), diffBits);
}

function softmaxInt8(call: KernelCall, op: Of<'softmax'>): Offer {
  const { shape, dtype } = call.output;
  const C = shape[shape.length - 1];
  const rows = elementCount(shape) / C;
  const range = rangeOf(dtype);
  const expOf = expOfDifference(call.inputs[0], op.beta);
  return offer(`softmax-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < rows; i++) {
        const xAt = xView.offset + i * C;
        const yAt = yView.offset + i * C;
        let max = range.lo;
        for (let c = 0; c < C; c++) max = Math.max(max, x[xAt + c]);
        let sum = 0; // Q12
        for (let c = 0; c < C; c++) {
          sum = (sum + roundingDivideByPowerOfTwo(expOf(x[xAt + c] - max), sumBits)) | 0;
        }
        const scale = reciprocalScale(sum);
        const bits = sumBits - Math.clz32(sum); // sum = 2^bits·(1+f), scale = 1/(1+f)
        for (let c = 0; c < C; c++) {
          const share = saturatingRoundingDoublingHighMul(scale, expOf(x[xAt + c] - max));
          y[yAt + c] = clampTo(range, roundingDivideByPowerOfTwo(share, bits + 31 - 8) + range.lo);
        }
      }
    };
  });
}
