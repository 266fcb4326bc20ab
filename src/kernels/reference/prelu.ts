/** A ReLU whose slope below zero is learned. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, View } from '../call.ts';
import { broadcastStrides, indexOf } from '../geometry.ts';
import {
  clampTo,
  isQuantized8,
  multiplyByQuantizedMultiplier,
  productMultiplier,
  rangeOf,
  ratioMultiplier,
  zeroPointOf,
} from '../requantize.ts';
import { allFloating, inStep, numbersOf, offer } from './support.ts';

/**
 * y[i] = x[i] if x[i] ≥ 0, else x[i]·slope[j], where j follows i with repeated axes standing still
 *
 *   x, y   one shape
 *   slope  any shape that broadcasts to it, usually (c)
 *
 * int8: z_y + (x − zₓ)·[sₓ/s_y], or z_y + (x − zₓ)·(slope − z)·[sₓ·s/s_y].
 * Exact: f32 rounds once, f64 in f64; int8 equals TensorFlow Lite Micro's reference.
 * Source: He et al. 2015, arXiv:1502.01852, eq. 1; tensorflow/tflite-micro, reference/prelu.h.
 */
export function prelu(call: KernelCall): Offer | null {
  const { inputs, output } = call;
  const [x, slope] = inputs;
  if (allFloating(call)) return preluOf(call, null);
  if (!isQuantized8(x) || !isQuantized8(slope) || !isQuantized8(output)) return null;
  const above = ratioMultiplier(x, output);
  const below = productMultiplier(x, slope, output);
  const range = rangeOf(output.dtype);
  const zx = zeroPointOf(x);
  const zSlope = zeroPointOf(slope);
  const zy = zeroPointOf(output);
  return preluOf(call, (qx, qSlope) => {
    const value = qx - zx;
    const scaled =
      value >= 0
        ? multiplyByQuantizedMultiplier(value, above.multiplier, above.shift)
        : multiplyByQuantizedMultiplier(value * (qSlope - zSlope), below.multiplier, below.shift);
    return clampTo(range, zy + scaled);
  });
}

/** Without `f`, on real numbers. */
function preluOf(call: KernelCall, f: ((x: number, slope: number) => number) | null): Offer {
  const { shape } = call.output;
  const xStrides = broadcastStrides(call.inputs[0].shape, shape);
  const slopeStrides = broadcastStrides(call.inputs[1].shape, shape);
  const count = elementCount(shape);
  const bind = ([xView, slopeView]: readonly View[], yView: View) => {
    const x = numbersOf(xView);
    const slope = numbersOf(slopeView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        const xAt = xView.offset + indexOf(i, shape, xStrides);
        const slopeAt = slopeView.offset + indexOf(i, shape, slopeStrides);
        if (f) y[yView.offset + i] = f(x[xAt], slope[slopeAt]);
        else y[yView.offset + i] = x[xAt] >= 0 ? x[xAt] : x[xAt] * slope[slopeAt];
      }
    };
  };
  return offer(`prelu-${call.output.dtype}`, bind, inStep(call));
}
