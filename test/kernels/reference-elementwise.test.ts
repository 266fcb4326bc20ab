/** unary, clamp, binary, prelu; all 256 inputs wherever there are only so many. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic, BinaryFn, UnaryFn } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { int8Function } from '../../src/kernels/reference/int8-function.ts';
import { multiplyByQuantizedMultiplier, quantizeMultiplier } from '../../src/kernels/requantize.ts';
import type { DType, Quantization } from '../../src/tensor.ts';
import { activation, operandsOf, perTensor, runCall, type TestCall } from './run-call.ts';

const int8s = Array.from({ length: 256 }, (_, i) => i - 128);
const uint8s = Array.from({ length: 256 }, (_, i) => i);
const unary = (fn: UnaryFn, alpha = 0): Arithmetic => ({ kind: 'unary', fn, alpha });
const clampInt8 = (q: number) => Math.min(Math.max(q, -128), 127);

function mapped(
  arithmetic: Arithmetic,
  dtype: DType,
  x: readonly number[],
  from: Quantization | null = null,
  to: Quantization | null = null,
): number[] {
  const call = {
    arithmetic,
    inputs: [activation(dtype, [x.length], x, from)],
    output: { dtype, shape: [x.length], quantization: to },
  };
  const y = [...runCall(reference, call)].map(Number);
  expect([...runCall(reference, call, 'overwriting')].map(Number)).toEqual(y);
  const f = int8Function(operandsOf(call));
  if (f !== null) expect(x.map(f)).toEqual(y); // a table of f is the kernel
  return y;
}

describe('unary f32', () => {
  it.each([
    { fn: 'abs', x: [-1.5, 0, 2], is: [1.5, 0, 2] },
    { fn: 'neg', x: [-1.5, 2], is: [1.5, -2] },
    { fn: 'square', x: [-1.5, 2], is: [2.25, 4] },
    { fn: 'floor', x: [-1.5, 1.5, 2], is: [-2, 1, 2] },
    { fn: 'sqrt', x: [0, 2.25, 4], is: [0, 1.5, 2] },
    { fn: 'rsqrt', x: [4, 0.25], is: [0.5, 2] },
    { fn: 'exp', x: [0, 1], is: [1, Math.fround(Math.E)] },
    { fn: 'log', x: [1, 10], is: [0, Math.fround(Math.LN10)] },
    { fn: 'tanh', x: [0, 1], is: [0, Math.fround(Math.tanh(1))] },
    { fn: 'logistic', x: [0, -1000, 1000], is: [0.5, 0, 1] },
    { fn: 'hardSwish', x: [-4, -3, 0, 1.5, 3, 5], is: [0, 0, 0, 1.125, 3, 5] },
    { fn: 'elu', x: [2, 0, -1], is: [2, 0, Math.fround(0.25 * Math.expm1(-1))] },
    { fn: 'leakyRelu', x: [2, -2], is: [2, -0.5] },
  ] as const)('$fn', ({ fn, x, is }) => {
    expect(mapped(unary(fn, 0.25), 'f32', x).map((v) => v + 0)).toEqual(is);
  });
});

describe('unary int8', () => {
  const [sx, sy] = [Math.fround(0.05), Math.fround(0.04)];
  const from = perTensor(sx, -10);

  it.each([
    { fn: 'abs', f: Math.abs },
    { fn: 'neg', f: (x: number) => -x },
    { fn: 'square', f: (x: number) => x * x },
    { fn: 'floor', f: Math.floor },
    { fn: 'exp', f: Math.exp },
    { fn: 'elu', f: (x: number) => (x < 0 ? 0.1 * Math.expm1(x) : x) },
    { fn: 'leakyRelu', f: (x: number) => (x < 0 ? 0.1 * x : x) },
    { fn: 'hardSwish', f: (x: number) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6 },
    { fn: 'tanh', f: Math.tanh },
    { fn: 'logistic', f: (x: number) => 1 / (1 + Math.exp(-x)) },
  ] as const)('$fn is within one step of the real function, on all 256 inputs', ({ fn, f }) => {
    for (const [dtype, values, zx, zy] of [
      ['i8', int8s, -10, 3],
      ['u8', uint8s, 118, 131],
    ] as const) {
      const y = mapped(unary(fn, 0.1), dtype, values, perTensor(sx, zx), perTensor(sy, zy));
      const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
      values.forEach((q, i) => {
        const real = Math.min(Math.max(f(Math.fround(sx * (q - zx))) / sy + zy, lo), hi);
        expect(Math.abs(y[i] - real)).toBeLessThanOrEqual(fn === 'hardSwish' ? 1.5 : 1);
      });
    }
  });

  it('sqrt truncates, and takes values below 0 as 0', () => {
    const to = perTensor(0.125, -128);
    const y = mapped(unary('sqrt'), 'i8', int8s, perTensor(0.25, 0), to);
    int8s.forEach((q, i) => {
      expect(y[i]).toBe(clampInt8(Math.trunc(Math.sqrt(Math.max(q, 0) / 4) / 0.125) - 128));
    });
  });

  it('log of nothing is the least output', () => {
    const y = mapped(unary('log'), 'i8', int8s, perTensor(0.25, 0), perTensor(0.05, 0));
    expect(y.slice(0, 129).every((q) => q === -128)).toBe(true);
    for (let q = 1; q < 128; q++) {
      expect(Math.abs(y[q + 128] - clampInt8(Math.log(q / 4) / 0.05))).toBeLessThanOrEqual(0.51);
    }
  });

  it('rsqrt of nothing is the greatest output', () => {
    const y = mapped(unary('rsqrt'), 'i8', int8s, perTensor(0.25, 0), perTensor(0.02, -128));
    expect(y.slice(0, 129).every((q) => q === 127)).toBe(true);
    for (let q = 1; q < 128; q++) {
      const real = clampInt8(1 / Math.sqrt(q / 4) / 0.02 - 128);
      expect(Math.abs(y[q + 128] - real)).toBeLessThanOrEqual(1);
    }
  });

  it.each([
    { fn: 'logistic', zero: -128, scale: 1 / 256, f: (x: number) => 1 / (1 + Math.exp(-x)) },
    { fn: 'tanh', zero: 0, scale: 1 / 128, f: Math.tanh },
  ] as const)(
    '$fn in fixed point is the real function rounded, but beside a tie',
    ({ fn, zero, scale, f }) => {
      for (const sx of [0.001, 0.02, 0.05, 0.1, 1]) {
        const y = mapped(unary(fn), 'i8', int8s, perTensor(sx, 17), perTensor(scale, zero));
        int8s.forEach((q, i) => {
          const real = clampInt8(f(Math.fround(sx) * (q - 17)) / scale + zero);
          // Beyond the radius, 15 in real numbers, the end of the range is given.
          expect(Math.abs(y[i] - real)).toBeLessThanOrEqual(0.5 + 1e-4);
        });
      }
    },
  );

  it('logistic, tanh, leakyRelu at chosen inputs', () => {
    const logisticTo = perTensor(1 / 256, -128);
    const tanhTo = perTensor(1 / 128, 0);
    const x = [-128, -1, 0, 1, 127];
    const quarter = perTensor(0.25, 0);
    // 256/(1+e^(1/4)) = 112.08, 256/(1+e^(−1/4)) = 143.92; 128·tanh(1/4) = 31.35
    expect(mapped(unary('logistic'), 'i8', x, quarter, logisticTo)).toEqual([-128, -16, 0, 16, 127]);
    expect(mapped(unary('tanh'), 'i8', x, quarter, tanhTo)).toEqual([-128, -31, 0, 31, 127]);
    expect(mapped(unary('leakyRelu', 0.25), 'i8', [-128, -6, -2, -1, 5], quarter, quarter)).toEqual([
      -32, -2, -1, 0, 5,
    ]);
  });

  it('hardSwish at the bends, at a scale of 1/32', () => {
    const q = perTensor(1 / 32, 0);
    const x = [-128, -96, -48, 0, 48, 96, 127];
    // x·(x+3)/6 in steps of 1/32: −1.5 → −12, 1.5 → 36; 32767 stands for 1, so 3 falls just short of itself
    const y = mapped(unary('hardSwish'), 'i8', x, q, q);
    expect(y[0]).toBe(0);
    expect(y[1]).toBe(0);
    expect(y.slice(2)).toEqual([-12, 0, 36, 96, 127]);
  });

  it('is not offered without quantisation', () => {
    const call = {
      arithmetic: unary('exp'),
      inputs: [activation('i8', [1], [1])],
      output: { dtype: 'i8', shape: [1], quantization: null },
    } as const;
    expect(reference.offer(operandsOf(call))).toBeNull();
    expect(int8Function(operandsOf(call))).toBeNull();
  });

  it('i32: abs, neg, square wrap, exp is not offered', () => {
    expect(mapped(unary('abs'), 'i32', [-5, 5])).toEqual([5, 5]);
    expect(mapped(unary('neg'), 'i32', [-5, -(2 ** 31)])).toEqual([5, -(2 ** 31)]);
    expect(mapped(unary('square'), 'i32', [-5, 65536])).toEqual([25, 0]);
    expect(() => mapped(unary('exp'), 'i32', [1])).toThrow(/does not offer/);
  });

  it('leaves no input of 8 bits without an answer within the dtype', () => {
    for (const fn of ['exp', 'log', 'square', 'hardSwish', 'rsqrt', 'sqrt', 'neg'] as const) {
      for (const q of mapped(unary(fn), 'i8', int8s, from, perTensor(1e-3, 120)))
        expect(clampInt8(q)).toBe(q);
    }
  });
});

describe('clamp', () => {
  const clamp = (min: number, max: number): Arithmetic => ({ kind: 'clamp', clamp: { min, max } });

  it('f32', () => expect(mapped(clamp(-1, 1), 'f32', [-2, -0.5, 2])).toEqual([-1, -0.5, 1]));

  it('int8 with equal quantisation only cuts', () => {
    const q = perTensor(0.1, -5);
    const y = mapped(clamp(0, 6), 'i8', int8s, q, q);
    expect(y).toEqual(int8s.map((x) => Math.min(Math.max(x, -5), 55)));
  });

  it('int8 with another output scale also requantises', () => {
    const y = mapped(clamp(0, Infinity), 'i8', int8s, perTensor(0.1, -5), perTensor(0.05, -128));
    const { multiplier, shift } = quantizeMultiplier(Math.fround(0.1) / Math.fround(0.05));
    const exact = (q: number) => multiplyByQuantizedMultiplier(q + 5, multiplier, shift) - 128;
    expect(y).toEqual(int8s.map((q) => clampInt8(exact(q))));
    expect(y[128 + 5]).toBe(-108); // 10 steps of 0.1 are 20 of 0.05
  });
});

describe('binary', () => {
  const binary = (fn: BinaryFn, clamp = noClamp): Arithmetic => ({ kind: 'binary', fn, clamp });

  it.each([
    { label: 'equal shapes', a: [2, 2], b: [2, 2], out: [2, 2] },
    { label: 'a scalar', a: [2, 2], b: [], out: [2, 2] },
    { label: 'a row', a: [2, 3], b: [3], out: [2, 3] },
    { label: 'a column', a: [2, 3], b: [2, 1], out: [2, 3] },
    { label: 'both repeat', a: [3, 1], b: [1, 4], out: [3, 4] },
    { label: 'rank 5', a: [2, 1, 2, 1, 3], b: [3, 1, 2, 1], out: [2, 3, 2, 2, 3] },
  ])('broadcasts: $label', ({ a, b, out }) => {
    const count = (shape: readonly number[]) => shape.reduce((p, q) => p * q, 1);
    const valueAt = (shape: readonly number[], at: readonly number[]) => {
      const own = at.slice(at.length - shape.length);
      return shape.reduce((flat, extent, axis) => flat * extent + (extent === 1 ? 0 : own[axis]), 0);
    };
    const expected = Array.from({ length: count(out) }, (_, i) => {
      const at = out.map((extent, axis) => Math.floor(i / count(out.slice(axis + 1))) % extent);
      return 100 * valueAt(a, at) + valueAt(b, at);
    });
    const call: TestCall = {
      arithmetic: binary('add'),
      inputs: [
        activation(
          'f32',
          a,
          Array.from({ length: count(a) }, (_, i) => 100 * i),
        ),
        activation(
          'f32',
          b,
          Array.from({ length: count(b) }, (_, i) => i),
        ),
      ],
      output: { dtype: 'f32', shape: out, quantization: null },
    };
    expect([...runCall(reference, call)]).toEqual(expected);
    expect([...runCall(reference, call, 'overwriting')]).toEqual(expected);
  });

  const pair = (fn: BinaryFn, dtype: DType, a: number, b: number, clamp = noClamp) =>
    Number(
      runCall(reference, {
        arithmetic: binary(fn, clamp),
        inputs: [activation(dtype, [1], [a]), activation(dtype, [1], [b])],
        output: { dtype, shape: [1], quantization: null },
      })[0],
    );

  it.each([
    ['add', 7, -9, -2],
    ['sub', 7, -9, 16],
    ['mul', 7, -9, -63],
    ['div', 9, -2, -4],
    ['div', -9, 2, -4],
    ['div', 9, 0, 0],
    ['min', 7, -9, -9],
    ['max', 7, -9, 7],
    ['pow', -3, 3, -27],
    ['pow', 2, -1, 0],
    ['pow', -1, -3, -1],
    ['pow', 5, 0, 1],
  ] as const)('i32 and i64: %s(%i, %i) = %i', (fn, a, b, is) => {
    expect(pair(fn, 'i32', a, b)).toBe(is);
    expect(pair(fn, 'i64', a, b)).toBe(is);
  });

  it('i32 wraps, i64 does not yet', () => {
    expect(pair('add', 'i32', 2 ** 31 - 1, 1)).toBe(-(2 ** 31));
    expect(pair('add', 'i64', 2 ** 31 - 1, 1)).toBe(2 ** 31);
    expect(pair('mul', 'i32', 65537, 65537)).toBe(131073);
    expect(pair('pow', 'i32', 3, 31)).toBe(Number(BigInt.asIntN(32, 3n ** 31n)));
    expect(pair('pow', 'i64', 2, 64)).toBe(0);
  });

  it('clamps', () => {
    expect(pair('add', 'f32', 5, 4, { min: 0, max: 6 })).toBe(6);
    expect(pair('sub', 'i32', 5, 9, { min: 0, max: Infinity })).toBe(0);
    expect(pair('sub', 'i64', 5, 9, { min: 0, max: Infinity })).toBe(0);
  });

  /** Every pair of a coarse grid of int8 numbers, against real arithmetic. */
  const grid = int8s.filter((q) => q % 9 === 0 || q === 127 || q === -128);
  it.each([
    { fn: 'add', f: (a: number, b: number) => a + b, steps: 1, sy: 0.1 },
    { fn: 'sub', f: (a: number, b: number) => a - b, steps: 1, sy: 0.1 },
    { fn: 'mul', f: (a: number, b: number) => a * b, steps: 1, sy: 0.4 },
    { fn: 'div', f: (a: number, b: number) => a / b, steps: 1, sy: 0.1 },
    { fn: 'min', f: Math.min, steps: 1, sy: 0.1 },
    { fn: 'max', f: Math.max, steps: 1, sy: 0.1 },
  ] as const)('i8 $fn is within one step of the real result', ({ fn, f, steps, sy }) => {
    const [sa, sb] = [Math.fround(0.05), Math.fround(0.08)];
    const size = grid.length;
    const y = runCall(reference, {
      arithmetic: binary(fn),
      inputs: [
        activation('i8', [size, 1], grid, perTensor(sa, 3)),
        activation('i8', [size], grid, perTensor(sb, -7)),
      ],
      output: { dtype: 'i8', shape: [size, size], quantization: perTensor(sy, 11) },
    });
    [...y].forEach((q, i) => {
      const [a, b] = [sa * (grid[Math.floor(i / size)] - 3), sb * (grid[i % size] + 7)];
      const real = clampInt8(f(a, b) / Math.fround(sy) + 11);
      expect(Math.abs(Number(q) - real)).toBeLessThanOrEqual(steps);
    });
  });

  const int8Pair = (fn: BinaryFn, a: number, b: number, scales: readonly number[], zeros = [0, 0, 0]) =>
    Number(
      runCall(reference, {
        arithmetic: binary(fn),
        inputs: [
          activation('i8', [1], [a], perTensor(scales[0], zeros[0])),
          activation('i8', [1], [b], perTensor(scales[1], zeros[1])),
        ],
        output: { dtype: 'i8', shape: [1], quantization: perTensor(scales[2], zeros[2]) },
      })[0],
    );

  it.each([
    { label: 'adds exactly at equal scales', fn: 'add', a: 50, b: -20, s: [0.5, 0.5, 0.5], is: 30 },
    { label: 'saturates at 127', fn: 'add', a: 100, b: 100, s: [0.5, 0.5, 0.5], is: 127 },
    { label: 'saturates at −128', fn: 'sub', a: -100, b: 100, s: [0.5, 0.5, 0.5], is: -128 },
    { label: '1/2 goes up', fn: 'add', a: 1, b: 0, s: [0.5, 0.5, 1], is: 1 },
    { label: '−1/2 goes away from zero', fn: 'add', a: -1, b: 0, s: [0.5, 0.5, 1], is: -1 },
    { label: 'a fine and a coarse scale', fn: 'add', a: 64, b: 1, s: [1 / 64, 1, 1], is: 2 },
    { label: 'multiplies', fn: 'mul', a: -12, b: 10, s: [0.5, 0.5, 1], is: -30 },
    { label: 'divides', fn: 'div', a: 30, b: -4, s: [0.5, 0.5, 0.25], is: -30 },
    { label: 'divides by nothing: the end of the range', fn: 'div', a: -30, b: 0, s: [1, 1, 1], is: -128 },
    { label: 'divides nothing by nothing', fn: 'div', a: 0, b: 0, s: [1, 1, 1], is: 0 },
    { label: 'a large quotient saturates', fn: 'div', a: 127, b: 1, s: [1, 0.001, 1], is: 127 },
    { label: 'raises', fn: 'pow', a: 6, b: 2, s: [0.5, 1, 0.25], is: 36 },
  ] as const)('i8: $label', ({ fn, a, b, s, is }) => expect(int8Pair(fn, a, b, s)).toBe(is));

  it('min and max compare what is stored where everything is quantised alike', () => {
    expect(int8Pair('min', -7, 9, [0.3, 0.3, 0.3], [5, 5, 5])).toBe(-7);
    expect(int8Pair('max', -7, 9, [0.3, 0.3, 0.3], [5, 5, 5])).toBe(9);
  });

  it('is not offered for bool, nor for two dtypes', () => {
    const call = (a: DType, b: DType) =>
      operandsOf({
        arithmetic: binary('add'),
        inputs: [activation(a, [1], [1]), activation(b, [1], [1])],
        output: { dtype: a, shape: [1], quantization: null },
      });
    expect(reference.offer(call('bool', 'bool'))).toBeNull();
    expect(reference.offer(call('i32', 'i64'))).toBeNull();
    expect(reference.offer(call('i8', 'u8'))).toBeNull();
  });
});

