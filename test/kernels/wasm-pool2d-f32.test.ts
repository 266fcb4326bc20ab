/** max-pool-f32-wasm equal to reference, average-pool-f32-wasm within the bound of a sum. */
import { describe, expect, it } from 'vitest';
import { type Following, noClamp, noPad, type Pad, type Pair } from '../../src/kernels/call.ts';
import { wasm } from '../../src/kernels/wasm/index.ts';
import { count, expectSame, expectWithin, kernelOf } from './compare.ts';
import { pad } from './products.ts';
import { activation, integers, random, type TestCall } from './run-call.ts';

interface PoolCase {
  readonly label: string;
  readonly x: readonly [n: number, h: number, w: number, c: number];
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pad?: Pad;
}

const cases: readonly PoolCase[] = [
  { label: '2×2', x: [1, 4, 6, 3], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, cells left over', x: [2, 5, 7, 3], kernel: [2, 2], stride: [2, 2] },
  { label: '3×3 overlapping, padded', x: [1, 5, 5, 2], kernel: [3, 3], stride: [1, 1], pad: pad(1, 1, 1, 1) },
  { label: '3×3, padded, stride 2', x: [2, 7, 8, 5], kernel: [3, 3], stride: [2, 2], pad: pad(1, 1, 1, 1) },
  {
    label: '3×3 padded on one corner',
    x: [2, 5, 5, 4],
    kernel: [3, 3],
    stride: [2, 2],
    pad: pad(0, 2, 1, 0),
  },
  { label: 'the whole picture', x: [2, 7, 5, 9], kernel: [7, 5], stride: [1, 1] },
  { label: '1×1', x: [1, 3, 3, 5], kernel: [1, 1], stride: [1, 1] },
  { label: '1×4', x: [1, 2, 9, 1], kernel: [1, 4], stride: [1, 3], pad: pad(0, 1, 0, 2) },
  { label: 'stride wider than kernel', x: [1, 7, 7, 2], kernel: [2, 2], stride: [3, 4] },
  { label: 'a large window', x: [1, 20, 20, 1], kernel: [20, 20], stride: [1, 1], pad: pad(3, 3, 3, 3) },
  { label: 'larger than the picture', x: [1, 2, 3, 6], kernel: [5, 5], stride: [1, 1], pad: pad(2, 2, 2, 2) },
  { label: 'windows wholly outside', x: [1, 2, 2, 3], kernel: [2, 2], stride: [1, 1], pad: pad(3, 3, 3, 3) },
  { label: '37 channels', x: [1, 4, 4, 37], kernel: [2, 2], stride: [2, 2] },
  { label: '64 channels, 7×7', x: [1, 7, 7, 64], kernel: [7, 7], stride: [7, 7] },
  { label: '33 channels, 3×3', x: [2, 5, 5, 33], kernel: [3, 3], stride: [1, 1], pad: pad(1, 1, 1, 1) },
];

const kinds = ['maxPool2d', 'averagePool2d'] as const;

function callOf(c: PoolCase, kind: (typeof kinds)[number], clamp = noClamp, seed = 4): TestCall {
  const p = c.pad ?? noPad;
  const out = (axis: 0 | 1, padding: number) =>
    Math.floor((c.x[1 + axis] + padding - c.kernel[axis]) / c.stride[axis]) + 1;
  const next = random(seed);
  return {
    arithmetic: { kind, kernel: c.kernel, stride: c.stride, pad: p, clamp },
    inputs: [
      activation(
        'f32',
        c.x,
        Array.from({ length: count(c.x) }, () => Math.fround(next() * 4 - 2)),
      ),
    ],
    output: {
      dtype: 'f32',
      shape: [c.x[0], out(0, p.top + p.bottom), out(1, p.left + p.right), c.x[3]],
      quantization: null,
    },
  };
}

function check(c: PoolCase, clamp = noClamp, seed = 4): void {
  const max = callOf(c, 'maxPool2d', clamp, seed);
  expect(kernelOf(wasm, max)).toBe('max-pool-f32-wasm');
  expectSame(wasm, max, JSON.stringify(c));
  const average = callOf(c, 'averagePool2d', clamp, seed);
  expect(kernelOf(wasm, average)).toBe('average-pool-f32-wasm');
  expectWithin(wasm, average, c.kernel[0] * c.kernel[1] + 2, JSON.stringify(c));
}

describe('pools of floats', () => {
  it.each(cases)('$label', (c) => {
    check(c);
    check(c, { min: 0, max: 0.5 });
    check(c, { min: 0, max: Number.POSITIVE_INFINITY });
  });

  it('1 to 40 channels', () => {
    for (let c = 1; c <= 40; c++)
      check({ label: '', x: [1, 3, 3, c], kernel: [2, 2], stride: [1, 1], pad: pad(0, 0, 1, 1) });
  });

  it('what is not finite', () => {
    for (const kind of kinds)
      for (const kernel of [2, 5]) {
        const pool = { label: '', x: [1, 6, 6, 5], kernel: [kernel, kernel], stride: [1, 1] } as const;
        const call = callOf(pool, kind, { min: 0, max: 6 });
        const { data } = call.inputs[0];
        for (const [i, value] of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].entries())
          data[17 + 50 * i] = value;
        expectSame(wasm, { ...call, arithmetic: { ...call.arithmetic, kind: 'maxPool2d' } as never });
        expectWithin(wasm, call, 27);
      }
  });

  it('a clamp behind it', () => {
    const call = callOf(cases[2], 'maxPool2d');
    const output = { ...call.output, data: null };
    const following: Following[] = [
      { arithmetic: { kind: 'clamp', clamp: { min: 0, max: 1 } }, x: output, position: 0, others: 0, output },
    ];
    expectSame(wasm, { ...call, following });
  });

  it('80 random shapes', () => {
    const next = random(6);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 80; i++) {
      const kernel: Pair = [between(1, 5), between(1, 5)];
      check(
        {
          label: '',
          x: [between(1, 2), between(kernel[0], 9), between(kernel[1], 9), between(1, 40)],
          kernel,
          stride: [between(1, 4), between(1, 4)],
          pad: pad(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
        },
        noClamp,
        i,
      );
    }
  });
});
