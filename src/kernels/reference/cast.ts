/** The same number in another type, quantisation ignored. */

import type { DType } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { boundsOf, elementwise, isBigType, isFloating, type Scalar } from './support.ts';

/**
 * y[i] = x[i]
 *
 * Float → integer cuts towards zero and saturates, NaN becomes 0. Integer → narrower integer keeps the low
 * bits, as a C cast does. Anything but 0 → bool is 1. 64-bit integers → f32 round by way of f64.
 */
export function cast(call: KernelCall): Offer {
  const from = call.inputs[0].dtype;
  const to = call.output.dtype;
  return { ...elementwise(call, 'cast', castFunction(from, to)), kernel: `cast-${from}-${to}-reference` };
}

/** An element of `from` ↦ one of `to`; storing it rounds to f32 and keeps the low bits of an integer. */
export function castFunction(from: DType, to: DType): (x: Scalar) => Scalar {
  if (to === 'bool') return (x) => (x === 0 || x === 0n ? 0 : 1);
  if (isFloating(to)) return Number;
  const store = isBigType(to) ? BigInt : Number;
  if (isFloating(from)) {
    const [lo, hi] = boundsOf(to);
    return (x) => {
      if (x <= lo) return lo;
      return x >= hi ? hi : store(Math.trunc(Number(x) || 0)); // NaN is 0
    };
  }
  if (isBigType(from) && !isBigType(to)) return (x) => Number(BigInt.asIntN(32, BigInt(x)));
  return store;
}