describe('prelu', () => {
  it('f32, a slope a channel', () => {
    const y = runCall(reference, {
      arithmetic: { kind: 'prelu' },
      inputs: [activation('f32', [1, 2, 1, 2], [-4, -4, 4, 0]), activation('f32', [1, 1, 2], [0.5, -1])],
      output: { dtype: 'f32', shape: [1, 2, 1, 2], quantization: null },
    });
    expect([...y]).toEqual([-2, 4, 4, 0]);
  });

  it('i8, all 256 inputs, two slopes', () => {
    const x = int8s.flatMap((q) => [q, q]);
    const y = runCall(reference, {
      arithmetic: { kind: 'prelu' },
      inputs: [
        activation('i8', [256, 2], x, perTensor(0.5, 4)),
        activation('i8', [2], [34, -14], perTensor(0.25 / 16, 2)),
      ],
      output: { dtype: 'i8', shape: [256, 2], quantization: perTensor(1, -3) },
    });
    x.forEach((q, i) => {
      const real = (q - 4) / 2;
      const exact = real >= 0 ? real : real * (i % 2 === 0 ? 0.5 : -0.25);
      expect(Math.abs(Number(y[i]) - clampInt8(exact - 3))).toBeLessThanOrEqual(0.5);
    });
  });
});
