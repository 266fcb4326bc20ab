/** transposed-conv2d-f32-*-wasm within its bound of reference, with and without relaxed SIMD. */
import { describe, expect, it } from 'vitest';
import type { Clamp, Pair } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { expectWithin, kernelOf } from './compare.ts';
import { activation, constant, integers, random, type TestCall } from './run-call.ts';

const sets = [
  { label: 'relaxed', set: wasmKernels() },
  { label: 'plain', set: wasmKernels({ relaxed: false }) },
];

interface Case {
  readonly label: string;
  readonly x: Shape;
  readonly outC: number;
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly before?: Pair;
  /** By default as far as the taps reach. */
  readonly out?: Pair;
  readonly bias?: boolean;
}

const cases: readonly Case[] = [
  { label: '2×2, stride 2', x: [1, 3, 4, 5], outC: 6, kernel: [2, 2], stride: [2, 2] },
  { label: '3×3, stride 2', x: [1, 4, 3, 4], outC: 8, kernel: [3, 3], stride: [2, 2] },
  {
    label: '3×3, stride 2, padded alike',
    x: [1, 5, 6, 3],
    outC: 9,
    kernel: [3, 3],
    stride: [2, 2],
    out: [10, 12],
  },
  {
    label: '3×3, stride 2, padded in front',
    x: [1, 5, 6, 3],
    outC: 9,
    kernel: [3, 3],
    stride: [2, 2],
    before: [1, 1],
    out: [9, 11],
  },
  {
    label: '4×4, stride 2, padded by one',
    x: [2, 4, 4, 6],
    outC: 4,
    kernel: [4, 4],
    stride: [2, 2],
    before: [1, 1],
    out: [8, 8],
  },
  { label: 'stride 1', x: [1, 4, 5, 3], outC: 5, kernel: [3, 3], before: [1, 1], out: [4, 5] },
  { label: 'stride 1, nothing cut', x: [1, 4, 5, 3], outC: 5, kernel: [3, 2] },
  { label: 'strides unlike', x: [1, 3, 4, 2], outC: 3, kernel: [3, 4], stride: [3, 1] },
  {
    label: 'stride wider than kernel: outputs without a tap',
    x: [1, 3, 3, 4],
    outC: 5,
    kernel: [2, 2],
    stride: [3, 4],
  },
  { label: '1×1, stride 2', x: [1, 3, 3, 4], outC: 5, kernel: [1, 1], stride: [2, 2], out: [6, 6] },
  { label: 'one output', x: [1, 3, 3, 2], outC: 1, kernel: [3, 3], stride: [2, 2], out: [1, 1] },
  { label: 'output beyond the taps', x: [1, 2, 2, 3], outC: 4, kernel: [2, 2], stride: [2, 2], out: [7, 6] },
  {
    label: 'padding wider than kernel',
    x: [1, 5, 5, 2],
    outC: 3,
    kernel: [2, 2],
    stride: [2, 2],
    before: [3, 5],
    out: [5, 3],
  },
  { label: '1×5', x: [1, 1, 7, 3], outC: 2, kernel: [1, 5], stride: [1, 2] },
  { label: 'without bias', x: [1, 3, 3, 3], outC: 4, kernel: [3, 3], stride: [2, 2], bias: false },
];

describe.each(sets)('transposed-conv2d-f32 on wasm, $label', ({ set }) => {
  const check = (c: Case, clamp: Clamp = noClamp, seed = 1): void => {
    const terms = c.kernel[0] * c.kernel[1] * c.x[3] + 2;
    expectWithin(set, callOf(c, clamp, seed), terms, JSON.stringify(c));
  };

  it.each(cases)('$label', (c) => check(c));

  it.each([1, 2, 3, 4, 5, 7, 8, 12, 17])('%i output channels', (outC) => {
    for (const width of [1, 2, 5, 8])
      check({ label: '', x: [1, 2, width, 3], outC, kernel: [3, 3], stride: [2, 2] }, { min: 0, max: 6 });
  });

  it('60 random shapes', () => {
    const next = random(2028);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 60; i++)
      check(
        {
          label: '',
          x: [between(1, 2), between(1, 6), between(1, 6), between(1, 9)],
          outC: between(1, 13),
          kernel: [between(1, 5), between(1, 5)],
          stride: [between(1, 4), between(1, 4)],
          before: [between(0, 3), between(0, 3)],
          out: [between(1, 15), between(1, 15)],
        },
        noClamp,
        i,
      );
  });

  it('with an addition behind it', () => {
    const call = callOf(cases[1], { min: 0, max: 6 }, 1);
    const { shape } = call.output;
    const x = { dtype: 'f32', shape, quantization: null, data: null } as const;
    const arithmetic = { kind: 'binary', fn: 'add', clamp: noClamp } as const;
    const others = Array.from({ length: elementCount(shape) }, (_, i) => i / 8 - 10);
    expectWithin(
      set,
      {
        ...call,
        inputs: [...call.inputs, activation('f32', shape, others)],
        following: [{ arithmetic, x, position: 0, others: 1, output: x }],
      },
      40,
    );
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = callOf(cases[0], noClamp, 1);
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
  });
});

function callOf(c: Case, clamp: Clamp, seed: number): TestCall {
  const { x, outC, kernel, stride = [1, 1], before = [0, 0] } = c;
  const next = random(seed);
  const floats = (n: number) => Array.from({ length: n }, () => Math.fround((next() * 2 - 1) * 4 ** next()));
  const reach = (axis: 0 | 1) => stride[axis] * (x[1 + axis] - 1) + kernel[axis] - before[axis];
  const [outH, outW] = c.out ?? [reach(0), reach(1)];
  const w = [outC, ...kernel, x[3]];
  const inputs = [activation('f32', x, floats(elementCount(x))), constant('f32', w, floats(elementCount(w)))];
  if (c.bias !== false) inputs.push(constant('f32', [outC], floats(outC)));
  const pad = { top: before[0], left: before[1], bottom: 0, right: 0 };
  return {
    arithmetic: { kind: 'transposedConv2d', stride, pad, clamp },
    inputs,
    output: { dtype: 'f32', shape: [x[0], outH, outW, outC], quantization: null },
  };
}
