/**
 * How the int32 sums of a layer become 8-bit outputs in f32 lanes: constants, each proven before it is used.
 *
 *   linear   q = lo + clamp(trunc([sum + start]·scale + bias), 0, hi − lo)
 *   signed   q = clamp(base + trunc([sum + start]·scale + (sum + start < 0 ? negativeBias : bias)), lo, hi)
 *   even     q = clamp(base + nearestEven([[sum]·scale]), lo, hi)
 *   integer  q = clamp(base + multiplyByQuantizedMultiplier(sum, multiplier, shift), lo, hi)
 *
 * [·] rounds to f32. The truncated result goes through int32 and int16 with saturation before `base` is added,
 * saturating too: monotone, and out of bounds already. A constant channel of a line has scale 0.
 *
 * Double rounding is a staircase of at most 255 steps within a channel's reach and lo…hi (double-rounding.ts),
 * which fit-line.ts climbs. Where no output is below the zero point, one line does; otherwise the layer is
 * signed, with the zero point as its base. A layer for which one line is not exact enough is signed with its base
 * in the middle: products half as large, and half the steps for each bias. The integer form takes what is left.
 * Halves to even (ONNX) are f32 by definition and need no proof.
 */

import type { Clamp, KernelCall } from '../call.ts';
import {
  channelMultipliers,
  evenMultipliers,
  quantizedBounds,
  roundHalfEven,
  roundsToEven,
  zeroPointOf,
} from '../requantize.ts';
import { allSteps, leastSum, nearSteps, roundedWithin } from './double-rounding.ts';
import {
  constantLine,
  fitBias,
  fitLine,
  fitTwoLines,
  type Line,
  mostStarts,
  newStaircase,
  type Staircase,
  splitStairs,
} from './fit-line.ts';

/** One form for a whole layer. */
export type RequantizeForm = 'linear' | 'signed' | 'even' | 'integer';

export interface F32Requantizer {
  readonly form: RequantizeForm;
  readonly scale: Float32Array; // (outC)
  readonly bias: Float32Array; // (outC)  linear, signed
  readonly negativeBias: Float32Array; // (outC)  signed; linear: the bias again
  /** Added to the sum as an integer, before anything else; signed tests the sign after it. */
  readonly start: Int32Array; // (outC)  0 when even or integer
  readonly multipliers: Int32Array; // (outC), or none when even
  readonly shifts: Int32Array; // (outC), or none when even
  /** What the result is counted from: lo when linear, else the zero point or another centre. */
  readonly base: number;
  readonly lo: number;
  readonly hi: number;
}

/**
 * `reach[2c]…reach[2c+1]` is the range of sums, bias included, that output channel c can see. With `fused`, the
 * constants hold whether or not the product is rounded before the addition (f32x4.relaxed_madd may do either),
 * without it if it is. Null where multipliers are not numbers.
 */
export function proveRequantizer(
  call: KernelCall,
  reach: Float64Array,
  clamp: Clamp,
  fused: boolean,
): F32Requantizer | null {
  if (roundsToEven(call)) return evenRequantizer(call, reach.length / 2, clamp);
  const { lo, hi } = quantizedBounds(clamp, call.output);
  const zeroPoint = zeroPointOf(call.output);
  const { multipliers, shifts } = channelMultipliers(call);
  const layer: Layer = { multipliers, shifts, reach, zeroPoint, lo, hi, fused };
  const integer = withForm(layer, 'integer', zeroPoint);
  if (!fitsInt32(layer)) return integer;
  const oneSided = lo >= zeroPoint;
  return (
    prove(layer, 'linear', lo, oneSided) ??
    prove(layer, 'signed', oneSided || hi <= zeroPoint ? (lo + hi) >> 1 : zeroPoint, true) ??
    (oneSided ? null : prove(layer, 'linear', lo, true)) ??
    integer
  );
}

interface Layer {
  readonly multipliers: Int32Array; // (outC)
  readonly shifts: Int32Array; // (outC)
  readonly reach: Float64Array; // (outC, 2)
  readonly zeroPoint: number;
  readonly lo: number;
  readonly hi: number;
  readonly fused: boolean;
}

function withForm(
  { multipliers, shifts, lo, hi }: Layer,
  form: RequantizeForm,
  base: number,
): F32Requantizer {
  const outC = multipliers.length;
  return {
    form,
    scale: new Float32Array(outC),
    bias: new Float32Array(outC),
    negativeBias: new Float32Array(outC),
    start: new Int32Array(outC),
    multipliers,
    shifts,
    base,
    lo,
    hi,
  };
}

/** Sums, shifted left where the multiplier asks for it, stay within int32; multipliers are not negative. */
function fitsInt32({ multipliers, shifts, reach }: Layer): boolean {
  for (let c = 0; c < multipliers.length; c++) {
    const most = shifts[c] > 0 ? 2 ** (31 - shifts[c]) : 2 ** 31;
    if (!(-reach[2 * c] < most && reach[2 * c + 1] < most) || multipliers[c] < 0) return false;
  }
  return true;
}

