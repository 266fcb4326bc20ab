import { describe, expect, it } from 'vitest';
import type { Arithmetic, BinaryFn, UnaryFn } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { erf } from '../../src/kernels/reference/real-unary.ts';
import type { DType } from '../../src/tensor.ts';
import { allTypes, callOf, isOffered, numberTypes, result, row } from './onnx-call.ts';
import { activation, runCall } from './run-call.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const binary = (fn: BinaryFn, clamp = noClamp): Arithmetic => ({ kind: 'binary', fn, clamp });
const unary = (fn: UnaryFn, alpha = 0): Arithmetic => ({ kind: 'unary', fn, alpha });

const pair = (fn: BinaryFn, dtype: DType, a: readonly number[], b: readonly number[], clamp = noClamp) =>
  result(binary(fn, clamp), [row(dtype, a), row(dtype, b)], dtype, [a.length]);

describe('binary on every dtype', () => {
  it.each(numberTypes)('%s: small whole numbers', (dtype) => {
    expect(pair('add', dtype, [7, 3], [2, 3])).toEqual([9, 6]);
    expect(pair('sub', dtype, [7, 3], [2, 3])).toEqual([5, 0]);
    expect(pair('mul', dtype, [7, 3], [2, 3])).toEqual([14, 9]);
    expect(pair('div', dtype, [8, 3], [2, 3])).toEqual([4, 1]);
    expect(pair('min', dtype, [7, 3], [2, 4])).toEqual([2, 3]);
    expect(pair('max', dtype, [7, 3], [2, 4])).toEqual([7, 4]);
    expect(pair('pow', dtype, [2, 3], [6, 4])).toEqual([64, 81]);
    expect(pair('mod', dtype, [7, 6], [4, 3])).toEqual([3, 0]);
    expect(pair('fmod', dtype, [7, 6], [4, 3])).toEqual([3, 0]);
  });

  it.each([
    { dtype: 'i8', add: -128, mul: -2, neg: -128 },
    { dtype: 'u8', add: 0, mul: 254, neg: 0 },
    { dtype: 'i16', add: -(2 ** 15), mul: -2, neg: -(2 ** 15) },
    { dtype: 'u16', add: 0, mul: 2 ** 16 - 2, neg: 0 },
    { dtype: 'i32', add: -(2 ** 31), mul: -2, neg: -(2 ** 31) },
    { dtype: 'u32', add: 0, mul: 2 ** 32 - 2, neg: 0 },
  ] as const)('$dtype wraps around at the top', ({ dtype, add, mul }) => {
    const top = { i8: 127, u8: 255, i16: 32767, u16: 65535, i32: 2 ** 31 - 1, u32: 2 ** 32 - 1 }[dtype];
    expect(pair('add', dtype, [top], [1])).toEqual([add]);
    expect(pair('mul', dtype, [top], [2])).toEqual([mul]);
  });

  it('u32 and u64 products keep their low bits', () => {
    expect(pair('mul', 'u32', [0xffffffff], [0xffffffff])).toEqual([1]);
    const call = callOf(binary('mul'), [row('u64', [-1]), row('u64', [-1])], 'u64', [1]);
    expect([...runCall(reference, call)]).toEqual([1n]);
    const less = callOf(binary('sub'), [row('u64', [0]), row('u64', [1])], 'u64', [1]);
    expect([...runCall(reference, less)]).toEqual([2n ** 64n - 1n]);
  });

  it.each(['i8', 'i16', 'i32', 'i64'] as const)(
    '%s: a quotient is cut towards zero, by zero it is 0',
    (dtype) => {
      expect(pair('div', dtype, [-7, 7, -7, 5], [2, -2, -2, 0])).toEqual([-3, -3, 3, 0]);
    },
  );

  it.each(['f32', 'f64', 'i8', 'i16', 'i32', 'i64'] as const)('%s: signs of mod and fmod', (dtype) => {
    expect(pair('mod', dtype, [-4, 7, 5, 4, -7, 8], [2, -3, 8, -2, 3, 5]).map((x) => x + 0)).toEqual([
      0, -2, 5, 0, 2, 3,
    ]);
    expect(pair('fmod', dtype, [-4, 7, 5, 4, -7, 8], [2, -3, 8, -2, 3, 5]).map((x) => x + 0)).toEqual([
      0, 1, 5, 0, -1, 3,
    ]);
  });

  it.each(['i32', 'i64', 'u8'] as const)('%s: a rest of a division by zero is 0', (dtype) => {
    expect(pair('mod', dtype, [5], [0])).toEqual([0]);
    expect(pair('fmod', dtype, [5], [0])).toEqual([0]);
  });

  it('mod of fractions', () => {
    expect(pair('mod', 'f64', [-0.5, 5.25], [2, -2])).toEqual([1.5, -0.75]);
    expect(pair('fmod', 'f64', [-4.3, 8.5], [2.1, 5])).toEqual([-4.3 % 2.1, 3.5]);
  });

  it('f64 is not rounded to f32, f32 is, once', () => {
    expect(pair('add', 'f64', [0.1], [0.2])).toEqual([0.1 + 0.2]);
    expect(pair('mul', 'f32', [0.1], [0.2])).toEqual([Math.fround(Math.fround(0.1) * Math.fround(0.2))]);
  });

  it('clamps integers at whole bounds', () => {
    expect(pair('add', 'u8', [1, 100], [1, 100], { min: 2.5, max: 150.5 })).toEqual([3, 150]);
    expect(pair('add', 'i64', [1, 100], [1, 100], { min: 2.5, max: 150.5 })).toEqual([3, 150]);
  });

  it('is not offered for bytes of which one is quantised', () => {
    const q = { scale: [1], zeroPoint: [0], axis: 0 };
    expect(isOffered(binary('add'), [row('i8', [1], q), row('i8', [1])], 'i8', [1])).toBe(false);
  });
});

