/** Local response normalisation, across channels. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { allFloating, numbersOf, type Of, offer } from './support.ts';

/**
 * y[i,c] = x[i,c] / (bias + alpha/size · Σ_d x[i,d]²)^beta,  c − ⌊(size−1)/2⌋ ≤ d ≤ c + ⌈(size−1)/2⌉
 *
 *   x, y  (…, C)      channels outside 0 … C−1 do not count
 *
 * Exact: f64 throughout, rounded once for f32.
 * Source: Krizhevsky et al. 2012, §3.3; ONNX operator LRN.
 */
export function lrn(call: KernelCall, op: Of<'lrn'>): Offer | null {
  if (!allFloating(call)) return null;
  const { shape, dtype } = call.output;
  const C = shape[shape.length - 1];
  const rows = elementCount(shape) / C;
  const below = Math.floor((op.size - 1) / 2);
  const above = op.size - 1 - below;
  return offer(`lrn-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < rows; i++) {
        const xAt = xView.offset + i * C;
        for (let c = 0; c < C; c++) {
          let sum = 0;
          const end = Math.min(c + above, C - 1);
          for (let d = Math.max(c - below, 0); d <= end; d++) sum += x[xAt + d] ** 2;
          y[yView.offset + i * C + c] = x[xAt + c] / (op.bias + (op.alpha / op.size) * sum) ** op.beta;
        }
      }
    };
  });
}