function prove(
  layer: Layer,
  form: 'linear' | 'signed',
  base: number,
  search: boolean,
): F32Requantizer | null {
  const { multipliers, shifts, reach } = layer;
  const result = withForm(layer, form, base);
  const { scale, bias, negativeBias, start } = result;
  const outC = multipliers.length;
  const isUniform = areEqual(multipliers) && areEqual(shifts);
  const rooms = [newStaircase(), newStaircase(), newStaircase()];
  let line: Line | null = null;
  for (let c = 0; c < outC; c++) {
    if (c === 0 || !isUniform) {
      const from = isUniform ? reach.reduce((a, b) => Math.min(a, b)) : reach[2 * c];
      const to = isUniform ? reach.reduce((a, b) => Math.max(a, b)) : reach[2 * c + 1];
      line = proveChannel(layer, result, c, from, to, search, rooms);
    }
    if (line === null) return null;
    scale[c] = line.scale;
    bias[c] = line.bias;
    negativeBias[c] = line.negativeBias;
    start[c] = line.start;
  }
  return result;
}

function areEqual(list: Int32Array): boolean {
  for (let i = 1; i < list.length; i++) if (list[i] !== list[0]) return false;
  return true;
}

/** A line for the sums from…to of one channel. For most the nearest scale does, and a few steps prove it. */
function proveChannel(
  layer: Layer,
  { form, base }: F32Requantizer,
  c: number,
  from: number,
  to: number,
  search: boolean,
  [stairs, up, down]: readonly Staircase[],
): Line | null {
  const { zeroPoint, lo, hi, fused } = layer;
  const multiplier = layer.multipliers[c];
  const shift = layer.shifts[c];
  const slope = multiplier * 2 ** (shift - 31);
  const low = roundedWithin(from, multiplier, shift, slope, lo - zeroPoint, hi - zeroPoint) + zeroPoint;
  const high = roundedWithin(to, multiplier, shift, slope, lo - zeroPoint, hi - zeroPoint) + zeroPoint;
  if (low === high) return constantLine(low - base);
  const scale = Math.fround(slope);
  const offset = lo - zeroPoint;
  stairs.ends[0] = from;
  stairs.ends[1] = to;
  stairs.most = hi - lo;
  if (form === 'linear') {
    if (offset >= 0 && nearSteps(stairs, multiplier, shift, offset, 1, false)) {
      const bias = fitBias(stairs, scale, 0, fused, true);
      if (!Number.isNaN(bias)) return { scale, bias, negativeBias: bias, start: 0 };
    }
    if (!search) return null;
    if (offset < 0 || !nearSteps(stairs, multiplier, shift, offset, 1, true))
      allSteps(stairs, multiplier, shift, offset);
    return fitLine(stairs, slope, fused);
  }
  if (base === zeroPoint) {
    up.ends[0] = Math.max(0, from);
    up.ends[1] = to;
    up.most = hi - zeroPoint;
    down.ends[0] = Math.max(1, -to);
    down.ends[1] = -from;
    down.most = zeroPoint - lo;
    if (nearSteps(up, multiplier, shift, 0, 1, false) && nearSteps(down, multiplier, shift, 0, -1, false)) {
      const bias = fitBias(up, scale, 0, fused, false);
      const negativeBias = -fitBias(down, scale, 0, fused, false);
      if (!Number.isNaN(bias + negativeBias)) return { scale, bias, negativeBias, start: 0 };
    }
  }
  // The sums that give the base; where none does, some before the first or behind the last.
  const left = Math.min(Math.max(from - mostStarts, leastSum(base - zeroPoint, multiplier, shift)), to + 1);
  const next = leastSum(base - zeroPoint + 1, multiplier, shift);
  const right = Math.max(left, Math.min(Math.max(from, next - 1), to + mostStarts));
  if (base === zeroPoint) {
    if (nearSteps(up, multiplier, shift, 0, 1, true) && nearSteps(down, multiplier, shift, 0, -1, true))
      return fitTwoLines(up, down, left, right, slope, fused);
  }
  if (offset < 0 || !nearSteps(stairs, multiplier, shift, offset, 1, true))
    allSteps(stairs, multiplier, shift, offset);
  splitStairs(stairs, base - lo, up, down);
  return fitTwoLines(up, down, left, right, slope, fused);
}

function evenRequantizer(call: KernelCall, outC: number, clamp: Clamp): F32Requantizer | null {
  const factors = evenMultipliers(call);
  if (!factors.every(Number.isFinite)) return null;
  const { lo, hi } = quantizedBounds(clamp, call.output, roundHalfEven);
  return {
    form: 'even',
    scale: Float32Array.from({ length: outC }, (_, c) => factors[factors.length === 1 ? 0 : c]),
    bias: new Float32Array(outC),
    negativeBias: new Float32Array(outC),
    start: new Int32Array(outC),
    multipliers: new Int32Array(0),
    shifts: new Int32Array(0),
    base: zeroPointOf(call.output),
    lo,
    hi,
  };
}