describe('pow of two dtypes: the base decides', () => {
  it.each([
    { base: 'f32', exponent: 'i64', a: [2, 3, 4], b: [-1, 2, 3], is: [0.5, 9, 64] },
    { base: 'f32', exponent: 'u32', a: [1.5, 3], b: [2, 0], is: [2.25, 1] },
    { base: 'f64', exponent: 'f32', a: [2], b: [0.5], is: [Math.SQRT2] },
    { base: 'i32', exponent: 'f32', a: [2, 3, -2], b: [3, 2.5, 3], is: [8, 15, -8] },
    { base: 'i64', exponent: 'f32', a: [2, 3], b: [10, 2], is: [1024, 9] },
    { base: 'i32', exponent: 'i64', a: [2, -3, 2], b: [31, 3, -1], is: [-(2 ** 31), -27, 0] },
    { base: 'i64', exponent: 'i32', a: [3, 7], b: [4, 2], is: [81, 49] },
    { base: 'u8', exponent: 'i32', a: [2, 3], b: [9, 5], is: [0, 243] },
  ] as const)('$base to the $exponent', ({ base, exponent, a, b, is }) => {
    expect(result(binary('pow'), [row(base, a), row(exponent, b)], base, [a.length])).toEqual(is);
  });

  it('no other function takes two dtypes', () => {
    expect(isOffered(binary('mul'), [row('f32', [1]), row('f64', [1])], 'f32', [1])).toBe(false);
    expect(isOffered(binary('pow'), [row('f32', [1]), row('f64', [1])], 'f64', [1])).toBe(false);
  });
});

describe('comparisons', () => {
  const compared = (fn: BinaryFn, dtype: DType, a: readonly number[], b: readonly number[]) =>
    result(binary(fn), [row(dtype, a), row(dtype, b)], 'bool', [a.length]);

  it.each(numberTypes)('%s', (dtype) => {
    expect(compared('equal', dtype, [1, 2, 3], [2, 2, 2])).toEqual([0, 1, 0]);
    expect(compared('less', dtype, [1, 2, 3], [2, 2, 2])).toEqual([1, 0, 0]);
    expect(compared('lessOrEqual', dtype, [1, 2, 3], [2, 2, 2])).toEqual([1, 1, 0]);
    expect(compared('greater', dtype, [1, 2, 3], [2, 2, 2])).toEqual([0, 0, 1]);
    expect(compared('greaterOrEqual', dtype, [1, 2, 3], [2, 2, 2])).toEqual([0, 1, 1]);
  });

  it('bool', () => expect(compared('equal', 'bool', [0, 0, 1, 1], [0, 1, 0, 1])).toEqual([1, 0, 0, 1]));
  it('NaN is equal to nothing and beside nothing', () => {
    for (const fn of ['equal', 'less', 'lessOrEqual', 'greater', 'greaterOrEqual'] as const)
      expect(compared(fn, 'f32', [nan, nan, 1], [nan, 1, nan])).toEqual([0, 0, 0]);
  });
  it('broadcasts', () => {
    const inputs = [activation('i32', [2, 1], [1, 2]), activation('i32', [3], [0, 1, 2])];
    expect(result(binary('greater'), inputs, 'bool', [2, 3])).toEqual([1, 0, 0, 1, 1, 0]);
  });
  it('quantised bytes only where both are quantised alike', () => {
    const [p, q] = [0.5, 0.25].map((scale) => ({ scale: [scale], zeroPoint: [0], axis: 0 }));
    expect(isOffered(binary('less'), [row('i8', [1], p), row('i8', [1], p)], 'bool', [1])).toBe(true);
    expect(isOffered(binary('less'), [row('i8', [1], p), row('i8', [1], q)], 'bool', [1])).toBe(false);
  });
});

