/** max-pool-*-js and average-pool-*-js: bytes equal to reference, floats within the bound of a sum. */
import { describe, it } from 'vitest';
import type { Pad, Pair } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { count, expectClose, expectSame } from './compare.ts';
import { pad } from './products.ts';
import { activation, integers, perTensor, random, type TestCall } from './run-call.ts';

interface PoolCase {
  readonly label: string;
  readonly x: readonly [number, number, number, number];
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pad?: Pad;
}

const cases: readonly PoolCase[] = [
  { label: '2×2', x: [1, 4, 6, 3], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, cells left over', x: [2, 5, 7, 3], kernel: [2, 2], stride: [2, 2] },
  { label: '3×3 overlapping, padded', x: [1, 5, 5, 2], kernel: [3, 3], stride: [1, 1], pad: pad(1, 1, 1, 1) },
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
];

const bytes = [
  { dtype: 'i8', zero: -3 },
  { dtype: 'u8', zero: 120 },
] as const;

const kinds = ['maxPool2d', 'averagePool2d'] as const;

function shapeOf(c: PoolCase): number[] {
  const p = c.pad ?? noPad;
  const out = (axis: 0 | 1, padding: number) =>
    Math.floor((c.x[1 + axis] + padding - c.kernel[axis]) / c.stride[axis]) + 1;
  return [c.x[0], out(0, p.top + p.bottom), out(1, p.left + p.right), c.x[3]];
}

describe.each([
  { set: js, label: 'TFLite', rounding: {} },
  { set: js, label: 'ONNX', rounding: { rounding: 'even' } },
] as const)('pools on $set.name, rounded as in $label', ({ set, rounding }) => {
  describe.each(cases)('$label', (c) => {
    it.each(kinds)('%s', (kind) => {
      for (const { dtype, zero } of bytes)
        for (const [label, clamp] of [
          ['no clamp', noClamp],
          ['relu', { min: 0, max: Number.POSITIVE_INFINITY }],
          ['within the range', { min: -1, max: 1.5 }],
        ] as const) {
          const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
          const quantization = perTensor(0.05, zero);
          const call: TestCall = {
            arithmetic: { kind, kernel: c.kernel, stride: c.stride, pad: c.pad ?? noPad, clamp, ...rounding },
            inputs: [activation(dtype, c.x, integers(random(3), count(c.x), lo, hi), quantization)],
            output: { dtype, shape: shapeOf(c), quantization },
          };
          expectSame(set, call, `${dtype} ${label}`);
        }
    });

    it.each(kinds)('%s of floats', (kind) => {
      const next = random(4);
      for (const clamp of [noClamp, { min: 0, max: 0.5 }]) {
        const values = Array.from({ length: count(c.x) }, () => Math.fround(next() * 4 - 2));
        const call: TestCall = {
          arithmetic: { kind, kernel: c.kernel, stride: c.stride, pad: c.pad ?? noPad, clamp, ...rounding },
          inputs: [activation('f32', c.x, values)],
          output: { dtype: 'f32', shape: shapeOf(c), quantization: null },
        };
        if (kind === 'maxPool2d') expectSame(set, call);
        else expectClose(set, call, c.kernel[0] * c.kernel[1] + 1);
      }
    });
  });

  it('averages of every sum that rounds', () => {
    for (const { dtype } of bytes)
      for (const cells of [2, 3, 4, 6])
        for (let sum = 0; sum < 256; sum++) {
          const lo = dtype === 'i8' ? -128 : 0;
          const values = Array.from({ length: cells }, (_, i) =>
            i === 0
              ? lo + sum
              : i === 1
                ? lo + 255 - sum + (sum % 3) * (sum > 2 ? 1 : 0)
                : lo + ((sum * 7) % 256),
          );
          const quantization = perTensor(1, 0);
          expectSame(set, {
            arithmetic: {
              kind: 'averagePool2d',
              kernel: [1, cells],
              stride: [1, 1],
              pad: noPad,
              clamp: noClamp,
              ...rounding,
            },
            inputs: [activation(dtype, [1, 1, cells, 1], values, quantization)],
            output: { dtype, shape: [1, 1, 1, 1], quantization },
          });
        }
  });

  it('of infinities and NaN, as reference', () => {
    for (const values of [
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
      [Number.NaN, 1],
      [1, Number.NaN],
      [Number.POSITIVE_INFINITY, 1],
    ])
      for (const kind of kinds)
        expectSame(set, {
          arithmetic: { kind, kernel: [1, 2], stride: [1, 1], pad: noPad, clamp: noClamp, ...rounding },
          inputs: [activation('f32', [1, 1, 2, 1], values)],
          output: { dtype: 'f32', shape: [1, 1, 1, 1], quantization: null },
        });
  });
});
