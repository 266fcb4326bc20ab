/**
 * y[m,n] = Σₖ x[m,k]·w[n,k] + bias[n]
 *
 * Three rows or more are the pixels of a 1×1 convolution and go there. For fewer, four weight rows are
 * walked side by side where they lie, so nothing is packed.
 *
 *   dense-f32-1x4-js   sums are f64
 *   dense-i8-1x4-js    x as bytes 0…255, sums are i32; exact as conv2d-i8.ts
 */

import { elementCount } from '../../tensor.ts';
import type { Clamp, KernelCall, Offer, Operand, Step, View } from '../call.ts';
import { isQuantizedProduct, multiplyByQuantizedMultiplier, weightZeroPoints } from '../requantize.ts';
import { offerConv2dF32 } from './conv2d-f32.ts';
import { offerConv2dI8 } from './conv2d-i8.ts';
import { reachOf } from './pack-i8.ts';
import { type ChannelRequantizer, channelRequantizer } from './requantize-f64.ts';
import { bytesOf, flipOf, floatsOf, isEmpty, isFloat, numbersOf } from './views.ts';

export function offerDense(call: KernelCall): Offer | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'dense' || isEmpty(call)) return null;
  const w = numbersOf(inputs[1]);
  const bias = inputs[2] ? numbersOf(inputs[2]) : null;
  if (!w || (inputs[2] && !bias)) return null;
  const [outC, depth] = inputs[1].shape;
  const rows = elementCount(output.shape) / outC;
  if (rows >= 3) return asConvolution(call, rows, depth, outC, op.clamp);
  if (isFloat(call)) {
    const weights = w as Float32Array;
    const init = bias ? Float64Array.from(bias) : new Float64Array(outC);
    return {
      kernel: 'dense-f32-1x4-js',
      bind: ([x], y) =>
        bindF32(floatsOf(x), x.offset, weights, init, floatsOf(y), y.offset, rows, depth, outC, op.clamp),
    };
  }
  if (!isQuantizedProduct(call)) return null;
  return offerI8(call, w, rows, depth, outC, op.clamp);
}

/** x (…, K) is K channels of `rows` pixels; w (N, K) is N kernels of 1×1. */
function asConvolution(
  call: KernelCall,
  rows: number,
  depth: number,
  outC: number,
  clamp: Clamp,
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
        y[out + first] = c0 < min ? min : c0 > max ? max : c0;
        y[out + n1] = c1 < min ? min : c1 > max ? max : c1;
        y[out + n2] = c2 < min ? min : c2 > max ? max : c2;
        y[out + n3] = c3 < min ? min : c3 > max ? max : c3;
      }
    }
  };
}

function offerI8(
  call: KernelCall,
  w: ArrayLike<number>,
  rows: number,
  depth: number,
  outC: number,
  clamp: Clamp,
): Offer {
  const [x] = call.inputs;
  const zeroPoints = weightZeroPoints(call);
  const flip = flipOf(x.dtype);
  // i8 weights stay where they are; a zero point (legacy uint8) makes a centred copy.
  const centred =
    w instanceof Int8Array && zeroPoints.every((z) => z === 0) ? null : new Int16Array(w.length);
  if (centred)
    for (let n = 0, i = 0; n < outC; n++)
      for (let k = 0; k < depth; k++, i++) centred[i] = w[i] - zeroPoints[n];
  const reach = reachOf(call, depth, depth, 1);
  const init = Int32Array.from(reach.start);
  const requantizer = channelRequantizer(call, reach.ends, clamp);
  const weights = centred ?? (w as Int8Array);
  return {
    kernel: 'dense-i8-1x4-js',
    packedBytes: centred?.byteLength ?? 0,
    bind: ([a], y) =>
      bindI8(bytesOf(a), a.offset, flip, weights, init, requantizer, bytesOf(y), y.offset, rows, depth, outC),
  };
}

function bindI8(
  x: Uint8Array,
  from: number,
  flip: number,
  weights: Int8Array | Int16Array,
  init: Int32Array,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  to: number,
  rows: number,
  depth: number,
  outC: number,
): Step {
  const { scale, half, slow, multipliers, shifts, zeroPoint, lo, hi } = requantizer;
  const sums = new Int32Array(4);
  return () => {
    for (let m = 0; m < rows; m++) {
      const row = from + m * depth;
      for (let first = 0; first < outC; first += 4) {
        const rest = outC - first;
        const w0 = first * depth;
        const w1 = rest > 1 ? w0 + depth : w0;
        const w2 = rest > 2 ? w1 + depth : w0;
        const w3 = rest > 3 ? w2 + depth : w0;
        let c0 = 0;
        let c1 = 0;
        let c2 = 0;
        let c3 = 0;
        for (let k = 0; k < depth; k++) {
          const a = x[row + k] ^ flip;
          c0 = (c0 + Math.imul(a, weights[w0 + k])) | 0;
          c1 = (c1 + Math.imul(a, weights[w1 + k])) | 0;
          c2 = (c2 + Math.imul(a, weights[w2 + k])) | 0;
          c3 = (c3 + Math.imul(a, weights[w3 + k])) | 0;
        }
        sums[0] = c0;
        sums[1] = c1;
        sums[2] = c2;
        sums[3] = c3;
        for (let i = 0; i < 4 && i < rest; i++) {
          const n = first + i;
          const sum = (sums[i] + init[n]) | 0;
          let q =
            slow !== null && slow[n] === 1
              ? multiplyByQuantizedMultiplier(sum, multipliers[n], shifts[n])
              : Math.floor(sum * scale[n] + half[2 * n + (sum >>> 31)]);
          q += zeroPoint;
          y[to + m * outC + n] = q < lo ? lo : q > hi ? hi : q;
        }
      }
    }
  };
}
