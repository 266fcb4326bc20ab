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

import type { KernelCall, Operand } from '../call.ts';
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
  const words = step === 1 && channelStep % 4 === 0 ? wordsOf(weights.data) : null;
  const sums = new Int32Array(2);
  for (let n = 0; n < outC; n++) {
    const zeroPoint = zeroPoints[n];
    let at = n * channelStep;
    let sum = 0;
    let up = 0;
    let k = 0;
    if (words && zeroPoint === 0) {
      sumWords(words, at >> 2, depth >> 2, sums);
      [sum, up] = sums;
      k = depth & -4;
      at += k;
    }
    for (; k < depth; k++) {
      const value = w[at] - zeroPoint;
      sum += value;
      if (value > 0) up += value;
      at += step;
    }
    start[n] = (biases ? biases[n] : 0) - inputZero * sum;
    ends[2 * n] = start[n] + 255 * (sum - up);
    ends[2 * n + 1] = start[n] + 255 * up;
  }
  return { start, ends };
}

/** Signed bytes as words of four, where they are aligned. */
function wordsOf(data: Operand['data']): Int32Array | null {
  return data instanceof Int8Array && data.byteOffset % 4 === 0
    ? new Int32Array(data.buffer, data.byteOffset, data.length >> 2)
    : null;
}

/**
 * The sum of all bytes and that of the positive ones, four at a time: before there is optimised code, a third of
 * the time. Every second byte is added in 16 bits, in which 256 of them fit.
 */
function sumWords(words: Int32Array, from: number, count: number, sums: Int32Array): void {
  sums[0] = -128 * 4 * count;
  sums[1] = 0;
  for (let first = from; first < from + count; first += 256) {
    const end = Math.min(first + 256, from + count);
    let even = 0;
    let odd = 0;
    let upEven = 0;
    let upOdd = 0;
    for (let i = first; i < end; i++) {
      const word = words[i];
      const above = word ^ 0x80808080; // bytes 128 higher
      const up = word & 0x7f7f7f7f & ~(((word >>> 7) & 0x01010101) * 127); // 0 for negative bytes
      even += above & 0xff00ff;
      odd += (above >>> 8) & 0xff00ff;
      upEven += up & 0xff00ff;
      upOdd += (up >>> 8) & 0xff00ff;
    }
    sums[0] += (even % 65536) + Math.floor(even / 65536) + (odd % 65536) + Math.floor(odd / 65536);
    sums[1] += (upEven % 65536) + Math.floor(upEven / 65536) + (upOdd % 65536) + Math.floor(upOdd / 65536);
  }
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
