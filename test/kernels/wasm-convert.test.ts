/** quantize-f32, dequantize-i8 and requantize-i8 of the wasm set, equal to reference in every encoding. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import type { Shape } from '../../src/tensor.ts';
import { expectSame, kernelOf } from './compare.ts';
import {
  activation,
  integers,
  operandsOf,
  perChannel,
  perTensor,
  random,
  type TestCall,
} from './run-call.ts';

const sets = [
  { label: 'wasm', set: wasmKernels() },
  { label: 'wasm without relaxed SIMD', set: wasmKernels({ relaxed: false }) },
];
const roundings = ['away', 'even'] as const;
const convert = (rounding: 'away' | 'even'): Arithmetic => ({ kind: 'convert', rounding });
const allOf = (dtype: 'i8' | 'u8') => Array.from({ length: 256 }, (_, i) => i - (dtype === 'i8' ? 128 : 0));

const forms = (['i8', 'u8'] as const).flatMap((dtype) =>
  (dtype === 'i8' ? [-128, -9, 127] : [0, 77, 255]).map((zero) => ({ dtype, zero })),
);

describe.each(sets)('quantize-f32 on $label', ({ set }) => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const odd = [nan, infinity, -infinity, 0, -0, 0.5, -0.5, 1, -1, 2.5, -2.5, 6, 1e-30, -1e30, 3e38, 1e-45];
  const next = random(14);
  const ties = Array.from({ length: 1200 }, (_, i) => (i - 600) / 2);
  const near = ties.map((t) => Math.fround(t + (next() - 0.5) * 1e-5));
  const beside = ties
    .flatMap((t) => [t + 2 ** -24, t - 2 ** -24, t * (1 + 2 ** -23), t * (1 - 2 ** -23)])
    .map(Math.fround);
  const wide = Array.from({ length: 1200 }, () => Math.fround((next() - 0.5) * 4 ** (next() * 30 - 10)));
  const below = [
    0.5 - 2 ** -25,
    -(0.5 - 2 ** -25),
    0.5 + 2 ** -24,
    8388607.5,
    -8388607.5,
    32767.5,
    32768,
    2 ** 31,
    -(2 ** 31),
  ];

  it.each(forms.flatMap((form) => roundings.map((rounding) => ({ ...form, rounding }))))(
    'to $dtype, zero point $zero, halves $rounding',
    ({ dtype, zero, rounding }) => {
      for (const scale of [1, 0.1, 1 / 3, 0.0078125, 300])
        for (const list of [odd, below, ties, near, beside, wide]) {
          const values = list === odd ? list : list.map((t) => Math.fround(t * Math.fround(scale)));
          expectSame(
            set,
            {
              arithmetic: convert(rounding),
              inputs: [activation('f32', [list.length], values)],
              output: { dtype, shape: [list.length], quantization: perTensor(scale, zero) },
            },
            `${scale}`,
            ['dense'],
          );
        }
    },
  );

  it('every length and layout', () => {
    for (let length = 1; length <= 40; length++)
      for (const shape of [[length], [1, 2, 2, length]])
        expectSame(set, {
          arithmetic: convert('away'),
          inputs: [activation('f32', shape, wide.slice(0, shape.length === 1 ? length : 4 * length))],
          output: { dtype: 'i8', shape, quantization: perTensor(0.5, 3) },
        });
  });
});

describe.each(sets)('dequantize-i8 on $label', ({ set }) => {
  it.each(forms)('$dtype, zero point $zero', ({ dtype, zero }) => {
    for (const shape of [[256], [1, 16, 4, 4], [2, 8, 16, 1]])
      for (const scale of [1, 0.1, 1 / 3, 1e-20, 1e30])
        expectSame(set, {
          arithmetic: convert('away'),
          inputs: [activation(dtype, shape, allOf(dtype), perTensor(scale, zero))],
          output: { dtype: 'f32', shape, quantization: null },
        });
  });

  it('every length', () => {
    for (let length = 1; length <= 40; length++)
      expectSame(set, {
        arithmetic: convert('even'),
        inputs: [
          activation('i8', [1, 1, 2, length], integers(random(3), 2 * length, -128, 127), perTensor(0.1, 4)),
        ],
        output: { dtype: 'f32', shape: [1, 1, 2, length], quantization: null },
      });
  });
});

describe.each(sets)('requantize-i8 on $label', ({ set }) => {
  const call = (
    from: (typeof forms)[number],
    to: (typeof forms)[number],
    sx: number,
    sy: number,
    shape: Shape,
    rounding: 'away' | 'even' = 'away',
  ): TestCall => ({
    arithmetic: convert(rounding),
    inputs: [activation(from.dtype, shape, allOf(from.dtype), perTensor(sx, from.zero))],
    output: { dtype: to.dtype, shape, quantization: perTensor(sy, to.zero) },
  });

  it.each(forms.flatMap((from) => forms.map((to) => ({ from, to }))))(
    '$from.dtype $from.zero → $to.dtype $to.zero',
    ({ from, to }) => {
      for (const [sx, sy, rounding] of [
        [0.05, 0.05, 'away'],
        [0.031, 1 / 256, 'even'],
        [0.1, 0.7, 'away'],
        [0.5, 1, 'even'],
      ] as const)
        expectSame(set, call(from, to, sx, sy, [256], rounding), `${sx} → ${sy}, ${rounding}`, ['dense']);
      expectSame(set, call(from, to, 0.1, 0.17, [1, 16, 4, 4]), '', ['strided', 'overwriting']);
    },
  );

  it('every length', () => {
    for (let length = 1; length <= 40; length++)
      for (const [sy, zy] of [
        [0.1, 4],
        [0.2, 5],
      ])
        expectSame(
          set,
          {
            arithmetic: convert('away'),
            inputs: [
              activation('i8', [2, length], integers(random(3), 2 * length, -128, 127), perTensor(0.1, 4)),
            ],
            output: { dtype: 'i8', shape: [2, length], quantization: perTensor(sy, zy) },
          },
          `${length}`,
          ['dense'],
        );
  });

  it('every layout', () => {
    for (const shape of [[1, 16, 4, 4], [2, 8, 16, 1], [256]])
      for (const scale of [0.1, 0.17]) expectSame(set, call(forms[1], forms[5], 0.1, scale, shape));
  });

  it('moves where only the zero point differs', () => {
    const [i8, u8] = [
      { dtype: 'i8', zero: -9 },
      { dtype: 'u8', zero: 119 },
    ] as const;
    expect(kernelOf(set, call(i8, u8, 0.1, 0.1, [256]))).toBe('requantize-i8-16-wasm');
    expect(kernelOf(set, call(i8, { ...u8, zero: 118 }, 0.1, 0.1, [256]))).toBe('requantize-i8-1-wasm');
  });

  it('leaves scales for each channel, and floats to floats', () => {
    const x = activation('i8', [2, 2], [1, 2, 3, 4], perChannel([1, 2], 1));
    const y = { dtype: 'f32', shape: [2, 2], quantization: null } as const;
    expect(set.offer(operandsOf({ arithmetic: convert('away'), inputs: [x], output: y }))).toBeNull();
    const real = activation('f32', [2, 2], [1, 2, 3, 4]);
    expect(set.offer(operandsOf({ arithmetic: convert('away'), inputs: [real], output: y }))).toBeNull();
  });
});
