/** mean-i8, sum-i8, max-i8 and min-i8 on wasm equal to reference. */
import { describe, expect, it } from 'vitest';
import type { ReduceFn } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { count, expectSame, kernelOf } from './compare.ts';
import { activation, integers, perTensor, random, type TestCall } from './run-call.ts';

const sets = [
  { set: wasmKernels(), label: 'at its best' },
  { set: wasmKernels({ relaxed: false }), label: 'without relaxed SIMD' },
];
const cases = [
  { shape: [2, 3, 4, 5], axes: [1, 2] },
  { shape: [1, 7, 7, 40], axes: [1, 2] },
  { shape: [1, 25, 5, 64], axes: [1, 2] },
  { shape: [1, 20, 20, 17], axes: [1, 2] },
  { shape: [2, 3, 4, 5], axes: [1] },
  { shape: [2, 3, 4, 18], axes: [0, 1, 2] },
  { shape: [2, 3, 4, 5], axes: [2] },
  { shape: [3, 1, 4, 33], axes: [1, 2] },
  { shape: [2, 3, 1, 5], axes: [2] },
  { shape: [6, 7], axes: [0] },
  { shape: [2, 3, 4], axes: [1] },
  { shape: [2, 2, 3, 2, 4], axes: [1, 2] },
] as const;

describe.each(sets)('int8 reductions on wasm $label', ({ set }) => {
  const call = (
    dtype: 'i8' | 'u8',
    fn: ReduceFn,
    shape: readonly number[],
    axes: readonly number[],
    scales: readonly [number, number],
    zeros: readonly [number, number],
    kept = true,
  ): TestCall => {
    const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
    const next = random(5);
    const bias = integers(next, 64, lo, hi);
    const noise = integers(next, count(shape), -60, 60);
    const values = noise.map((v, i) => Math.min(hi, Math.max(lo, bias[i % 64]! + v)));
    const y = shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    return {
      arithmetic: { kind: 'reduce', fn, axes },
      inputs: [activation(dtype, shape, values, perTensor(scales[0], zeros[0]))],
      output: {
        dtype,
        shape: kept ? y : y.filter((_, axis) => !axes.includes(axis)),
        quantization: perTensor(scales[1], zeros[1]),
      },
    };
  };

  it.each(cases)('$shape over $axes', ({ shape, axes }) => {
    for (const dtype of ['i8', 'u8'] as const) {
      const [zx, zy] = dtype === 'i8' ? [-5, 11] : [121, 100];
      for (const fn of ['mean', 'sum', 'max', 'min'] as const)
        for (const kept of [true, false]) {
          const plain = fn === 'max' || fn === 'min';
          const scales = [0.05, plain ? 0.05 : fn === 'sum' ? 0.9 : 0.043] as const;
          expectSame(
            set,
            call(dtype, fn, shape, axes, scales, plain ? [zx, zx] : [zx, zy], kept),
            `${dtype} ${fn}`,
          );
        }
    }
  });

  it.each([
    [0.05, 0.05],
    [0.031, 0.007],
    [0.01, 0.5],
    [1, 1 / 128],
  ])('scales %f to %f', (sx, sy) => {
    for (const zeros of [
      [0, 0],
      [-128, 127],
      [127, -128],
      [-128, -128],
    ] as const)
      for (const shape of [
        [1, 7, 7, 64],
        [1, 8, 8, 64],
        [1, 25, 5, 64],
      ])
        expectSame(set, call('i8', 'mean', shape, [1, 2], [sx, sy], zeros), `${zeros}`, ['dense']);
  });

  it('leaves the innermost axis to the next set', () => {
    expect(kernelOf(set, call('i8', 'mean', [2, 3], [1], [1, 1], [0, 0]))).toBeUndefined();
  });
});
