/** max and min of floats equal to reference, sums and means within the bound of a sum. */
import { describe, expect, it } from 'vitest';
import type { ReduceFn } from '../../src/kernels/call.ts';
import { wasm } from '../../src/kernels/wasm/index.ts';
import { count, expectSame, expectWithin, kernelOf } from './compare.ts';
import { activation, integers, random, type TestCall } from './run-call.ts';

function callOf(shape: readonly number[], axes: readonly number[], fn: ReduceFn, drop = false): TestCall {
  const next = random(shape.length + axes.length);
  const kept = shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  return {
    arithmetic: { kind: 'reduce', fn, axes },
    inputs: [
      activation(
        'f32',
        shape,
        Array.from({ length: count(shape) }, () => Math.fround(next() * 4 - 2)),
      ),
    ],
    output: {
      dtype: 'f32',
      shape: drop ? kept.filter((_, axis) => !axes.includes(axis)) : kept,
      quantization: null,
    },
  };
}

function check(shape: readonly number[], axes: readonly number[]): void {
  const where = `${shape} over ${axes}`;
  for (const fn of ['max', 'min', 'sum', 'mean'] as const)
    for (const drop of [false, true]) {
      const call = callOf(shape, axes, fn, drop);
      expect(kernelOf(wasm, call), where).toBe(`${fn}-f32-wasm`);
      if (fn === 'max' || fn === 'min') expectSame(wasm, call, where);
      else expectWithin(wasm, call, count(shape) + 2, where);
    }
}

describe('reductions of floats', () => {
  it.each([
    { label: 'the picture', shape: [1, 7, 7, 12], axes: [1, 2] },
    { label: 'the picture, two of them, channels left over', shape: [2, 3, 5, 39], axes: [1, 2] },
    { label: 'a picture of one row', shape: [2, 1, 5, 6], axes: [1, 2] },
    { label: 'a picture of one pixel', shape: [2, 1, 1, 6], axes: [1, 2] },
    { label: 'a picture of one channel', shape: [2, 4, 4, 1], axes: [1, 2] },
    { label: 'rows', shape: [2, 5, 3, 6], axes: [1] },
    { label: 'columns', shape: [2, 5, 3, 6], axes: [2] },
    { label: 'pictures', shape: [3, 2, 2, 5], axes: [0] },
    { label: 'all but the channels', shape: [3, 2, 2, 5], axes: [0, 1, 2] },
    { label: 'everything', shape: [2, 3, 3, 5], axes: [0, 1, 2, 3] },
    { label: 'rank 1', shape: [77], axes: [0] },
    { label: 'rank 3, the middle', shape: [3, 8, 9], axes: [1] },
    { label: 'nothing', shape: [3, 8], axes: [] },
  ])('$label', ({ shape, axes }) => check(shape, axes));

  it('1 to 40 elements of the innermost axis', () => {
    for (let length = 1; length <= 40; length++) check([3, length], [1]);
  });

  it('what is not finite', () => {
    for (const axes of [[1, 2], [3]])
      for (const fn of ['max', 'min', 'sum', 'mean'] as const) {
        const call = callOf([1, 4, 5, 13], axes, fn);
        for (const i of integers(random(3), 12, 0, 259))
          call.inputs[0].data[i] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][i % 3];
        if (fn === 'max' || fn === 'min') expectSame(wasm, call);
        else expectWithin(wasm, call, 30);
      }
  });

  it.each([
    { label: 'axes apart', shape: [2, 3, 4, 5], axes: [1, 3], fn: 'sum' },
    { label: 'products', shape: [2, 3], axes: [1], fn: 'prod' },
  ] as const)('leaves $label to the next set', ({ shape, axes, fn }) => {
    expect(kernelOf(wasm, callOf(shape, axes, fn))).toBeUndefined();
  });
});
