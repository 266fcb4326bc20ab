/**
 * y[y,x,c] = clamp(Σ_ky,kx x[y·s+ky, x·s+kx, c]·w[ky,kx,c] + bias[c])          depthwise-f32-js
 *
 *   x     f32, NHWC, its border in place, or copied to scratch
 *   w     f32 [outC, kH·kW]
 *   y     f32, NHWC; output channel c reads input channel ⌊c·inC/outC⌋
 *
 * Order: as depthwise-i8.ts. Sums are f64.
 */
import type { Clamp, KernelCall, Offer, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { paddedBytes, paddedView, padPicture } from './padded.ts';
import { hasBorder, wantedBorder } from './pixels.ts';
import { floatsOf, isEmpty, isFloat, numbersOf } from './views.ts';

export function offerDepthwiseF32(call: KernelCall): Offer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d' || !isFloat(call) || isEmpty(call)) return null;
  const w = numbersOf(inputs[1]);
  const g = windowGeometry(call);
  const bias = inputs[2] ? numbersOf(inputs[2]) : new Float32Array(g.outC);
  if (!w || !bias) return null;
  const taps = g.kH * g.kW;
  const weights = new Float32Array(g.outC * taps);
  for (let c = 0; c < g.outC; c++) for (let t = 0; t < taps; t++) weights[c * taps + t] = w[t * g.outC + c];
  const init = Float32Array.from(bias);
  const border = wantedBorder(g);
  return {
    kernel: isSlider(g) ? 'depthwise-f32-3x3-js' : 'depthwise-f32-js',
    strided: true,
    ...(border && { border }),
    scratch: (granted) => (border && !granted ? paddedBytes(g, border, 4) : 0),
    packedBytes: weights.byteLength,
    bind: ([x], y, scratch) => {
      const layer: Layer = { g, weights, init, clamp: op.clamp };
      const output = floatsOf(y);
      const input = floatsOf(x);
      if (hasBorder(x.border, g)) return eachPicture(layer, input, x, output, y, g.n);
      const room = new Float32Array(scratch.buffer, scratch.byteOffset, scratch.byteLength / 4);
      const padded = paddedView(g, border!, room);
      return padPicture(input, x, room, padded, g, 0, eachPicture(layer, room, padded, output, y, 1));
    },
  };
}

/** A 3×3 window, its columns next to each other, that moves by one or two of them. */
const isSlider = (g: WindowGeometry): boolean =>
  g.kH === 3 && g.kW === 3 && g.strideW <= 2 && g.dilationW === 1;

interface Layer {
  readonly g: WindowGeometry;
  readonly weights: Float32Array;
  readonly init: Float32Array;
  readonly clamp: Clamp;
}

/** Runs the layer over `pictures` pictures; called with the picture to write when the input holds only one. */
function eachPicture(
  layer: Layer,
  x: Float32Array,
  input: View,
  y: Float32Array,
  output: View,
  pictures: number,
): (picture?: number) => void {
  const { g } = layer;
  const start = input.offset - g.padTop * input.strides[1] - g.padLeft * input.strides[2];
  const row = !isSlider(g) ? rowAny : g.strideW === 1 ? row3x3 : row3x3Stride2;
  return (picture = 0) => {
    for (let n = 0; n < pictures; n++)
      for (let oy = 0; oy < g.outH; oy++) {
        const from = start + n * input.strides[0] + oy * g.strideH * input.strides[1];
        const to = output.offset + (n + picture) * output.strides[0] + oy * output.strides[1];
        row(layer, x, from, input.strides[1], input.strides[2], y, to, output.strides[2]);
      }
  };
}

/**
 * Stride 1 along the row: each column of three cells is read once and serves the three outputs whose windows
 * hold it. `next` and `afterNext` are the sums begun for the outputs to come.
 */
