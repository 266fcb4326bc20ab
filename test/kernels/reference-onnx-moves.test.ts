import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { DType } from '../../src/tensor.ts';
import { allTypes, callOf, isOffered, numberTypes, result, row } from './onnx-call.ts';
import { activation, dataOf, operandsOf, perTensor, runCall } from './run-call.ts';

const bits = (values: readonly number[], dtype: DType) => values.map((v) => (dtype === 'bool' ? v % 2 : v));

describe.each(allTypes)('moving %s', (dtype) => {
  const six = bits([1, 2, 3, 4, 5, 6], dtype);
  const x = activation(dtype, [2, 3], six);

  it('copy: a transposed slice beside what is there', () => {
    const arithmetic: Arithmetic = {
      kind: 'copy',
      extent: [2, 2],
      perm: [1, 0],
      begin: [0, 1],
      step: [1, 1],
      outBegin: [1, 0],
    };
    const before = dataOf(dtype, [3, 2], new Array(6).fill(0));
    const call = { arithmetic, inputs: [x], output: { dtype, shape: [3, 2], quantization: null, before } };
    const is = [0, 0, ...bits([2, 5, 3, 6], dtype)];
    expect([...runCall(reference, call)].map(Number)).toEqual(is);
    if (js.offer(operandsOf(call))) expect([...runCall(js, call)].map(Number)).toEqual(is);
  });
  it('fill', () => {
    const call = callOf({ kind: 'fill', value: 1 }, [], dtype, [3]);
    expect([...runCall(reference, call)].map(Number)).toEqual([1, 1, 1]);
    if (js.offer(operandsOf(call))) expect([...runCall(js, call)].map(Number)).toEqual([1, 1, 1]);
  });
  it('mirrorPad', () => {
    const op: Arithmetic = { kind: 'mirrorPad', before: [0, 2], after: [0, 1], mode: 'reflect' };
    expect(result(op, [x], dtype, [2, 6])).toEqual(bits([3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5], dtype));
  });
  it('gather, from either end', () => {
    const op: Arithmetic = { kind: 'gather', axis: 1, batchDims: 0 };
    for (const index of ['i32', 'i64'] as const)
      expect(result(op, [x, row(index, [-1, 0, -3])], dtype, [2, 3])).toEqual(
        bits([3, 1, 1, 6, 4, 4], dtype),
      );
  });
  it('gatherElements', () => {
    const rows = activation('i64', [1, 3], [1, -2, -1]);
    expect(result({ kind: 'gatherElements', axis: 0 }, [x, rows], dtype, [1, 3])).toEqual(
      bits([4, 2, 6], dtype),
    );
    const columns = activation('i32', [2, 2], [2, 0, -3, -1]);
    expect(result({ kind: 'gatherElements', axis: 1 }, [x, columns], dtype, [2, 2])).toEqual(
      bits([3, 1, 4, 6], dtype),
    );
  });
  it('gatherNd: elements, rows, and a batch', () => {
    const op: Arithmetic = { kind: 'gatherNd', batchDims: 0 };
    expect(result(op, [x, activation('i64', [2, 2], [0, 1, -1, -1])], dtype, [2])).toEqual(
      bits([2, 6], dtype),
    );
    expect(result(op, [x, activation('i64', [2, 1], [1, 0])], dtype, [2, 3])).toEqual(
      bits([4, 5, 6, 1, 2, 3], dtype),
    );
    const batched: Arithmetic = { kind: 'gatherNd', batchDims: 1 };
    expect(result(batched, [x, activation('i32', [2, 1], [2, 0])], dtype, [2])).toEqual(bits([3, 4], dtype));
  });
});

it('64-bit integers keep every bit', () => {
  for (const dtype of ['i64', 'u64'] as const) {
    const x = activation(dtype, [2], [0, 0]);
    x.data[0] = (2n ** 62n + 1n) as never; // exact, where a number is not
    const call = callOf({ kind: 'gather', axis: 0, batchDims: 0 }, [x, row('i32', [0])], dtype, [1]);
    expect([...runCall(reference, call)]).toEqual([2n ** 62n + 1n]);
  }
});

describe('indices out of range', () => {
  const x = activation('f32', [2, 3], [1, 2, 3, 4, 5, 6]);
  it.each([
    { op: { kind: 'gather', axis: 1, batchDims: 0 }, indices: row('i64', [3]), shape: [2, 1] },
    { op: { kind: 'gatherElements', axis: 1 }, indices: activation('i64', [1, 1], [-4]), shape: [1, 1] },
    { op: { kind: 'gatherNd', batchDims: 0 }, indices: activation('i64', [1, 2], [1, 3]), shape: [1] },
  ] as const)('$op.kind', ({ op, indices, shape }) => {
    expect(() => result(op, [x, indices], 'f32', shape)).toThrow(/index -?\d is outside -3 … 2/);
  });
});

