/** The fully connected layer: a matrix product with the weights transposed. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { channelEpilogue, isQuantizedProduct, weightZeroPoints, zeroPointOf } from '../requantize.ts';
import { allF32, clampReal, numbersOf, type Of, offer } from './support.ts';

/**
 * Y[m,n] = clamp(bias[n] + Σₖ X[m,k]·W[n,k])
 *
 *   X     [M, K]      all leading axes of x together are M
 *   W     [N, K]
 *   bias  [N]         may be absent
 *   Y     [M, N]
 *
 * int8: X − zₓ and W − z_w instead of X and W; the sum is an int32, then requantised per channel.
 * Order: m, n outside; k inside.
 * Exact: f32 sums in f64 and rounds once; int8 equals TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/integer_ops/fully_connected.h.
 */
export function dense(call: KernelCall, op: Of<'dense'>): Offer | null {
  if (allF32(call)) return denseF32(call, op);
  if (isQuantizedProduct(call)) return denseInt8(call, op);
  return null;
}

function denseF32(call: KernelCall, op: Of<'dense'>): Offer {
  const [N, K] = call.inputs[1].shape;
  const M = elementCount(call.output.shape) / N;
  return offer('dense-f32', ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += x[xView.offset + m * K + k] * w[wView.offset + n * K + k];
          if (bias) sum += bias[biasView.offset + n];
          y[yView.offset + m * N + n] = clampReal(sum, op.clamp);
        }
      }
    };
  });
}

function denseInt8(call: KernelCall, op: Of<'dense'>): Offer {
  const [N, K] = call.inputs[1].shape;
  const M = elementCount(call.output.shape) / N;
  const zx = zeroPointOf(call.inputs[0]);
  return offer(`dense-${call.inputs[0].dtype}`, ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    const zw = weightZeroPoints(call); // (N)
    const requantize = channelEpilogue(call, op.clamp);
    return () => {
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) {
            sum += (x[xView.offset + m * K + k] - zx) * (w[wView.offset + n * K + k] - zw[n]);
          }
          if (bias) sum += bias[biasView.offset + n];
          y[yView.offset + m * N + n] = requantize(sum, n);
        }
      }
    };
  });
}
