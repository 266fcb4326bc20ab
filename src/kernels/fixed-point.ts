/**
 * exp, 1/(1+x), logistic, tanh and 1/√x in 32-bit fixed point.
 *
 * Qm: an int32 `raw` stands for raw·2^(m−31), a number in [−2^m, 2^m). The product of Qm and Qn is
 * Q(m+n), one saturatingRoundingDoublingHighMul. Bit for bit the functions that TensorFlow Lite's int8
 * softmax, logistic, tanh and L2 normalisation are built on.
 *
 * Source: google/gemmlowp, fixedpoint/fixedpoint.h; tensorflow/tflite-micro, kernels/internal/common.h.
 */

import { saturatingRoundingDoublingHighMul as multiply, roundingDivideByPowerOfTwo } from './requantize.ts';

const one = 0x7fffffff; // the largest Q0 stands for 1
const oneInQ2 = 1 << 29;

/** x·2^exponent, saturated. */
function shiftLeftSaturating(x: number, exponent: number): number {
  const threshold = 2 ** (31 - exponent) - 1;
  return x > threshold ? 0x7fffffff : x < -threshold ? -0x80000000 : x << exponent;
}

/** (a + b) / 2, halves away from zero. */
function roundingHalfSum(a: number, b: number): number {
  const sum = a + b;
  return Math.trunc((sum + (sum >= 0 ? 1 : -1)) / 2);
}

/**
 * e^a for a in [−1/4, 0), Q0 → Q0: the Taylor series about −1/8, with x = a + 1/8:
 *
 *   e^a ≈ e^(−1/8)·(1 + x + x²/2 + x³/6 + x⁴/24),   error under x⁵/120 < 2⁻²²
 */
function expOnLastQuarter(a: number): number {
  const expOfMinusEighth = 1895147668;
  const third = 715827883;
  const x = a + (1 << 28);
  const x2 = multiply(x, x);
  const x3 = multiply(x2, x);
  const x4 = multiply(x2, x2);
  const x4Over4 = roundingDivideByPowerOfTwo(x4, 2);
  const tail = roundingDivideByPowerOfTwo(multiply(x4Over4 + x3, third) + x2, 1); // x²/2 + x³/6 + x⁴/24
  return expOfMinusEighth + multiply(expOfMinusEighth, x + tail);
}

/** e^(−2^k) in Q0 for k = −2 … 4. */
const expOfMinusPowers = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242];

/**
 * e^a for a ≤ 0, Qm → Q0, 0 ≤ m ≤ 5.
 *
 * a = r − Σ 2^k over some k ≥ −2, with r in [−1/4, 0): e^a = e^r·Π e^(−2^k), one factor a set bit. Error under 2⁻²².
 */
export function expOnNegativeValues(a: number, integerBits: number): number {
  if (a === 0) return one;
  const fractionalBits = 31 - integerBits;
  const quarter = 1 << (fractionalBits - 2);
  const r = (a & (quarter - 1)) - quarter;
  const rest = r - a;
  let result = expOnLastQuarter(shiftLeftSaturating(r, integerBits));
  for (let k = -2; k < integerBits; k++) {
    if ((rest & (1 << (fractionalBits + k))) !== 0) result = multiply(result, expOfMinusPowers[k + 2]);
  }
  return result;
}

/**
 * 1/d in Q2 for d in [1/2, 1] in Q0, by Newton and Raphson:
 *
 *   x₀ = 48/17 − 32/17·d,   xₙ₊₁ = xₙ + xₙ·(1 − d·xₙ),   three times: (1/17)⁸ < 2⁻³²
 */
function reciprocalOfUpperHalf(d: number): number {
  let x = 1515870810 + multiply(d, -1010580540);
  for (let i = 0; i < 3; i++) {
    const rest = oneInQ2 - multiply(d, x);
    x = (x + shiftLeftSaturating(multiply(x, rest), 2)) | 0;
  }
  return x;
}

/** 1/(1+a) for a in [0, 1], Q0 → Q0: half the reciprocal of (1+a)/2. */
export function oneOverOnePlusX(a: number): number {
  return shiftLeftSaturating(reciprocalOfUpperHalf(roundingHalfSum(a, one)), 1);
}

/** (1−a)/(1+a) for a in [0, 1], Q0 → Q0: the reciprocal of (1+a)/2, less 1. */
export function oneMinusXOverOnePlusX(a: number): number {
  return shiftLeftSaturating((reciprocalOfUpperHalf(roundingHalfSum(a, one)) - oneInQ2) | 0, 2);
}

/** 1/(1+e^(−a)), Qm → Q0; for a < 0 it is 1 − logistic(−a). Error under 2⁻²². */
export function logistic(a: number, integerBits: number): number {
  if (a === 0) return 1 << 30;
  const positive = oneOverOnePlusX(expOnNegativeValues(a > 0 ? -a : a, integerBits));
  return a > 0 ? positive : one - positive;
}

/** tanh a = (1−e^(−2a))/(1+e^(−2a)), Qm → Q0; the factor 2 is one more integer bit. Error under 2⁻²¹. */
export function tanh(a: number, integerBits: number): number {
  if (a === 0) return 0;
  const positive = oneMinusXOverOnePlusX(expOnNegativeValues(a > 0 ? -a : a, integerBits + 1));
  return a > 0 ? positive : -positive;
}

/**
 * x > 0 is 2^(31 − clz x)·(1+f) with f in [0, 1); gives 1/(1+f) in Q0. With x in Qm,
 * 1/x = reciprocalScale(x)·2^−31·2^−(m − clz x).
 */
export function reciprocalScale(x: number): number {
  return oneOverOnePlusX((x << Math.clz32(x)) & 0x7fffffff);
}

/**
 * 1/√n for an integer n ≥ 1, as result[0]·2^(result[1] − 31); n = 0 counts as 1.
 * Written rather than returned: a running kernel allocates nothing.
 *
 * n is scaled by a power of 4 into [2²⁷, 2²⁹); five steps of x ← x·(3/2 − n/2·x²) from x = 1 in Q3.
 * Relative error under 2⁻¹⁹.
 */
export function inverseSquareRoot(n: number, result: Int32Array): void {
  if (n <= 1) {
    result[0] = one;
    result[1] = 0;
    return;
  }
  let scaled = n;
  let rightShift = 11;
  for (; scaled >= 2 ** 29; rightShift++) scaled = Math.trunc(scaled / 4);
  const pairs = ((Math.clz32(scaled) - 1) >> 1) - 1;
  rightShift -= pairs;
  scaled <<= 2 * pairs;
  const input = scaled >> 1;
  const halfInput = roundingDivideByPowerOfTwo(input, 1);
  const threeHalves = (1 << 28) + (1 << 27);
  const halfSqrt2 = 1518500250;
  let x = 1 << 28; // 1 in Q3
  for (let i = 0; i < 5; i++) {
    const x3 = shiftLeftSaturating(multiply(multiply(x, x), x), 6);
    x = shiftLeftSaturating((multiply(threeHalves, x) - multiply(halfInput, x3)) | 0, 3);
  }
  x = multiply(x, halfSqrt2);
  result[0] = rightShift < 0 ? x << -rightShift : x;
  result[1] = rightShift < 0 ? 0 : -rightShift;
}

/** The largest q that, scaled to Qm by a left shift of `shift`, stays inside the format. */
export function inputRadius(integerBits: number, shift: number): number {
  return Math.floor(((2 ** integerBits - 1) * 2 ** (31 - integerBits)) / 2 ** shift);
}
