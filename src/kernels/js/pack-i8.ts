/**
 * Integer weights for the two-lane product: two weights ride in one float64.
 *
 *   W[b, k, j] = w[n] + w[n+1]·2²⁶      n = 8·b + 2·j,  j = 0…3
 *   Σₖ x·W = Σₖ x·w[n] + 2²⁶·Σₖ x·w[n+1]
 *
 * A double holds the sum exactly and it comes apart again, as long as |Σ x·w[n]| < 2²⁵ and
 * |Σ x·w[n+1]| < 2²⁶. x is a byte in 0…255, so Σ|positive w| and Σ|negative w| of each channel tell.
 * Where a channel reaches further, every double carries one weight (4 to a block) and the sums stay plain.
 */

import type { KernelCall } from '../call.ts';
import { weightZeroPoints } from '../requantize.ts';
import { flipOf, numbersOf } from './views.ts';

export const laneScale = 2 ** 26;
/** (sum/2²⁶ + magic) − magic is the nearest integer, without a call: the high lane. */
export const roundMagic = 1.5 * 2 ** 52;

export interface PackedI8 {
  readonly lanes: 1 | 2;
  readonly weights: Float64Array; // (blocks, K, 4)
  readonly blocks: number;
  /** bias[n] − zₓ′·Σₖ w[n,k], for x as an unsigned byte with zero point zₓ′. */
  readonly init: Float64Array; // (outC)
  /** The lowest and highest sum of each channel, `init` included. */
  readonly reach: Float64Array; // (outC, 2)
}

/** Weights (outC, K), row-major; the zero points of weights and input are folded in. */
export function packI8(call: KernelCall, outC: number, depth: number, from = 0, to = outC): PackedI8 {
  const [x, weights, bias] = call.inputs;
  const w = numbersOf(weights)!;
  const biases = bias ? numbersOf(bias)! : null;
  const zeroPoints = weightZeroPoints(call);
  const inputZero = x.quantization!.zeroPoint[0] + flipOf(x.dtype);
  const count = to - from;
  const init = new Float64Array(count);
  const reach = new Float64Array(2 * count);
  let lanes: 1 | 2 = 2;
  for (let n = 0; n < count; n++) {
    let up = 0;
    let down = 0;
    for (let k = 0; k < depth; k++) {
      const value = w[(from + n) * depth + k] - zeroPoints[from + n];
      if (value > 0) up += value;
      else down += value;
    }
    if (255 * Math.max(up, -down) >= 2 ** 25) lanes = 1;
    init[n] = (biases ? biases[from + n] : 0) - inputZero * (up + down);
    reach[2 * n] = init[n] + 255 * down;
    reach[2 * n + 1] = init[n] + 255 * up;
  }
  const blocks = Math.ceil(count / (4 * lanes));
  const packed = new Float64Array(blocks * depth * 4);
  for (let n = 0; n < count; n++) {
    const j = n % (4 * lanes);
    const block = (n - j) / (4 * lanes);
    const lane = lanes === 2 && j % 2 === 1 ? laneScale : 1;
    const column = block * depth * 4 + Math.floor(j / lanes);
    for (let k = 0; k < depth; k++)
      packed[column + k * 4] += (w[(from + n) * depth + k] - zeroPoints[from + n]) * lane;
  }
  return { lanes, weights: packed, blocks, init, reach };
}