function row3x3(
  layer: Layer,
  x: Float32Array,
  from: number,
  sH: number,
  sW: number,
  y: Float32Array,
  to: number,
  outW: number,
): void {
  const { g, weights, init } = layer;
  const { min, max } = layer.clamp;
  const rectify = min === 0;
  const down = g.dilationH * sH;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    const w0 = weights[9 * c];
    const w1 = weights[9 * c + 1];
    const w2 = weights[9 * c + 2];
    const w3 = weights[9 * c + 3];
    const w4 = weights[9 * c + 4];
    const w5 = weights[9 * c + 5];
    const w6 = weights[9 * c + 6];
    const w7 = weights[9 * c + 7];
    const w8 = weights[9 * c + 8];
    const bias = init[c];
    let i = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    let a = x[i];
    let b = x[i + down];
    let d = x[i + 2 * down];
    let next = bias + a * w0 + b * w3 + d * w6;
    i += sW;
    a = x[i];
    b = x[i + down];
    d = x[i + 2 * down];
    next += a * w1 + b * w4 + d * w7;
    let afterNext = bias + a * w0 + b * w3 + d * w6;
    i += sW;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW, i += sW) {
      a = x[i];
      b = x[i + down];
      d = x[i + 2 * down];
      const sum = next + a * w2 + b * w5 + d * w8;
      next = afterNext + a * w1 + b * w4 + d * w7;
      afterNext = bias + a * w0 + b * w3 + d * w6;
      // A branch on the sign is mispredicted: max(v, 0) = (v + |v|)/2, exactly.
      const value = rectify ? (sum + Math.abs(sum)) * 0.5 : sum < min ? min : sum;
      y[o] = value > max ? max : value;
    }
  }
}

/** Stride 2 along the row: the last column of a window is the first of the next one. */
function row3x3Stride2(
  layer: Layer,
  x: Float32Array,
  from: number,
  sH: number,
  sW: number,
  y: Float32Array,
  to: number,
  outW: number,
): void {
  const { g, weights, init } = layer;
  const { min, max } = layer.clamp;
  const rectify = min === 0;
  const down = g.dilationH * sH;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    const w0 = weights[9 * c];
    const w1 = weights[9 * c + 1];
    const w2 = weights[9 * c + 2];
    const w3 = weights[9 * c + 3];
    const w4 = weights[9 * c + 4];
    const w5 = weights[9 * c + 5];
    const w6 = weights[9 * c + 6];
    const w7 = weights[9 * c + 7];
    const w8 = weights[9 * c + 8];
    const bias = init[c];
    let i = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    let begun = bias + x[i] * w0 + x[i + down] * w3 + x[i + 2 * down] * w6;
    i += sW;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW, i += 2 * sW) {
      const a = x[i + sW];
      const b = x[i + down + sW];
      const d = x[i + 2 * down + sW];
      begun += x[i] * w1 + x[i + down] * w4 + x[i + 2 * down] * w7;
      const sum = begun + a * w2 + b * w5 + d * w8;
      begun = bias + a * w0 + b * w3 + d * w6;
      const value = rectify ? (sum + Math.abs(sum)) * 0.5 : sum < min ? min : sum;
      y[o] = value > max ? max : value;
    }
  }
}

function rowAny(
  layer: Layer,
  x: Float32Array,
  from: number,
  sH: number,
  sW: number,
  y: Float32Array,
  to: number,
  outW: number,
): void {
  const { g, weights, init } = layer;
  const { min, max } = layer.clamp;
  const rectify = min === 0;
  const { kH, kW } = g;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    const channel = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW) {
      let sum = init[c];
      let w = c * kH * kW;
      for (let ky = 0; ky < kH; ky++) {
        let i = channel + ox * g.strideW * sW + ky * g.dilationH * sH;
        for (let kx = 0; kx < kW; kx++, i += g.dilationW * sW) sum += x[i] * weights[w++];
      }
      // A branch on the sign is mispredicted: max(v, 0) = (v + |v|)/2, exactly.
      const value = rectify ? (sum + Math.abs(sum)) * 0.5 : sum < min ? min : sum;
      y[o] = value > max ? max : value;
    }
  }
}
