/** Slices picked by index. */

import { VireoError } from '../../errors.ts';
import type { KernelCall, Offer, View } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { type Cells, type Of, offer, onCells } from './support.ts';

/**
 * y[b,o,j,i] = x[b,o,indices[b,j],i]
 *
 *   x        (batch…, outer…, A, inner…)     `batchDims` axes of batch; A is axis `axis`
 *   indices  (batch…, J…)                    i32 or i64
 *   y        (batch…, outer…, J…, inner…)
 *
 * An index outside 0 … A−1 ends the run with an error.
 */
export function gather(call: KernelCall, op: Of<'gather'>): Offer | null {
  const [x, indices] = call.inputs;
  if (indices.dtype !== 'i32' && indices.dtype !== 'i64') return null;
  if (x.dtype !== call.output.dtype) return null;
  const batch = extentBetween(x.shape, 0, op.batchDims);
  const outer = extentBetween(x.shape, op.batchDims, op.axis);
  const A = x.shape[op.axis];
  const inner = extentBetween(x.shape, op.axis + 1, x.shape.length);
  const J = extentBetween(indices.shape, op.batchDims, indices.shape.length);
  return offer(`gather-${x.dtype}`, ([xView, indexView], yView) => {
    const pick = <T>(from: Cells<T>, to: Cells<T>) => {
      for (let b = 0; b < batch; b++) {
        for (let o = 0; o < outer; o++) {
          for (let j = 0; j < J; j++) {
            const a = indexAt(indexView, b * J + j, A);
            const xAt = xView.offset + ((b * outer + o) * A + a) * inner;
            const yAt = yView.offset + ((b * outer + o) * J + j) * inner;
            for (let i = 0; i < inner; i++) to[yAt + i] = from[xAt + i];
          }
        }
      }
    };
    return onCells(xView, yView, pick<number>, pick<bigint>);
  });
}

function indexAt(indices: View, at: number, extent: number): number {
  const index = Number(indices.data[indices.offset + at]);
  if (index >= 0 && index < extent) return index;
  throw new VireoError('bad-input', `gather: index ${index} is outside 0 … ${extent - 1}`);
}
