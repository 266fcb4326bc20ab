/** Arithmetic on two tensors, broadcast against each other. */

import { type DType, elementCount } from '../../tensor.ts';
import type { ArithmeticFn, CompareFn, KernelCall, LogicFn, Offer, View } from '../call.ts';
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
  roundingOf,
  roundsToEven,
  sameQuantization,
  saturatingRoundingDoublingHighMul,
  scaleOf,
  sumMultipliers,
  zeroPointOf,
} from '../requantize.ts';
import { castFunction } from './cast.ts';
import {
  cellsOf,
  clampOf,
  clampReal,
  inStep,
  isBigType,
  isFloating,
  isPlain,
  type Of,
  offer,
  type Scalar,
  wrapOf,
} from './support.ts';

/**
 * y[i] = clamp(f(a[j], b[k])), where j and k follow i with repeated axes standing still
 *
 *   a, b  any shapes that broadcast to y's, aligned at the innermost axis; one dtype, but for an exponent
 *   y     their dtype; bool for comparisons
 *
 * f32 in f64, rounded once. int8 as TensorFlow Lite Micro's reference: see each function; with `rounding`
 * 'even', through f32. Plain integers wrap; their quotient is cut towards zero, and a quotient by zero is 0.
 * Source: ONNX operators Add, Sub, Mul, Div, Min, Max, Pow, Mod, Equal, Less, Greater, And, Or, Xor.
 */
export function binary(call: KernelCall, op: Of<'binary'>): Offer | null {
  const [a, b] = call.inputs;
  const { output } = call;
  const { dtype } = output;
  if (isIn(comparisons, op.fn)) {
    const comparable = a.dtype === b.dtype && (isPlain(call) || sameQuantization(a, b));
    return comparable && dtype === 'bool' ? loop(call, op, comparisons[op.fn]) : null;
  }
  const int8 = int8PairFunction(call);
  if (int8) return loop(call, op, int8);
  if (!isPlain(call) || a.dtype !== dtype) return null;
  if (isIn(logic, op.fn)) return dtype === 'bool' && b.dtype === 'bool' ? loop(call, op, logic[op.fn]) : null;
  const clamp = clampOf(dtype, op.clamp);
  const wrap = wrapOf(dtype);
  if (dtype === 'bool') return null;
  if (b.dtype !== dtype) return op.fn === 'pow' ? loop(call, op, mixedPower(dtype, b.dtype, clamp)) : null;
  if (isBigType(dtype)) {
    const f = bigints[op.fn];
    return loop(call, op, (p: bigint, q: bigint) => clamp(wrap(f(p, q))));
  }
  const f = isFloating(dtype) ? reals[op.fn] : integers[op.fn];
  return loop(call, op, (p: number, q: number) => clamp(wrap(f(p, q))));
}

function isIn<K extends string>(table: Readonly<Record<K, unknown>>, fn: string): fn is K {
  return fn in table;
}

/** The loop over the output; `f` is chosen by the dtypes. */
function loop(call: KernelCall, op: Of<'binary'>, f: (p: never, q: never) => Scalar): Offer {
  const { shape, dtype } = call.output;
  const aStrides = broadcastStrides(call.inputs[0].shape, shape);
  const bStrides = broadcastStrides(call.inputs[1].shape, shape);
  const count = elementCount(shape);
  const bind = ([aView, bView]: readonly View[], yView: View) => {
    const a = cellsOf<never>(aView);
    const b = cellsOf<never>(bView);
    const y = cellsOf<Scalar>(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        const p = a[aView.offset + indexOf(i, shape, aStrides)];
        const q = b[bView.offset + indexOf(i, shape, bStrides)];
        y[yView.offset + i] = f(p, q);
      }
    };
  };
  return offer(`${op.fn}-${dtype}`, bind, inStep(call));
}

/** A power with an exponent of another dtype: of two integers exact in 64 bits, then wrapped; else in f64. */
function mixedPower(base: DType, exponent: DType, clamp: (x: Scalar) => Scalar) {
  if (isFloating(base) || isFloating(exponent)) {
    const store = castFunction('f64', base);
    return (p: Scalar, q: Scalar) => clamp(store(Number(p) ** Number(q)));
  }
  const store = castFunction('i64', base);
  const wrap = wrapOf(base);
  return (p: Scalar, q: Scalar) => clamp(wrap(store(bigints.pow(BigInt(p), BigInt(q)))));
}

const comparisons: Readonly<Record<CompareFn, (p: Scalar, q: Scalar) => number>> = {
  equal: (p, q) => Number(p === q),
  less: (p, q) => Number(p < q),
  lessOrEqual: (p, q) => Number(p <= q),
  greater: (p, q) => Number(p > q),
  greaterOrEqual: (p, q) => Number(p >= q),
};

