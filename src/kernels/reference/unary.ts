/** Functions of one number: unary, clamp (the ReLU family). */

import { unreachable } from '../../errors.ts';
import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, UnaryFn, View } from '../call.ts';
import { int8Function } from './int8-function.ts';
import { allF32, clampReal, inStep, numbersOf, type Of, offer } from './support.ts';

/**
 * y[i] = f(x[i])
 *
 * Exact: f32 in f64, rounded once; int8 as `int8Function` says; i32 wraps.
 */
export function unary(call: KernelCall, op: Of<'unary'>): Offer | null {
  if (allF32(call)) return elementwise(call, op.fn, realUnary(op.fn, op.alpha));
  const f =
    call.inputs[0].dtype === 'i32' && call.output.dtype === 'i32' ? intFunction(op.fn) : int8Function(call);
  return f && elementwise(call, op.fn, f);
}

/** y[i] = min(max(x[i], clamp.min), clamp.max); int8 also requantises. */
export function clamp(call: KernelCall, op: Of<'clamp'>): Offer | null {
  const f = allF32(call) ? (x: number) => clampReal(x, op.clamp) : int8Function(call);
  return f && elementwise(call, 'clamp', f);
}

/** y[i] = f(x[i]) for two dense tensors of as many elements. */
export function elementwise(call: KernelCall, name: string, f: (x: number) => number): Offer {
  const count = elementCount(call.output.shape);
  const bind = ([xView]: readonly View[], yView: View) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < count; i++) y[yView.offset + i] = f(x[xView.offset + i]);
    };
  };
  return offer(`${name}-${call.inputs[0].dtype}`, bind, inStep(call));
}

/** The function of one real number, in f64. */
export function realUnary(fn: UnaryFn, alpha: number): (x: number) => number {
  switch (fn) {
    case 'abs':
      return Math.abs;
    case 'neg':
      return (x) => -x;
    case 'exp':
      return Math.exp;
    case 'log':
      return Math.log;
    case 'sqrt':
      return Math.sqrt;
    case 'rsqrt':
      return (x) => 1 / Math.sqrt(x);
    case 'square':
      return (x) => x * x;
    case 'floor':
      return Math.floor;
    case 'logistic':
      return (x) => 1 / (1 + Math.exp(-x));
    case 'tanh':
      return Math.tanh;
    case 'hardSwish':
      return (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6;
    case 'elu':
      return (x) => (x < 0 ? Math.expm1(x) : x);
    case 'leakyRelu':
      return (x) => (x > 0 ? x : x * alpha);
    default:
      return unreachable(fn);
  }
}

function intFunction(fn: UnaryFn): ((x: number) => number) | null {
  if (fn === 'abs') return Math.abs;
  if (fn === 'neg') return (x) => -x;
  if (fn === 'square') return (x) => Math.imul(x, x);
  return fn === 'floor' ? (x) => x : null;
}
