import { describe, expect, it } from 'vitest';
import {
  expOnNegativeValues,
  inputRadius,
  inverseSquareRoot,
  logistic,
  oneMinusXOverOnePlusX,
  oneOverOnePlusX,
  reciprocalScale,
  tanh,
} from '../../src/kernels/fixed-point.ts';
import { integers, random } from './run-call.ts';

const one = 2 ** 31;

/*
 * A second, independent rendering in BigInt: numbers are rationals scaled by 2³¹⁻ᵐ, every product is
 * rounded by its definition, halves away from zero at a shift. It follows the equations of the source,
 * not the code under test.
 */
type Q = bigint;
const wrap = (x: Q) => BigInt.asIntN(32, x);
const clip = (x: Q) => (x > 2n ** 31n - 1n ? 2n ** 31n - 1n : x < -(2n ** 31n) ? -(2n ** 31n) : x);
function mul(a: Q, b: Q): Q {
  if (a === b && a === -(2n ** 31n)) return 2n ** 31n - 1n;
  const p = a * b;
  return (p + (p >= 0n ? 2n ** 30n : 1n - 2n ** 30n)) / 2n ** 31n;
}
function half(x: Q, e: bigint): Q {
  const magnitude = ((x < 0n ? -x : x) * 2n + 2n ** e) / 2n ** (e + 1n);
  return x < 0n ? -magnitude : magnitude;
}
function expSlow(a: Q, m: bigint): Q {
  if (a === 0n) return 2n ** 31n - 1n;
  const quarter = 2n ** (29n - m);
  const modulo = ((a % quarter) + quarter) % quarter;
  const r = modulo - quarter;
  const x = clip(r * 2n ** m) + 2n ** 28n;
  const x2 = mul(x, x);
  const x3 = mul(x2, x);
  const x4 = mul(x2, x2);
  const tail = half(mul(half(x4, 2n) + x3, 715827883n) + x2, 1n);
  let result = 1895147668n + mul(1895147668n, x + tail);
  const factors = [1672461947n, 1302514674n, 790015084n, 290630308n, 39332535n, 720401n, 242n];
  const quarters = (r - a) / quarter; // a = r − quarters/4
  for (let bit = 0n; bit < m + 2n; bit++) {
    if ((quarters >> bit) & 1n) result = mul(result, factors[Number(bit)]);
  }
  return result;
}
function reciprocalSlow(a: Q): Q {
  const d = (a + 2n ** 31n) / 2n; // (a + 2³¹ − 1 + 1) / 2
  let x = 1515870810n + mul(d, -1010580540n);
  for (let i = 0; i < 3; i++) x = wrap(x + clip(mul(x, 2n ** 29n - mul(d, x)) * 4n));
  return x;
}
const oneOverSlow = (a: Q) => clip(reciprocalSlow(a) * 2n);
const oneMinusSlow = (a: Q) => clip((reciprocalSlow(a) - 2n ** 29n) * 4n);

describe('expOnNegativeValues', () => {
  it('of 0 is the largest Q0', () => expect(expOnNegativeValues(0, 5)).toBe(2 ** 31 - 1));

  it.each([4, 5])('Q%i equals the slow rendering on 20,000 inputs', (m) => {
    for (const a of integers(random(m), 20_000, -(2 ** 31), 0)) {
      const small = a >> Math.abs(a % 29);
      for (const input of [a, small]) {
        expect(expOnNegativeValues(input, m)).toBe(Number(expSlow(BigInt(input), BigInt(m))));
      }
    }
  });

  it.each([0, 1, 2, 3, 4, 5])('Q%i is within 2⁻²² of Math.exp, the rest of the series', (m) => {
    for (const a of integers(random(7), 5000, -(2 ** 31), 0)) {
      const error = expOnNegativeValues(a, m) / one - Math.exp(a / 2 ** (31 - m));
      expect(Math.abs(error)).toBeLessThan(2 ** -22);
    }
  });
});

