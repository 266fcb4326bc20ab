/** Arithmetic on two tensors, broadcast against each other. */

import { unreachable } from '../../errors.ts';
import { elementCount } from '../../tensor.ts';
import type { BinaryFn, KernelCall, Offer, Step, View } from '../call.ts';
import { reciprocalScale } from '../fixed-point.ts';
import { broadcastStrides, indexOf } from '../geometry.ts';
import {
  clampTo,
  isQuantized8,
  multiplyByQuantizedMultiplier,
  productMultiplier,
  quantize,
  quantizedBounds,
  quantizeMultiplier,
  rangeOf,
  sameQuantization,
  saturatingRoundingDoublingHighMul,
  scaleOf,
  sumMultipliers,
  zeroPointOf,
} from '../requantize.ts';
import { allF32, bigintsOf, type Cells, clampReal, inStep, numbersOf, type Of, offer } from './support.ts';

/**
 * y[i] = clamp(f(a[j], b[k])), where j and k follow i with repeated axes standing still
 *
 *   a, b  any shapes that broadcast to y's, aligned at the innermost axis
 *
 * f32 in f64, rounded once. int8 as TensorFlow Lite Micro's reference: see each function.
 * i32 and i64 wrap; their quotient is cut towards zero, and a quotient by zero is 0.
 */
export function binary(call: KernelCall, op: Of<'binary'>): Offer | null {
  const [a, b] = call.inputs;
  const { output } = call;
  if (allF32(call)) {
    const f = realFunction(op.fn);
    return numeric(call, op, (p, q) => clampReal(f(p, q), op.clamp));
  }
  if (a.dtype !== output.dtype || b.dtype !== output.dtype) return null;
  if (isQuantized8(a) && isQuantized8(b) && isQuantized8(output))
    return numeric(call, op, int8Pair(call, op));
  if (output.dtype === 'i32') {
    const f = intFunction(op.fn);
    return numeric(call, op, (p, q) => clampReal(f(p, q) | 0, op.clamp));
  }
  return output.dtype === 'i64' ? bigint(call, op) : null;
}

function numeric(call: KernelCall, op: Of<'binary'>, f: (p: number, q: number) => number): Offer {
  const bind = ([a, b]: readonly View[], y: View) =>
    loop(call, f, [numbersOf(a), numbersOf(b), numbersOf(y)], [a.offset, b.offset, y.offset]);
  return offer(`${op.fn}-${call.output.dtype}`, bind, inStep(call));
}

function bigint(call: KernelCall, op: Of<'binary'>): Offer {
  const f = bigintFunction(op.fn);
  const lo = Number.isFinite(op.clamp.min) ? BigInt(Math.ceil(op.clamp.min)) : -(2n ** 63n);
  const hi = Number.isFinite(op.clamp.max) ? BigInt(Math.floor(op.clamp.max)) : 2n ** 63n - 1n;
  const clamped = (p: bigint, q: bigint) => {
    const result = BigInt.asIntN(64, f(p, q));
    return result < lo ? lo : result > hi ? hi : result;
  };
  const bind = ([a, b]: readonly View[], y: View) =>
    loop(call, clamped, [bigintsOf(a), bigintsOf(b), bigintsOf(y)], [a.offset, b.offset, y.offset]);
  return offer(`${op.fn}-i64`, bind, inStep(call));
}

/** The loop over the output, on numbers or bigints. */
function loop<T>(
  call: KernelCall,
  f: (p: T, q: T) => T,
  [a, b, y]: readonly [Cells<T>, Cells<T>, Cells<T>],
  [aAt, bAt, yAt]: readonly number[],
): Step {
  const { shape } = call.output;
  const aStrides = broadcastStrides(call.inputs[0].shape, shape);
  const bStrides = broadcastStrides(call.inputs[1].shape, shape);
  const count = elementCount(shape);
  return () => {
    for (let i = 0; i < count; i++) {
      y[yAt + i] = f(a[aAt + indexOf(i, shape, aStrides)], b[bAt + indexOf(i, shape, bStrides)]);
    }
  };
}

function realFunction(fn: BinaryFn): (p: number, q: number) => number {
  switch (fn) {
    case 'add':
      return (p, q) => p + q;
    case 'sub':
      return (p, q) => p - q;
    case 'mul':
      return (p, q) => p * q;
    case 'div':
      return (p, q) => p / q;
    case 'min':
      return Math.min;
    case 'max':
      return Math.max;
    case 'pow':
      return Math.pow;
    default:
      return unreachable(fn);
  }
}

function intFunction(fn: BinaryFn): (p: number, q: number) => number {
  switch (fn) {
    case 'mul':
      return Math.imul;
    case 'div':
      return (p, q) => (q === 0 ? 0 : Math.trunc(p / q));
    case 'pow':
      return (base, exponent) => {
        if (exponent < 0) return base === 1 || base === -1 ? base ** (exponent & 1) : 0;
        let power = 1;
        for (let square = base, e = exponent; e > 0; e >>= 1, square = Math.imul(square, square)) {
          if (e & 1) power = Math.imul(power, square);
        }
        return power;
      };
    default:
      return realFunction(fn);
  }
}

function bigintFunction(fn: BinaryFn): (p: bigint, q: bigint) => bigint {
  switch (fn) {
    case 'add':
      return (p, q) => p + q;
    case 'sub':
      return (p, q) => p - q;
    case 'mul':
      return (p, q) => p * q;
    case 'div':
      return (p, q) => (q === 0n ? 0n : p / q);
    case 'min':
      return (p, q) => (p < q ? p : q);
    case 'max':
      return (p, q) => (p > q ? p : q);
    case 'pow':
      return (base, exponent) => {
        if (exponent < 0n) return base === 1n || base === -1n ? base ** (exponent & 1n) : 0n;
        let power = 1n;
        for (let square = base, e = exponent; e > 0n; e >>= 1n, square = BigInt.asIntN(64, square * square)) {
          if (e & 1n) power = BigInt.asIntN(64, power * square);
        }
        return power;
      };
    default:
      return unreachable(fn);
  }
}

