/** resize-nearest-wasm equal to reference, resize-bilinear-f32-wasm within its bound. */
import { describe, expect, it } from 'vitest';
import type { Pair } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { count, expectSame, expectWithin, kernelOf } from './compare.ts';
import { activation, random, type TestCall } from './run-call.ts';

const cases = [
  { label: 'twice as large', x: [1, 3, 4, 8], size: [6, 8] },
  { label: 'three times, channels left over', x: [2, 2, 3, 7], size: [6, 9] },
  { label: 'half', x: [1, 8, 6, 5], size: [4, 3] },
  { label: 'uneven', x: [1, 5, 7, 13], size: [8, 4] },
  { label: 'from one pixel', x: [1, 1, 1, 9], size: [3, 5] },
  { label: 'to one pixel', x: [2, 5, 4, 16], size: [1, 1] },
  { label: 'the same size', x: [1, 3, 3, 21], size: [3, 3] },
  { label: 'one channel', x: [1, 4, 4, 1], size: [7, 9] },
  { label: 'a row', x: [1, 1, 9, 3], size: [1, 4] },
] satisfies { label: string; x: number[]; size: Pair }[];

const samplings = [
  { alignCorners: false, halfPixelCenters: false },
  { alignCorners: true, halfPixelCenters: false },
  { alignCorners: false, halfPixelCenters: true },
];

describe.each([
  { label: 'relaxed', set: wasmKernels() },
  { label: 'plain', set: wasmKernels({ relaxed: false }) },
])('resize, $label', ({ set }) => {
  const callOf = (
    x: readonly number[],
    size: Pair,
    mode: 'nearest' | 'bilinear',
    sampling: number,
  ): TestCall => {
    const next = random(x[3]);
    const values = Array.from({ length: count(x) }, () => Math.fround(next() * 4 - 2));
    return {
      arithmetic: { kind: 'resize', mode, size, ...samplings[sampling] },
      inputs: [activation('f32', x, values)],
      output: { dtype: 'f32', shape: [x[0], ...size, x[3]], quantization: null },
    };
  };

  it.each(cases)('$label', ({ x, size }) => {
    for (let sampling = 0; sampling < samplings.length; sampling++) {
      const nearest = callOf(x, size, 'nearest', sampling);
      expect(kernelOf(set, nearest)).toBe('resize-nearest-wasm');
      expectSame(set, nearest);
      const bilinear = callOf(x, size, 'bilinear', sampling);
      expect(kernelOf(set, bilinear)).toBe('resize-bilinear-f32-wasm');
      expectWithin(set, bilinear, 10);
    }
  });

  it('1 to 20 channels', () => {
    for (let c = 1; c <= 20; c++) {
      expectSame(set, callOf([1, 2, 3, c], [3, 2], 'nearest', 0));
      expectWithin(set, callOf([1, 2, 3, c], [3, 2], 'bilinear', 0), 10);
    }
  });

  it('integers of four bytes', () => {
    const call = callOf([2, 3, 4, 5], [5, 7], 'nearest', 0);
    const values = Array.from({ length: 120 }, (_, i) => i * 0x1234567);
    const inputs = [activation('i32', [2, 3, 4, 5], values)];
    expectSame(set, { ...call, inputs, output: { ...call.output, dtype: 'i32' } });
  });
});
