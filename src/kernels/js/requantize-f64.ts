/**
 * The double rounding of `multiplyByQuantizedMultiplier` at the price of one multiplication and one floor.
 *
 *   s = −shift,  q = sum·M·2^−(31+s)
 *   r = ⌊q + 1/2 + 2^−(s+1)⌋  for sum ≥ 0,   r = ⌊q + 1/2 − 2^−(s+1)⌋  for sum < 0,   s = 0: ⌊q + 1/2⌋
 *
 * because ⌊(⌊y⌋ + n) / m⌋ = ⌊(y + n) / m⌋ for integers n, m. Exact while q fits a double, |r| ≤ 256 and
 * s ≤ 14; beyond 256 both forms saturate. Channels outside that are either constant over every sum they can
 * reach (the function is monotone, so both ends decide), or keep the integer form.
 *
 * With halves to even, r = [[sum]·m] + magic − magic, [·] rounded to f32: a double has no room behind the point
 * next to magic = 1.5·2⁵², and rounds halves to even itself. Exact for |r| < 2⁵¹; channels whose sums leave
 * int32, or whose results might, are slow, and constant ones are found as above.
 */

import type { Clamp, KernelCall } from '../call.ts';
import {
  channelMultipliers,
  clampTo,
  evenMultipliers,
  isQuantizedProduct,
  multiplyByQuantizedMultiplier,
  quantizedBounds,
  roundHalfEven,
  roundsToEven,
  zeroPointOf,
} from '../requantize.ts';

/** Results stay under this, so that a zero point may be added to them as an int32. */
const most = 2 ** 31 - 256;

/** The integer form, for slow channels. */
export function requantizeSlow(sum: number, multiplier: number, shift: number): number {
  return Math.min(multiplyByQuantizedMultiplier(sum, multiplier, shift), most);
}

/** What is added and taken off again to round halves to even. */
export const evenMagic = 1.5 * 2 ** 52;

/** [[sum]·multiplier] to the nearest integer, halves to even, whatever the sum: past any 8-bit range it ends. */
export function requantizeEven(sum: number, multiplier: number): number {
  const real = Math.fround(Math.fround(sum | 0) * multiplier);
  return Math.min(Math.max(real, -1024), 1024) + evenMagic - evenMagic;
}

/** `isQuantizedProduct`, with multipliers that are numbers. */
export function isFastProduct(call: KernelCall): boolean {
  return isQuantizedProduct(call) && (!roundsToEven(call) || evenMultipliers(call).every(Number.isFinite));
}

export interface ChannelRequantizer {
  /** Halves go to the even number (ONNX): `scale` is f32, and half[2c] is added after rounding. */
  readonly even: boolean;
  readonly scale: Float64Array; // (outC)  M·2^(shift−31)
  readonly half: Float64Array; // (outC, 2) what is added before the floor, for sums ≥ 0 and < 0
  /** 1 for channels whose output does not depend on the sum. */
  readonly isConstant: Uint8Array; // (outC)
  /** Channels that keep the integer form (even: `requantizeEven`), or null where there is none. */
  readonly slow: Uint8Array | null; // (outC)
  readonly multipliers: Int32Array; // (outC), or none when even
  readonly shifts: Int32Array; // (outC), or none when even
  readonly zeroPoint: number;
  readonly lo: number;
  readonly hi: number;
  /** zeroPoint − lo and hi − lo: with these the bounds are 0 and `most`. */
  readonly shiftUp: number;
  readonly most: number;
  /** No channel is slow, and the lower bound is the zero point or above: how negative sums round never shows. */
  readonly oneSided: boolean;
}

/** `reach[2c]…reach[2c+1]` is the range of sums, bias included, that output channel c of a product can see. */
export function channelRequantizer(call: KernelCall, reach: Float64Array, clamp: Clamp): ChannelRequantizer {
  if (roundsToEven(call)) return evenRequantizer(call, reach, clamp);
  const { multipliers, shifts } = channelMultipliers(call);
  const { output } = call;
  const outC = multipliers.length;
  const { lo, hi } = quantizedBounds(clamp, output);
  const zeroPoint = zeroPointOf(output);
  const scale = new Float64Array(outC);
  const half = new Float64Array(2 * outC);
  const slow = new Uint8Array(outC);
  const isConstant = new Uint8Array(outC);
  const bounds = { lo: lo - zeroPoint, hi: hi - zeroPoint };
  for (let c = 0; c < outC; c++) {
    const multiplier = multipliers[c];
    const shift = shifts[c];
    const largest = Math.max(Math.abs(reach[2 * c]), Math.abs(reach[2 * c + 1])) * 2 ** Math.max(shift, 0);
    const exact = (sum: number) => clampTo(bounds, multiplyByQuantizedMultiplier(sum, multiplier, shift));
    const low = largest < 2 ** 31 ? exact(reach[2 * c]) : Number.NaN;
    if (low === exact(reach[2 * c + 1])) {
      half.fill(low, 2 * c, 2 * c + 2);
      isConstant[c] = 1;
      continue;
    }
    const s = Math.max(0, -shift);
    slow[c] = largest < most && s <= 14 ? 0 : 1;
    scale[c] = multiplier * 2 ** (shift - 31);
    const nudge = s === 0 ? 0 : 2 ** -(s + 1);
    half[2 * c] = 0.5 + nudge;
    half[2 * c + 1] = 0.5 - nudge;
  }
  const isSlow = slow.includes(1);
  return {
    even: false,
    scale,
    half,
    isConstant,
    slow: isSlow ? slow : null,
    multipliers,
    shifts,
    zeroPoint,
    lo,
    hi,
    shiftUp: zeroPoint - lo,
    most: hi - lo,
    oneSided: !isSlow && lo >= zeroPoint,
  };
}

function evenRequantizer(call: KernelCall, reach: Float64Array, clamp: Clamp): ChannelRequantizer {
  const { lo, hi } = quantizedBounds(clamp, call.output, roundHalfEven);
  const factors = evenMultipliers(call);
  const zeroPoint = zeroPointOf(call.output);
  const outC = reach.length / 2;
  const scale = new Float64Array(outC);
  const half = new Float64Array(2 * outC);
  const slow = new Uint8Array(outC);
  const isConstant = new Uint8Array(outC);
  const bounds = { lo: lo - zeroPoint, hi: hi - zeroPoint };
  for (let c = 0; c < outC; c++) {
    const factor = factors[factors.length === 1 ? 0 : c];
    const largest = Math.max(Math.abs(reach[2 * c]), Math.abs(reach[2 * c + 1]));
    const exact = (sum: number) => clampTo(bounds, requantizeEven(sum, factor));
    const low = exact(reach[2 * c]);
    if (largest < 2 ** 31 && low === exact(reach[2 * c + 1])) {
      half[2 * c] = low;
      isConstant[c] = 1;
      continue;
    }
    slow[c] = largest < 2 ** 31 && largest * Math.abs(factor) < 2 ** 30 ? 0 : 1;
    scale[c] = factor;
  }
  return {
    even: true,
    scale,
    half,
    isConstant,
    slow: slow.includes(1) ? slow : null,
    multipliers: new Int32Array(0),
    shifts: new Int32Array(0),
    zeroPoint,
    lo,
    hi,
    shiftUp: zeroPoint - lo,
    most: hi - lo,
    oneSided: false,
  };
}
