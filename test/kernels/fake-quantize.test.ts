/** fakeQuantize: hand values under every set, and the js kernel equal to reference to the bit. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { expectSame } from './compare.ts';
import { activation, operandsOf, random, runCall, type TestCall } from './run-call.ts';

const call = (
  shape: readonly number[],
  x: readonly number[],
  batchDims: number,
  symmetric: boolean,
): TestCall => {
  const arithmetic: Arithmetic = { kind: 'fakeQuantize', batchDims, symmetric };
  return {
    arithmetic,
    inputs: [activation('f32', shape, x)],
    output: { dtype: 'f32', shape, quantization: null },
  };
};

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const largest = 2 ** 128 - 2 ** 104;
const f = Math.fround;

interface Row {
  readonly label: string;
  readonly x: readonly number[];
  readonly is: readonly number[];
  /** Default: the whole of x is one slice. */
  readonly shape?: readonly number[];
  readonly batchDims?: number;
}

// max|x| = 127 makes s = 1.
const symmetric: Row[] = [
  { label: 'whole levels stay', x: [127, -127, 3, -3, 0], is: [127, -127, 3, -3, 0] },
  { label: 'nearest level', x: [127, 2.4, 2.6, -2.4, -2.6], is: [127, 2, 3, -2, -3] },
  {
    label: 'halves go away from zero',
    x: [-127, 0.5, 1.5, 2.5, 126.5, -0.5, -1.5, -2.5, -126.5],
    is: [-127, 1, 2, 3, 127, -1, -2, -3, -127],
  },
  {
    label: 'just under a half',
    x: [127, f(0.5 - 2 ** -25), f(1.5 - 2 ** -23), f(2 ** -25 - 0.5), f(2 ** -23 - 1.5), f(63.5 - 2 ** -18)],
    is: [127, 0, 1, 0, -1, 63],
  },
  { label: 'the negative end sets the scale', x: [1, -254], is: [2, -254] }, // 0.5 steps of 2
  { label: 'zeros', x: [0, -0, 0], is: [0, 0, 0] },
  { label: '−0 and what rounds to it become 0', x: [127, -0, -0.2], is: [127, 0, 0] },
  { label: 'one element', x: [0.3], is: [f(127 * f(f(0.3) / 127))] },
  { label: 'no element', x: [], is: [] },
  { label: 'NaN takes its slice', x: [1, nan, 0], is: [nan, nan, nan] },
  { label: '∞ takes its slice', x: [1, inf, 0], is: [nan, nan, nan] },
  { label: '−∞ takes its slice', x: [-inf, 1], is: [nan, nan] },
  {
    label: 'largest',
    x: [largest, -largest, 0],
    is: [f(127 * f(largest / 127)), f(-127 * f(largest / 127)), 0],
  },
  { label: 'so small that 127/max overflows: 0', x: [2 ** -122, -(2 ** -149)], is: [0, 0] },
  {
    label: 'small, with a subnormal scale',
    x: [127 * 2 ** -127, 1.5 * 2 ** -127],
    is: [127 * 2 ** -127, 2 ** -126],
  },
  {
    label: 'a scale for each row',
    x: [127, 1.4, 254, 1.4, 0, 0, nan, 1],
    is: [127, 1, 254, 2, 0, 0, nan, nan],
    shape: [4, 2],
    batchDims: 1,
  },
  {
    label: 'a scale for each element',
    x: [5, -7, 0],
    is: [5, -7, 0].map((v) => f(127 * f(v / 127))),
    batchDims: 1,
  },
  { label: 'a scalar', x: [127], is: [127], shape: [] },
  {
    label: 'two batch axes',
    x: [127, 0.4, 12.7, 0.04, 1.27, 0.04, 254, 0.9],
    is: [127, 0, f(127 * f(f(12.7) / 127)), 0, f(127 * f(f(1.27) / 127)), f(4 * f(f(1.27) / 127)), 254, 0],
    shape: [2, 2, 1, 2],
    batchDims: 2,
  },
];

