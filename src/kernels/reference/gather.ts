/** Slices picked by index. */

import { VireoError } from '../../errors.ts';
import { denseStrides, elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, Operand, View } from '../call.ts';
import { extentBetween, indexOf } from '../geometry.ts';
import { cellsOf, type Of, offer, type Scalar } from './support.ts';

/**
 * y[b,o,j,i] = x[b,o,indices[b,j],i]
 *
 *   x        (batch…, outer…, A, inner…)     `batchDims` axes of batch; A is axis `axis`
 *   indices  (batch…, J…)                    i32 or i64
 *   y        (batch…, outer…, J…, inner…)
 *
 * A negative index counts from the end; one outside −A … A−1 ends the run with an error.
 */
export function gather(call: KernelCall, op: Of<'gather'>): Offer | null {
  const [x, indices] = call.inputs;
  if (!isIndex(indices) || x.dtype !== call.output.dtype) return null;
  const batch = extentBetween(x.shape, 0, op.batchDims);
  const outer = extentBetween(x.shape, op.batchDims, op.axis);
  const A = x.shape[op.axis];
  const inner = extentBetween(x.shape, op.axis + 1, x.shape.length);
  const J = extentBetween(indices.shape, op.batchDims, indices.shape.length);
  return offer(`gather-${x.dtype}`, ([xView, indexView], yView) => {
    const from = cellsOf<Scalar>(xView);
    const to = cellsOf<Scalar>(yView);
    return () => {
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
  });
}

/**
 * y[i] = x[i with indices[i] for its coordinate along the axis]
 *
 *   x        (…, A, …)       A is axis `axis`
 *   indices  y's shape       i32 or i64; off the axis no larger than x
 *
 * Source: ONNX operator GatherElements.
 */
export function gatherElements(call: KernelCall, op: Of<'gatherElements'>): Offer | null {
  const [x, indices] = call.inputs;
  if (!isIndex(indices) || x.dtype !== call.output.dtype) return null;
  const { shape } = call.output;
  const A = x.shape[op.axis];
  const strides = denseStrides(x.shape);
  const others = strides.map((stride, axis) => (axis === op.axis ? 0 : stride));
  const count = elementCount(shape);
  return offer(`gather-elements-${x.dtype}`, ([xView, indexView], yView) => {
    const from = cellsOf<Scalar>(xView);
    const to = cellsOf<Scalar>(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        const a = indexAt(indexView, i, A);
        to[yView.offset + i] = from[xView.offset + indexOf(i, shape, others) + a * strides[op.axis]];
      }
    };
  });
}

/**
 * y[b,j,i] = x[b, indices[b,j,0], indices[b,j,1], …, i]
 *
 *   x        (batch…, A_0, A_1 …, inner…)    `batchDims` axes of batch; as many A as an index is deep
 *   indices  (batch…, J…, depth)             i32 or i64
 *   y        (batch…, J…, inner…)
 *
 * Source: ONNX operator GatherND.
 */
export function gatherNd(call: KernelCall, op: Of<'gatherNd'>): Offer | null {
  const [x, indices] = call.inputs;
  if (!isIndex(indices) || x.dtype !== call.output.dtype) return null;
  const depth = indices.shape[indices.shape.length - 1];
  const batch = extentBetween(x.shape, 0, op.batchDims);
  const J = extentBetween(indices.shape, op.batchDims, indices.shape.length - 1);
  const A = x.shape.slice(op.batchDims, op.batchDims + depth);
  const inner = extentBetween(x.shape, op.batchDims + depth, x.shape.length);
  return offer(`gather-nd-${x.dtype}`, ([xView, indexView], yView) => {
    const from = cellsOf<Scalar>(xView);
    const to = cellsOf<Scalar>(yView);
    return () => {
      for (let b = 0; b < batch; b++) {
        for (let j = 0; j < J; j++) {
          const row = b * J + j;
          let cell = b;
          for (let d = 0; d < depth; d++) cell = cell * A[d] + indexAt(indexView, row * depth + d, A[d]);
          for (let i = 0; i < inner; i++) {
            to[yView.offset + row * inner + i] = from[xView.offset + cell * inner + i];
          }
        }
      }
    };
  });
}

function isIndex({ dtype }: Operand): boolean {
  return dtype === 'i32' || dtype === 'i64';
}

/** An index from the end where it is negative. */
function indexAt(indices: View, at: number, extent: number): number {
  const index = Number(indices.data[indices.offset + at]);
  if (index >= 0 && index < extent) return index;
  if (index < 0 && index >= -extent) return index + extent;
  throw new VireoError('bad-input', `gather: index ${index} is outside ${-extent} … ${extent - 1}`);
}
