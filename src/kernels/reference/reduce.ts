/** Sum, mean, product, maximum and minimum over any axes. */

import { denseStrides, elementCount, type Shape } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { indexOf } from '../geometry.ts';
import {
  clampTo,
  meanMultiplier,
  multiplyByQuantizedMultiplier,
  rangeOf,
  ratioMultiplier,
  sameQuantization,
  zeroPointOf,
} from '../requantize.ts';
import { boundsOf, cellsOf, isBigType, isFloating, numbersOf, type Of, offer } from './support.ts';

/**
 * y[kept axes] = Σ x over the reduced axes, divided by their count for a mean; or their Π, max or min
 *
 *   x  any shape
 *   y  x's shape with the reduced axes 1, or left out
 *
 * Over no elements: 0, 1, the least and the greatest of the dtype; the mean of none is NaN, or 0 as an integer.
 * Quantised i8, u8, i16: z_y + (Σx − count·zₓ)·[sₓ/s_y], for a mean with 1/count folded into the
 * multiplier (see `meanMultiplier`); max and min of stored integers where both sides are quantised alike.
 * Plain integers: sum and product wrap, the mean is cut towards zero; bool: sum and max are any, all others all.
 * Order: x as it lies; one sum an output.
 * Exact: f32 in f64, rounded once; i8 and i16 sums equal TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/reduce.h, QuantizedMeanOrSum; ONNX operators Reduce*.
 */
export function reduce(call: KernelCall, op: Of<'reduce'>): Offer | null {
  const { inputs, output } = call;
  const [x] = inputs;
  const { dtype } = x;
  if (dtype !== output.dtype) return null;
  const plain = x.quantization === null || output.quantization === null;
  if (plain || (sameQuantization(x, output) && (op.fn === 'max' || op.fn === 'min')))
    return isBigType(dtype) ? reduceBig(call, op) : reduceNumbers(call, op, null);
  if ((op.fn !== 'sum' && op.fn !== 'mean') || !['i8', 'u8', 'i16', 'i32'].includes(dtype)) return null;
  if (x.quantization?.scale.length !== 1 || output.quantization?.scale.length !== 1) return null;
  const cells = elementCount(x.shape) / Math.max(elementCount(output.shape), 1);
  const { multiplier, shift } =
    op.fn === 'mean' ? meanMultiplier(x, output, cells) : ratioMultiplier(x, output);
  const range = rangeOf(output.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(output);
  return reduceNumbers(call, { ...op, fn: 'sum' }, (sum) =>
    clampTo(range, zy + multiplyByQuantizedMultiplier((sum - cells * zx) | 0, multiplier, shift)),
  );
}

function reduceNumbers(
  call: KernelCall,
  { fn, axes }: Of<'reduce'>,
  requantize: ((sum: number) => number) | null,
): Offer {
  const [{ shape, dtype }] = call.inputs;
  const cells = elementCount(shape);
  const results = elementCount(call.output.shape);
  const strides = keptStrides(shape, axes);
  const [least, greatest] = boundsOf(dtype);
  const start = Number({ sum: 0, mean: 0, prod: 1, max: least, min: greatest }[fn]);
  const floating = isFloating(dtype);
  return offer(`${fn}-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    const sums = new Float64Array(results);
    return () => {
      sums.fill(start);
      for (let i = 0; i < cells; i++) {
        const at = indexOf(i, shape, strides);
        const value = x[xView.offset + i];
        if (fn === 'max') sums[at] = Math.max(sums[at], value);
        else if (fn === 'min') sums[at] = Math.min(sums[at], value);
        else if (fn !== 'prod') sums[at] += value;
        else sums[at] = floating ? sums[at] * value : Math.imul(sums[at], value);
      }
      for (let i = 0; i < results; i++) {
        const result = fn === 'mean' ? sums[i] / (cells / results) : sums[i];
        if (requantize) y[yView.offset + i] = requantize(result);
        else if (floating) y[yView.offset + i] = result;
        else y[yView.offset + i] = dtype === 'bool' ? Number(result >= 1) : Math.trunc(result);
      }
    };
  });
}

function reduceBig(call: KernelCall, { fn, axes }: Of<'reduce'>): Offer {
  const [{ shape, dtype }] = call.inputs;
  const cells = elementCount(shape);
  const results = elementCount(call.output.shape);
  const strides = keptStrides(shape, axes);
  const [least, greatest] = boundsOf(dtype);
  const start = BigInt({ sum: 0, mean: 0, prod: 1, max: least, min: greatest }[fn]);
  return offer(`${fn}-${dtype}`, ([xView], yView) => {
    const x = cellsOf<bigint>(xView);
    const y = cellsOf<bigint>(yView);
    return () => {
      for (let i = 0; i < results; i++) y[yView.offset + i] = start; // wraps as the dtype does
      for (let i = 0; i < cells; i++) {
        const at = yView.offset + indexOf(i, shape, strides);
        const value = x[xView.offset + i];
        if (fn === 'max') y[at] = value > y[at] ? value : y[at];
        else if (fn === 'min') y[at] = value < y[at] ? value : y[at];
        else y[at] = fn === 'prod' ? y[at] * value : y[at] + value;
      }
      if (fn !== 'mean' || cells === 0) return;
      for (let i = 0; i < results; i++) y[yView.offset + i] /= BigInt(cells / results);
    };
  });
}

/** Strides that take an index of x to its output: the kept axes dense, 0 along the reduced ones. */
function keptStrides(shape: Shape, axes: readonly number[]): number[] {
  const kept = denseStrides(shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)));
  return kept.map((stride, axis) => (axes.includes(axis) ? 0 : stride));
}