/** The int8 function of two stored numbers that `call` applies, or null where it is not one. */
export function int8PairFunction(call: KernelCall): ((p: number, q: number) => number) | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || !isQuantized8(output)) return null;
  return inputs.every((x) => isQuantized8(x) && x.dtype === output.dtype) ? int8Pair(call, op) : null;
}

function int8Pair(call: KernelCall, op: Of<'binary'>): (p: number, q: number) => number {
  switch (op.fn) {
    case 'add':
    case 'sub':
      return sum(call, op, op.fn);
    case 'mul':
      return product(call, op);
    case 'div':
      return quotient(call, op);
    case 'min':
    case 'max': {
      const [a, b] = call.inputs;
      const bounds = quantizedBounds(op.clamp, call.output);
      const f = op.fn === 'min' ? Math.min : Math.max;
      if (sameQuantization(a, b) && sameQuantization(a, call.output))
        return (p, q) => clampTo(bounds, f(p, q));
      return throughReal(call, op);
    }
    case 'pow':
      return throughReal(call, op);
    default:
      return unreachable(op.fn);
  }
}

/** See `sumMultipliers`. Source: tensorflow/tflite-micro, reference/integer_ops/add.h, reference/sub.h. */
function sum(call: KernelCall, op: Of<'binary'>, fn: 'add' | 'sub'): (p: number, q: number) => number {
  const [a, b] = call.inputs;
  const m = sumMultipliers(fn, a, b, call.output);
  const sign = fn === 'add' ? 1 : -1;
  const bounds = quantizedBounds(op.clamp, call.output);
  const za = zeroPointOf(a);
  const zb = zeroPointOf(b);
  const zy = zeroPointOf(call.output);
  return (p, q) => {
    const left = multiplyByQuantizedMultiplier((p - za) << m.leftShift, m.a.multiplier, m.a.shift);
    const right = multiplyByQuantizedMultiplier((q - zb) << m.leftShift, m.b.multiplier, m.b.shift);
    const total = (left + sign * right) | 0;
    return clampTo(bounds, zy + multiplyByQuantizedMultiplier(total, m.output.multiplier, m.output.shift));
  };
}

/** z_y + (p − zₐ)·(q − z_b)·[sₐ·s_b/s_y]. Source: tensorflow/tflite-micro, reference/integer_ops/mul.h. */
function product(call: KernelCall, op: Of<'binary'>): (p: number, q: number) => number {
  const [a, b] = call.inputs;
  const { multiplier, shift } = productMultiplier(a, b, call.output);
  const bounds = quantizedBounds(op.clamp, call.output);
  const za = zeroPointOf(a);
  const zb = zeroPointOf(b);
  const zy = zeroPointOf(call.output);
  return (p, q) =>
    clampTo(bounds, zy + multiplyByQuantizedMultiplier((p - za) * (q - zb), multiplier, shift));
}

/**
 * z_y + (p − zₐ)·(1/(q − z_b))·[sₐ/(s_b·s_y)], the reciprocal in fixed point and the numerator shifted up
 * as far as it goes first. Division by 0 gives the end of the range on the numerator's side, 0/0 gives 0.
 * Source: tensorflow/tflite-micro, reference/div.h.
 */
function quotient(call: KernelCall, op: Of<'binary'>): (p: number, q: number) => number {
  const [a, b] = call.inputs;
  const scale = Math.fround(scaleOf(b) * scaleOf(call.output));
  const { multiplier, shift } = quantizeMultiplier(Math.fround(scaleOf(a) / scale));
  const bounds = quantizedBounds(op.clamp, call.output);
  const za = zeroPointOf(a);
  const zb = zeroPointOf(b);
  const zy = zeroPointOf(call.output);
  return (p, q) => {
    const divisor = Math.abs(q - zb);
    const numerator = q < zb ? za - p : p - za;
    if (numerator === 0) return clampTo(bounds, zy);
    if (divisor === 0) return numerator > 0 ? bounds.hi : bounds.lo;
    const bits = 31 - Math.clz32(divisor); // divisor = 2^bits·(1+f)
    const headroom = Math.clz32(numerator > 0 ? numerator : ~numerator) - 1; // spare sign bits
    const scaled = saturatingRoundingDoublingHighMul(numerator << headroom, reciprocalScale(divisor));
    const leftShift = shift - bits - headroom;
    if (leftShift > 0) return scaled > 0 ? bounds.hi : bounds.lo;
    return clampTo(bounds, zy + multiplyByQuantizedMultiplier(scaled, multiplier, leftShift));
  };
}

/** No integer kernel to follow: dequantise both, compute, clamp, quantise, every step rounded to f32. */
function throughReal(call: KernelCall, op: Of<'binary'>): (p: number, q: number) => number {
  const [a, b] = call.inputs;
  const f = realFunction(op.fn);
  const range = rangeOf(call.output.dtype);
  const zero = zeroPointOf(call.output);
  const real = (q: number, scale: number, zeroPoint: number) => Math.fround(scale * (q - zeroPoint));
  return (p, q) => {
    const result = f(real(p, scaleOf(a), zeroPointOf(a)), real(q, scaleOf(b), zeroPointOf(b)));
    return quantize(clampReal(result, op.clamp), scaleOf(call.output), zero, range);
  };
}
