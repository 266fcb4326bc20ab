/** convert, cast, gather, copy, fill, mirrorPad; and what `runCall` itself catches. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic, KernelSet } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { DType, Quantization, Shape } from '../../src/tensor.ts';
import { activation, dataOf, operandsOf, perChannel, perTensor, runCall } from './run-call.ts';

const dtypes: readonly DType[] = ['f32', 'i8', 'u8', 'i16', 'i32', 'i64', 'bool'];

describe('convert', () => {
  const convert = (
    from: DType,
    to: DType,
    x: readonly number[],
    q: Quantization | null,
    r: Quantization | null,
    shape: Shape = [x.length],
  ) =>
    [
      ...runCall(reference, {
        arithmetic: { kind: 'convert', rounding: 'away' },
        inputs: [activation(from, shape, x, q)],
        output: { dtype: to, shape, quantization: r },
      }),
    ].map(Number);

  it.each([
    {
      label: 'halves away from zero',
      x: [0.25, -0.25, 0.75, -0.75],
      to: 'i8',
      q: perTensor(0.5, 0),
      is: [1, -1, 2, -2],
    },
    {
      label: 'saturates',
      x: [1000, -1000, 1e30, -Infinity],
      to: 'i8',
      q: perTensor(0.5, 3),
      is: [127, -128, 127, -128],
    },
    { label: 'no number is the zero point', x: [Number.NaN], to: 'u8', q: perTensor(0.5, 9), is: [9] },
    { label: 'unsigned', x: [-1, 0, 1], to: 'u8', q: perTensor(0.5, 128), is: [126, 128, 130] },
    { label: '16 bits', x: [1, -40000], to: 'i16', q: perTensor(1 / 256, 0), is: [256, -32768] },
  ] as const)('quantises: $label', ({ x, to, q, is }) => expect(convert('f32', to, x, null, q)).toEqual(is));

  it('divides in f32', () => {
    const scale = Math.fround(0.4); // 1/f32(0.4) is under 5/2 in f64, and 5/2 in f32
    expect(convert('f32', 'i8', [1, -1], null, perTensor(scale, 0))).toEqual([3, -3]);
  });

  it('dequantises, by the tensor and by the channel', () => {
    expect(convert('i8', 'f32', [-128, 0, 127], perTensor(0.5, -1), null)).toEqual([-63.5, 0.5, 64]);
    const q = perChannel([0.5, 2, 4], 1);
    expect(convert('i8', 'f32', [1, 1, 1, -3, -3, -3], q, null, [2, 3])).toEqual([0.5, 2, 4, -1.5, -6, -12]);
    expect(convert('i32', 'f32', [7, 7], perChannel([0.5, 0.25], 0), null)).toEqual([3.5, 1.75]);
  });

  it('quantises by the channel, on an outer axis', () => {
    const q = perChannel([0.5, 2], 0);
    expect(convert('f32', 'i8', [4, 8, 4, 8], null, q, [2, 2])).toEqual([8, 16, 2, 4]);
  });

  it('requantises: the shift between i8 and u8, all 256', () => {
    const int8s = Array.from({ length: 256 }, (_, i) => i - 128);
    expect(convert('i8', 'u8', int8s, perTensor(0.3, -5), perTensor(0.3, 123))).toEqual(
      int8s.map((q) => q + 128),
    );
    expect(convert('u8', 'i8', [0, 255], perTensor(0.3, 123), perTensor(0.3, -5))).toEqual([-128, 127]);
  });

  it('requantises to another scale, and from i32 and i16', () => {
    expect(convert('i8', 'i8', [10, -10, 100], perTensor(1, 0), perTensor(0.5, 1))).toEqual([21, -19, 127]);
    expect(convert('i16', 'i8', [512, -512], perTensor(1 / 256, 0), perTensor(0.5, 0))).toEqual([4, -4]);
    expect(convert('i32', 'i8', [6], perTensor(0.5, 0), perTensor(1, 0))).toEqual([3]);
  });

  it('is not offered by the channel from integer to integer', () => {
    const call = {
      arithmetic: { kind: 'convert', rounding: 'away' },
      inputs: [activation('i8', [2], [1, 1], perChannel([1, 2], 0))],
      output: { dtype: 'i8', shape: [2], quantization: perTensor(1, 0) },
    } as const;
    expect(reference.offer(operandsOf(call))).toBeNull();
  });
});

describe('cast', () => {
  const cast = (from: DType, to: DType, x: readonly number[]) =>
    [
      ...runCall(reference, {
        arithmetic: { kind: 'cast' },
        inputs: [activation(from, [x.length], x, from === 'i8' ? perTensor(0.5, 3) : null)],
        output: { dtype: to, shape: [x.length], quantization: null },
      }),
    ].map(Number);

  it.each(dtypes.flatMap((from) => dtypes.map((to) => ({ from, to }))))(
    '$from → $to keeps 0 and 1',
    ({ from, to }) => {
      expect(cast(from, to, [0, 1])).toEqual([0, 1]);
    },
  );

  it.each([
    { from: 'f32', to: 'i32', x: [1.9, -1.9, 3e9, Number.NaN], is: [1, -1, 2 ** 31 - 1, 0] },
    { from: 'f32', to: 'i8', x: [-200.5, 127.9], is: [-128, 127] },
    { from: 'f32', to: 'i64', x: [-1.9, 2 ** 40], is: [-1, 2 ** 40] },
    { from: 'f32', to: 'bool', x: [0.25, -0, 0], is: [1, 0, 0] },
    { from: 'i32', to: 'i8', x: [257, -129], is: [1, 127] },
    { from: 'i64', to: 'i32', x: [2 ** 32 + 5], is: [5] },
    { from: 'i64', to: 'f32', x: [-(2 ** 40)], is: [-(2 ** 40)] },
    { from: 'i64', to: 'bool', x: [2 ** 40], is: [1] },
    { from: 'i8', to: 'f32', x: [-128, 7], is: [-128, 7] },
    { from: 'u8', to: 'i8', x: [200], is: [-56] },
  ] as const)('$from → $to: $x', ({ from, to, x, is }) => expect(cast(from, to, x)).toEqual(is));

  it('f32 → i64 saturates', () => {
    const y = runCall(reference, {
      arithmetic: { kind: 'cast' },
      inputs: [activation('f32', [2], [1e30, -1e30])],
      output: { dtype: 'i64', shape: [2], quantization: null },
    });
    expect([...y]).toEqual([2n ** 63n - 1n, -(2n ** 63n)]);
  });
});

describe('gather', () => {
  const gather = (axis: number, batchDims = 0): Arithmetic => ({ kind: 'gather', axis, batchDims });

  it.each([
    { label: 'rows', op: gather(0), x: [3, 2], i: [2], indices: [2, 0], out: [2, 2], is: [4, 5, 0, 1] },
    { label: 'columns', op: gather(1), x: [2, 3], i: [2], indices: [2, 2], out: [2, 2], is: [2, 2, 5, 5] },
    {
      label: 'indices of rank 2',
      op: gather(0),
      x: [3],
      i: [2, 2],
      indices: [0, 1, 2, 0],
      out: [2, 2],
      is: [0, 1, 2, 0],
    },
    { label: 'a scalar index', op: gather(1), x: [2, 2], i: [], indices: [1], out: [2], is: [1, 3] },
    {
      label: 'batches',
      op: gather(1, 1),
      x: [2, 3],
      i: [2, 2],
      indices: [2, 0, 1, 1],
      out: [2, 2],
      is: [2, 0, 4, 4],
    },
    {
      label: 'batches, inner axes',
      op: gather(2, 1),
      x: [2, 2, 2],
      i: [2, 1],
      indices: [1, 0],
      out: [2, 2, 1],
      is: [1, 3, 4, 6],
    },
  ])('$label', ({ op, x, i, indices, out, is }) => {
    const count = x.reduce((a, b) => a * b, 1);
    for (const dtype of ['f32', 'i8', 'i64', 'bool'] as const) {
      for (const index of ['i32', 'i64'] as const) {
        const values = Array.from({ length: count }, (_, v) => (dtype === 'bool' ? v % 2 : v));
        const y = runCall(reference, {
          arithmetic: op,
          inputs: [activation(dtype, x, values), activation(index, i, indices)],
          output: { dtype, shape: out, quantization: null },
        });
        expect([...y].map(Number)).toEqual(dtype === 'bool' ? is.map((v) => v % 2) : is);
      }
    }
  });

  it.each([-4, 3])('refuses index %i of 3', (index) => {
    const call = {
      arithmetic: gather(0),
      inputs: [activation('f32', [3], [1, 2, 3]), activation('i32', [1], [index])],
      output: { dtype: 'f32', shape: [1], quantization: null },
    } as const;
    expect(() => runCall(reference, call)).toThrow(`gather: index ${index} is outside -3 … 2`);
  });
});

describe('copy', () => {
  const run = (
    op: Omit<Extract<Arithmetic, { kind: 'copy' }>, 'kind'>,
    x: Shape,
    out: Shape,
    dtype: DType = 'i32',
  ) => {
    const count = x.reduce((a, b) => a * b, 1);
    const y = runCall(reference, {
      arithmetic: { kind: 'copy', ...op },
      inputs: [
        activation(
          dtype,
          x,
          Array.from({ length: count }, (_, v) => v % 100),
        ),
      ],
      output: {
        dtype,
        shape: out,
        quantization: null,
        before: dataOf(dtype, out, new Array(out.reduce((a, b) => a * b, 1)).fill(1)),
      },
    });
    return [...y].map(Number);
  };

  it.each([
    {
      label: 'all',
      extent: [2, 3],
      perm: [0, 1],
      begin: [0, 0],
      step: [1, 1],
      outBegin: [0, 0],
      x: [2, 3],
      out: [2, 3],
      is: [0, 1, 2, 3, 4, 5],
    },
    {
      label: 'transposed',
      extent: [3, 2],
      perm: [1, 0],
      begin: [0, 0],
      step: [1, 1],
      outBegin: [0, 0],
      x: [2, 3],
      out: [3, 2],
      is: [0, 3, 1, 4, 2, 5],
    },
    {
      label: 'a slice',
      extent: [1, 2],
      perm: [0, 1],
      begin: [1, 1],
      step: [1, 1],
      outBegin: [0, 0],
      x: [2, 3],
      out: [1, 2],
      is: [4, 5],
    },
    {
      label: 'with a step',
      extent: [2],
      perm: [0],
      begin: [1],
      step: [2],
      outBegin: [0],
      x: [5],
      out: [2],
      is: [1, 3],
    },
    {
      label: 'backwards',
      extent: [3],
      perm: [0],
      begin: [2],
      step: [-1],
      outBegin: [0],
      x: [3],
      out: [3],
      is: [2, 1, 0],
    },
    {
      label: 'into the middle, the rest left alone',
      extent: [1, 2],
      perm: [0, 1],
      begin: [0, 0],
      step: [1, 1],
      outBegin: [1, 1],
      x: [1, 2],
      out: [3, 4],
      is: [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
    },
    {
      label: 'a step on a permuted axis',
      extent: [2, 2],
      perm: [1, 0],
      begin: [0, 1],
      step: [1, 2],
      outBegin: [0, 0],
      x: [2, 4],
      out: [2, 2],
      is: [1, 5, 3, 7],
    },
    {
      label: 'nothing',
      extent: [0],
      perm: [0],
      begin: [0],
      step: [1],
      outBegin: [0],
      x: [2],
      out: [2],
      is: [1, 1],
    },
    { label: 'a scalar', extent: [], perm: [], begin: [], step: [], outBegin: [], x: [], out: [], is: [0] },
  ])('$label', ({ x, out, is, ...op }) => expect(run(op, x, out)).toEqual(is));

  it.each(dtypes)('moves %s', (dtype) => {
    const op = { extent: [2], perm: [0], begin: [0], step: [1], outBegin: [0] };
    expect(run(op, [2], [2], dtype)).toEqual([0, 1]);
  });

  it('reverses the axes of rank 4', () => {
    const x = [2, 3, 4, 5];
    const y = run(
      {
        extent: [5, 4, 3, 2],
        perm: [3, 2, 1, 0],
        begin: [0, 0, 0, 0],
        step: [1, 1, 1, 1],
        outBegin: [0, 0, 0, 0],
      },
      x,
      [5, 4, 3, 2],
    );
    for (let i = 0; i < 120; i++) {
      const [a, b, c, d] = [Math.floor(i / 24), Math.floor(i / 6) % 4, Math.floor(i / 2) % 3, i % 2];
      expect(y[i]).toBe((((d * 3 + c) * 4 + b) * 5 + a) % 100);
    }
  });
});

describe('fill', () => {
  it.each(dtypes)('%s', (dtype) => {
    const y = runCall(reference, {
      arithmetic: { kind: 'fill', value: 1 },
      inputs: [],
      output: { dtype, shape: [2, 3], quantization: null },
    });
    expect([...y].map(Number)).toEqual([1, 1, 1, 1, 1, 1]);
  });
});

describe('mirrorPad', () => {
  it.each([
    { mode: 'reflect', before: [2], x: [3], out: [7], is: [2, 1, 0, 1, 2, 1, 0] },
    { mode: 'symmetric', before: [3], x: [3], out: [8], is: [2, 1, 0, 0, 1, 2, 2, 1] },
    { mode: 'reflect', before: [1, 0], x: [2, 2], out: [3, 3], is: [2, 3, 2, 0, 1, 0, 2, 3, 2] },
    { mode: 'symmetric', before: [0, 1], x: [1, 2], out: [2, 4], is: [0, 0, 1, 1, 0, 0, 1, 1] },
  ] as const)('$mode $x → $out', ({ mode, before, x, out, is }) => {
    for (const dtype of ['f32', 'i8', 'i64'] as const) {
      const count = x.reduce((a: number, b) => a * b, 1);
      const after = out.map((extent, axis) => extent - x[axis] - before[axis]);
      const y = runCall(reference, {
        arithmetic: { kind: 'mirrorPad', before, after, mode },
        inputs: [
          activation(
            dtype,
            x,
            Array.from({ length: count }, (_, v) => v),
          ),
        ],
        output: { dtype, shape: out, quantization: null },
      });
      expect([...y].map(Number)).toEqual(is);
    }
  });
});

describe('runCall catches a kernel that', () => {
  const call = {
    arithmetic: { kind: 'cast' },
    inputs: [activation('i32', [2], [1, 2])],
    output: { dtype: 'i32', shape: [2], quantization: null },
  } as const;
  const set = (change: (x: Int32Array, xAt: number, y: Int32Array, yAt: number) => void): KernelSet => ({
    name: 'broken',
    offer: () => ({
      kernel: 'broken',
      bind: ([x], y) => {
        if (!(x.data instanceof Int32Array) || !(y.data instanceof Int32Array)) throw new Error('i32');
        const [from, to] = [x.data, y.data];
        return () => change(from, x.offset, to, y.offset);
      },
    }),
  });

  it('writes outside its output', () => {
    expect(() =>
      runCall(
        set((_x, _xAt, y, yAt) => void (y[yAt + 2] = 9)),
        call,
      ),
    ).toThrow(/outside/);
  });
  it('changes its input', () => {
    expect(() =>
      runCall(
        set((x, xAt) => void (x[xAt] = 9)),
        call,
      ),
    ).toThrow(/changes input/);
  });
  it('keeps state between runs', () => {
    let runs = 0;
    expect(() =>
      runCall(
        set((_x, _xAt, y, yAt) => void (y[yAt] = runs++)),
        call,
      ),
    ).toThrow(/again/);
  });
});
