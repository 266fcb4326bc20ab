import { describe, expect, it } from 'vitest';
import type { Arithmetic, ReduceFn } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { allTypes, callOf, isOffered, numberTypes, result, row } from './onnx-call.ts';
import { activation, perTensor, runCall } from './run-call.ts';

const inf = Number.POSITIVE_INFINITY;

describe('reduce', () => {
  const reduce = (fn: ReduceFn, axes: readonly number[]): Arithmetic => ({ kind: 'reduce', fn, axes });

  it.each(numberTypes)('%s over each axis', (dtype) => {
    const x = activation(dtype, [2, 3], [1, 2, 3, 4, 5, 6]);
    expect(result(reduce('sum', [0]), [x], dtype, [1, 3])).toEqual([5, 7, 9]);
    expect(result(reduce('mean', [1]), [x], dtype, [2, 1])).toEqual([2, 5]);
    expect(result(reduce('max', [0]), [x], dtype, [1, 3])).toEqual([4, 5, 6]);
    expect(result(reduce('min', [1]), [x], dtype, [2, 1])).toEqual([1, 4]);
    expect(result(reduce('prod', [1]), [x], dtype, [2, 1])).toEqual([6, 120]);
    expect(result(reduce('max', []), [x], dtype, [2, 3])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each(['i8', 'i16', 'i32', 'i64', 'f32', 'f64'] as const)('%s below zero', (dtype) => {
    const x = row(dtype, [-5, -2, -3]);
    expect(result(reduce('max', [0]), [x], dtype, [1])).toEqual([-2]);
    expect(result(reduce('min', [0]), [x], dtype, [1])).toEqual([-5]);
    expect(result(reduce('prod', [0]), [x], dtype, [1])).toEqual([-30]);
  });

  it('bool: any and all', () => {
    const x = activation('bool', [2, 2], [1, 0, 1, 1]);
    expect(result(reduce('max', [1]), [x], 'bool', [2, 1])).toEqual([1, 1]);
    expect(result(reduce('min', [1]), [x], 'bool', [2, 1])).toEqual([0, 1]);
  });

  it.each([
    { dtype: 'f32', max: -inf, min: inf },
    { dtype: 'f64', max: -inf, min: inf },
    { dtype: 'i8', max: -128, min: 127 },
    { dtype: 'u8', max: 0, min: 255 },
    { dtype: 'i16', max: -32768, min: 32767 },
    { dtype: 'u16', max: 0, min: 65535 },
    { dtype: 'i32', max: -(2 ** 31), min: 2 ** 31 - 1 },
    { dtype: 'u32', max: 0, min: 2 ** 32 - 1 },
    { dtype: 'i64', max: -(2 ** 63), min: 2 ** 63 },
    { dtype: 'u64', max: 0, min: 2 ** 64 },
    { dtype: 'bool', max: 0, min: 1 },
  ] as const)('$dtype over nothing', ({ dtype, max, min }) => {
    const x = activation(dtype, [2, 0], []);
    expect(result(reduce('max', [1]), [x], dtype, [2, 1])).toEqual([max, max]);
    expect(result(reduce('min', [1]), [x], dtype, [2, 1])).toEqual([min, min]);
    expect(result(reduce('sum', [1]), [x], dtype, [2, 1])).toEqual([0, 0]);
    expect(result(reduce('prod', [1]), [x], dtype, [2, 1])).toEqual([1, 1]);
  });

  it('sums and products of integers wrap', () => {
    expect(result(reduce('sum', [0]), [row('u8', [200, 100])], 'u8', [1])).toEqual([44]);
    expect(result(reduce('prod', [0]), [row('u32', [0xffffffff, 0xffffffff])], 'u32', [1])).toEqual([1]);
    expect(result(reduce('prod', [0]), [row('i32', [65537, 65537])], 'i32', [1])).toEqual([131073]);
    const big = callOf(reduce('prod', [0]), [row('u64', [-1, 2])], 'u64', [1]);
    expect([...runCall(reference, big)]).toEqual([2n ** 64n - 2n]);
  });

  it('f64 keeps what f32 loses', () => {
    expect(result(reduce('sum', [0]), [row('f64', [1, 2 ** -40])], 'f64', [1])).toEqual([1 + 2 ** -40]);
    expect(result(reduce('max', [0]), [row('f32', [1, Number.NaN])], 'f32', [1])).toEqual([Number.NaN]);
  });

  it('the greatest of quantised bytes is stored as it is, where both sides are quantised alike', () => {
    const [p, q] = [perTensor(0.1, 3), perTensor(0.2, 3)];
    expect(result(reduce('max', [0]), [row('i8', [-5, 7], p)], 'i8', [1], p)).toEqual([7]);
    expect(isOffered(reduce('max', [0]), [row('i8', [-5, 7], p)], 'i8', [1], q)).toBe(false);
    expect(isOffered(reduce('prod', [0]), [row('i8', [-5, 7], p)], 'i8', [1], p)).toBe(false);
  });
});

describe('argMax', () => {
  it.each([
    { least: false, last: false, is: [1, 0] },
    { least: false, last: true, is: [2, 3] },
    { least: true, last: false, is: [0, 0] },
    { least: true, last: true, is: [3, 3] },
  ])('least $least, last $last', ({ least, last, is }) => {
    for (const dtype of allTypes) {
      const x = activation(dtype, [2, 4], [0, 1, 1, 0, 1, 1, 1, 1]);
      for (const index of ['i32', 'i64'] as const)
        expect(result({ kind: 'argMax', axis: 1, least, last }, [x], index, [2])).toEqual(is);
    }
  });
});

describe('topK', () => {
  const values = [3, 1, 3, 2, 0, 2];
  const topK = (k: number, largest: boolean, indices: boolean): Arithmetic => ({
    kind: 'topK',
    axis: 0,
    k,
    largest,
    indices,
  });

  it.each(numberTypes)('%s', (dtype) => {
    expect(result(topK(4, true, false), [row(dtype, values)], dtype, [4])).toEqual([3, 3, 2, 2]);
    expect(result(topK(4, true, true), [row(dtype, values)], 'i64', [4])).toEqual([0, 2, 3, 5]);
    expect(result(topK(3, false, false), [row(dtype, values)], dtype, [3])).toEqual([0, 1, 2]);
    expect(result(topK(3, false, true), [row(dtype, values)], 'i64', [3])).toEqual([4, 1, 3]);
  });
  it('along an axis in the middle', () => {
    const x = activation('f32', [1, 3, 2], [1, 6, 5, 2, 3, 4]);
    const op: Arithmetic = { kind: 'topK', axis: 1, k: 2, largest: true, indices: false };
    expect(result(op, [x], 'f32', [1, 2, 2])).toEqual([5, 6, 3, 4]);
    expect(result({ ...op, indices: true }, [x], 'i64', [1, 2, 2])).toEqual([1, 0, 2, 2]);
  });
  it('k = 0 and k = all', () => {
    expect(result(topK(0, true, false), [row('f32', [1, 2])], 'f32', [0])).toEqual([]);
    expect(result(topK(2, true, true), [row('f32', [1, 2])], 'i64', [2])).toEqual([1, 0]);
  });
});

describe('softmax', () => {
  it('f64', () => {
    const [a, b] = result(
      { kind: 'softmax', beta: 1, log: false },
      [row('f64', [0, Math.log(3)])],
      'f64',
      [2],
    );
    expect(a).toBeCloseTo(0.25, 15);
    expect(b).toBeCloseTo(0.75, 15);
  });
  it.each(['f32', 'f64'] as const)('%s: the logarithm, without overflow', (dtype) => {
    const op: Arithmetic = { kind: 'softmax', beta: 1, log: true };
    const [a, b] = result(op, [row(dtype, [10000, 10001])], dtype, [2]);
    expect(a).toBeCloseTo(-Math.log1p(Math.E), 6);
    expect(b).toBeCloseTo(1 - Math.log1p(Math.E), 6);
  });
  it('no logarithm of quantised bytes', () => {
    const x = row('i8', [1, 2], perTensor(0.1, 0));
    expect(isOffered({ kind: 'softmax', beta: 1, log: true }, [x], 'i8', [2], perTensor(1 / 256, -128))).toBe(
      false,
    );
  });
});

describe('lrn', () => {
  const op: Arithmetic = { kind: 'lrn', size: 3, alpha: 3, beta: 1, bias: 1 };

  it.each(['f32', 'f64'] as const)('%s: three channels around each', (dtype) => {
    // alpha/size = 1: y = x / (1 + sum of squares of the neighbours)
    const y = result(op, [activation(dtype, [1, 4], [1, 2, 0, 1])], dtype, [1, 4]);
    const round = dtype === 'f32' ? Math.fround : (v: number) => v;
    expect(y).toEqual([1 / 6, 2 / 6, 0, 1 / 2].map(round));
  });
  it('an even size looks one further up', () => {
    const even: Arithmetic = { ...op, size: 2, alpha: 2 };
    expect(result(even, [activation('f64', [1, 3], [1, 2, 3])], 'f64', [1, 3])).toEqual([
      1 / 6,
      2 / 14,
      3 / 10,
    ]);
  });
  it('a size beyond the channels, and a root', () => {
    const wide: Arithmetic = { kind: 'lrn', size: 9, alpha: 9, beta: 0.5, bias: 0 };
    expect(result(wide, [activation('f64', [1, 2], [3, 4])], 'f64', [1, 2])).toEqual([0.6, 0.8]);
  });
});

describe('matmul', () => {
  const types = ['f32', 'f64', 'i32', 'u32', 'i64', 'u64'] as const;
  const op: Arithmetic = { kind: 'matmul' };

  it.each(types)('%s: [2, 3]·[3, 2]', (dtype) => {
    const inputs = [
      activation(dtype, [2, 3], [1, 2, 3, 4, 5, 6]),
      activation(dtype, [3, 2], [1, 2, 3, 4, 5, 6]),
    ];
    expect(result(op, inputs, dtype, [2, 2])).toEqual([22, 28, 49, 64]);
  });
  it('batches broadcast: [2, 1, 1, 2]·[3, 2, 1]', () => {
    const inputs = [
      activation('f32', [2, 1, 1, 2], [1, 2, 3, 4]),
      activation('f32', [3, 2, 1], [1, 0, 0, 1, 1, 1]),
    ];
    expect(result(op, inputs, 'f32', [2, 3, 1, 1])).toEqual([1, 2, 3, 3, 4, 7]);
  });
  it('no k gives 0', () => {
    const inputs = [activation('f64', [1, 0], []), activation('f64', [0, 2], [])];
    expect(result(op, inputs, 'f64', [1, 2])).toEqual([0, 0]);
  });
  it('integers wrap around', () => {
    const top = 0xffffffff;
    const inputs = [activation('u32', [1, 2], [top, top]), activation('u32', [2, 1], [top, top])];
    expect(result(op, inputs, 'u32', [1, 1])).toEqual([2]);
    const big = [activation('i64', [1, 1], [2 ** 62]), activation('i64', [1, 1], [4])];
    expect(result(op, big, 'i64', [1, 1])).toEqual([0]);
  });
  it('f32 sums in f64', () => {
    const inputs = [
      activation('f32', [1, 3], [2 ** 24, 1, -(2 ** 24)]),
      activation('f32', [3, 1], [1, 1, 1]),
    ];
    expect(result(op, inputs, 'f32', [1, 1])).toEqual([1]);
  });
  it('is not offered for bytes', () => {
    const inputs = [activation('i8', [1, 1], [1]), activation('i8', [1, 1], [1])];
    expect(isOffered(op, inputs, 'i8', [1, 1])).toBe(false);
  });
});
