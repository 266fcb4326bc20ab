/**
 * y[y,x,c] = requantize(Σ_ky,kx x[y·s+ky, x·s+kx, c]·w[ky,kx,c] + init[c])     depthwise-i8-js
 *
 *   x     i8 or u8, NHWC, read as bytes 0…255 (views.ts); its border in place, or copied to scratch
 *   w     f64 [outC, kH·kW]   zero point taken off; sums are f64 and whole
 *   y     i8 or u8, NHWC; output channel c reads input channel ⌊c·inC/outC⌋
 *
 * Order: rows, channels, then along the row, so that a channel's weights and epilogue stay in locals.
 * Exact: equal to reference (requantize-f64.ts).
 */
import type { KernelCall, Offer, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { weightZeroPoints } from '../requantize.ts';
import { reachOf } from './pack-i8.ts';
import { paddedBytes, paddedView, padPicture } from './padded.ts';
import { hasBorder, wantedBorder } from './pixels.ts';
import {
  type ChannelRequantizer,
  channelRequantizer,
  evenMagic,
  isFastProduct,
  requantizeEven,
  requantizeSlow,
} from './requantize-f64.ts';
import { bytesOf, flipOf, isEmpty, numbersOf } from './views.ts';

export function offerDepthwiseI8(call: KernelCall): Offer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d' || !isFastProduct(call) || isEmpty(call)) return null;
  const w = numbersOf(inputs[1]);
  if (!w || (inputs[2] && !numbersOf(inputs[2]))) return null;
  const g = windowGeometry(call);
  const taps = g.kH * g.kW;
  const zeroPoints = weightZeroPoints(call);
  const flip = flipOf(inputs[0].dtype);
  const zeroPoint = inputs[0].quantization!.zeroPoint[0];
  const weights = new Float64Array(g.outC * taps);
  for (let c = 0; c < g.outC; c++)
    for (let t = 0; t < taps; t++) weights[c * taps + t] = w[t * g.outC + c] - zeroPoints[c];
  const reach = reachOf(call, taps, 1, g.outC);
  const init = reach.start;
  const requantizer = channelRequantizer(call, reach.ends, op.clamp);
  const border = wantedBorder(g);
  return {
    kernel: isSlider(g) ? 'depthwise-i8-3x3-js' : 'depthwise-i8-js',
    strided: true,
    ...(border && { border }),
    scratch: (granted) => (border && !granted ? paddedBytes(g, border, 1) : 0),
    packedBytes: weights.byteLength,
    bind: ([x], y, scratch) => {
      const sums = new Float64Array(requantizer.even ? g.outW : 0);
      const layer: Layer = { g, weights, init, requantizer, flip, sums };
      const output = bytesOf(y);
      if (hasBorder(x.border, g)) {
        const input = bytesOf(x);
        return eachPicture(layer, input, x, output, y, g.n);
      }
      const padded = paddedView(g, border!, scratch);
      const step = eachPicture(layer, scratch, padded, output, y, 1);
      return padPicture(bytesOf(x), x, scratch, padded, g, zeroPoint & 0xff, step);
    },
  };
}

/** A 3×3 window, its columns next to each other, that moves by one or two of them. */
const isSlider = (g: WindowGeometry): boolean =>
  g.kH === 3 && g.kW === 3 && g.strideW <= 2 && g.dilationW === 1;

interface Layer {
  readonly g: WindowGeometry;
  readonly weights: Float64Array;
  readonly init: Float64Array;
  readonly requantizer: ChannelRequantizer;
  readonly flip: number;
  /** One row of one channel before it is requantised, halves to even; otherwise none. */
  readonly sums: Float64Array; // (outW)
}