const logic: Readonly<Record<LogicFn, (p: number, q: number) => number>> = {
  and: (p, q) => p & q,
  or: (p, q) => p | q,
  xor: (p, q) => p ^ q,
};

const reals: Readonly<Record<ArithmeticFn, (p: number, q: number) => number>> = {
  add: (p, q) => p + q,
  sub: (p, q) => p - q,
  mul: (p, q) => p * q,
  div: (p, q) => p / q,
  min: Math.min,
  max: Math.max,
  pow: Math.pow,
  mod: (p, q) => {
    const rest = p % q;
    return rest !== 0 && rest < 0 !== q < 0 ? rest + q : rest;
  },
  fmod: (p, q) => p % q,
};

/** Results may differ from the stored ones in higher bits; the rest of a division by 0 is stored as 0. */
const integers: typeof reals = {
  ...reals,
  mul: Math.imul,
  div: (p, q) => (q === 0 ? 0 : Math.trunc(p / q)),
  pow: (base, exponent) => {
    if (exponent < 0) return base === 1 || base === -1 ? base ** (exponent & 1) : 0;
    let power = 1;
    for (let square = base, e = exponent; e > 0; e = Math.floor(e / 2), square = Math.imul(square, square)) {
      if (e % 2 === 1) power = Math.imul(power, square);
    }
    return power;
  },
};

const bigints: Readonly<Record<ArithmeticFn, (p: bigint, q: bigint) => bigint>> = {
  add: (p, q) => p + q,
  sub: (p, q) => p - q,
  mul: (p, q) => p * q,
  div: (p, q) => (q === 0n ? 0n : p / q),
  min: (p, q) => (p < q ? p : q),
  max: (p, q) => (p > q ? p : q),
  pow: (base, exponent) => {
    if (exponent < 0n) return base === 1n || base === -1n ? base ** (exponent & 1n) : 0n;
    let power = 1n;
    for (let square = base, e = exponent; e > 0n; e >>= 1n, square = BigInt.asIntN(64, square * square)) {
      if (e & 1n) power = BigInt.asIntN(64, power * square);
    }
    return power;
  },
  mod: (p, q) => {
    const rest = q === 0n ? 0n : p % q;
    return rest !== 0n && rest < 0n !== q < 0n ? rest + q : rest;
  },
  fmod: (p, q) => (q === 0n ? 0n : p % q),
};

type Int8Pair = (p: number, q: number) => number;

/** The int8 function of two stored numbers that `call` applies, or null where it is not one. */
export function int8PairFunction(call: KernelCall): Int8Pair | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || !isQuantized8(output) || !isIn(reals, op.fn)) return null;
  if (!inputs.every((x) => isQuantized8(x) && x.dtype === output.dtype)) return null;
  return roundsToEven(call) ? throughReal(call, op, op.fn) : int8Pair(call, op, op.fn);
}

function int8Pair(call: KernelCall, op: Of<'binary'>, fn: ArithmeticFn): Int8Pair {
  switch (fn) {
    case 'add':
    case 'sub':
      return sum(call, op, fn);
    case 'mul':
      return product(call, op);
    case 'div':
      return quotient(call, op);
    case 'min':
    case 'max': {
      const [a, b] = call.inputs;
      const bounds = quantizedBounds(op.clamp, call.output);
      const f = fn === 'min' ? Math.min : Math.max;
      if (sameQuantization(a, b) && sameQuantization(a, call.output))
        return (p, q) => clampTo(bounds, f(p, q));
      return throughReal(call, op, fn);
    }
    default:
      return throughReal(call, op, fn);
  }
}

/** See `sumMultipliers`. Source: tensorflow/tflite-micro, reference/integer_ops/add.h, reference/sub.h. */
function sum(call: KernelCall, op: Of<'binary'>, fn: 'add' | 'sub'): Int8Pair {
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
function product(call: KernelCall, op: Of<'binary'>): Int8Pair {
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
function quotient(call: KernelCall, op: Of<'binary'>): Int8Pair {
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
function throughReal(call: KernelCall, op: Of<'binary'>, fn: ArithmeticFn): Int8Pair {
  const [a, b] = call.inputs;
  const f = reals[fn];
  const round = roundingOf(op.rounding);
  const range = rangeOf(call.output.dtype);
  const zero = zeroPointOf(call.output);
  const real = (q: number, scale: number, zeroPoint: number) => Math.fround(scale * (q - zeroPoint));
  return (p, q) => {
    const result = f(real(p, scaleOf(a), zeroPointOf(a)), real(q, scaleOf(b), zeroPointOf(b)));
    return quantize(clampReal(result, op.clamp), scaleOf(call.output), zero, range, round);
  };
}
