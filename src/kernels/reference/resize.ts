/** Enlarging and shrinking pictures. */

import type { KernelCall, Offer } from '../call.ts';
import { allF32, cellsOf, numbersOf, type Of, offer, type Scalar } from './support.ts';

/**
 * y[n,oh,ow,c] = x at (h, w), h = scale·oh, or scale·(oh + 1/2) − 1/2 with half-pixel centres; w alike;
 * scale = inH/outH, or (inH − 1)/(outH − 1) with aligned corners
 *
 *   x  (n, inH, inW, c)
 *   y  (n, outH, outW, c)     quantised as x
 *
 * nearest:   ⌊h⌋, or h rounded with aligned corners; with half-pixel centres no 1/2 is taken off again.
 * bilinear:  the four neighbours, weighted by nearness. f32 places the points in f32 and weighs in f64;
 *            u8 does both in f32; i8 counts in 1/1024 of a cell, in integers.
 * Exact: integers equal TensorFlow Lite's reference.
 * Source: tensorflow/tflite-micro, reference/resize_nearest_neighbor.h, reference/resize_bilinear.h.
 */
export function resize(call: KernelCall, op: Of<'resize'>): Offer | null {
  const [x] = call.inputs;
  if (x.dtype !== call.output.dtype) return null;
  if (op.mode === 'nearest') return nearest(call, op);
  if (allF32(call)) return bilinear(call, op, (sum) => sum, false);
  if (x.dtype === 'u8') return bilinear(call, op, (sum) => Math.trunc(Math.fround(sum + 0.5)), true);
  return x.dtype === 'i8' ? bilinearInt8(call, op) : null;
}

function nearest(call: KernelCall, op: Of<'resize'>): Offer {
  const [n, inH, inW, C] = call.inputs[0].shape;
  const [, outH, outW] = call.output.shape;
  const rows = nearestCells(inH, outH, op); // (outH)
  const columns = nearestCells(inW, outW, op); // (outW)
  return offer(`resize-nearest-${call.output.dtype}`, ([xView], yView) => {
    const x = cellsOf<Scalar>(xView);
    const y = cellsOf<Scalar>(yView);
    return () => {
      for (let b = 0; b < n; b++) {
        for (let oh = 0; oh < outH; oh++) {
          for (let ow = 0; ow < outW; ow++) {
            const xAt = xView.offset + ((b * inH + rows[oh]) * inW + columns[ow]) * C;
            const yAt = yView.offset + ((b * outH + oh) * outW + ow) * C;
            for (let c = 0; c < C; c++) y[yAt + c] = x[xAt + c];
          }
        }
      }
    };
  });
}

export function nearestCells(inExtent: number, outExtent: number, op: Of<'resize'>): Int32Array {
  const scale = f32Scale(inExtent, outExtent, op.alignCorners);
  const shift = op.halfPixelCenters ? 0.5 : 0;
  return Int32Array.from({ length: outExtent }, (_, o) => {
    const at = Math.fround((o + shift) * scale);
    return Math.min(Math.floor(op.alignCorners ? at + 0.5 : at), inExtent - 1);
  });
}

function f32Scale(inExtent: number, outExtent: number, alignCorners: boolean): number {
  return alignCorners && outExtent > 1
    ? Math.fround((inExtent - 1) / (outExtent - 1))
    : Math.fround(inExtent / outExtent);
}

/** Where an output row or column falls: between cells `lower` and `upper`, `fraction` beyond `lower`. */
export interface Points {
  readonly lower: Int32Array;
  readonly upper: Int32Array;
  readonly fraction: Float32Array;
}

export function f32Points(inExtent: number, outExtent: number, op: Of<'resize'>): Points {
  const { fround } = Math;
  const scale = f32Scale(inExtent, outExtent, op.alignCorners);
  const lower = new Int32Array(outExtent);
  const upper = new Int32Array(outExtent);
  const fraction = new Float32Array(outExtent);
  for (let o = 0; o < outExtent; o++) {
    const at = op.halfPixelCenters ? fround(fround((o + 0.5) * scale) - 0.5) : fround(o * scale);
    lower[o] = Math.max(Math.floor(at), 0);
    upper[o] = Math.min(Math.ceil(at), inExtent - 1);
    fraction[o] = at - lower[o]; // negative left of the first centre, where both cells are one
  }
  return { lower, upper, fraction };
}

