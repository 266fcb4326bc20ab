import { describe, expect, it } from 'vitest';
import type { Arithmetic, MaxPoolIndices, PoolNd } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { isOffered, result } from './onnx-call.ts';
import { activation, integers, random, runCall } from './run-call.ts';

const floats = ['f32', 'f64'] as const;

describe('convNd', () => {
  const line = { kind: 'convNd', stride: [1], dilation: [1], before: [0], after: [0], groups: 1 } as const;

  it.each([
    { label: 'one axis', op: line, x: [1, 4, 1], w: [1, 2, 1], is: [1, 3, 5] },
    { label: 'stride 2', op: { ...line, stride: [2] }, x: [1, 4, 1], w: [1, 2, 1], is: [1, 5] },
    { label: 'dilation 2', op: { ...line, dilation: [2] }, x: [1, 4, 1], w: [1, 2, 1], is: [2, 4] },
    {
      label: 'padded',
      op: { ...line, before: [1], after: [2] },
      x: [1, 2, 1],
      w: [1, 2, 1],
      is: [0, 1, 1, 0],
    },
  ] as const)('$label', ({ op, x, w, is }) => {
    for (const dtype of floats) {
      const inputs = [activation(dtype, x, count(x[1])), activation(dtype, w, [1, 1])];
      expect(result(op, inputs, dtype, [1, is.length, 1])).toEqual(is);
    }
  });

  it('two groups and a bias', () => {
    const inputs = [
      activation('f32', [1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
      activation('f32', [2, 1, 2], [1, 10, 1, 10]),
      activation('f32', [2], [100, 200]),
    ];
    expect(result({ ...line, groups: 2 }, inputs, 'f32', [1, 2, 2])).toEqual([121, 243, 165, 287]);
  });

  it('three axes: a 2×2×2 box', () => {
    const op: Arithmetic = {
      kind: 'convNd',
      stride: [1, 1, 1],
      dilation: [1, 1, 1],
      before: [0, 0, 0],
      after: [0, 0, 1],
      groups: 1,
    };
    const inputs = [
      activation('f64', [1, 2, 2, 2, 1], count(8)),
      activation('f64', [1, 2, 2, 2, 1], new Array(8).fill(1)),
    ];
    expect(result(op, inputs, 'f64', [1, 1, 1, 2, 1])).toEqual([28, 16]);
  });

  it('two axes: as conv2d', () => {
    const next = random(1);
    const inputs = [
      activation('f32', [2, 5, 6, 4], integers(next, 240, -9, 9)),
      activation('f32', [6, 3, 2, 2], integers(next, 72, -9, 9)),
      activation('f32', [6], integers(next, 6, -9, 9)),
    ];
    const pad = { ...noPad, top: 1, left: 2, bottom: 2, right: 1 };
    const window = { stride: [2, 1], dilation: [1, 3], groups: 2 } as const;
    expect(
      result({ kind: 'convNd', ...window, before: [1, 2], after: [2, 1] }, inputs, 'f32', [2, 3, 6, 6]),
    ).toEqual(result({ kind: 'conv2d', ...window, pad, clamp: noClamp }, inputs, 'f32', [2, 3, 6, 6]));
  });

  it('is not offered for integers', () => {
    const inputs = [activation('i32', [1, 2, 1], [1, 2]), activation('i32', [1, 1, 1], [1])];
    expect(isOffered(line, inputs, 'i32', [1, 2, 1])).toBe(false);
  });
});

describe('transposedConvNd', () => {
  const line = { kind: 'transposedConvNd', stride: [1], dilation: [1], before: [0], groups: 1 } as const;

  it.each([
    { label: 'one axis', op: line, is: [1, 12, 23, 30] },
    { label: 'stride 2', op: { ...line, stride: [2] }, is: [1, 10, 2, 20, 3, 30] },
    { label: 'stride 2 and a cell left over', op: { ...line, stride: [2] }, is: [1, 10, 2, 20, 3, 30, 0] },
    { label: 'stride 3', op: { ...line, stride: [3] }, is: [1, 10, 0, 2, 20, 0, 3, 30] },
    { label: 'dilation 2', op: { ...line, dilation: [2] }, is: [1, 2, 13, 20, 30] },
    { label: 'cut in front', op: { ...line, before: [1] }, is: [12, 23, 30] },
  ] as const)('$label', ({ op, is }) => {
    for (const dtype of floats) {
      const inputs = [activation(dtype, [1, 3, 1], [1, 2, 3]), activation(dtype, [1, 2, 1], [1, 10])];
      expect(result(op, inputs, dtype, [1, is.length, 1])).toEqual(is);
    }
  });

  it('two groups, two channels out of each, and a bias', () => {
    const inputs = [
      activation('f32', [1, 1, 4], [1, 2, 3, 4]),
      activation('f32', [4, 1, 2], [1, 2, 10, 20, 1, 2, 10, 20]), // (inC, k, outC/groups)
      activation('f32', [4], [100, 200, 300, 400]),
    ];
    expect(result({ ...line, groups: 2 }, inputs, 'f32', [1, 1, 4])).toEqual([121, 242, 343, 486]);
  });

  it('two axes: as transposedConv2d, whose weights lie otherwise', () => {
    const next = random(2);
    const x = activation('f32', [1, 3, 4, 2], integers(next, 24, -9, 9));
    const w = integers(next, 3 * 3 * 2 * 2, -9, 9); // (outC 3, 3, 2, inC 2)
    const moved = Array.from({ length: 36 }, (_, i) => {
      const [ic, k, oc] = [Math.floor(i / 18), Math.floor(i / 3) % 6, i % 3];
      return w[(oc * 6 + k) * 2 + ic];
    });
    const pad = { ...noPad, top: 1, left: 0, bottom: 1, right: 1 };
    const nd: Arithmetic = {
      kind: 'transposedConvNd',
      stride: [2, 1],
      dilation: [1, 1],
      before: [1, 0],
      groups: 1,
    };
    const flat: Arithmetic = { kind: 'transposedConv2d', stride: [2, 1], pad, clamp: noClamp };
    expect(result(nd, [x, activation('f32', [2, 3, 2, 3], moved)], 'f32', [1, 5, 4, 3])).toEqual(
      result(flat, [x, activation('f32', [3, 3, 2, 2], w)], 'f32', [1, 5, 4, 3]),
    );
  });

  it('three axes spread a single cell over the kernel', () => {
    const op: Arithmetic = {
      kind: 'transposedConvNd',
      stride: [1, 1, 1],
      dilation: [1, 1, 1],
      before: [0, 0, 0],
      groups: 1,
    };
    const inputs = [
      activation('f64', [1, 1, 1, 1, 1], [2]),
      activation('f64', [1, 2, 1, 2, 1], [1, 2, 3, 4]),
    ];
    expect(result(op, inputs, 'f64', [1, 2, 1, 2, 1])).toEqual([2, 4, 6, 8]);
  });
});

const pool = (fn: PoolNd['fn'], kernel: number, rest: Partial<PoolNd> = {}): PoolNd => ({
  kind: 'poolNd',
  fn,
  kernel: [kernel],
  stride: [1],
  dilation: [1],
  before: [0],
  after: [0],
  countPad: false,
  p: 2,
  ...rest,
});

describe('poolNd', () => {
  const row = [1, 5, 2, 4];

  it.each([
    { label: 'max', op: pool('max', 2), is: [5, 5, 4] },
    { label: 'max, dilation 2', op: pool('max', 2, { dilation: [2] }), is: [2, 5] },
    { label: 'max, padded', op: pool('max', 3, { before: [1], after: [1] }), is: [5, 5, 5, 4] },
    { label: 'max, stride 3, the last window runs over', op: pool('max', 2, { stride: [3] }), is: [5, 4] },
    { label: 'average', op: pool('average', 2), is: [3, 3.5, 3] },
    { label: 'average, padding not counted', op: pool('average', 2, { before: [1] }), is: [1, 3, 3.5, 3] },
    {
      label: 'average, padding counted',
      op: pool('average', 2, { before: [1], countPad: true }),
      is: [0.5, 3, 3.5, 3],
    },
    {
      label: 'average, padding counted but not what lies beyond',
      op: pool('average', 4, { before: [1], after: [1], stride: [3], countPad: true }),
      is: [2, 2], // (0 1 5 2) / 4; (2 4 0 –) / 3
    },
    {
      label: 'average, the last window sees two cells of four',
      op: pool('average', 4, { stride: [2], countPad: true }),
      is: [3, 3],
    },
    { label: 'lp, p = 1', op: pool('lp', 2, { p: 1 }), is: [6, 7, 6] },
    {
      label: 'lp, p = 2',
      op: pool('lp', 2, { before: [1] }),
      is: [1, Math.sqrt(26), Math.sqrt(29), Math.sqrt(20)],
    },
  ])('$label', ({ op, is }) => {
    for (const dtype of floats) {
      const round = dtype === 'f32' ? Math.fround : (v: number) => v;
      const y = result(op, [activation(dtype, [1, 4, 1], row)], dtype, [1, is.length, 1]);
      expect(y).toEqual(is.map(round));
    }
  });

  it.each(['i8', 'u8', 'i16', 'i32'] as const)('%s: maxima only', (dtype) => {
    expect(result(pool('max', 2), [activation(dtype, [1, 4, 1], row)], dtype, [1, 3, 1])).toEqual([5, 5, 4]);
    expect(isOffered(pool('average', 2), [activation(dtype, [1, 4, 1], row)], dtype, [1, 3, 1])).toBe(false);
  });

  it('a maximum below zero is not the padding', () => {
    const x = activation('i8', [1, 2, 1], [-7, -9]);
    expect(result(pool('max', 2, { before: [1], after: [1] }), [x], 'i8', [1, 3, 1])).toEqual([-7, -7, -9]);
  });

  it('a window without a cell', () => {
    const x = activation('f32', [1, 1, 1], [-3]);
    const op = (fn: PoolNd['fn']) => pool(fn, 1, { before: [1] });
    expect(result(op('max'), [x], 'f32', [1, 2, 1])).toEqual([Number.NEGATIVE_INFINITY, -3]);
    expect(result(op('average'), [x], 'f32', [1, 2, 1])).toEqual([0, -3]);
  });

  it('channels do not mix, nor pictures; two axes', () => {
    const x = activation('f32', [2, 2, 2, 2], [1, 80, 2, 70, 3, 60, 4, 50, 5, 40, 6, 30, 7, 20, 8, 10]);
    const two = { stride: [1, 1], dilation: [1, 1], before: [0, 0], after: [0, 0], kernel: [2, 2] };
    expect(result(pool('max', 2, two), [x], 'f32', [2, 1, 1, 2])).toEqual([4, 80, 8, 40]);
    expect(result(pool('average', 2, two), [x], 'f32', [2, 1, 1, 2])).toEqual([2.5, 65, 6.5, 25]);
  });

  it('three axes', () => {
    const three = {
      stride: [1, 1, 1],
      dilation: [1, 1, 1],
      before: [0, 0, 0],
      after: [0, 0, 0],
      kernel: [2, 2, 2],
    };
    expect(
      result(
        pool('average', 2, three),
        [activation('f64', [1, 2, 2, 2, 1], count(8))],
        'f64',
        [1, 1, 1, 1, 1],
      ),
    ).toEqual([3.5]);
  });
});

describe('maxPoolIndices', () => {
  const indices = (rest: Partial<MaxPoolIndices> = {}): MaxPoolIndices => ({
    kind: 'maxPoolIndices',
    kernel: [2, 2],
    stride: [1, 1],
    dilation: [1, 1],
    before: [0, 0],
    after: [0, 0],
    countPad: false,
    p: 2,
    columnMajor: false,
    ...rest,
  });
  // (n 1, h 2, w 3, c 2); channel 0 is 1 9 2 / 3 4 8, channel 1 is 7 0 0 / 0 0 7
  const x = activation('f32', [1, 2, 3, 2], [1, 7, 9, 0, 2, 0, 3, 0, 4, 0, 8, 7]);

  it('counts in n, c, h, w', () => {
    expect(result(indices(), [x], 'i64', [1, 1, 2, 2])).toEqual([1, 6, 1, 11]);
  });
  it('column-major: the first axis fastest', () => {
    expect(result(indices({ columnMajor: true }), [x], 'i64', [1, 1, 2, 2])).toEqual([2, 6, 2, 11]);
  });
  it('padding is not counted, and the first of equals wins', () => {
    const y = activation('i8', [1, 2, 2, 1], [-5, -5, -5, -5]);
    const op = indices({ before: [1, 1], after: [1, 1] });
    expect(result(op, [y], 'i64', [1, 3, 3, 1])).toEqual([0, 0, 1, 0, 0, 1, 2, 2, 3]);
  });
  it('a second picture counts on', () => {
    const y = activation('f64', [2, 1, 2, 1], [1, 2, 4, 3]);
    expect(result(indices({ kernel: [1, 2] }), [y], 'i64', [2, 1, 1, 1])).toEqual([1, 2]);
  });
  it('three axes, column-major', () => {
    const y = activation('f32', [1, 2, 3, 4, 1], [...new Array(23).fill(0), 1]);
    const three = {
      kernel: [2, 3, 4],
      stride: [1, 1, 1],
      dilation: [1, 1, 1],
      before: [0, 0, 0],
      after: [0, 0, 0],
    };
    expect(result(indices({ ...three, columnMajor: true }), [y], 'i64', [1, 1, 1, 1, 1])).toEqual([23]);
    const z = activation('f32', [1, 2, 3, 4, 1], [0, 1, ...new Array(22).fill(0)]);
    expect(result(indices({ ...three, columnMajor: true }), [z], 'i64', [1, 1, 1, 1, 1])).toEqual([6]);
  });
});

it('every window kernel gives the same when it is run again', () => {
  const x = activation('f32', [1, 4, 1], [1, 2, 3, 4]);
  const call = {
    arithmetic: pool('lp', 3),
    inputs: [x],
    output: { dtype: 'f32', shape: [1, 2, 1], quantization: null },
  } as const;
  expect(() => runCall(reference, call)).not.toThrow(); // runCall compares two runs
});

/** 0 … n−1 */
function count(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