// max x − min x = 255, 0 among them, makes s = 1.
const asymmetric: Row[] = [
  { label: 'positive: z = −128', x: [255, 100, 0, 7.4], is: [255, 100, 0, 7] },
  { label: 'negative: z = 127', x: [-255, -100, 0, -7.4], is: [-255, -100, 0, -7] },
  { label: '0 counts though it is not there', x: [255, 254], is: [255, 254] },
  { label: 'both signs', x: [-100, 155, 3.4, -3.4], is: [-100, 155, 3, -3] },
  // Levels count from z = −128, so 1.5 is at −126.5 → −127 and 200.5 at 72.5 → 73.
  { label: 'halves go away from level 0, not from x = 0', x: [255, 1.5, 200.5], is: [255, 1, 201] },
  { label: 'z between two levels, and the lower end cut', x: [-63.5, 191.5, 0], is: [-63, 192, 0] }, // z = −64.5 → −65
  { label: 'z between two levels, and the upper end cut', x: [-191.5, 63.5, 0], is: [-192, 63, 0] }, // z = 63.5 → 64
  { label: 'zeros', x: [0, -0], is: [0, 0] },
  { label: 'NaN takes its slice', x: [1, nan, -1], is: [nan, nan, nan] },
  { label: '∞ takes its slice', x: [-1, inf, 0], is: [nan, nan, nan] },
  { label: '−∞ takes its slice', x: [-inf, 1], is: [nan, nan] },
  { label: 'so small that 1/s overflows: 0', x: [2 ** -122, -(2 ** -149)], is: [0, 0] },
  {
    label: 'a range and a zero point for each row',
    x: [255, 1.4, -510, 1.4, -1, 0, 0, inf],
    is: [255, 1, f(-254 * f(511.4 / 255)), f(1 * f(511.4 / 255)), f(-255 * f(1 / 255)), 0, nan, nan],
    shape: [4, 2],
    batchDims: 1,
  },
];

describe.each([reference, js])('fakeQuantize on $name', (set) => {
  const check = (rows: readonly Row[], isSymmetric: boolean) =>
    it.each(rows)('$label', ({ x, is, shape, batchDims }) => {
      const given = call(shape ?? [x.length], x, batchDims ?? 0, isSymmetric);
      const used = x.length === 0 ? reference : set; // the fast sets leave empty tensors alone
      expect([...runCall(used, given)]).toEqual(is);
    });
  describe('symmetric', () => check(symmetric, true));
  describe('asymmetric', () => check(asymmetric, false));

  it('every half of every level, and the f32 beside it on either side', () => {
    for (let level = 0; level < 127; level++) {
      const half = level + 0.5;
      const step = 2 ** (Math.floor(Math.log2(half)) - 23);
      const low = level === 0 ? f(0.5 - 2 ** -25) : half - step;
      const x = [127, half, low, half + step, -half, -low, -half - step];
      const is = [127, level + 1, level, level + 1, -level - 1, 0 - level, -level - 1];
      expect([...runCall(set, call([7], x, 0, true))]).toEqual(is);
    }
  });

  it('is not offered for integers', () => {
    const { arithmetic } = call([1], [1], 0, true);
    const x = activation('i32', [1], [1]);
    expect(
      set.offer(
        operandsOf({ arithmetic, inputs: [x], output: { dtype: 'i32', shape: [1], quantization: null } }),
      ),
    ).toBeNull();
  });
});

describe('fakeQuantize-f32-js', () => {
  const shapes = [[1], [5], [7, 3], [2, 3, 4], [1, 4, 5, 1], [2, 3, 5, 4], [3, 2, 2, 9], [1, 1, 6, 7]];
  it.each(shapes.map((shape) => ({ shape })))(
    '$shape is equal to reference, whatever the batch axes',
    ({ shape }) => {
      const next = random(shape.length * 31 + shape[0]);
      const count = shape.reduce((a, b) => a * b, 1);
      for (let batchDims = 0; batchDims <= shape.length; batchDims++)
        for (const isSymmetric of [true, false])
          for (const [low, high] of [
            [-1, 1],
            [0, 6],
            [-1e-20, 3e-21],
            [-5, -2],
            [-1e30, 1e30],
          ] as const) {
            const x = Array.from({ length: count }, () => (next() < 0.2 ? 0 : low + next() * (high - low)));
            expectSame(js, call(shape, x, batchDims, isSymmetric), `${batchDims} ${isSymmetric} ${low}`);
          }
    },
  );

  it('equal to reference on 4096 numbers of every size, and on special ones', () => {
    const next = random(7);
    const x = Array.from({ length: 4096 }, () => (next() - 0.5) * 2 ** (next() * 40 - 20));
    for (const isSymmetric of [true, false]) {
      expectSame(js, call([4096], x, 0, isSymmetric));
      expectSame(js, call([64, 64], x, 1, isSymmetric));
      for (const special of [nan, -nan, inf, -inf, -0, 2 ** -149, largest, -largest])
        expectSame(js, call([3, 64], [...x.slice(0, 100), special, ...x.slice(100, 191)], 1, isSymmetric));
    }
  });
});
