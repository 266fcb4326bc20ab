/**
 * From an int32 sum back to int8: the multiplier, the two roundings, the bounds.
 *
 * real_out = (sₓ·s_w / s_out)·sum becomes  q = zeroPoint + sum·multiplier·2^(shift−31)  in integers.
 * Everything here gives the numbers that the TensorFlow Lite Micro reference kernels give with their
 * default double rounding. Scales are f32; where TensorFlow Lite computes in f32, so does this file.
 *
 * Source: Jacob et al. 2018, arXiv:1712.05877, §2.2; google/gemmlowp, doc/quantization.md;
 * tensorflow/tflite-micro at 90b983c2b3f1480642e040bbd2ddb37b998f3424, quantization_util.cc, kernel_util.cc.
 */

import { VireoError } from '../errors.ts';
import { type DType, isBig, type NumberData, type Quantization } from '../tensor.ts';
import type { Clamp, KernelCall, Operand, Rounding } from './call.ts';

export interface Multiplier {
  /** |multiplier| in [2³⁰, 2³¹), or 0. */
  readonly multiplier: number;
  /** Positive shifts left. */
  readonly shift: number;
}

/** real ≈ multiplier·2^(shift−31); a real under 2⁻³² in size becomes 0. */
export function quantizeMultiplier(real: number): Multiplier {
  if (real === 0 || !Number.isFinite(real)) return { multiplier: 0, shift: 0 };
  let fraction = Math.abs(real); // brought to [1/2, 1): every step is exact
  let shift = 0;
  for (; fraction >= 1; shift++) fraction /= 2;
  for (; fraction < 0.5; shift--) fraction *= 2;
  let multiplier = Math.sign(real) * roundHalfAway(fraction * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier = 2 ** 30;
    shift++;
  }
  return shift < -31 ? { multiplier: 0, shift: 0 } : { multiplier, shift };
}

/**
 * ⌊a·b / 2³¹ + 1/2⌋, saturated: only (−2³¹)² does not fit.
 *
 * The product has up to 62 bits, so a = a₁·2¹⁶ + a₀: both a₁·b and a₀·b are exact in a double, and
 * ⌊(a₁·b·2¹⁶ + t) / 2³¹⌋ = ⌊(a₁·b + ⌊t / 2¹⁶⌋) / 2¹⁵⌋ for integers.
 * Source: google/gemmlowp, fixedpoint.h; there 2³⁰ or 1 − 2³⁰ is added before truncating, the same number.
 */
export function saturatingRoundingDoublingHighMul(a: number, b: number): number {
  const low = Math.floor(((a & 0xffff) * b + 0x40000000) / 0x10000);
  const high = Math.floor(((a >> 16) * b + low) / 0x8000);
  return Math.min(high, 0x7fffffff);
}

