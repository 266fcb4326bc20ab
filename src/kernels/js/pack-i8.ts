/**
 * Integer weights for the two-lane product: two weights ride in one float64.
 *
 *   W[b, k, j] = w[n] + w[n+1]·2²⁶      n = 8·b + 2·j,  j = 0…3
 *   Σₖ x·W = Σₖ x·w[n] + 2²⁶·Σₖ x·w[n+1]
 *
 * A double holds the sum exactly and it comes apart again, as long as the low lane ends within ±2²⁵ and the
 * high lane within ±2²⁶. x is a byte in 0…255, so the positive and the negative weights of each channel tell.
 * Where a channel reaches further, every double carries one weight (4 to a block) and the sums stay plain.
 */

import type { KernelCall } from '../call.ts';
import { weightZeroPoints } from '../requantize.ts';
import { flipOf, numbersOf } from './views.ts';

const laneScale = 2 ** 26;

/** What the sums of each output channel start from, and how far they can get. */
export interface Reach {
  /** bias[n] − zₓ′·Σₖ w[n,k], for x as an unsigned byte with zero point zₓ′. */
  readonly start: Float64Array; // (outC)
  /** The lowest and highest sum, the start included; every partial sum lies between them too. */
  readonly ends: Float64Array; // (outC, 2)
}

/** Weight k of output channel n is `w[n·channelStep + k·step]`, its zero point `zeroPoints[n]`. */
export function reachOf(call: KernelCall, depth: number, channelStep: number, step: number): Reach {
  const [x, weights, bias] = call.inputs;
  const w = numbersOf(weights)!;
  const biases = bias ? numbersOf(bias) : null;
  const zeroPoints = weightZeroPoints(call);
  const inputZero = x.quantization!.zeroPoint[0] + flipOf(x.dtype);
  const outC = zeroPoints.length;
  const start = new Float64Array(outC);
  const ends = new Float64Array(2 * outC);
  for (let n = 0; n < outC; n++) {
    let up = 0;
    let down = 0;
    for (let k = 0; k < depth; k++) {
      const value = w[n * channelStep + k * step] - zeroPoints[n];
      if (value > 0) up += value;
      else down += value;
    }
    start[n] = (biases ? biases[n] : 0) - inputZero * (up + down);
    ends[2 * n] = start[n] + 255 * down;
    ends[2 * n + 1] = start[n] + 255 * up;
  }
  return { start, ends };
}

export interface PackedI8 {
  readonly lanes: 1 | 2;
  readonly weights: Float64Array; // (blocks, K, 4)
  readonly start: Float64Array; // (blocks, 4)
  readonly blocks: number;
  readonly outC: number;
}

/**
 * Packs the channels from…from + outC − 1 of weights (outC, K), row-major, zero points taken off.
 * A channel that always gives the same output is left at 0.
 */
export function packI8(
  call: KernelCall,
  depth: number,
  from: number,
  outC: number,
  reach: Reach,
  isConstant: Uint8Array,
): PackedI8 {
  const w = numbersOf(call.inputs[1])!;
  const zeroPoints = weightZeroPoints(call);
  let lanes: 1 | 2 = 2;
  for (let n = from; n < from + outC; n++)
    if (!isConstant[n] && Math.max(-reach.ends[2 * n], reach.ends[2 * n + 1]) >= 2 ** 25) lanes = 1;
  const nr = 4 * lanes;
  const blocks = Math.ceil(outC / nr);
  const weights = new Float64Array(blocks * depth * 4);
  const start = new Float64Array(blocks * 4);
  for (let n = 0; n < outC; n++) {
    if (isConstant[from + n]) continue;
    const j = n % nr;
    const block = (n - j) / nr;
    const lane = lanes === 2 && j % 2 === 1 ? laneScale : 1;
    const column = lanes === 2 ? j >> 1 : j;
    start[block * 4 + column] += reach.start[from + n] * lane;
    for (let k = 0; k < depth; k++)
      weights[(block * depth + k) * 4 + column] += (w[(from + n) * depth + k] - zeroPoints[from + n]) * lane;
  }
  return { lanes, weights, start, blocks, outC };
}
