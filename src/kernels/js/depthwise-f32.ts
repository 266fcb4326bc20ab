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
    kernel: g.kH === 3 && g.kW === 3 && g.dilationW === 1 ? 'depthwise-f32-3x3-js' : 'depthwise-f32-js',
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
  const row = g.kH === 3 && g.kW === 3 && g.dilationW === 1 ? row3x3 : rowAny;
  return (picture = 0) => {
    for (let n = 0; n < pictures; n++)
      for (let oy = 0; oy < g.outH; oy++) {
        const from = start + n * input.strides[0] + oy * g.strideH * input.strides[1];
        const to = output.offset + (n + picture) * output.strides[0] + oy * output.strides[1];
        row(layer, x, from, input.strides[1], input.strides[2], y, to, output.strides[2]);
      }
  };
}

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
  const step = g.strideW * sW;
  const down = g.dilationH * sH;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    const w0 = weights[9 * c],
      w1 = weights[9 * c + 1],
      w2 = weights[9 * c + 2];
    const w3 = weights[9 * c + 3],
      w4 = weights[9 * c + 4],
      w5 = weights[9 * c + 5];
    const w6 = weights[9 * c + 6],
      w7 = weights[9 * c + 7],
      w8 = weights[9 * c + 8];
    const bias = init[c];
    let i = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    let x0 = x[i],
      x3 = x[i + down],
      x6 = x[i + 2 * down];
    i += sW;
    let x1 = x[i],
      x4 = x[i + down],
      x7 = x[i + 2 * down];
    i += sW;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW) {
      const x2 = x[i],
        x5 = x[i + down],
        x8 = x[i + 2 * down];
      const sum =
        bias + x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3 + x4 * w4 + x5 * w5 + x6 * w6 + x7 * w7 + x8 * w8;
      // A branch on the sign is mispredicted: max(v, 0) = (v + |v|)/2, exactly.
      const value = rectify ? (sum + Math.abs(sum)) * 0.5 : sum < min ? min : sum;
      y[o] = value > max ? max : value;
      if (ox + 1 === g.outW) break;
      if (step === sW) {
        x0 = x1;
        x1 = x2;
        x3 = x4;
        x4 = x5;
        x6 = x7;
        x7 = x8;
        i += sW;
      } else {
        i += step - 2 * sW;
        x0 = x[i];
        x3 = x[i + down];
        x6 = x[i + 2 * down];
        i += sW;
        x1 = x[i];
        x4 = x[i + down];
        x7 = x[i + 2 * down];
        i += sW;
      }
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