describe('cast', () => {
  it.each(numberTypes)('%s from and to every other dtype', (dtype) => {
    for (const other of allTypes) {
      const is = other === 'bool' ? [0, 1, 1] : [0, 1, 100];
      expect(result({ kind: 'cast' }, [row(dtype, [0, 1, 100])], other, [3])).toEqual(is);
      const from = other === 'bool' ? [0, 1, 1] : [0, 1, 100];
      expect(result({ kind: 'cast' }, [row(other, from)], dtype, [3])).toEqual(from);
    }
  });

  it.each([
    { from: 'f64', to: 'f32', x: [0.1], is: [Math.fround(0.1)] },
    { from: 'f64', to: 'u8', x: [-1, 255.9, 256, Number.NaN], is: [0, 255, 255, 0] },
    { from: 'f64', to: 'u32', x: [2 ** 32 - 1, -3, 2 ** 40], is: [2 ** 32 - 1, 0, 2 ** 32 - 1] },
    { from: 'f32', to: 'u64', x: [-2, 2 ** 63], is: [0, 2 ** 63] },
    { from: 'f32', to: 'i64', x: [-1.9, 2 ** 80, -(2 ** 80)], is: [-1, 2 ** 63, -(2 ** 63)] },
    { from: 'i32', to: 'u32', x: [-1], is: [2 ** 32 - 1] },
    { from: 'i8', to: 'u64', x: [-1], is: [2 ** 64] },
    { from: 'u64', to: 'i8', x: [255], is: [-1] },
    { from: 'i64', to: 'u16', x: [-1, 2 ** 32 + 7], is: [65535, 7] },
    { from: 'u64', to: 'f64', x: [2 ** 63], is: [2 ** 63] },
    { from: 'f64', to: 'bool', x: [0, -0, 0.1, Number.NaN], is: [0, 0, 1, 1] },
    { from: 'u64', to: 'bool', x: [0, 2 ** 40], is: [0, 1] },
  ] as const)('$from to $to', ({ from, to, x, is }) => {
    expect(result({ kind: 'cast' }, [row(from, x)], to, [x.length])).toEqual(is);
  });
});

describe('convert with halves to even', () => {
  const op: Arithmetic = { kind: 'convert', rounding: 'even' };

  it.each([
    {
      dtype: 'i8',
      zero: 1,
      x: [-1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 900, -900],
      is: [-1, -1, 1, 1, 3, 3, 127, -128],
    },
    { dtype: 'u8', zero: 128, x: [-0.25, 0.25, 0.75, 1000, -1000], is: [128, 128, 130, 255, 0] },
    { dtype: 'i16', zero: 0, x: [0.75, 1e6, -1e6], is: [2, 32767, -32768] },
    { dtype: 'u16', zero: 32767, x: [0.75, 1e6, -1e6], is: [32769, 65535, 0] },
  ] as const)('f32 → $dtype', ({ dtype, zero, x, is }) => {
    const q = perTensor(0.5, zero);
    expect(result(op, [row('f32', x)], dtype, [x.length], q)).toEqual(is);
    const back = is.slice(0, 2);
    expect(result(op, [row(dtype, back, q)], 'f32', [2])).toEqual(back.map((v) => 0.5 * (v - zero)));
  });

  it('halves away from zero beside it', () => {
    const away: Arithmetic = { kind: 'convert', rounding: 'away' };
    expect(result(away, [row('f32', [-0.25, 0.25, 0.75])], 'i8', [3], perTensor(0.5, 0))).toEqual([-1, 1, 2]);
  });

  it('per axis', () => {
    const q = { scale: [0.5, 2], zeroPoint: [1, -1], axis: 1 };
    const x = activation('f32', [2, 2], [0.25, 1, 0.75, 3]);
    expect(result(op, [x], 'i8', [2, 2], q)).toEqual([1, -1, 3, 1]);
    const y = activation('i8', [2, 2], [1, -1, 3, 1], q);
    expect(result(op, [y], 'f32', [2, 2])).toEqual([0, 0, 1, 4]);
  });

  it('i32 → f32, and one quantised tensor to another', () => {
    expect(result(op, [row('i32', [7, -3], perTensor(0.25, 0))], 'f32', [2])).toEqual([1.75, -0.75]);
    const x = row('i8', [1, 3, 5, -1], perTensor(0.25, 0));
    expect(result(op, [x], 'u8', [4], perTensor(0.5, 10))).toEqual([10, 12, 12, 10]);
  });

  it('both sets serve it', () => {
    for (const call of [
      callOf(op, [row('f32', [1])], 'i8', [1], perTensor(0.5, 0)),
      callOf(op, [row('i8', [1], perTensor(0.25, 0))], 'i8', [1], perTensor(0.5, 0)),
    ]) {
      expect(js.offer(operandsOf(call))).not.toBeNull();
      expect(reference.offer(operandsOf(call))).not.toBeNull();
    }
  });

  it('is not offered without scales', () => {
    expect(isOffered(op, [row('f32', [1])], 'i8', [1])).toBe(false);
  });
});