describe('logic', () => {
  it.each([
    { fn: 'and', is: [0, 0, 0, 1] },
    { fn: 'or', is: [0, 1, 1, 1] },
    { fn: 'xor', is: [0, 1, 1, 0] },
  ] as const)('$fn', ({ fn, is }) => expect(pair(fn, 'bool', [0, 0, 1, 1], [0, 1, 0, 1])).toEqual(is));
  it('not', () => expect(result(unary('not'), [row('bool', [0, 1])], 'bool', [2])).toEqual([1, 0]));
  it('takes nothing but bool', () => {
    expect(isOffered(binary('and'), [row('u8', [1]), row('u8', [1])], 'u8', [1])).toBe(false);
    expect(isOffered(unary('not'), [row('f32', [1])], 'f32', [1])).toBe(false);
    expect(isOffered(unary('abs'), [row('bool', [1])], 'bool', [1])).toBe(false);
  });
});

describe('where', () => {
  it.each(allTypes)('%s, all three broadcast', (dtype) => {
    const inputs = [
      activation('bool', [2, 1], [1, 0]),
      activation(dtype, [3], [1, 0, 1]),
      activation(dtype, [], [0]),
    ];
    expect(result({ kind: 'where' }, inputs, dtype, [2, 3])).toEqual([1, 0, 1, 0, 0, 0]);
  });
  it('may lie in the place of either side', () => {
    const inputs = [row('bool', [1, 0, 1]), row('f32', [1, 2, 3]), row('f32', [4, 5, 6])];
    const call = callOf({ kind: 'where' }, inputs, 'f32', [3]);
    for (const layout of ['overwriting', 'overwriting the last'] as const)
      expect([...runCall(reference, call, layout)]).toEqual([1, 5, 3]);
  });
  it('is not offered without a bool, or for two dtypes', () => {
    expect(isOffered({ kind: 'where' }, [row('u8', [1]), row('f32', [1]), row('f32', [1])], 'f32', [1])).toBe(
      false,
    );
    expect(
      isOffered({ kind: 'where' }, [row('bool', [1]), row('f32', [1]), row('f64', [1])], 'f32', [1]),
    ).toBe(false);
  });
});

describe('unary of real numbers', () => {
  it.each([
    { fn: 'sign', x: [-2.5, 0, 3, inf], is: [-1, 0, 1, 1] },
    { fn: 'ceil', x: [-1.5, 1.2, 2], is: [-1, 2, 2] },
    {
      fn: 'round',
      x: [0.1, 0.5, 0.9, 1.2, 1.5, 1.8, 2.3, 2.5, 2.7, -1.1, -1.5, -1.9, -2.2, -2.5, -2.8, -0.5, 3.5, -3.5],
      is: [0, 0, 1, 1, 2, 2, 2, 2, 3, -1, -2, -2, -2, -2, -3, 0, 4, -4],
    },
    { fn: 'reciprocal', x: [-4, 2, 0], is: [-0.25, 0.5, inf] },
    { fn: 'sin', x: [0, 1], is: [0, Math.sin(1)] },
    { fn: 'cos', x: [0, 1], is: [1, Math.cos(1)] },
    { fn: 'softplus', x: [0, -1000, 1000, 1], is: [Math.LN2, 0, 1000, Math.log(1 + Math.E)] },
    { fn: 'softsign', x: [-1, 0, 3], is: [-0.5, 0, 0.75] },
    { fn: 'elu', x: [-1, 2], is: [2 * Math.expm1(-1), 2] },
  ] as const)('$fn', ({ fn, x, is }) => {
    const wide = result(unary(fn, 2), [row('f64', x)], 'f64', [x.length]);
    wide.forEach((value, i) => {
      if (Number.isFinite(is[i])) expect(value).toBeCloseTo(is[i], 14);
      else expect(value).toBe(is[i]);
    });
    const narrow = result(unary(fn, 2), [row('f32', x)], 'f32', [x.length]);
    expect(narrow).toEqual(
      result(unary(fn, 2), [row('f64', x.map(Math.fround))], 'f64', [x.length]).map(Math.fround),
    );
  });

  // Abramowitz and Stegun 1964, table 7.1, to ten digits; further out 1 − erfc from their table 7.3.
  it.each([
    [0, 0],
    [1e-10, 1.1283791671e-10],
    [0.02, 0.0225645747],
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [1.5, 0.9661051465],
    [2, 0.995322265],
    [3, 0.9999779095],
    [5, 1 - 1.5374597944e-12],
    [6, 1],
    [inf, 1],
  ])('erf(%f)', (x, is) => {
    expect(erf(x)).toBeCloseTo(is, 10);
    expect(erf(-x) + 0).toBe(-erf(x) + 0);
    if (is !== 0) expect(Math.abs(erf(x) / is - 1)).toBeLessThan(1e-9);
  });
  it('erf is 1 − erfc to the last digits', () => {
    expect(Math.abs(1 - erf(5) - 1.5374597944280349e-12)).toBeLessThan(1e-15);
    expect(erf(nan)).toBeNaN();
  });
});