/** Runs the layer over `pictures` pictures; called with the picture to write when the input holds only one. */
function eachPicture(
  layer: Layer,
  x: Uint8Array,
  input: View,
  y: Uint8Array,
  output: View,
  pictures: number,
): (picture?: number) => void {
  const { g, requantizer } = layer;
  const start = input.offset - g.padTop * input.strides[1] - g.padLeft * input.strides[2];
  const row = requantizer.even ? rowEven : !isSlider(g) ? rowAny : g.strideW === 1 ? row3x3 : row3x3Stride2;
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
  x: Uint8Array,
  from: number,
  sH: number,
  sW: number,
  y: Uint8Array,
  to: number,
  outW: number,
): void {
  const { g, weights, init, requantizer, flip } = layer;
  const { scale, half, slow, shiftUp, lo, most, oneSided } = requantizer;
  const down = g.dilationH * sH;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    if (slow !== null && slow[c] === 1) {
      channelAny(layer, c, x, from, sH, sW, y, to, outW);
      continue;
    }
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
    const factor = scale[c];
    const up = half[2 * c];
    let i = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    let a = x[i] ^ flip;
    let b = x[i + down] ^ flip;
    let d = x[i + 2 * down] ^ flip;
    let next = bias + a * w0 + b * w3 + d * w6;
    i += sW;
    a = x[i] ^ flip;
    b = x[i + down] ^ flip;
    d = x[i + 2 * down] ^ flip;
    next += a * w1 + b * w4 + d * w7;
    let afterNext = bias + a * w0 + b * w3 + d * w6;
    i += sW;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW, i += sW) {
      a = x[i] ^ flip;
      b = x[i + down] ^ flip;
      d = x[i + 2 * down] ^ flip;
      const sum = next + a * w2 + b * w5 + d * w8;
      next = afterNext + a * w1 + b * w4 + d * w7;
      afterNext = bias + a * w0 + b * w3 + d * w6;
      let q = Math.floor(sum * factor + (oneSided ? up : half[2 * c + ((sum | 0) >>> 31)])) | 0;
      q += shiftUp;
      q &= ~(q >> 31);
      const over = most - q;
      y[o] = lo + q + (over & (over >> 31));
    }
  }
}

/** Stride 2 along the row: the last column of a window is the first of the next one. */
function row3x3Stride2(
  layer: Layer,
  x: Uint8Array,
  from: number,
  sH: number,
  sW: number,
  y: Uint8Array,
  to: number,
  outW: number,
): void {
  const { g, weights, init, requantizer, flip } = layer;
  const { scale, half, slow, shiftUp, lo, most, oneSided } = requantizer;
  const down = g.dilationH * sH;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    if (slow !== null && slow[c] === 1) {
      channelAny(layer, c, x, from, sH, sW, y, to, outW);
      continue;
    }
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
    const factor = scale[c];
    const up = half[2 * c];
    let i = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    let begun = bias + (x[i] ^ flip) * w0 + (x[i + down] ^ flip) * w3 + (x[i + 2 * down] ^ flip) * w6;
    i += sW;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW, i += 2 * sW) {
      const a = x[i + sW] ^ flip;
      const b = x[i + down + sW] ^ flip;
      const d = x[i + 2 * down + sW] ^ flip;
      begun += (x[i] ^ flip) * w1 + (x[i + down] ^ flip) * w4 + (x[i + 2 * down] ^ flip) * w7;
      const sum = begun + a * w2 + b * w5 + d * w8;
      begun = bias + a * w0 + b * w3 + d * w6;
      let q = Math.floor(sum * factor + (oneSided ? up : half[2 * c + ((sum | 0) >>> 31)])) | 0;
      q += shiftUp;
      q &= ~(q >> 31);
      const over = most - q;
      y[o] = lo + q + (over & (over >> 31));
    }
  }
}

function rowAny(
  layer: Layer,
  x: Uint8Array,
  from: number,
  sH: number,
  sW: number,
  y: Uint8Array,
  to: number,
  outW: number,
): void {
  for (let c = 0; c < layer.g.outC; c++) channelAny(layer, c, x, from, sH, sW, y, to, outW);
}

/** One channel of one row, for any window. */
function channelAny(
  layer: Layer,
  c: number,
  x: Uint8Array,
  from: number,
  sH: number,
  sW: number,
  y: Uint8Array,
  to: number,
  outW: number,
): void {
  const { g, weights, init, requantizer, flip } = layer;
  const { scale, half, slow, shiftUp, lo, most } = requantizer;
  const { kH, kW } = g;
  const channel = from + Math.floor((c * g.inC) / g.outC);
  const exact = slow !== null && slow[c] === 1;
  for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW) {
    let sum = init[c];
    let w = c * kH * kW;
    for (let ky = 0; ky < kH; ky++) {
      let i = channel + ox * g.strideW * sW + ky * g.dilationH * sH;
      for (let kx = 0; kx < kW; kx++, i += g.dilationW * sW) sum += (x[i] ^ flip) * weights[w++];
    }
    let q = exact
      ? requantizeSlow(sum, requantizer.multipliers[c], requantizer.shifts[c])
      : Math.floor(sum * scale[c] + half[2 * c + ((sum | 0) >>> 31)]) | 0;
    q += shiftUp;
    q &= ~(q >> 31);
    const over = most - q;
    y[o] = lo + q + (over & (over >> 31));
  }
}