/** With `inF32` every product and sum is rounded, in the order of the source. */
function bilinear(
  call: KernelCall,
  op: Of<'resize'>,
  finish: (sum: number) => number,
  inF32: boolean,
): Offer {
  const [n, inH, inW, C] = call.inputs[0].shape;
  const [, outH, outW] = call.output.shape;
  const rows = f32Points(inH, outH, op);
  const columns = f32Points(inW, outW, op);
  const round = inF32 ? Math.fround : (x: number) => x;
  return offer(`resize-bilinear-${call.output.dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let b = 0; b < n; b++) {
        for (let oh = 0; oh < outH; oh++) {
          const top = xView.offset + (b * inH + rows.lower[oh]) * inW * C;
          const bottom = xView.offset + (b * inH + rows.upper[oh]) * inW * C;
          const down = rows.fraction[oh];
          const up = round(1 - down);
          for (let ow = 0; ow < outW; ow++) {
            const left = columns.lower[ow] * C;
            const right = columns.upper[ow] * C;
            const along = columns.fraction[ow];
            const back = round(1 - along);
            for (let c = 0; c < C; c++) {
              let sum = round(round(x[top + left + c] * up) * back);
              sum = round(sum + round(round(x[bottom + left + c] * down) * back));
              sum = round(sum + round(round(x[top + right + c] * up) * along));
              sum = round(sum + round(round(x[bottom + right + c] * down) * along));
              y[yView.offset + ((b * outH + oh) * outW + ow) * C + c] = finish(sum);
            }
          }
        }
      }
    };
  });
}

/** `at` counts 1/1024 of a cell from the first one, `lower` and `upper` whole cells. */
function int8Points(inExtent: number, outExtent: number, op: Of<'resize'>) {
  const aligned = op.alignCorners && outExtent > 1 ? 1 : 0;
  const steps = outExtent - aligned;
  const scale = Math.trunc((1024 * (inExtent - aligned) + Math.trunc(steps / 2)) / steps);
  const lower = new Int32Array(outExtent);
  const upper = new Int32Array(outExtent);
  const at = new Int32Array(outExtent);
  for (let o = 0; o < outExtent; o++) {
    at[o] = o * scale + (op.halfPixelCenters ? Math.trunc(scale / 2) - 512 : 0);
    lower[o] = Math.max(Math.trunc(at[o] / 1024), 0);
    upper[o] = Math.min(Math.trunc((at[o] + 1023) / 1024), inExtent - 1);
  }
  return { at, lower, upper };
}

function bilinearInt8(call: KernelCall, op: Of<'resize'>): Offer {
  const [n, inH, inW, C] = call.inputs[0].shape;
  const [, outH, outW] = call.output.shape;
  const rows = int8Points(inH, outH, op);
  const columns = int8Points(inW, outW, op);
  return offer('resize-bilinear-i8', ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let b = 0; b < n; b++) {
        for (let oh = 0; oh < outH; oh++) {
          const top = xView.offset + (b * inH + rows.lower[oh]) * inW * C;
          const bottom = xView.offset + (b * inH + rows.upper[oh]) * inW * C;
          const down = rows.at[oh] - 1024 * rows.lower[oh];
          const up = 1024 - down;
          for (let ow = 0; ow < outW; ow++) {
            const left = columns.lower[ow] * C;
            const right = columns.upper[ow] * C;
            const along = columns.at[ow] - 1024 * columns.lower[ow];
            const back = 1024 - along;
            for (let c = 0; c < C; c++) {
              const sum =
                x[top + left + c] * up * back +
                x[bottom + left + c] * down * back +
                x[top + right + c] * up * along +
                x[bottom + right + c] * down * along;
              const rounded = Math.trunc((sum + (sum > 0 ? 2 ** 19 : -(2 ** 19))) / 2 ** 20);
              y[yView.offset + ((b * outH + oh) * outW + ow) * C + c] = rounded;
            }
          }
        }
      }
    };
  });
}
