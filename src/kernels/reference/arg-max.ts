/** The index of the largest element along one axis. */

import type { KernelCall, Offer } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { bigintsOf, type Cells, numbersOf, type Of, offer } from './support.ts';

/**
 * y[o,i] = argmax_a x[o,a,i]; the first maximum wins
 *
 *   x  (outer…, A, inner…)   any dtype; stored integers are compared as they are
 *   y  (outer…, inner…)      i32 or i64
 *
 * Source: tensorflow/tflite-micro, reference/arg_min_max.h.
 */
export function argMax(call: KernelCall, op: Of<'argMax'>): Offer | null {
  const { shape, dtype } = call.inputs[0];
  const index = call.output.dtype;
  if (index !== 'i32' && index !== 'i64') return null;
  const outer = extentBetween(shape, 0, op.axis);
  const A = shape[op.axis];
  const inner = extentBetween(shape, op.axis + 1, shape.length);
  return offer(`arg-max-${dtype}`, ([xView], yView) => {
    const best =
      dtype === 'i64'
        ? finder<bigint>(bigintsOf(xView), xView.offset, A, inner)
        : finder<number>(numbersOf(xView), xView.offset, A, inner);
    const store =
      index === 'i64'
        ? storeBigint(bigintsOf(yView), yView.offset)
        : storeNumber(numbersOf(yView), yView.offset);
    return () => {
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) store(o * inner + i, best(o, i));
      }
    };
  });
}

function finder<T>(x: Cells<T>, offset: number, A: number, inner: number): (o: number, i: number) => number {
  return (o, i) => {
    const first = offset + o * A * inner + i;
    let best = 0;
    for (let a = 1; a < A; a++) if (x[first + a * inner] > x[first + best * inner]) best = a;
    return best;
  };
}

function storeNumber(y: Cells<number>, offset: number): (at: number, value: number) => void {
  return (at, value) => {
    y[offset + at] = value;
  };
}

function storeBigint(y: Cells<bigint>, offset: number): (at: number, value: number) => void {
  return (at, value) => {
    y[offset + at] = BigInt(value);
  };
}