/** Halves to even: the sums of one channel's row first, then their requantisation. */
function rowEven(
  layer: Layer,
  x: Uint8Array,
  from: number,
  sH: number,
  sW: number,
  y: Uint8Array,
  to: number,
  outW: number,
): void {
  const { g } = layer;
  const sum = !isSlider(g) ? sumAny : g.strideW === 1 ? sum3x3 : sum3x3Stride2;
  for (let c = 0; c < g.outC; c++) {
    sum(layer, c, x, from + Math.floor((c * g.inC) / g.outC), sH, sW);
    storeEven(layer, c, y, to + c, outW);
  }
}

function storeEven(layer: Layer, c: number, y: Uint8Array, to: number, outW: number): void {
  const { requantizer, sums } = layer;
  const { scale, half, slow, zeroPoint, shiftUp, lo, hi, most } = requantizer;
  const { fround } = Math;
  const factor = scale[c];
  if (slow !== null && slow[c] === 1) {
    for (let ox = 0, o = to; ox < sums.length; ox++, o += outW) {
      const q = requantizeEven(sums[ox], factor) + zeroPoint;
      y[o] = q < lo ? lo : q > hi ? hi : q;
    }
    return;
  }
  const up = (half[2 * c] | 0) + shiftUp;
  for (let ox = 0, o = to; ox < sums.length; ox++, o += outW) {
    let q = ((fround(fround(sums[ox]) * factor) + evenMagic - evenMagic) | 0) + up;
    q &= ~(q >> 31);
    const over = most - q;
    y[o] = lo + q + (over & (over >> 31));
  }
}

/** The sums of one channel of one row, as `row3x3` forms them; x[from] is the first window's first cell. */
function sum3x3(layer: Layer, c: number, x: Uint8Array, from: number, sH: number, sW: number): void {
  const { g, weights, init, flip, sums } = layer;
  const down = g.dilationH * sH;
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
  let i = from;
  let a = x[i] ^ flip;
  let b = x[i + down] ^ flip;
  let d = x[i + 2 * down] ^ flip;
  let next = bias + a * w0 + b * w3 + d * w6;
  i += sW;
  a = x[i] ^ flip;
  b = x[i + down] ^ flip;
  d = x[i + 2 * down] ^ flip;
  next += a * w1 + b * w4 + d * w7;
  let afterNext = bias + a * w0 + b * w3 + d * w6;
  i += sW;
  for (let ox = 0; ox < sums.length; ox++, i += sW) {
    a = x[i] ^ flip;
    b = x[i + down] ^ flip;
    d = x[i + 2 * down] ^ flip;
    sums[ox] = next + a * w2 + b * w5 + d * w8;
    next = afterNext + a * w1 + b * w4 + d * w7;
    afterNext = bias + a * w0 + b * w3 + d * w6;
  }
}

/** The same as `row3x3Stride2` forms them. */
function sum3x3Stride2(layer: Layer, c: number, x: Uint8Array, from: number, sH: number, sW: number): void {
  const { g, weights, init, flip, sums } = layer;
  const down = g.dilationH * sH;
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
  let i = from;
  let begun = bias + (x[i] ^ flip) * w0 + (x[i + down] ^ flip) * w3 + (x[i + 2 * down] ^ flip) * w6;
  i += sW;
  for (let ox = 0; ox < sums.length; ox++, i += 2 * sW) {
    const a = x[i + sW] ^ flip;
    const b = x[i + down + sW] ^ flip;
    const d = x[i + 2 * down + sW] ^ flip;
    begun += (x[i] ^ flip) * w1 + (x[i + down] ^ flip) * w4 + (x[i + 2 * down] ^ flip) * w7;
    sums[ox] = begun + a * w2 + b * w5 + d * w8;
    begun = bias + a * w0 + b * w3 + d * w6;
  }
}

/** The same for any window. */
function sumAny(layer: Layer, c: number, x: Uint8Array, from: number, sH: number, sW: number): void {
  const { g, weights, init, flip, sums } = layer;
  const { kH, kW } = g;
  for (let ox = 0; ox < sums.length; ox++) {
    let sum = init[c];
    let w = c * kH * kW;
    for (let ky = 0; ky < kH; ky++) {
      let i = from + ox * g.strideW * sW + ky * g.dilationH * sH;
      for (let kx = 0; kx < kW; kx++, i += g.dilationW * sW) sum += (x[i] ^ flip) * weights[w++];
    }
    sums[ox] = sum;
  }
}
