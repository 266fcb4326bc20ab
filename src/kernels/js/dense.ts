/**
 * y[m,n] = Σₖ x[m,k]·w[n,k] + bias[n]
 *
 * Three rows or more are the pixels of a 1×1 convolution and go there. For fewer:
 *
 *   dense-f32-1x4-js   four weight rows side by side where they lie, nothing packed; sums are f64
 *   dense-i8-1x16-js   weights packed two to a double (pack-i8.ts), 16 outputs at a time; exact as conv2d-i8.ts
 */

import { elementCount } from '../../tensor.ts';
import type { Clamp, KernelCall, Offer, Operand, Requantize, Step, View } from '../call.ts';
import { offerConv2dF32 } from './conv2d-f32.ts';
import { offerConv2dI8 } from './conv2d-i8.ts';
import { type PackedI8, packI8, reachOf } from './pack-i8.ts';
import {
  type ChannelRequantizer,
  channelRequantizer,
  isFastProduct,
  requantizeEven,
  requantizeSlow,
} from './requantize-f64.ts';
import { bytesOf, flipOf, floatsOf, isEmpty, isFloat, numbersOf } from './views.ts';

export function offerDense(call: KernelCall): Offer | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'dense' || isEmpty(call)) return null;
  const w = numbersOf(inputs[1]);
  const bias = inputs[2] ? numbersOf(inputs[2]) : null;
  if (!w || (inputs[2] && !bias)) return null;
  const [outC, depth] = inputs[1].shape;
  const rows = elementCount(output.shape) / outC;
  if (rows >= 3) return asConvolution(call, rows, depth, outC, op);
  if (isFloat(call)) {
    const weights = w as Float32Array;
    const init = bias ? Float64Array.from(bias) : new Float64Array(outC);
    return {
      kernel: 'dense-f32-1x4-js',
      bind: ([x], y) =>
        bindF32(floatsOf(x), x.offset, weights, init, floatsOf(y), y.offset, rows, depth, outC, op.clamp),
    };
  }
  if (!isFastProduct(call)) return null;
  return offerI8(call, rows, depth, outC, op.clamp);
}

/** x (…, K) is K channels of `rows` pixels; w (N, K) is N kernels of 1×1. */
function asConvolution(
  call: KernelCall,
  rows: number,
  depth: number,
  outC: number,
  { clamp, rounding }: { readonly clamp: Clamp } & Requantize,
): Offer | null {
  const [x, w, ...bias] = call.inputs;
  const see = (operand: Operand, shape: readonly number[]): Operand => ({ ...operand, shape });
  const convolution: KernelCall = {
    arithmetic: {
      kind: 'conv2d',
      stride: [1, 1],
      dilation: [1, 1],
      pad: { top: 0, left: 0, bottom: 0, right: 0 },
      groups: 1,
      clamp,
      ...(rounding && { rounding }),
    },
    inputs: [see(x, [1, 1, rows, depth]), see(w, [outC, 1, 1, depth]), ...bias],
    output: see(call.output, [1, 1, rows, outC]),
  };
  const offer = isFloat(call) ? offerConv2dF32(convolution) : offerConv2dI8(convolution);
  if (!offer) return null;
  const flat = (view: View, channels: number): View => ({
    ...view,
    strides: [rows * channels, rows * channels, channels, 1],
  });
  return {
    ...offer,
    strided: false,
    bind: ([a, b, ...c], y, scratch) => offer.bind([flat(a, depth), b, ...c], flat(y, outC), scratch),
  };
}

function bindF32(
  x: Float32Array,
  from: number,
  weights: Float32Array,
  bias: Float64Array,
  y: Float32Array,
  to: number,
  rows: number,
  depth: number,
  outC: number,
  clamp: Clamp,
): Step {
  const { min, max } = clamp;
  return () => {
    for (let m = 0; m < rows; m++) {
      const row = from + m * depth;
      for (let n = 0; n < outC; n += 4) {
        // The last rows are done twice rather than checked for in the loop.
        const first = Math.min(n, Math.max(0, outC - 4));
        const n1 = Math.min(first + 1, outC - 1);
        const n2 = Math.min(first + 2, outC - 1);
        const n3 = Math.min(first + 3, outC - 1);
        const w0 = first * depth;
        const w1 = n1 * depth;
        const w2 = n2 * depth;
        const w3 = n3 * depth;
        let c0 = bias[first];
        let c1 = bias[n1];
        let c2 = bias[n2];
        let c3 = bias[n3];
        for (let k = 0; k < depth; k++) {
          const a = x[row + k];
          c0 += a * weights[w0 + k];
          c1 += a * weights[w1 + k];
          c2 += a * weights[w2 + k];
          c3 += a * weights[w3 + k];
        }
        const out = to + m * outC;
        y[out + first] = Math.min(Math.max(c0, min), max);
        y[out + n1] = Math.min(Math.max(c1, min), max);
        y[out + n2] = Math.min(Math.max(c2, min), max);
        y[out + n3] = Math.min(Math.max(c3, min), max);
      }
    }
  };
}

