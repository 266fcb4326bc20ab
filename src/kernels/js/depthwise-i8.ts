/**
 * y[y,x,c] = requantize(Σ_ky,kx x[y·s+ky, x·s+kx, c]·w[ky,kx,c] + init[c])     depthwise-i8-js
 *
 *   x     i8 or u8, NHWC, read as bytes 0…255 (views.ts); its border in place, or copied to scratch
 *   w     i32 [outC, kH·kW]   zero point taken off
 *   y     i8 or u8, NHWC; output channel c reads input channel ⌊c·inC/outC⌋
 *
 * Order: rows, channels, then along the row, so that a channel's weights and epilogue stay in locals; a 3×3
 * window slides with its nine values in locals.
 * Exact: equal to reference (requantize-f64.ts).
 */
import type { KernelCall, Offer, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { isQuantizedProduct, multiplyByQuantizedMultiplier, weightZeroPoints } from '../requantize.ts';
import { reachOf } from './pack-i8.ts';
import { paddedBytes, paddedView, padPicture } from './padded.ts';
import { hasBorder, wantedBorder } from './pixels.ts';
import { type ChannelRequantizer, channelRequantizer } from './requantize-f64.ts';
import { bytesOf, flipOf, isEmpty, numbersOf } from './views.ts';

export function offerDepthwiseI8(call: KernelCall): Offer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d' || !isQuantizedProduct(call) || isEmpty(call)) return null;
  const w = numbersOf(inputs[1]);
  if (!w || (inputs[2] && !numbersOf(inputs[2]))) return null;
  const g = windowGeometry(call);
  const taps = g.kH * g.kW;
  const zeroPoints = weightZeroPoints(call);
  const flip = flipOf(inputs[0].dtype);
  const zeroPoint = inputs[0].quantization!.zeroPoint[0];
  const weights = new Int32Array(g.outC * taps);
  for (let c = 0; c < g.outC; c++)
    for (let t = 0; t < taps; t++) weights[c * taps + t] = w[t * g.outC + c] - zeroPoints[c];
  const reach = reachOf(call, taps, 1, g.outC);
  const init = Int32Array.from(reach.start);
  const requantizer = channelRequantizer(call, reach.ends, op.clamp);
  const border = wantedBorder(g);
  return {
    kernel: g.kH === 3 && g.kW === 3 && g.dilationW === 1 ? 'depthwise-i8-3x3-js' : 'depthwise-i8-js',
    strided: true,
    ...(border && { border }),
    scratch: (granted) => (border && !granted ? paddedBytes(g, border, 1) : 0),
    packedBytes: weights.byteLength,
    bind: ([x], y, scratch) => {
      const layer: Layer = { g, weights, init, requantizer, flip };
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

interface Layer {
  readonly g: WindowGeometry;
  readonly weights: Int32Array;
  readonly init: Int32Array;
  readonly requantizer: ChannelRequantizer;
  readonly flip: number;
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
    const factor = scale[c];
    const exact = slow !== null && slow[c] === 1;
    let i = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    let x0 = x[i] ^ flip,
      x3 = x[i + down] ^ flip,
      x6 = x[i + 2 * down] ^ flip;
    i += sW;
    let x1 = x[i] ^ flip,
      x4 = x[i + down] ^ flip,
      x7 = x[i + 2 * down] ^ flip;
    i += sW;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW) {
      const x2 = x[i] ^ flip,
        x5 = x[i + down] ^ flip,
        x8 = x[i + 2 * down] ^ flip;
      const sum =
        (bias +
          Math.imul(x0, w0) +
          Math.imul(x1, w1) +
          Math.imul(x2, w2) +
          Math.imul(x3, w3) +
          Math.imul(x4, w4) +
          Math.imul(x5, w5) +
          Math.imul(x6, w6) +
          Math.imul(x7, w7) +
          Math.imul(x8, w8)) |
        0;
      let q = exact
        ? multiplyByQuantizedMultiplier(sum, requantizer.multipliers[c], requantizer.shifts[c])
        : Math.floor(sum * factor + half[2 * c + (sum >>> 31)]) | 0;
      q += shiftUp;
      q &= ~(q >> 31);
      const over = most - q;
      y[o] = lo + q + (over & (over >> 31));
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
        x0 = x[i] ^ flip;
        x3 = x[i + down] ^ flip;
        x6 = x[i + 2 * down] ^ flip;
        i += sW;
        x1 = x[i] ^ flip;
        x4 = x[i + down] ^ flip;
        x7 = x[i + 2 * down] ^ flip;
        i += sW;
      }
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
  const { g, weights, init, requantizer, flip } = layer;
  const { scale, half, slow, shiftUp, lo, most } = requantizer;
  const { kH, kW } = g;
  const multiplier = g.outC / g.inC;
  for (let c = 0; c < g.outC; c++) {
    const channel = from + (multiplier === 1 ? c : Math.floor(c / multiplier));
    const exact = slow !== null && slow[c] === 1;
    for (let ox = 0, o = to + c; ox < g.outW; ox++, o += outW) {
      let sum = init[c];
      let w = c * kH * kW;
      for (let ky = 0; ky < kH; ky++) {
        let i = channel + ox * g.strideW * sW + ky * g.dilationH * sH;
        for (let kx = 0; kx < kW; kx++, i += g.dilationW * sW)
          sum = (sum + Math.imul(x[i] ^ flip, weights[w++])) | 0;
      }
      let q = exact
        ? multiplyByQuantizedMultiplier(sum, requantizer.multipliers[c], requantizer.shifts[c])
        : Math.floor(sum * scale[c] + half[2 * c + (sum >>> 31)]) | 0;
      q += shiftUp;
      q &= ~(q >> 31);
      const over = most - q;
      y[o] = lo + q + (over & (over >> 31));
    }
  }
}
