/** The same number in another type, quantisation ignored. */

import { type DType, elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { clampTo, rangeOf } from '../requantize.ts';
import { bigintsOf, numbersOf, offer } from './support.ts';

/**
 * y[i] = x[i]
 *
 * f32 → integer cuts towards zero and saturates, NaN becomes 0. Integer → narrower integer keeps the low
 * bits, as a C cast does. Anything but 0 → bool is 1. i64 → f32 rounds by way of f64.
 */
export function cast(call: KernelCall): Offer {
  const from = call.inputs[0].dtype;
  const to = call.output.dtype;
  const count = elementCount(call.output.shape);
  return offer(`cast-${from}-${to}`, ([xView], yView) => {
    if (from === 'i64' && to === 'i64') {
      const x = bigintsOf(xView);
      const y = bigintsOf(yView);
      return () => {
        for (let i = 0; i < count; i++) y[yView.offset + i] = x[xView.offset + i];
      };
    }
    if (from === 'i64') {
      const x = bigintsOf(xView);
      const y = numbersOf(yView);
      const f = fromBigint(to);
      return () => {
        for (let i = 0; i < count; i++) y[yView.offset + i] = f(x[xView.offset + i]);
      };
    }
    if (to === 'i64') {
      const x = numbersOf(xView);
      const y = bigintsOf(yView);
      return () => {
        for (let i = 0; i < count; i++) y[yView.offset + i] = toBigint(x[xView.offset + i]);
      };
    }
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    const f = numberCast(from, to);
    return () => {
      for (let i = 0; i < count; i++) y[yView.offset + i] = f(x[xView.offset + i]);
    };
  });
}

function numberCast(from: DType, to: DType): (x: number) => number {
  if (to === 'bool') return (x) => Number(x !== 0);
  if (from !== 'f32' || to === 'f32') return (x) => x; // storing in an integer array keeps the low bits
  const range = rangeOf(to);
  return (x) => (Number.isNaN(x) ? 0 : Math.trunc(clampTo(range, x)));
}

function fromBigint(to: DType): (x: bigint) => number {
  if (to === 'bool') return (x) => Number(x !== 0n);
  if (to === 'f32') return Number;
  return (x) => Number(BigInt.asIntN(32, x));
}

function toBigint(x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x >= 2 ** 63) return 2n ** 63n - 1n;
  return x <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(x));
}
