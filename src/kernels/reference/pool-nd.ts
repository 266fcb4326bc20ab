/** Pooling over any number of spatial axes, and where each maximum lies. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { boundsOf, cellsOf, isBigType, isFloating, numbersOf, type Of, offer } from './support.ts';
import { cellUnder } from './window-nd.ts';

/**
 * y[n,o,c] = max, mean or (Σ|·|ᵖ)^(1/p) of x[n,i,c],  i = o·stride + k·dilation − before
 *
 *   x  (n, …in, c)      cells outside do not count; with `countPad` the mean's divisor counts those within
 *                       the padding, but never what a last window sees beyond it
 *   y  (n, …out, c)
 *
 * A window without a cell has the least number of the dtype as its maximum, and 0 as its mean.
 * Order: n, o, c outside; k inside.
 * Exact: f32 sums in f64 and rounds once; f64 in f64; a maximum also of integers, as stored.
 * Source: ONNX operators MaxPool, AveragePool, LpPool.
 */
export function poolNd(call: KernelCall, op: Of<'poolNd'>): Offer | null {
  const [{ dtype }] = call.inputs;
  if (dtype !== call.output.dtype || isBigType(dtype) || (op.fn !== 'max' && !isFloating(dtype))) return null;
  const g = geometry(call, op);
  const least = Number(boundsOf(dtype)[0]);
  return offer(`${op.fn}-pool-nd-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let o = 0; o < g.outCells; o++) {
          for (let c = 0; c < g.c; c++) {
            let max = least;
            let sum = 0;
            let count = 0;
            for (let k = 0; k < g.taps; k++) {
              if (op.countPad && g.withinPadding(o, k) >= 0) count++;
              const i = g.under(o, k);
              if (i < 0) continue;
              const cell = x[xView.offset + (n * g.inCells + i) * g.c + c];
              max = Math.max(max, cell);
              sum += op.fn === 'lp' ? Math.abs(cell) ** op.p : cell;
              if (!op.countPad) count++;
            }
            y[yView.offset + (n * g.outCells + o) * g.c + c] =
              op.fn === 'max' ? max : op.fn === 'lp' ? sum ** (1 / op.p) : count === 0 ? 0 : sum / count;
          }
        }
      }
    };
  });
}

/**
 * y[n,o,c] = the index of the first maximum of window o in x laid out as (n, c, …in)
 *
 *   (n·C + c)·Π in + cell, the cell counted row by row; `columnMajor`: its first spatial axis fastest
 *
 * A window without a cell gives 0. Source: ONNX operator MaxPool, output Indices and storage_order.
 */
export function maxPoolIndices(call: KernelCall, op: Of<'maxPoolIndices'>): Offer | null {
  const [{ dtype, shape }] = call.inputs;
  if (call.output.dtype !== 'i64' || isBigType(dtype)) return null;
  const g = geometry(call, op);
  const inSize = shape.slice(1, -1);
  return offer(`max-pool-indices-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = cellsOf<bigint>(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let o = 0; o < g.outCells; o++) {
          for (let c = 0; c < g.c; c++) {
            let best = -1;
            let max = 0;
            for (let k = 0; k < g.taps; k++) {
              const i = g.under(o, k);
              if (i < 0) continue;
              const cell = x[xView.offset + (n * g.inCells + i) * g.c + c];
              if (best >= 0 && cell <= max) continue;
              best = i;
              max = cell;
            }
            const at = op.columnMajor ? columnMajor(best, inSize) : best;
            y[yView.offset + (n * g.outCells + o) * g.c + c] =
              best < 0 ? 0n : BigInt((n * g.c + c) * g.inCells + at);
          }
        }
      }
    };
  });
}

/** A cell counted row by row, counted with the first axis fastest. */
function columnMajor(cell: number, size: readonly number[]): number {
  let result = 0;
  let rest = cell;
  for (let axis = size.length - 1; axis >= 0; axis--) {
    result = result * size[axis] + (rest % size[axis]);
    rest = Math.floor(rest / size[axis]);
  }
  return result;
}

function geometry({ inputs, output }: KernelCall, op: Of<'poolNd' | 'maxPoolIndices'>) {
  const [n, ...rest] = inputs[0].shape;
  const c = rest[rest.length - 1];
  const inSize = rest.slice(0, -1);
  const outSize = output.shape.slice(1, -1);
  const padded = inSize.map((extent, axis) => op.before[axis] + extent + op.after[axis]);
  return {
    n,
    c,
    inCells: elementCount(inSize),
    outCells: elementCount(outSize),
    taps: elementCount(op.kernel),
    under: cellUnder({ ...op, inSize, outSize }),
    withinPadding: cellUnder({ ...op, inSize: padded, outSize, before: padded.map(() => 0) }),
  };
}
