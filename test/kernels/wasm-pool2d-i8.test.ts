/** max-pool-i8 and average-pool-i8 on wasm equal to reference, in every encoding and layout. */
import { describe, expect, it } from 'vitest';
import type { Pad, Pair } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { count, expectSame, kernelOf } from './compare.ts';
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
  { label: '2×2, 1 channel', x: [1, 4, 6, 1], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, cells left over', x: [2, 5, 7, 3], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, 8 channels', x: [1, 4, 4, 8], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, 16 channels', x: [1, 4, 4, 16], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, 23 channels', x: [2, 4, 4, 23], kernel: [2, 2], stride: [2, 2] },
  { label: '2×2, 33 channels', x: [1, 4, 4, 33], kernel: [2, 2], stride: [2, 2] },
  {
    label: '3×3 overlapping, padded',
    x: [1, 5, 5, 18],
    kernel: [3, 3],
    stride: [1, 1],
    pad: pad(1, 1, 1, 1),
  },
  {
    label: '3×3 padded on one corner',
    x: [2, 5, 5, 4],
    kernel: [3, 3],
    stride: [2, 2],
    pad: pad(0, 2, 1, 0),
  },
  { label: 'the whole picture', x: [2, 7, 5, 9], kernel: [7, 5], stride: [1, 1] },
  { label: 'the whole of 8×8', x: [1, 8, 8, 64], kernel: [8, 8], stride: [8, 8] },
  { label: 'the whole of 25×5', x: [1, 25, 5, 20], kernel: [25, 5], stride: [25, 5] },
  { label: '1×1', x: [1, 3, 3, 5], kernel: [1, 1], stride: [1, 1] },
  { label: '1×4', x: [1, 2, 9, 1], kernel: [1, 4], stride: [1, 3], pad: pad(0, 1, 0, 2) },
  { label: 'stride wider than kernel', x: [1, 7, 7, 2], kernel: [2, 2], stride: [3, 4] },
  { label: 'a wide window', x: [1, 4, 30, 5], kernel: [3, 29], stride: [1, 1] },
  {
    label: 'sums beyond 16 bits',
    x: [1, 20, 20, 17],
    kernel: [20, 20],
    stride: [1, 1],
    pad: pad(3, 3, 3, 3),
  },
];

const bytes = [
  { dtype: 'i8', zero: -3, zeroY: -3 },
  { dtype: 'u8', zero: 120, zeroY: 120 },
  { dtype: 'i8', zero: -128, zeroY: 7 },
  { dtype: 'u8', zero: 0, zeroY: 255 },
] as const;
const kinds = ['maxPool2d', 'averagePool2d'] as const;
const sets = [
  { set: wasmKernels(), label: 'at its best' },
  { set: wasmKernels({ relaxed: false }), label: 'without relaxed SIMD' },
];
const roundings = [
  { by: 'TFLite', rounding: {} },
  { by: 'ONNX', rounding: { rounding: 'even' } },
] as const;

function shapeOf(c: PoolCase): number[] {
  const p = c.pad ?? noPad;
  const out = (axis: 0 | 1, padding: number) =>
    Math.floor((c.x[1 + axis] + padding - c.kernel[axis]) / c.stride[axis]) + 1;
  return [c.x[0], out(0, p.top + p.bottom), out(1, p.left + p.right), c.x[3]];
}

describe.each(sets.flatMap((s) => roundings.map((r) => ({ ...s, ...r }))))(
  'int8 pools on wasm $label, rounded as in $by',
  ({ set, rounding }) => {
    it.each(cases)('$label', (c) => {
      for (const kind of kinds)
        for (const { dtype, zero, zeroY } of bytes)
          for (const [label, clamp] of [
            ['no clamp', noClamp],
            ['relu', { min: 0, max: Number.POSITIVE_INFINITY }],
            ['within the range', { min: -1, max: 1.5 }],
          ] as const) {
            const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
            const call: TestCall = {
              arithmetic: {
                kind,
                kernel: c.kernel,
                stride: c.stride,
                pad: c.pad ?? noPad,
                clamp,
                ...rounding,
              },
              inputs: [
                activation(dtype, c.x, integers(random(3), count(c.x), lo, hi), perTensor(0.05, zero)),
              ],
              output: { dtype, shape: shapeOf(c), quantization: perTensor(0.05, zeroY) },
            };
            if (kernelOf(set, call)) expectSame(set, call, `${kind} ${dtype} ${label}`, ['dense', 'strided']);
            else expect(rounding, `${kind} ${dtype} ${label}`).not.toEqual({});
          }
    });

    it('averages of every sum that rounds, and of the ends', () => {
      for (const { dtype, zero } of bytes)
        for (const cells of [2, 3, 4, 49, 64, 125, 128, 129, 257, 258]) {
          const lo = dtype === 'i8' ? -128 : 0;
          const next = random(cells);
          const channels = 512;
          const level = integers(next, channels, 0, 255);
          const values = Array.from({ length: cells * channels }, (_, i) => {
            const c = i % channels;
            if (c < 2) return lo + 255 * c;
            if (c < 258) return lo + (i < channels ? c - 2 : c % 7 === 0 ? 255 : 0);
            return lo + Math.min(255, Math.max(0, level[c]! + Math.floor(next() * 3) - 1));
          });
          const quantization = perTensor(1, zero);
          const call: TestCall = {
            arithmetic: {
              kind: 'averagePool2d',
              kernel: [1, cells],
              stride: [1, 1],
              pad: noPad,
              clamp: noClamp,
              ...rounding,
            },
            inputs: [activation(dtype, [1, 1, cells, channels], values, quantization)],
            output: { dtype, shape: [1, 1, 1, channels], quantization },
          };
          expectSame(set, call, `${dtype} ${cells} cells`, ['dense']);
        }
    });

    it('windows wholly outside are left to the next set', () => {
      const quantization = perTensor(1, 0);
      const call: TestCall = {
        arithmetic: {
          kind: 'maxPool2d',
          kernel: [1, 1],
          stride: [1, 1],
          pad: pad(1, 0, 0, 0),
          clamp: noClamp,
          ...rounding,
        },
        inputs: [activation('i8', [1, 1, 1, 1], [3], quantization)],
        output: { dtype: 'i8', shape: [1, 2, 1, 1], quantization },
      };
      expect(kernelOf(set, call)).toBeUndefined();
    });
  },
);
