/** The k largest or least elements along one axis, in order. */

import type { KernelCall, Offer } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { cellsOf, type Of, offer, type Scalar } from './support.ts';

/**
 * y[o,j,i] = x[o,a_j,i], or a_j itself, where a_0, a_1 … are the indices 0 … A−1 in the order of their
 * elements; of equals the lower index comes first
 *
 *   x  (outer…, A, inner…)   any dtype
 *   y  (outer…, k, inner…)   x's dtype, or i64 for the indices
 *
 * Source: ONNX operator TopK.
 */
export function topK(call: KernelCall, op: Of<'topK'>): Offer | null {
  const { shape, dtype } = call.inputs[0];
  if (call.output.dtype !== (op.indices ? 'i64' : dtype)) return null;
  const outer = extentBetween(shape, 0, op.axis);
  const A = shape[op.axis];
  const inner = extentBetween(shape, op.axis + 1, shape.length);
  return offer(`top-k-${dtype}`, ([xView], yView) => {
    const x = cellsOf<Scalar>(xView);
    const y = cellsOf<Scalar>(yView);
    const taken = new Uint8Array(A);
    return () => {
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const first = xView.offset + o * A * inner + i;
          taken.fill(0);
          for (let j = 0; j < op.k; j++) {
            let best = -1;
            for (let a = 0; a < A; a++) {
              if (taken[a] === 1) continue;
              const p = x[first + a * inner];
              const q = x[first + best * inner];
              if (best < 0 || (op.largest ? p > q : p < q)) best = a;
            }
            taken[best] = 1;
            const at = yView.offset + (o * op.k + j) * inner + i;
            y[at] = op.indices ? BigInt(best) : x[first + best * inner];
          }
        }
      }
    };
  });
}