describe('1/(1+x) and (1−x)/(1+x)', () => {
  it('equal the slow rendering on 20,000 inputs and at the ends', () => {
    for (const a of [0, 1, 2 ** 31 - 1, 2 ** 30, ...integers(random(8), 20_000, 0, 2 ** 31 - 1)]) {
      expect(oneOverOnePlusX(a)).toBe(Number(oneOverSlow(BigInt(a))));
      expect(oneMinusXOverOnePlusX(a)).toBe(Number(oneMinusSlow(BigInt(a))));
    }
  });

  it('are within 2⁻²⁷ of the quotient, with one bit less for the difference', () => {
    for (const a of integers(random(9), 5000, 0, 2 ** 31 - 1)) {
      const x = a / one;
      expect(Math.abs(oneOverOnePlusX(a) / one - 1 / (1 + x))).toBeLessThan(2 ** -27);
      expect(Math.abs(oneMinusXOverOnePlusX(a) / one - (1 - x) / (1 + x))).toBeLessThan(2 ** -26);
    }
  });
});

describe('logistic and tanh', () => {
  it('at 0 are 1/2 and 0', () => {
    expect(logistic(0, 4)).toBe(2 ** 30);
    expect(tanh(0, 4)).toBe(0);
  });

  it('equal the slow rendering on 20,000 inputs in Q4', () => {
    for (const a of integers(random(10), 20_000, -(2 ** 31) + 1, 2 ** 31 - 1)) {
      const below = -Math.abs(a);
      const upper = oneOverSlow(expSlow(BigInt(below), 4n));
      expect(logistic(a, 4)).toBe(Number(a > 0 ? upper : 2n ** 31n - 1n - upper));
      const size = oneMinusSlow(expSlow(BigInt(below), 5n));
      expect(tanh(a, 4)).toBe(Number(a > 0 ? size : -size));
    }
  });

  it('are within 2⁻²² and 2⁻²¹ of Math.*, over the whole of Q4 in steps', () => {
    for (let a = -(2 ** 31) + 1; a < 2 ** 31; a += 1_000_003) {
      const x = a / 2 ** 27;
      expect(Math.abs(logistic(a, 4) / one - 1 / (1 + Math.exp(-x)))).toBeLessThan(2 ** -22);
      expect(Math.abs(tanh(a, 4) / one - Math.tanh(x))).toBeLessThan(2 ** -21);
    }
  });
});

describe('reciprocalScale', () => {
  it('times the input is a power of two, for every input to 1,024 and every bit length', () => {
    const inputs = Array.from({ length: 1024 }, (_, i) => i + 1);
    for (const x of [...inputs, ...Array.from({ length: 31 }, (_, i) => 2 ** i), 2 ** 31 - 1]) {
      const fraction = x / 2 ** (31 - Math.clz32(x)); // 1 + f
      expect(Math.abs((reciprocalScale(x) / one) * fraction - 1)).toBeLessThan(2 ** -27);
    }
  });
});

describe('inverseSquareRoot', () => {
  const result = new Int32Array(2);

  it.each([0, 1])('%i counts as 1', (n) => {
    inverseSquareRoot(n, result);
    expect([...result]).toEqual([2 ** 31 - 1, 0]);
  });

  it('is within 2⁻¹⁹ of 1/√n, for every n to 4,096 and random ones', () => {
    const small = Array.from({ length: 4095 }, (_, i) => i + 2);
    for (const n of [...small, ...integers(random(11), 5000, 2, 2 ** 31 - 1), 2 ** 31 - 1]) {
      inverseSquareRoot(n, result);
      const value = result[0] * 2 ** (result[1] - 31);
      expect(Math.abs(value * Math.sqrt(n) - 1)).toBeLessThan(2 ** -19);
    }
  });
});

describe('inputRadius', () => {
  it.each([
    { bits: 5, shift: 20, is: 1984, label: '31·2²⁶ / 2²⁰' },
    { bits: 4, shift: 23, is: 240, label: '15·2²⁷ / 2²³' },
    { bits: 4, shift: 24, is: 120, label: '15·2²⁷ / 2²⁴' },
  ])('$label', ({ bits, shift, is }) => expect(inputRadius(bits, shift)).toBe(is));
});
