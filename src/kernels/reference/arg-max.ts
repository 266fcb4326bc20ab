/** The index of the largest or least element along one axis. */

import type { KernelCall, Offer } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { cellsOf, type Of, offer, type Scalar } from './support.ts';

/**
 * y[o,i] = argmax_a x[o,a,i], or argmin; of equals the first wins, or the last
 *
 *   x  (outer…, A, inner…)   any dtype; stored integers are compared as they are
 *   y  (outer…, inner…)      i32 or i64
 *
 * Source: tensorflow/tflite-micro, reference/arg_min_max.h; ONNX operators ArgMax, ArgMin.
 */
export function argMax(call: KernelCall, op: Of<'argMax'>): Offer | null {
  const { shape, dtype } = call.inputs[0];
  const index = call.output.dtype;
  if (index !== 'i32' && index !== 'i64') return null;
  const outer = extentBetween(shape, 0, op.axis);
  const A = shape[op.axis];
  const inner = extentBetween(shape, op.axis + 1, shape.length);
  const store = index === 'i64' ? BigInt : Number;
  return offer(`arg-max-${dtype}`, ([xView], yView) => {
    const x = cellsOf<Scalar>(xView);
    const y = cellsOf<Scalar>(yView);
    return () => {
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const first = xView.offset + o * A * inner + i;
          let best = 0;
          for (let a = 1; a < A; a++) {
            const p = x[first + a * inner];
            const q = x[first + best * inner];
            if (p === q ? op.last : op.least ? p < q : p > q) best = a;
          }
          y[yView.offset + o * inner + i] = store(best);
        }
      }
    };
  });
}
