/** Sum and mean over any axes. */

import { denseStrides, elementCount, type Shape } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { indexOf } from '../geometry.ts';
import {
  clampTo,
  meanMultiplier,
  multiplyByQuantizedMultiplier,
  rangeOf,
  ratioMultiplier,
  zeroPointOf,
} from '../requantize.ts';
import { bigintsOf, numbersOf, type Of, offer } from './support.ts';

/**
 * y[kept axes] = Σ x over the reduced axes, divided by their count for a mean
 *
 *   x  any shape
 *   y  x's shape with the reduced axes 1, or left out
 *
 * Quantised i8, u8, i16: z_y + (Σx − count·zₓ)·[sₓ/s_y], for a mean with 1/count folded into the
 * multiplier (see `meanMultiplier`). Plain integers: the sum wraps, the mean is cut towards zero;
 * bool: any, all.
 * Order: x as it lies; one sum an output.
 * Exact: f32 sums in f64 and rounds once; i8 and i16 equal TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/reduce.h, QuantizedMeanOrSum.
 */
export function reduce(call: KernelCall, op: Of<'reduce'>): Offer | null {
  const { inputs, output } = call;
  const [x] = inputs;
  if (x.dtype !== output.dtype) return null;
  if (x.dtype === 'i64') return reduceI64(call, op);
  if (x.quantization === null || output.quantization === null) {
    return reduceNumbers(call, op, (sum, count) => {
      const result = op.fn === 'mean' ? sum / count : sum;
      if (x.dtype === 'f32') return result;
      return x.dtype === 'bool' ? Number(result >= 1) : Math.trunc(result);
    });
  }
  if (x.dtype === 'f32' || x.dtype === 'bool') return null;
  if (x.quantization.scale.length !== 1 || output.quantization.scale.length !== 1) return null;
  const cells = elementCount(x.shape) / Math.max(elementCount(output.shape), 1);
  const { multiplier, shift } =
    op.fn === 'mean' ? meanMultiplier(x, output, cells) : ratioMultiplier(x, output);
  const range = rangeOf(output.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(output);
  return reduceNumbers(call, op, (sum, count) =>
    clampTo(range, zy + multiplyByQuantizedMultiplier((sum - count * zx) | 0, multiplier, shift)),
  );
}

function reduceNumbers(
  call: KernelCall,
  op: Of<'reduce'>,
  finish: (sum: number, count: number) => number,
): Offer {
  const [{ shape, dtype }] = call.inputs;
  const cells = elementCount(shape);
  const results = elementCount(call.output.shape);
  const strides = keptStrides(shape, op.axes);
  return offer(`${op.fn}-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    const sums = new Float64Array(results);
    return () => {
      sums.fill(0);
      for (let i = 0; i < cells; i++) sums[indexOf(i, shape, strides)] += x[xView.offset + i];
      for (let i = 0; i < results; i++) y[yView.offset + i] = finish(sums[i], cells / results);
    };
  });
}

function reduceI64(call: KernelCall, op: Of<'reduce'>): Offer {
  const [{ shape }] = call.inputs;
  const cells = elementCount(shape);
  const results = elementCount(call.output.shape);
  const strides = keptStrides(shape, op.axes);
  return offer(`${op.fn}-i64`, ([xView], yView) => {
    const x = bigintsOf(xView);
    const y = bigintsOf(yView);
    const sums = new BigInt64Array(results);
    return () => {
      sums.fill(0n);
      for (let i = 0; i < cells; i++) sums[indexOf(i, shape, strides)] += x[xView.offset + i];
      const count = cells === 0 ? 1n : BigInt(cells / results);
      for (let i = 0; i < results; i++) y[yView.offset + i] = op.fn === 'mean' ? sums[i] / count : sums[i];
    };
  });
}

/** Strides that take an index of x to its output: the kept axes dense, 0 along the reduced ones. */
function keptStrides(shape: Shape, axes: readonly number[]): number[] {
  const kept = denseStrides(shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)));
  return kept.map((stride, axis) => (axes.includes(axis) ? 0 : stride));
}
