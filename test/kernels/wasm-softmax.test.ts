/** softmax-i8-wasm, equal to reference to the bit; softmax-f32-wasm within its bound. */
import { describe, expect, it } from 'vitest';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { byReference, expectSame, kernelOf, layouts } from './compare.ts';
import { activation, integers, operandsOf, perTensor, random, runCall, type TestCall } from './run-call.ts';

const sets = [
  { label: 'wasm', set: wasmKernels() },
  { label: 'wasm without relaxed SIMD', set: wasmKernels({ relaxed: false }) },
];
const softmax = (beta = 1, log = false) => ({ kind: 'softmax', beta, log }) as const;

function floatCall(shape: Shape, values: readonly number[], beta = 1): TestCall {
  return {
    arithmetic: softmax(beta),
    inputs: [activation('f32', shape, values)],
    output: { dtype: 'f32', shape, quantization: null },
  };
}

function byteCall(
  dtype: 'i8' | 'u8',
  shape: Shape,
  values: readonly number[],
  scale: number,
  zero: number,
  beta = 1,
): TestCall {
  return {
    arithmetic: softmax(beta),
    inputs: [activation(dtype, shape, values, perTensor(scale, zero))],
    output: { dtype, shape, quantization: perTensor(1 / 256, dtype === 'i8' ? -128 : 0) },
  };
}

describe.each(sets)('softmax-f32 on $label', ({ set }) => {
  function expectNear(shape: Shape, values: readonly number[], beta = 1, tried = layouts): void {
    const call = floatCall(shape, values, beta);
    const expected = byReference(call) as Float32Array;
    const C = shape[shape.length - 1];
    for (const layout of tried) {
      const actual = runCall(set, call, layout) as Float32Array;
      for (let i = 0; i < expected.length; i++) {
        if (Object.is(actual[i], expected[i])) continue;
        const row = values.slice(i - (i % C), i - (i % C) + C);
        const distance = Math.abs(beta) * (Math.max(...row) - Math.min(...row));
        const bound = (2 * Math.min(distance, 110) + C / 4 + 8) * 2 ** -24 * expected[i] + 3 * 2 ** -149;
        if (!(Math.abs(actual[i] - expected[i]) <= bound))
          expect.fail(
            `[${shape}] ${layout}: element ${i} is ${actual[i]}, by reference ${expected[i]} ± ${bound}`,
          );
      }
    }
  }
  const random100 = (next: () => number, shape: Shape, size: number) =>
    Array.from({ length: elementCount(shape) }, () => Math.fround((next() - 0.5) * size));

  it('rows of 1 to 40 columns, 1 to 9 of them', () => {
    const next = random(1);
    for (let C = 1; C <= 40; C++)
      for (const rows of C < 10 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [1, 3])
        expectNear([rows, C], random100(next, [rows, C], 20), 1, ['dense']);
  });

  it.each([[1, 1001], [10], [2, 3, 4, 5], [2, 3, 4, 11], [1, 9, 5, 2], [3, 1, 4, 3, 6]])(
    'shape %j',
    (...shape) => {
      const next = random(2);
      for (const size of [1, 10, 300]) expectNear(shape, random100(next, shape, size));
    },
  );

  it('beta', () => {
    const next = random(3);
    for (const beta of [0.5, 2, 0.1]) {
      expectNear([4, 13], random100(next, [4, 13], 20), beta);
      expectNear([9, 3], random100(next, [9, 3], 20), beta);
    }
  });

  it('what is far below the maximum becomes subnormal, then 0', () => {
    const steps = Array.from({ length: 64 }, (_, i) => -2 * i);
    expectNear([1, 64], steps);
    expectNear([16, 4], steps);
  });

  it('rows with NaN and infinities', () => {
    const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
    const rows = [
      [1, nan, 2, 0, 5],
      [nan, 0, 0, 0, 0],
      [0, 0, 0, 0, nan],
      [-infinity, 1, 2, 3, -infinity],
      [infinity, 1, 2, 3, 4],
      [-infinity, -infinity, -infinity, -infinity, -infinity],
      [3e38, -3e38, 0, 3e38, 1],
    ];
    expectNear([7, 5], rows.flat());
    expectNear(
      [7, 10],
      rows.flatMap((row) => [...row, ...row]),
    );
  });

  it('names its kernels, leaves logarithms', () => {
    expect(kernelOf(set, floatCall([8, 2], new Array<number>(16).fill(0)))).toBe('softmax-f32-4x2-wasm');
    expect(kernelOf(set, floatCall([1, 12], new Array<number>(12).fill(0)))).toBe('softmax-f32-row-wasm');
    expect(set.offer(operandsOf({ ...floatCall([2], [0, 0]), arithmetic: softmax(1, true) }))).toBeNull();
  });
});

describe.each(sets)('softmax-i8 on $label', ({ set }) => {
  const values = (next: () => number, dtype: 'i8' | 'u8', shape: Shape) =>
    integers(next, elementCount(shape), dtype === 'i8' ? -128 : 0, dtype === 'i8' ? 127 : 255);

  it.each([[1, 1], [1, 2], [1, 10], [5, 12], [1, 255], [3, 1001], [2, 3, 4, 5], [2, 1, 3, 17], [7]])(
    'shape %j',
    (...shape) => {
      const next = random(4);
      for (const dtype of ['i8', 'u8'] as const)
        for (const scale of [0.003, 0.05, 0.1, 0.36, 1, 17])
          for (const zero of dtype === 'i8' ? [-128, 4, 127] : [0, 131, 255])
            expectSame(
              set,
              byteCall(dtype, shape, values(next, dtype, shape), scale, zero),
              `${dtype} ${scale}`,
              ['dense'],
            );
      expectSame(set, byteCall('i8', shape, values(next, 'i8', shape), 0.07, 3));
    },
  );

  it('every pair of bytes', () => {
    const all = Array.from({ length: 256 }, (_, i) => i - 128);
    const rows = all.flatMap((a) => all.flatMap((b) => [a, b]));
    for (const scale of [0.01, 0.08, 0.5])
      expectSame(set, byteCall('i8', [65536, 2], rows, scale, 0), `${scale}`, ['dense']);
  });

  it('rows of one value, of the ends, and long enough for the sum to wrap around', () => {
    for (const C of [1, 2, 3, 256, 257, 4096, 5000, 9000]) {
      expectSame(set, byteCall('i8', [1, C], new Array<number>(C).fill(-128), 0.1, 0), `${C}`, ['dense']);
      const ends = Array.from({ length: C }, (_, i) => (i % 3 === 0 ? 127 : -128));
      expectSame(set, byteCall('i8', [1, C], ends, 0.02, 0), `${C}`, ['dense']);
    }
  });

  it('beta', () => {
    const next = random(5);
    for (const beta of [0.1, 0.5, 2, 100])
      expectSame(set, byteCall('i8', [4, 21], values(next, 'i8', [4, 21]), 0.05, 3, beta));
  });

  it('leaves other outputs', () => {
    const call = byteCall('i8', [4], [1, 2, 3, 4], 0.1, 0);
    const output = { ...call.output, quantization: perTensor(1 / 128, 0) };
    expect(set.offer(operandsOf({ ...call, output }))).toBeNull();
    expect(kernelOf(set, call)).toBe('softmax-i8-wasm');
  });
});
