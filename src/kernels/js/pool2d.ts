/**
 * Maximum or average over the cells of a window that lie inside the picture.      pool2d-i8-js, pool2d-f32-js
 *
 *   x, y  f32, i8 or u8, NHWC, strided; i8 as bytes (views.ts), so that larger bytes are larger numbers
 *
 * Order: rows and columns of the output, then channels, then the window, which is clipped once a pixel.
 * int8 averages round half away from zero on the stored numbers, or are quantised again from the real mean with
 * halves to even; equal to reference.
 */
import type { KernelCall, Offer, Pool, Step, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { isQuantized8, quantizedBounds, roundingOf, scaleOf, zeroPointOf } from '../requantize.ts';
import { evenMagic } from './requantize-f64.ts';
import { bytesOf, flipOf, floatsOf, isEmpty, isFloat } from './views.ts';

export function offerPool2d(call: KernelCall, op: Pool): Offer | null {
  const [x] = call.inputs;
  if (isEmpty(call)) return null;
  const g = windowGeometry(call);
  const isMax = op.kind === 'maxPool2d';
  if (isFloat(call)) {
    const { min, max } = op.clamp;
    const pool = isMax ? maxF32 : averageF32;
    return {
      kernel: `${isMax ? 'max' : 'average'}-pool-f32-js`,
      strided: true,
      bind: ([a], y) => overWindows(g, a, y, floatsOf(a), floatsOf(y), pool, { min, max, flip: 0 }),
    };
  }
  if (!isQuantized8(x) || !isQuantized8(call.output) || x.dtype !== call.output.dtype) return null;
  const { lo, hi } = quantizedBounds(op.clamp, call.output, roundingOf(op.rounding));
  const bounds = { min: lo, max: hi, flip: flipOf(x.dtype) };
  const pool = isMax ? maxI8 : op.rounding === 'even' ? averageEven(call) : averageI8;
  return {
    kernel: `${isMax ? 'max' : 'average'}-pool-i8-js`,
    strided: true,
    bind: ([a], y) => overWindows(g, a, y, bytesOf(a), bytesOf(y), pool, bounds),
  };
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly flip: number;
}

/** y[to + c] from the window of `rows` × `columns` cells whose first is x[from]. */
type PoolPixel<A> = (
  x: A,
  from: number,
  rows: number,
  columns: number,
  sH: number,
  sW: number,
  y: A,
  to: number,
  channels: number,
  bounds: Bounds,
) => void;

function overWindows<A>(
  g: WindowGeometry,
  input: View,
  output: View,
  x: A,
  y: A,
  pool: PoolPixel<A>,
  bounds: Bounds,
): Step {
  const [inN, inH, inW] = input.strides;
  const [outN, outH, outW] = output.strides;
  return () => {
    for (let n = 0; n < g.n; n++)
      for (let oy = 0; oy < g.outH; oy++) {
        const top = Math.max(0, oy * g.strideH - g.padTop);
        const bottom = Math.min(g.inH, oy * g.strideH - g.padTop + g.kH);
        for (let ox = 0; ox < g.outW; ox++) {
          const left = Math.max(0, ox * g.strideW - g.padLeft);
          const right = Math.min(g.inW, ox * g.strideW - g.padLeft + g.kW);
          const from = input.offset + n * inN + top * inH + left * inW;
          const to = output.offset + n * outN + oy * outH + ox * outW;
          pool(x, from, bottom - top, right - left, inH, inW, y, to, g.outC, bounds);
        }
      }
  };
}

const maxF32: PoolPixel<Float32Array> = (x, from, rows, columns, sH, sW, y, to, channels, { min, max }) => {
  for (let c = 0; c < channels; c++) {
    let most = x[from + c];
    for (let h = 0; h < rows; h++)
      for (let w = 0, i = from + c + h * sH; w < columns; w++, i += sW) most = Math.max(most, x[i]);
    y[to + c] = most < min ? min : most > max ? max : most;
  }
};

const averageF32: PoolPixel<Float32Array> = (
  x,
  from,
  rows,
  columns,
  sH,
  sW,
  y,
  to,
  channels,
  { min, max },
) => {
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let h = 0; h < rows; h++)
      for (let w = 0, i = from + c + h * sH; w < columns; w++, i += sW) sum += x[i];
    const mean = sum / (rows * columns);
    y[to + c] = mean < min ? min : mean > max ? max : mean;
  }
};

const maxI8: PoolPixel<Uint8Array> = (
  x,
  from,
  rows,
  columns,
  sH,
  sW,
  y,
  to,
  channels,
  { min, max, flip },
) => {
  for (let c = 0; c < channels; c++) {
    let most = 0;
    for (let h = 0; h < rows; h++)
      for (let w = 0, i = from + c + h * sH; w < columns; w++, i += sW) {
        const value = x[i] ^ flip;
        if (value > most) most = value;
      }
    const q = most - flip;
    y[to + c] = q < min ? min : q > max ? max : q;
  }
};

const averageI8: PoolPixel<Uint8Array> = (
  x,
  from,
  rows,
  columns,
  sH,
  sW,
  y,
  to,
  channels,
  { min, max, flip },
) => {
  const count = rows * columns;
  const half = count >> 1;
  for (let c = 0; c < channels; c++) {
    let sum = -flip * count;
    for (let h = 0; h < rows; h++)
      for (let w = 0, i = from + c + h * sH; w < columns; w++, i += sW) sum += x[i] ^ flip;
    const q = ((sum > 0 ? sum + half : sum - half) / count) | 0;
    y[to + c] = q < min ? min : q > max ? max : q;
  }
};

/** q = z_y + round([sₓ·Σ(x − zₓ)/count] / s_y), halves to even. */
function averageEven({ inputs: [input], output }: KernelCall): PoolPixel<Uint8Array> {
  const scaleX = scaleOf(input);
  const scaleY = scaleOf(output);
  const zeroX = zeroPointOf(input);
  const zeroY = zeroPointOf(output);
  const { fround } = Math;
  return (x, from, rows, columns, sH, sW, y, to, channels, { min, max, flip }) => {
    const count = Math.max(0, rows) * Math.max(0, columns);
    for (let c = 0; c < channels; c++) {
      let sum = -(flip + zeroX) * count;
      for (let h = 0; h < rows; h++)
        for (let w = 0, i = from + c + h * sH; w < columns; w++, i += sW) sum += x[i] ^ flip;
      const steps = Math.min(Math.max(fround(fround((scaleX * sum) / count) / scaleY), -1024), 1024);
      const q = zeroY + ((steps + evenMagic - evenMagic) | 0);
      y[to + c] = q < min ? min : q > max ? max : q;
    }
  };
}
