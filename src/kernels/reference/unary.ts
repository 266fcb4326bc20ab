/** Functions of one number: unary, clamp (the ReLU family). */

import type { KernelCall, Offer, UnaryFn } from '../call.ts';
import { int8Function } from './int8-function.ts';
import { realUnary } from './real-unary.ts';
import { clampOf, elementwise, isBigType, isFloating, isPlain, type Of, type Scalar } from './support.ts';

/**
 * y[i] = f(x[i])
 *
 * Exact: f32 in f64, rounded once; int8 as `int8Function` says; plain integers wrap.
 */
export function unary(call: KernelCall, op: Of<'unary'>): Offer | null {
  const f = plainUnary(call, op) ?? int8Function(call);
  return f && elementwise(call, op.fn, f);
}

function plainUnary(call: KernelCall, { fn, alpha }: Of<'unary'>): ((x: never) => Scalar) | null {
  const { dtype } = call.output;
  if (call.inputs[0].dtype !== dtype || !isPlain(call)) return null;
  if ((dtype === 'bool') !== (fn === 'not')) return null;
  if (dtype === 'bool' || isFloating(dtype)) return realUnary(fn, alpha);
  return isBigType(dtype) ? bigintFunction(fn) : intFunction(fn);
}

/** y[i] = min(max(x[i], clamp.min), clamp.max); int8 also requantises. */
export function clamp(call: KernelCall, op: Of<'clamp'>): Offer | null {
  const { dtype } = call.output;
  const plain = call.inputs[0].dtype === dtype && isPlain(call);
  const f = plain ? clampOf(dtype, op.clamp) : int8Function(call);
  return f && elementwise(call, 'clamp', f);
}

function intFunction(fn: UnaryFn): ((x: number) => number) | null {
  if (fn === 'square') return (x) => Math.imul(x, x);
  return ['abs', 'neg', 'sign', 'floor', 'ceil', 'round'].includes(fn) ? realUnary(fn, 0) : null;
}

function bigintFunction(fn: UnaryFn): ((x: bigint) => bigint) | null {
  switch (fn) {
    case 'abs':
      return (x) => (x < 0n ? -x : x);
    case 'neg':
      return (x) => -x;
    case 'sign':
      return (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n);
    case 'square':
      return (x) => x * x;
    case 'floor':
    case 'ceil':
    case 'round':
      return (x) => x;
    default:
      return null;
  }
}
