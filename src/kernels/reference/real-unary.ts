/** Functions of one real number, in f64: what the float kernels apply, and int8 kernels where there is no rule. */

import { unreachable } from '../../errors.ts';
import type { UnaryFn } from '../call.ts';
import { roundHalfEven } from '../requantize.ts';

export function realUnary(fn: UnaryFn, alpha: number): (x: number) => number {
  switch (fn) {
    case 'abs':
      return Math.abs;
    case 'neg':
      return (x) => -x;
    case 'sign':
      return Math.sign;
    case 'floor':
      return Math.floor;
    case 'ceil':
      return Math.ceil;
    case 'round':
      return roundHalfEven;
    case 'square':
      return (x) => x * x;
    case 'sqrt':
      return Math.sqrt;
    case 'rsqrt':
      return (x) => 1 / Math.sqrt(x);
    case 'reciprocal':
      return (x) => 1 / x;
    case 'exp':
      return Math.exp;
    case 'log':
      return Math.log;
    case 'sin':
      return Math.sin;
    case 'cos':
      return Math.cos;
    case 'erf':
      return erf;
    case 'not':
      return (x) => Number(x === 0);
    case 'logistic':
      return (x) => 1 / (1 + Math.exp(-x));
    case 'tanh':
      return Math.tanh;
    case 'hardSwish':
      return (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6;
    case 'elu':
      return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
    case 'leakyRelu':
      return (x) => (x > 0 ? x : x * alpha);
    case 'softplus':
      return (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))); // log(1 + eˣ) without overflow
    case 'softsign':
      return (x) => x / (1 + Math.abs(x));
    default:
      return unreachable(fn);
  }
}

/**
 * erf(x) = 2/√π · ∫₀ˣ e^(−t²) dt = 2x/√π · e^(−x²) · Σₙ (2x²)ⁿ / (1·3·5 … (2n+1))
 *
 * All terms have one sign, so nothing cancels: within 2·10⁻¹⁵ of the true value. From |x| = 6 on it is ±1.
 * Source: Abramowitz and Stegun 1964, 7.1.6.
 */
export function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Math.sign(x);
  let term = 1;
  let sum = 1;
  for (let n = 1; term > sum * 2 ** -54; n++) sum += term *= (2 * x * x) / (2 * n + 1);
  const area = (2 / Math.sqrt(Math.PI)) * x * Math.exp(-x * x) * sum;
  return Math.min(Math.max(area, -1), 1);
}