/** Two blocks of packed channels (pack-i8.ts) side by side: eight double sums in locals. */
function offerI8(call: KernelCall, rows: number, depth: number, outC: number, clamp: Clamp): Offer {
  const reach = reachOf(call, depth, depth, 1);
  const requantizer = channelRequantizer(call, reach.ends, clamp);
  const packed = packI8(call, depth, 0, outC, reach, requantizer.isConstant);
  return {
    kernel: `dense-i8-1x${8 * packed.lanes}-js`,
    packedBytes: packed.weights.byteLength,
    bind: ([x], y) => {
      const layer: LayerI8 = {
        packed,
        requantizer,
        depth,
        flip: flipOf(call.inputs[0].dtype),
        sums: new Float64Array(16),
      };
      const input = bytesOf(x);
      const output = bytesOf(y);
      return () => {
        for (let m = 0; m < rows; m++) rowI8(layer, input, x.offset + m * depth, output, y.offset + m * outC);
      };
    },
  };
}

interface LayerI8 {
  readonly packed: PackedI8;
  readonly requantizer: ChannelRequantizer;
  readonly depth: number;
  readonly flip: number;
  readonly sums: Float64Array;
}

function rowI8(layer: LayerI8, x: Uint8Array, from: number, y: Uint8Array, to: number): void {
  const { packed, requantizer, depth, flip, sums } = layer;
  const { weights, start, blocks, lanes, outC } = packed;
  const { scale, half, slow, shiftUp, lo, most } = requantizer;
  const end = from + depth;
  for (let block = 0; block < blocks; block += 2) {
    // An odd block at the end is done twice rather than checked for in the loop.
    const second = Math.min(block + 1, blocks - 1);
    let c0 = start[4 * block];
    let c1 = start[4 * block + 1];
    let c2 = start[4 * block + 2];
    let c3 = start[4 * block + 3];
    let d0 = start[4 * second];
    let d1 = start[4 * second + 1];
    let d2 = start[4 * second + 2];
    let d3 = start[4 * second + 3];
    let w = 4 * block * depth;
    const over = 4 * (second - block) * depth;
    for (let i = from; i < end; i++, w += 4) {
      const a = x[i] ^ flip;
      c0 += a * weights[w];
      c1 += a * weights[w + 1];
      c2 += a * weights[w + 2];
      c3 += a * weights[w + 3];
      d0 += a * weights[w + over];
      d1 += a * weights[w + over + 1];
      d2 += a * weights[w + over + 2];
      d3 += a * weights[w + over + 3];
    }
    sums[0] = c0;
    sums[1] = c1;
    sums[2] = c2;
    sums[3] = c3;
    sums[4] = d0;
    sums[5] = d1;
    sums[6] = d2;
    sums[7] = d3;
    if (lanes === 2)
      for (let j = 7; j >= 0; j--) {
        const high = Math.round(sums[j] * 2 ** -26);
        sums[2 * j] = sums[j] - high * 2 ** 26;
        sums[2 * j + 1] = high;
      }
    const first = 4 * lanes * block;
    const count = Math.min(8 * lanes, outC - first);
    if (requantizer.even) {
      storeEven(sums, first, count, requantizer, y, to);
      continue;
    }
    for (let j = 0; j < count; j++) {
      const n = first + j;
      const sum = sums[j];
      let q =
        slow !== null && slow[n] === 1
          ? requantizeSlow(sum, requantizer.multipliers[n], requantizer.shifts[n])
          : Math.floor(sum * scale[n] + half[2 * n + ((sum | 0) >>> 31)]) | 0;
      q += shiftUp;
      q &= ~(q >> 31);
      const past = most - q;
      y[to + n] = lo + q + (past & (past >> 31));
    }
  }
}

/** y[to + first + j] from sums[j], halves to even. */
function storeEven(
  sums: Float64Array,
  first: number,
  count: number,
  { scale, half, zeroPoint, lo, hi }: ChannelRequantizer,
  y: Uint8Array,
  to: number,
): void {
  for (let j = 0; j < count; j++) {
    const n = first + j;
    const q = requantizeEven(sums[j], scale[n]) + half[2 * n] + zeroPoint;
    y[to + n] = q < lo ? lo : q > hi ? hi : q;
  }
}