/** x / 2^exponent rounded to nearest, halves away from zero; 0 ≤ exponent, and from 32 on it is 0. */
export function roundingDivideByPowerOfTwo(x: number, exponent: number): number {
  if (exponent > 31) return 0;
  const mask = exponent === 31 ? 0x7fffffff : (1 << exponent) - 1;
  const threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/** x·multiplier·2^(shift−31) for int32 x, rounded twice; the left shift wraps as an int32 does. */
export function multiplyByQuantizedMultiplier(x: number, multiplier: number, shift: number): number {
  return shift > 0
    ? saturatingRoundingDoublingHighMul(Math.imul(x, 1 << shift), multiplier)
    : roundingDivideByPowerOfTwo(saturatingRoundingDoublingHighMul(x, multiplier), -shift);
}

/** Nearest integer, halves away from zero, as C's `round`. */
export function roundHalfAway(x: number): number {
  const whole = Math.trunc(x);
  return Math.abs(x - whole) >= 0.5 ? whole + Math.sign(x) : whole;
}

/** Nearest integer, halves to the even one, as C's `nearbyint` and ONNX. */
export function roundHalfEven(x: number): number {
  const up = Math.round(x); // halves go up
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

export function roundingOf(rounding: Rounding | undefined): (x: number) => number {
  return rounding === 'even' ? roundHalfEven : roundHalfAway;
}

/** The values that a stored integer may take. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

const ranges: Partial<Record<DType, Range>> = {
  i8: { lo: -128, hi: 127 },
  u8: { lo: 0, hi: 255 },
  i16: { lo: -32768, hi: 32767 },
  u16: { lo: 0, hi: 65535 },
  i32: { lo: -(2 ** 31), hi: 2 ** 31 - 1 },
  u32: { lo: 0, hi: 2 ** 32 - 1 },
};

export function rangeOf(dtype: DType): Range {
  const range = ranges[dtype];
  if (range === undefined) throw new VireoError('bad-graph', `${dtype} has no quantised range`);
  return range;
}

export function clampTo(range: Range, q: number): number {
  return Math.min(Math.max(q, range.lo), range.hi);
}

/** i8 or u8 with one scale and one zero point. */
export function isQuantized8(operand: Operand): boolean {
  return (operand.dtype === 'i8' || operand.dtype === 'u8') && operand.quantization?.scale.length === 1;
}

/** One scale for the whole tensor, as the f32 it is. */
export function scaleOf(operand: Operand): number {
  return Math.fround(quantizationOf(operand).scale[0]);
}

export function zeroPointOf(operand: Operand): number {
  return quantizationOf(operand).zeroPoint[0];
}

export function sameQuantization(a: Operand, b: Operand): boolean {
  return (
    a.dtype === b.dtype &&
    a.quantization?.scale.length === 1 &&
    b.quantization?.scale.length === 1 &&
    scaleOf(a) === scaleOf(b) &&
    zeroPointOf(a) === zeroPointOf(b)
  );
}

function quantizationOf(operand: Operand): Quantization {
  if (operand.quantization === null) {
    throw new VireoError(
      'bad-graph',
      `a quantised kernel needs a scale, got a plain ${operand.dtype} tensor`,
    );
  }
  return operand.quantization;
}

/** q = zeroPoint + round(real / scale) in f32, within the dtype; halves away from zero unless `round` says else. */
export function quantize(
  real: number,
  scale: number,
  zeroPoint: number,
  range: Range,
  round = roundHalfAway,
): number {
  const steps = round(Math.fround(Math.fround(real) / scale));
  return clampTo(range, zeroPoint + (Number.isNaN(steps) ? 0 : steps));
}

/** The stored integers at the two ends of `clamp`, within the dtype of `operand`. */
export function quantizedBounds(clamp: Clamp, operand: Operand, round = roundHalfAway): Range {
  const range = rangeOf(operand.dtype);
  const scale = scaleOf(operand);
  const zeroPoint = zeroPointOf(operand);
  const bound = (real: number) => quantize(real, scale, zeroPoint, range, round) | 0;
  return {
    lo: clamp.min === Number.NEGATIVE_INFINITY ? range.lo : bound(clamp.min),
    hi: clamp.max === Number.POSITIVE_INFINITY ? range.hi : bound(clamp.max),
  };
}

/** sₓ / s_out, in f64: requantising, relu, abs, mean and sum. */
export function ratioMultiplier(x: Operand, output: Operand): Multiplier {
  return quantizeMultiplier(scaleOf(x) / scaleOf(output));
}

/** sₐ·s_b / s_out, in f64: the product of two activations. */
export function productMultiplier(a: Operand, b: Operand, output: Operand): Multiplier {
  return quantizeMultiplier((scaleOf(a) * scaleOf(b)) / scaleOf(output));
}

/**
 * a ± b: both terms are brought to a common scale 2·max(sₐ, s_b), 20 bits to the left, then summed:
 *
 *   t = (a − zₐ)·2²⁰·[sₐ/2s] ± (b − z_b)·2²⁰·[s_b/2s],   q = z_out + t·[2s / (2²⁰·s_out)],   s = max(sₐ, s_b)
 */
export interface SumMultipliers {
  readonly leftShift: number;
  readonly a: Multiplier;
  readonly b: Multiplier;
  readonly output: Multiplier;
}

/** TensorFlow Lite Micro takes these quotients in f64 for an addition and in f32 for a subtraction. */
export function sumMultipliers(fn: 'add' | 'sub', a: Operand, b: Operand, output: Operand): SumMultipliers {
  const leftShift = 20;
  const round = fn === 'sub' ? Math.fround : (x: number) => x;
  const common = 2 * Math.max(scaleOf(a), scaleOf(b));
  return {
    leftShift,
    a: quantizeMultiplier(round(scaleOf(a) / common)),
    b: quantizeMultiplier(round(scaleOf(b) / common)),
    output: quantizeMultiplier(round(common / (2 ** leftShift * scaleOf(output)))),
  };
}

/**
 * The multiplier of a mean over `count` cells: sₓ/s_out with 1/count folded into the integer,
 * ⌊multiplier·2^k / count⌋ with k = ⌊log₂ count⌋, so the sum is multiplied only once.
 */
export function meanMultiplier(x: Operand, output: Operand, count: number): Multiplier {
  const { multiplier, shift } = ratioMultiplier(x, output);
  if (count <= 0) return { multiplier, shift };
  const k = Math.min(Math.floor(Math.log2(count)), 32, 31 + shift);
  const folded = (BigInt(multiplier) << BigInt(k)) / BigInt(count);
  return { multiplier: Number(folded), shift: shift - k };
}

export interface ChannelMultipliers {
  readonly multipliers: Int32Array; // (outC)
  readonly shifts: Int32Array; // (outC)
}

/**
 * sₓ·s_w[c] / s_out for every output channel of conv2d, depthwiseConv2d, transposedConv2d or dense.
 *
 * The product sₓ·s_w is taken in f64, except where TensorFlow Lite rounds it to f32 first: under uint8
 * activations, and in a dense layer with one scale for all weights.
 */
export function channelMultipliers(call: KernelCall): ChannelMultipliers {
  const [x, weights] = call.inputs;
  const { output } = call;
  const outC = output.shape[output.shape.length - 1];
  const scales = quantizationOf(weights).scale;
  const inF32 = scales.length === 1 && (x.dtype === 'u8' || call.arithmetic.kind === 'dense');
  const multipliers = new Int32Array(outC);
  const shifts = new Int32Array(outC);
  const inScale = scaleOf(x);
  const outScale = scaleOf(output);
  for (let c = 0; c < scales.length; c++) {
    const product = inScale * Math.fround(scales[c]);
    const { multiplier, shift } = quantizeMultiplier((inF32 ? Math.fround(product) : product) / outScale);
    multipliers[c] = multiplier;
    shifts[c] = shift;
  }
  if (scales.length === 1) {
    multipliers.fill(multipliers[0]);
    shifts.fill(shifts[0]);
  }
  return { multipliers, shifts };
}

/** The zero point of each output channel's weights: 0 throughout, except in legacy uint8 networks. */
export function weightZeroPoints(call: KernelCall): Int32Array {
  const { output } = call;
  const { zeroPoint } = quantizationOf(call.inputs[1]);
  const zeroPoints = new Int32Array(output.shape[output.shape.length - 1]);
  if (zeroPoint.length === 1) return zeroPoints.fill(zeroPoint[0]);
  for (let c = 0; c < zeroPoints.length; c++) zeroPoints[c] = zeroPoint[c];
  return zeroPoints;
}

/** True where `channelEpilogue` applies: 8-bit in, 8-bit weights, an i32 bias or none, 8-bit out. */
export function isQuantizedProduct(call: KernelCall): boolean {
  const [x, weights, bias] = call.inputs;
  const scales = weights.quantization?.scale.length;
  const outC = call.output.shape[call.output.shape.length - 1];
  return (
    isQuantized8(x) &&
    (weights.dtype === 'i8' || weights.dtype === 'u8') &&
    (scales === 1 || scales === outC) &&
    (bias === undefined || bias.dtype === 'i32') &&
    isQuantized8(call.output)
  );
}

/** (sum, c) ↦ the stored output: q = clamp(z_out + sum·sₓ·s_w[c]/s_out); `sum` already holds the bias. */
export function channelEpilogue(call: KernelCall, clamp: Clamp): (sum: number, c: number) => number {
  if (roundsToEven(call)) return evenEpilogue(call, clamp);
  const { multipliers, shifts } = channelMultipliers(call);
  const bounds = quantizedBounds(clamp, call.output);
  const zeroPoint = zeroPointOf(call.output);
  return (sum, c) =>
    clampTo(bounds, multiplyByQuantizedMultiplier(sum | 0, multipliers[c], shifts[c]) + zeroPoint);
}

/** The call asks for ONNX's requantisation (call.ts, `Requantize`). */
export function roundsToEven({ arithmetic }: KernelCall): boolean {
  return 'rounding' in arithmetic && arithmetic.rounding === 'even';
}

/** [[sₓ·s_w]/s_out] in f32, for every scale of the weights. */
export function evenMultipliers({ inputs: [x, weights], output }: KernelCall): number[] {
  const { fround } = Math;
  return quantizationOf(weights).scale.map((s) => fround(fround(scaleOf(x) * fround(s)) / scaleOf(output)));
}

/**
 * The same by ONNX's rule: q = clamp(z_out + roundHalfEven([sum]·[[sₓ·s_w[c]]/s_out])), [·] rounded to f32.
 * Source: ONNX operator QLinearConv; onnxruntime, mlas/lib/quantize.cpp, MlasRequantizeOutput.
 */
function evenEpilogue(call: KernelCall, clamp: Clamp): (sum: number, c: number) => number {
  const { fround } = Math;
  const scales = evenMultipliers(call);
  const bounds = quantizedBounds(clamp, call.output, roundHalfEven);
  const zeroPoint = zeroPointOf(call.output);
  return (sum, c) => {
    const scale = scales[scales.length === 1 ? 0 : c];
    return clampTo(bounds, roundHalfEven(fround(fround(sum | 0) * scale)) + zeroPoint);
  };
}

/**
 * bias[c] − zₓ·Σₖ (w[c,k] − z_w[c]): with this as the bias, a kernel may multiply x as it is stored.
 *
 * Right wherever cells outside the picture hold zₓ. Needs constant weights and bias.
 * Source: Jacob et al. 2018, §2.3, eq. 7.
 */
export function biasWithInputZeroPoint(call: KernelCall): Int32Array {
  const [x, weights, bias] = call.inputs;
  const outC = call.output.shape[call.output.shape.length - 1];
  const w = constant(weights); // (outC, K), or (K, outC) for depthwise
  const count = w.length / outC;
  const [channelStep, step] = call.arithmetic.kind === 'depthwiseConv2d' ? [1, outC] : [count, 1];
  const zeroPoints = weightZeroPoints(call);
  const folded = bias === undefined ? new Int32Array(outC) : Int32Array.from(constant(bias));
  for (let c = 0; c < outC; c++) {
    let sum = 0;
    for (let k = 0; k < count; k++) sum += w[c * channelStep + k * step] - zeroPoints[c];
    folded[c] -= zeroPointOf(x) * sum;
  }
  return folded;
}

function constant(operand: Operand): NumberData {
  if (operand.data === null || isBig(operand.data)) {
    throw new VireoError('bad-graph', `expected a constant ${operand.dtype} tensor`);
  }
  return operand.data;
}
