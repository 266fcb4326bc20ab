/** Quantise, dequantise, requantise: one real number, stored another way. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, Operand } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import {
  clampTo,
  multiplyByQuantizedMultiplier,
  quantize,
  rangeOf,
  ratioMultiplier,
  zeroPointOf,
} from '../requantize.ts';
import { allF32, numbersOf, offer } from './support.ts';

/**
 * quantise     y = z + round(x / s)                 f32 → integer, halves away from zero
 * dequantise   y = s·(x − z)                        integer → f32
 * requantise   y = z_y + (x − zₓ)·[sₓ/s_y]          integer → integer, per tensor
 *
 * s and z may differ along the quantisation axis of the integer tensor. Integers: i8, u8, i16, i32.
 * Exact: f32 throughout, as TensorFlow Lite Micro's reference. NaN becomes the zero point.
 * Source: tensorflow/tflite-micro, reference/quantize.h, dequantize.h, requantize.h.
 */
export function convert(call: KernelCall): Offer | null {
  const { inputs, output } = call;
  const [x] = inputs;
  if (allF32(call)) return converter(call, 'copy', (value) => value);
  if (x.dtype === 'f32' && isQuantized(output)) {
    const range = rangeOf(output.dtype);
    const { scales, zeroPoints, channelOf } = channels(output);
    return converter(call, 'quantize', (value, i) => {
      const c = channelOf(i);
      return quantize(value, scales[c], zeroPoints[c], range);
    });
  }
  if (isQuantized(x) && output.dtype === 'f32') {
    const { scales, zeroPoints, channelOf } = channels(x);
    return converter(call, 'dequantize', (value, i) => {
      const c = channelOf(i);
      return scales[c] * Math.fround(value - zeroPoints[c]);
    });
  }
  if (!isQuantized(x) || !isQuantized(output)) return null;
  if (x.quantization?.scale.length !== 1 || output.quantization?.scale.length !== 1) return null;
  const { multiplier, shift } = ratioMultiplier(x, output);
  const range = rangeOf(output.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(output);
  return converter(call, 'requantize', (value) =>
    clampTo(range, zy + multiplyByQuantizedMultiplier((value - zx) | 0, multiplier, shift)),
  );
}

function converter(call: KernelCall, name: string, f: (value: number, i: number) => number): Offer {
  const count = elementCount(call.output.shape);
  return offer(`${name}-${call.inputs[0].dtype}-${call.output.dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < count; i++) y[yView.offset + i] = f(x[xView.offset + i], i);
    };
  });
}

function isQuantized(operand: Operand): boolean {
  const { dtype, quantization } = operand;
  return quantization !== null && (dtype === 'i8' || dtype === 'u8' || dtype === 'i16' || dtype === 'i32');
}

/** Scale and zero point of every channel, and the channel of element i. */
function channels(operand: Operand) {
  const { shape, quantization } = operand;
  const scale = quantization?.scale ?? [1];
  const zeroPoint = quantization?.zeroPoint ?? [0];
  const axis = quantization?.axis ?? 0;
  const inner = extentBetween(shape, axis + 1, shape.length);
  const scales = Float32Array.from(scale);
  const zeroPoints = scale.map((_, c) => (zeroPoint.length === 1 ? zeroPoint[0] : zeroPoint[c]));
  const channelOf = (i: number) => (scale.length === 1 ? 0 : Math.floor(i / inner) % scale.length);
  return { scales, zeroPoints, channelOf };
}