describe('unary of whole numbers', () => {
  it.each(['i8', 'i16', 'i32', 'i64'] as const)('%s', (dtype) => {
    const of = (fn: UnaryFn) => result(unary(fn), [row(dtype, [-3, 0, 5])], dtype, [3]).map((x) => x + 0);
    expect(of('abs')).toEqual([3, 0, 5]);
    expect(of('neg')).toEqual([3, 0, -5]);
    expect(of('sign')).toEqual([-1, 0, 1]);
    expect(of('square')).toEqual([9, 0, 25]);
    expect(of('floor')).toEqual([-3, 0, 5]);
  });
  it.each(['u8', 'u16', 'u32', 'u64'] as const)('%s', (dtype) => {
    expect(result(unary('abs'), [row(dtype, [0, 5])], dtype, [2])).toEqual([0, 5]);
    expect(result(unary('sign'), [row(dtype, [0, 5])], dtype, [2])).toEqual([0, 1]);
  });
  it('|−128| wraps', () => expect(result(unary('abs'), [row('i8', [-128])], 'i8', [1])).toEqual([-128]));
  it('sqrt is not offered', () => {
    for (const dtype of ['i8', 'i32', 'i64'] as const)
      expect(isOffered(unary('sqrt'), [row(dtype, [4])], dtype, [1])).toBe(false);
  });
});

describe('clamp', () => {
  it.each(numberTypes)('%s', (dtype) => {
    const arithmetic = { kind: 'clamp', clamp: { min: 2, max: 6 } } as const;
    expect(result(arithmetic, [row(dtype, [1, 2, 4, 7])], dtype, [4])).toEqual([2, 2, 4, 6]);
  });
  it('bounds beyond the dtype do nothing', () => {
    const arithmetic = { kind: 'clamp', clamp: { min: -(2 ** 70), max: 2 ** 70 } } as const;
    for (const dtype of ['u8', 'i64', 'u64'] as const)
      expect(result(arithmetic, [row(dtype, [0, 7])], dtype, [2])).toEqual([0, 7]);
  });
  it('the upper bound wins where they cross', () => {
    const arithmetic = { kind: 'clamp', clamp: { min: 5, max: 3 } } as const;
    expect(result(arithmetic, [row('f32', [1, 4, 9])], 'f32', [3])).toEqual([3, 3, 3]);
    expect(result(arithmetic, [row('i64', [1, 4, 9])], 'i64', [3])).toEqual([3, 3, 3]);
  });
  it('NaN stays', () => {
    expect(result({ kind: 'clamp', clamp: { min: 0, max: 1 } }, [row('f64', [nan])], 'f64', [1])).toEqual([
      nan,
    ]);
  });
});

describe('prelu f64', () => {
  it('is not rounded', () => {
    const inputs = [activation('f64', [1, 2], [-0.1, 0.1]), row('f64', [3, 3])];
    expect(result({ kind: 'prelu' }, inputs, 'f64', [1, 2])).toEqual([-0.1 * 3, 0.1]);
  });
});
