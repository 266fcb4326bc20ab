/** softmax, l2Normalize, reduce, argMax. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { DType, Quantization } from '../../src/tensor.ts';
import { activation, integers, operandsOf, perTensor, random, runCall } from './run-call.ts';

describe('softmax', () => {
  const softmax = (beta = 1): Arithmetic => ({ kind: 'softmax', beta, log: false });

  it('f32, by rows, with β', () => {
    const y = runCall(reference, {
      arithmetic: softmax(2),
      inputs: [activation('f32', [2, 2], [0, Math.log(3) / 2, 1000, 1000])],
      output: { dtype: 'f32', shape: [2, 2], quantization: null },
    });
    expect([...y].map((v) => Number(Number(v).toFixed(6)))).toEqual([0.25, 0.75, 0.5, 0.5]);
  });

  const int8 = (x: readonly number[], scale: number, beta = 1, dtype: 'i8' | 'u8' = 'i8') => {
    const zero = dtype === 'i8' ? -128 : 0;
    const y = runCall(reference, {
      arithmetic: softmax(beta),
      inputs: [activation(dtype, [1, x.length], x, perTensor(scale, 5))],
      output: { dtype, shape: [1, x.length], quantization: perTensor(1 / 256, zero) },
    });
    return [...y].map((q) => Number(q) - zero);
  };

  it.each([
    { label: 'one class', x: [7], scale: 0.1, is: [255] },
    { label: 'two alike', x: [3, 3], scale: 0.1, is: [128, 128] },
    { label: 'four alike', x: [3, 3, 3, 3], scale: 0.1, is: [64, 64, 64, 64] },
    { label: 'e to 1', x: [0, 10], scale: 0.1, is: [69, 187] }, // 256/(1+e) = 68.85
    { label: 'beyond reach', x: [-128, 127], scale: 0.5, is: [0, 255] },
  ])('int8: $label', ({ x, scale, is }) => {
    expect(int8(x, scale)).toEqual(is);
    const unsigned = x.map((q) => q + 128);
    expect(int8(unsigned, scale, 1, 'u8')).toEqual(is);
  });

  it('int8 is within one step of the real function on random rows', () => {
    const next = random(1);
    for (const scale of [0.01, 0.05, 0.2, 0.6]) {
      for (const count of [2, 10, 100, 1001]) {
        const x = integers(next, count, -128, 127);
        const exps = x.map((q) => Math.exp(Math.fround(scale) * (q - 127)));
        const sum = exps.reduce((a, b) => a + b, 0);
        int8(x, scale).forEach((q, i) => {
          expect(Math.abs(q - Math.min((256 * exps[i]) / sum, 255))).toBeLessThanOrEqual(0.51);
        });
      }
    }
  });

  it('takes β into the scale', () => expect(int8([0, 5], 0.1, 2)).toEqual(int8([0, 10], 0.1)));

  it('is not offered with another output scale, nor for i32', () => {
    const call = (dtype: DType, quantization: Quantization | null) =>
      operandsOf({
        arithmetic: softmax(),
        inputs: [activation(dtype, [2], [1, 2], quantization)],
        output: { dtype, shape: [2], quantization },
      });
    expect(reference.offer(call('i8', perTensor(0.1, 0)))).toBeNull();
    expect(reference.offer(call('i32', null))).toBeNull();
  });
});

describe('l2Normalize', () => {
  it('f32, and a row of zeros stays', () => {
    const y = runCall(reference, {
      arithmetic: { kind: 'l2Normalize' },
      inputs: [activation('f32', [2, 2], [3, -4, 0, 0])],
      output: { dtype: 'f32', shape: [2, 2], quantization: null },
    });
    expect([...y]).toEqual([Math.fround(0.6), Math.fround(-0.8), 0, 0]);
  });

  it.each([
    { label: '3, 4', x: [3, -4], is: [77, -102] }, // 76.8, −102.4
    { label: 'one cell', x: [9], is: [127] }, // 128 does not fit
    { label: 'one cell below zero', x: [-9], is: [-128] },
    { label: 'zeros', x: [0, 0], is: [0, 0] },
  ])('int8: $label', ({ x, is }) => {
    for (const [dtype, zx, zy] of [
      ['i8', -2, 0],
      ['u8', 100, 128],
    ] as const) {
      const y = runCall(reference, {
        arithmetic: { kind: 'l2Normalize' },
        inputs: [
          activation(
            dtype,
            [x.length],
            x.map((q) => q + zx),
            perTensor(0.7, zx),
          ),
        ],
        output: { dtype, shape: [x.length], quantization: perTensor(1 / 128, zy) },
      });
      expect([...y].map((q) => Number(q) - zy)).toEqual(is);
    }
  });

  it('int8 is within one step of the real function on random rows', () => {
    const next = random(2);
    for (const count of [2, 16, 256]) {
      const x = integers(next, count, -128, 127);
      const length = Math.sqrt(x.reduce((sum, q) => sum + (q - 3) ** 2, 0));
      const y = runCall(reference, {
        arithmetic: { kind: 'l2Normalize' },
        inputs: [activation('i8', [1, count], x, perTensor(0.1, 3))],
        output: { dtype: 'i8', shape: [1, count], quantization: perTensor(1 / 128, 0) },
      });
      [...y].forEach((q, i) => {
        expect(Math.abs(Number(q) - Math.min((128 * (x[i] - 3)) / length, 127))).toBeLessThanOrEqual(0.501);
      });
    }
  });
});

describe('reduce', () => {
  const reduce = (fn: 'mean' | 'sum', axes: readonly number[]): Arithmetic => ({ kind: 'reduce', fn, axes });
  const x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]; // (2, 3, 2)

  it.each([
    { axes: [0], out: [3, 2], is: [8, 10, 12, 14, 16, 18] },
    { axes: [1], out: [2, 1, 2], is: [9, 12, 27, 30] },
    { axes: [0, 2], out: [3], is: [18, 26, 34] },
    { axes: [0, 1, 2], out: [], is: [78] },
    { axes: [], out: [2, 3, 2], is: x },
  ])('sum over $axes', ({ axes, out, is }) => {
    for (const dtype of ['f32', 'i32', 'i64'] as const) {
      const y = runCall(reference, {
        arithmetic: reduce('sum', axes),
        inputs: [activation(dtype, [2, 3, 2], x)],
        output: { dtype, shape: out, quantization: null },
      });
      expect([...y].map(Number)).toEqual(is);
    }
  });

  it('mean: f32 exact, integers cut towards zero', () => {
    const mean = (dtype: DType, values: readonly number[]) =>
      Number(
        runCall(reference, {
          arithmetic: reduce('mean', [0]),
          inputs: [activation(dtype, [values.length], values)],
          output: { dtype, shape: [], quantization: null },
        })[0],
      );
    expect(mean('f32', [1, 2])).toBe(1.5);
    expect(mean('i32', [-1, -2])).toBe(-1);
    expect(mean('i64', [-1, -2])).toBe(-1);
    expect(mean('i16', [3, 4])).toBe(3);
    expect(mean('bool', [1, 1])).toBe(1);
    expect(mean('bool', [1, 0])).toBe(0);
  });

  it.each(['mean', 'sum'] as const)('quantised %s is within one step of the real one', (fn) => {
    const next = random(3);
    for (const [h, w] of [
      [1, 1],
      [2, 3],
      [7, 7],
      [16, 12],
    ]) {
      const values = integers(next, h * w * 3, -128, 127);
      const to = Math.fround(fn === 'mean' ? 0.03 : 0.1 * h * w * 0.5);
      const y = runCall(reference, {
        arithmetic: reduce(fn, [1, 2]),
        inputs: [activation('i8', [1, h, w, 3], values, perTensor(0.05, -9))],
        output: { dtype: 'i8', shape: [1, 3], quantization: perTensor(to, 4) },
      });
      for (let c = 0; c < 3; c++) {
        const sum = values.filter((_, i) => i % 3 === c).reduce((s, q) => s + 0.05 * (q + 9), 0);
        const real = (fn === 'mean' ? sum / (h * w) : sum) / to + 4;
        expect(Math.abs(Number(y[c]) - Math.min(Math.max(real, -128), 127))).toBeLessThanOrEqual(0.51);
      }
    }
  });

  it('a quantised mean of 7 × 7 with equal parameters: multiplier ⌊2³⁵/49⌋, shift −4', () => {
    // Σ = 512 is 10.449; Σ = 514 is 10.49, first rounded to 168/16, then to 11
    const cells = (extra: number) => Array.from({ length: 49 }, (_, i) => (i < extra ? 11 : 10));
    const mean = (values: readonly number[]) =>
      Number(
        runCall(reference, {
          arithmetic: reduce('mean', [1, 2]),
          inputs: [activation('i8', [1, 7, 7, 1], values, perTensor(0.05, 0))],
          output: { dtype: 'i8', shape: [1, 1, 1, 1], quantization: perTensor(0.05, 0) },
        })[0],
      );
    expect([mean(cells(22)), mean(cells(24))]).toEqual([10, 11]);
  });
});

describe('argMax', () => {
  const argMax = (axis: number): Arithmetic => ({ kind: 'argMax', axis, least: false, last: false });

  it.each([
    { label: 'the first of equals', x: [1, 5, 5, 2], shape: [4], axis: 0, out: [], is: [1] },
    { label: 'rows', x: [1, 2, 3, 6, 5, 4], shape: [2, 3], axis: 1, out: [2], is: [2, 0] },
    { label: 'columns', x: [1, 9, 3, 6, 5, 4], shape: [2, 3], axis: 0, out: [3], is: [1, 0, 1] },
    {
      label: 'the middle',
      x: [1, 2, 3, 4, 8, 7, 6, 5],
      shape: [2, 2, 2],
      axis: 1,
      out: [2, 1, 2],
      is: [1, 1, 0, 0],
    },
    { label: 'below zero', x: [-3, -2, -5], shape: [3], axis: 0, out: [], is: [1] },
  ])('$label', ({ x, shape, axis, out, is }) => {
    for (const dtype of ['f32', 'i8', 'i16', 'i32', 'i64'] as const) {
      for (const index of ['i32', 'i64'] as const) {
        const y = runCall(reference, {
          arithmetic: argMax(axis),
          inputs: [activation(dtype, shape, x)],
          output: { dtype: index, shape: out, quantization: null },
        });
        expect([...y].map(Number)).toEqual(is);
      }
    }
  });
});
