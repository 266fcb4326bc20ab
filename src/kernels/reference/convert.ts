/** Quantise, dequantise, requantise: one real number, stored another way. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, Operand } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { quantize, rangeOf, roundingOf } from '../requantize.ts';
import { requantized } from './int8-function.ts';
import { allF32, numbersOf, type Of, offer } from './support.ts';

/**
 * quantise     y = z + round(x / s)                 f32 → integer, halves as `rounding` says
 * dequantise   y = s·(x − z)                        integer → f32
 * requantise   y = z_y + (x − zₓ)·[sₓ/s_y]          integer → integer, per tensor; with halves to even,
 *              y = z_y + round(sₓ·(x − zₓ) / s_y)   the other two one after the other
 *
 * s and z may differ along the quantisation axis of the integer tensor. Integers: i8, u8, i16, u16, i32.
 * Exact: f32 throughout, as TensorFlow Lite Micro's reference. NaN becomes the zero point.
 * Source: tensorflow/tflite-micro, reference/quantize.h, dequantize.h, requantize.h; ONNX operators
 * QuantizeLinear, DequantizeLinear.
 */
export function convert(call: KernelCall, op: Of<'convert'>): Offer | null {
  const { inputs, output } = call;
  const [x] = inputs;
  if (allF32(call)) return converter(call, 'copy', (value) => value);
  if (x.dtype === 'f32' && isQuantized(output)) {
    const range = rangeOf(output.dtype);
    const round = roundingOf(op.rounding);
    const { scales, zeroPoints, channelOf } = channels(output);
    return converter(call, 'quantize', (value, i) => {
      const c = channelOf(i);
      return quantize(value, scales[c], zeroPoints[c], range, round);
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
  return converter(call, 'requantize', requantized(x, output, rangeOf(output.dtype), op.rounding));
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
  return quantization !== null && ['i8', 'u8', 'i16', 'u16', 'i32'].includes(dtype);
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
