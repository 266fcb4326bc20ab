/** fakeQuantize equal to reference to the bit, without −0, whatever the layout. */
import { describe, expect, it } from 'vitest';
import { wasm, wasmKernels } from '../../src/kernels/wasm/index.ts';
import { count, expectSame, kernelOf } from './compare.ts';
import { activation, constant, operandsOf, random, runCall, type TestCall } from './run-call.ts';

function callOf(
  shape: readonly number[],
  x: readonly number[],
  batchDims: number,
  symmetric: boolean,
): TestCall {
  return {
    arithmetic: { kind: 'fakeQuantize', batchDims, symmetric },
    inputs: [activation('f32', shape, x)],
    output: { dtype: 'f32', shape, quantization: null },
  };
}

const ranges: readonly (readonly [low: number, high: number])[] = [
  [-1, 1],
  [0, 6],
  [-5, -2],
  [-1e-20, 3e-21],
  [-1e30, 1e30],
  [-1e-38, 1e-37],
];

function numbers(next: () => number, length: number, [low, high]: readonly [number, number]): number[] {
  return Array.from({ length }, () => (next() < 0.2 ? 0 : low + next() * (high - low)));
}

const f = Math.fround;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const largest = 2 ** 128 - 2 ** 104;

describe.each([
  { target: 'as the machine has it', set: wasm },
  { target: 'without relaxed SIMD', set: wasmKernels({ relaxed: false }) },
])('fake quantisation, $target', ({ set }) => {
  const check = (shape: readonly number[], x: readonly number[], batchDims: number, where = ''): void => {
    for (const symmetric of [true, false]) {
      const call = callOf(shape, x, batchDims, symmetric);
      const label = `${where} ${batchDims} of [${shape}], ${symmetric ? 'symmetric' : 'asymmetric'}`;
      expectSame(set, call, label, ['dense', 'strided', 'overwriting']);
      const result = runCall(set, call);
      for (let i = 0; i < result.length; i++)
        if (Object.is(result[i], -0)) expect.fail(`${label}: element ${i} is −0`);
    }
  };

  it('is offered', () => {
    expect(kernelOf(set, callOf([2, 3], numbers(random(1), 6, [0, 1]), 1, true))).toBe(
      'fake-quantize-f32-4-wasm',
    );
  });

  it.each([
    { label: 'a scalar', shape: [] },
    { label: 'one element', shape: [1] },
    { label: 'rank 2', shape: [7, 3] },
    { label: 'rank 3', shape: [2, 3, 4] },
    { label: 'one channel', shape: [1, 4, 5, 1] },
    { label: 'channels in whole vectors', shape: [2, 3, 5, 4] },
    { label: 'channels left over', shape: [3, 2, 2, 9] },
    { label: 'one row', shape: [1, 1, 6, 7] },
    { label: 'many channels', shape: [2, 3, 2, 37] },
    { label: 'rank 5', shape: [2, 1, 3, 2, 5] },
  ])('$label, whatever the batch axes', ({ shape }) => {
    const next = random(shape.length * 31 + (shape[0] ?? 0));
    for (let batchDims = 0; batchDims <= shape.length; batchDims++)
      for (const range of ranges) check(shape, numbers(next, count(shape), range), batchDims, `${range}`);
  });

  it('slices of 1 to 70 elements', () => {
    const next = random(5);
    for (let length = 1; length <= 70; length++)
      check([3, length], numbers(next, 3 * length, [-3, length % 2 ? 2 : 4]), 1);
  });

  it('the end of a slice in every lane', () => {
    for (let length = 1; length <= 36; length++)
      for (const end of [5, -5])
        check(
          [length, length],
          Array.from({ length: length * length }, (_, i) => (i % (length + 1) === 0 ? end : (i % 7) / 8)),
          1,
        );
  });

  it('every half of every level, and the f32 beside it on either side', () => {
    const x: number[] = [];
    for (let level = 0; level < 127; level++) {
      const half = level + 0.5;
      const step = 2 ** (Math.floor(Math.log2(half)) - 23);
      for (const sign of [1, -1]) x.push(sign * half, sign * (half + step), sign * f(half - step / 2));
    }
    check([x.length + 1], [...x, 127], 0);
    for (const shift of [0, 0.25, 1, 63.5, 64, 127]) {
      const moved = x.map((v) => v + shift); // 255 levels from −127 + shift to 128 + shift
      check([x.length + 2], [...moved, -127 + shift, 128 + shift], 0, `from ${shift - 127}`);
    }
  });

  it('zero points between two levels', () => {
    const x = Array.from({ length: 511 }, (_, i) => [-i / 2, 255 - i / 2, 3.4]);
    check([511, 3], x.flat(), 1);
  });

  it('numbers of every size', () => {
    const next = random(7);
    const x = Array.from({ length: 4096 }, () => (next() - 0.5) * 2 ** (next() * 40 - 20));
    check([4096], x, 0);
    check([64, 64], x, 1);
  });

  it('every scale: ends of any size, subnormal ones too', () => {
    const next = random(8);
    const x: number[] = [];
    for (let exponent = -149; exponent < 128; exponent++)
      for (let i = 0; i < 4; i++)
        x.push(...[1, -1, 0.3].map((s) => f(s * (1 + next()) * 2 ** exponent * next())));
    check([x.length / 3, 3], x, 1);
    check([x.length / 12, 12], x, 1);
  });

  it('what is not finite takes its slice, zeros and what is too small become 0', () => {
    const next = random(9);
    const x = numbers(next, 191, [-2, 1]);
    for (const special of [nan, -nan, inf, -inf, -0, 2 ** -149, largest, -largest])
      for (const at of [64, 69, 100, 127])
        check([3, 64], [...x.slice(0, at), special, ...x.slice(at)], 1, `${special} at ${at}`);
    check([4], [0, -0, 0, -0], 0);
    check([2, 3], [2 ** -122, -(2 ** -149), 0, 1, 2, 3], 1);
    check([3], [largest, -largest, 0], 0);
    check([2], [inf, -inf], 0);
  });

  it('a NaN with its sign bit set', () => {
    const bits = Uint32Array.of(0x3f800000, 0xffc00000, 0xc0000000, 0, 0x40000000);
    for (const symmetric of [true, false]) {
      const call = callOf([5], [0, 0, 0, 0, 0], 0, symmetric);
      const input = { ...call.inputs[0], data: new Float32Array(bits.buffer) };
      expectSame(set, { ...call, inputs: [input] });
    }
  });

  it('random shapes', () => {
    const next = random(11);
    for (let i = 0; i < 40; i++) {
      const shape = [3, 5, 6, 21].map((most) => 1 + Math.floor(next() * most));
      check(shape, numbers(next, count(shape), ranges[i % 3]), Math.floor(next() * 4));
    }
  });

  it('is not offered for integers, constants, or with an operator behind it', () => {
    const { arithmetic, inputs, output } = callOf([2], [1, 2], 0, true);
    const offer = (call: Partial<TestCall>) => set.offer(operandsOf({ arithmetic, inputs, output, ...call }));
    expect(offer({})).not.toBeNull();
    expect(
      offer({ inputs: [activation('i32', [2], [1, 2])], output: { ...output, dtype: 'i32' } }),
    ).toBeNull();
    expect(offer({ inputs: [constant('f32', [2], [1, 2])] })).toBeNull();
    const clamp = { kind: 'clamp', clamp: { min: 0, max: 6 } } as const;
    const x = { ...output, data: null };
    expect(offer({ following: [{ arithmetic: clamp, x, position: 0, others: 0, output: x }] })).toBeNull();
  });
});
