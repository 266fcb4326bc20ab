/**
 * The double rounding of `multiplyByQuantizedMultiplier` at the price of one multiplication and one floor.
 *
 *   s = −shift,  q = sum·M·2^−(31+s)
 *   r = ⌊q + 1/2 + 2^−(s+1)⌋  for sum ≥ 0,   r = ⌊q + 1/2 − 2^−(s+1)⌋  for sum < 0,   s = 0: ⌊q + 1/2⌋
 *
 * because ⌊(⌊y⌋ + n) / m⌋ = ⌊(y + n) / m⌋ for integers n, m. Exact while q fits a double, |r| ≤ 256 and
 * s ≤ 14; beyond 256 both forms saturate. Channels outside that are either constant over every sum they can
 * reach (the function is monotone, so both ends decide), or keep the integer form.
 */

import type { Clamp, KernelCall } from '../call.ts';
import {
  channelMultipliers,
  clampTo,
  multiplyByQuantizedMultiplier,
  quantizedBounds,
  zeroPointOf,
} from '../requantize.ts';

/** Results stay under this, so that a zero point may be added to them as an int32. */
const most = 2 ** 31 - 256;

/** The integer form, for slow channels. */
export function requantizeSlow(sum: number, multiplier: number, shift: number): number {
  return Math.min(multiplyByQuantizedMultiplier(sum, multiplier, shift), most);
}

export interface ChannelRequantizer {
  readonly scale: Float64Array; // (outC)  M·2^(shift−31)
  readonly half: Float64Array; // (outC, 2) what is added before the floor, for sums ≥ 0 and < 0
  /** 1 for channels whose output does not depend on the sum. */
  readonly isConstant: Uint8Array; // (outC)
  /** Channels that keep the integer form, or null where there is none. */
  readonly slow: Uint8Array | null; // (outC)
  readonly multipliers: Int32Array; // (outC)
  readonly shifts: Int32Array; // (outC)
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
