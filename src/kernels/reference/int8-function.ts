/**
 * Functions of one int8 or uint8 number: exactly what each element of a unary, clamp or requantising
 * call becomes. There are only 256 inputs, so a fast kernel may tabulate the function it gets here.
 */

import type { KernelCall, Operand, Rounding, UnaryFn } from '../call.ts';
import { inputRadius, inverseSquareRoot, logistic, tanh } from '../fixed-point.ts';
import {
  clampTo,
  isQuantized8,
  multiplyByQuantizedMultiplier,
  quantize,
  quantizedBounds,
  quantizeMultiplier,
  type Range,
  rangeOf,
  ratioMultiplier,
  roundHalfAway,
  roundHalfEven,
  roundingDivideByPowerOfTwo,
  scaleOf,
  zeroPointOf,
} from '../requantize.ts';
import { realUnary } from './real-unary.ts';

export type Int8Function = (q: number) => number;

/** The function that `call` applies to every element, or null where it is not one on 8-bit numbers. */
export function int8Function(call: KernelCall): Int8Function | null {
  const { arithmetic: op, inputs, output } = call;
  const [x] = inputs;
  if (inputs.length !== 1 || !isQuantized8(x) || !isQuantized8(output)) return null;
  switch (op.kind) {
    case 'clamp':
      return requantized(x, output, quantizedBounds(op.clamp, output), 'away');
    case 'convert':
      return requantized(x, output, rangeOf(output.dtype), op.rounding);
    case 'unary':
      return unaryFunction(op.fn, op.alpha, x, output);
    default:
      return null;
  }
}

function unaryFunction(fn: UnaryFn, alpha: number, x: Operand, y: Operand): Int8Function {
  switch (fn) {
    case 'abs':
      return absolute(x, y);
    case 'leakyRelu':
      return leakyRelu(alpha, x, y);
    case 'logistic':
      return isFixed(x, y, 1 / 256, -128) ? fixedPoint(logistic, 8, -128, x) : throughReal(sigmoid, x, y);
    case 'tanh':
      return isFixed(x, y, 1 / 128, 0) ? fixedPoint(tanh, 7, 0, x) : throughReal(Math.tanh, x, y);
    case 'hardSwish':
      return hardSwish(x, y);
    case 'rsqrt':
      return inverseRoot(x, y);
    case 'sqrt':
      return squareRoot(x, y);
    case 'log': {
      const least = Math.fround((rangeOf(y.dtype).lo - zeroPointOf(y)) * scaleOf(y));
      return throughReal((real) => (real <= 0 ? least : Math.log(real)), x, y);
    }
    case 'elu':
      return throughReal((real) => (real < 0 ? alpha * (Math.fround(Math.exp(real)) - 1) : real), x, y);
    default:
      return throughReal(realUnary(fn, alpha), x, y);
  }
}

/**
 * z_y + (q − zₓ)·[sₓ/s_y], clamped; with halves to even, dequantised and quantised in f32.
 * Source: reference/requantize.h, micro/kernels/activations_common.cc.
 */
export function requantized(x: Operand, y: Operand, bounds: Range, rounding: Rounding): Int8Function {
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  if (rounding === 'even') {
    return (q) => quantize(scaleOf(x) * Math.fround(q - zx), scaleOf(y), zy, bounds, roundHalfEven);
  }
  const { multiplier, shift } = ratioMultiplier(x, y);
  return (q) => clampTo(bounds, zy + multiplyByQuantizedMultiplier((q - zx) | 0, multiplier, shift));
}

/** z_y + |q − zₓ|·[sₓ/s_y]. Source: micro/kernels/elementwise.cc. */
function absolute(x: Operand, y: Operand): Int8Function {
  const { multiplier, shift } = ratioMultiplier(x, y);
  const range = rangeOf(y.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  return (q) => clampTo(range, zy + multiplyByQuantizedMultiplier(Math.abs(q - zx), multiplier, shift));
}

/** Two slopes, both quotients taken in f32. Source: reference/leaky_relu.h. */
function leakyRelu(alpha: number, x: Operand, y: Operand): Int8Function {
  const identity = quantizeMultiplier(Math.fround(scaleOf(x) / scaleOf(y)));
  const sloped = Math.fround(scaleOf(x) * Math.fround(alpha));
  const below = quantizeMultiplier(Math.fround(sloped / scaleOf(y)));
  const range = rangeOf(y.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  return (q) => {
    const { multiplier, shift } = q >= zx ? identity : below;
    return clampTo(range, zy + multiplyByQuantizedMultiplier(q - zx, multiplier, shift));
  };
}

/** TensorFlow Lite fixes the output parameters of logistic and tanh; its int8 kernels rely on them. */
function isFixed(x: Operand, y: Operand, scale: number, zeroPoint: number): boolean {
  return x.dtype === 'i8' && y.dtype === 'i8' && scaleOf(y) === scale && zeroPointOf(y) === zeroPoint;
}

/**
 * logistic or tanh: q − zₓ brought to Q4, f in fixed point, then `bits` bits of the result kept.
 * Source: reference/integer_ops/logistic.h and tanh.h.
 */
function fixedPoint(
  f: (a: number, integerBits: number) => number,
  bits: number,
  zy: number,
  x: Operand,
): Int8Function {
  const integerBits = 4;
  const range = rangeOf('i8');
  const { multiplier, shift } = quantizeMultiplier(scaleOf(x) * 2 ** (31 - integerBits));
  const radius = inputRadius(integerBits, shift);
  const zx = zeroPointOf(x);
  return (q) => {
    if (q - zx <= -radius) return range.lo;
    if (q - zx >= radius) return range.hi;
    const a = multiplyByQuantizedMultiplier(q - zx, multiplier, shift);
    return clampTo(range, zy + roundingDivideByPowerOfTwo(f(a, integerBits), 31 - bits));
  };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/**
 * Dequantise, compute, quantise, every step rounded to f32: z_y + round(f(sₓ·(q − zₓ))·(1/s_y)).
 * Source: kernels/internal/common.h, LUTPopulate; micro/kernels/elu.cc.
 */
function throughReal(f: (real: number) => number, x: Operand, y: Operand): Int8Function {
  const { fround } = Math;
  const inverse = fround(1 / scaleOf(y));
  const scale = scaleOf(x);
  const range = rangeOf(y.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  return (q) => {
    const real = fround(f(fround(scale * (q - zx))));
    return clampTo(range, zy + roundHalfAway(fround(real * inverse)));
  };
}

/** z_y + ⌊√(sₓ·(q − zₓ)) / s_y⌋, which truncates; below 0 as 0. Source: kernels/elementwise.cc. */
function squareRoot(x: Operand, y: Operand): Int8Function {
  const { fround } = Math;
  const range = rangeOf(y.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  return (q) => {
    const root = fround(Math.sqrt(fround(scaleOf(x) * Math.max(q - zx, 0))));
    return clampTo(range, zy + Math.trunc(fround(root / scaleOf(y))));
  };
}

/** z_y + 1/√(q − zₓ)·[1/(√sₓ·s_y)] with 20 bits between; the top of the range at and below 0. */
function inverseRoot(x: Operand, y: Operand): Int8Function {
  const extraBits = 20;
  const { multiplier, shift } = quantizeMultiplier(1 / (Math.sqrt(scaleOf(x)) * scaleOf(y)));
  const range = rangeOf(y.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  const root = new Int32Array(2);
  return (q) => {
    if (q <= zx) return range.hi;
    inverseSquareRoot(q - zx, root);
    const inverse = multiplyByQuantizedMultiplier(1, root[0], root[1] + extraBits);
    return clampTo(range, zy + multiplyByQuantizedMultiplier(inverse, multiplier, shift - extraBits));
  };
}

/**
 * x·relu6(x + 3)/6 in 16-bit fixed point: x on a scale 128 times finer, once rescaled to the output,
 * once to r in [−1, 1] for x in [−3, 3], saturated; the product with (r + 1)/2 is the result.
 * Source: reference/hard_swish.h.
 */
function hardSwish(x: Operand, y: Operand): Int8Function {
  const fine = Math.fround(scaleOf(x) / 128);
  const output = quantizeMultiplier(Math.fround(fine / scaleOf(y)));
  const relu = quantizeMultiplier(Math.fround(fine / Math.fround(3 / 32768)));
  const outputMultiplier = upperHalf(output.multiplier);
  const reluMultiplier = upperHalf(relu.multiplier);
  const range = rangeOf(y.dtype);
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(y);
  if (output.shift > 0) return throughReal((real) => (real * clampTo(relu6, real + 3)) / 6, x, y);
  return (q) => {
    const value = (q - zx) * 128;
    let r = value;
    if (relu.shift > 0) r = saturate16(r * 2 ** (relu.shift - 1)); // all but one bit of the left shift
    r = roundingHighMul16(r, reluMultiplier);
    if (relu.shift > 0) r = saturate16(r * 2);
    if (relu.shift < 0) r = roundingDivideByPowerOfTwo(r, -relu.shift);
    const gate = (r + 32768) >> 1; // (r + 1)/2
    const product = Math.trunc((gate * roundingHighMul16(value, outputMultiplier)) / 32768);
    return clampTo(range, zy + roundingDivideByPowerOfTwo(product, -output.shift));
  };
}

const relu6: Range = { lo: 0, hi: 6 };

/** The upper 16 bits of a multiplier, rounded. */
function upperHalf(multiplier: number): number {
  return Math.min((multiplier + 0x8000) / 0x10000, 0x7fff) | 0;
}

function saturate16(x: number): number {
  return clampTo(rangeOf('i16'), x);
}

/** ⌊a·b / 2¹⁵ + 1/2⌋, saturated. */
function roundingHighMul16(a: number, b: number): number {
  return Math.min((a * b + 0x4000) >> 15, 32767);
}
