/** Element by element: binary-*, table-i8, map-f32, quantize and dequantize of the js set, equal to reference. */
import { describe, expect, it } from 'vitest';
import { broadcastShapes } from '../../src/graph/shapes.ts';
import type { Arithmetic, BinaryFn, Clamp, KernelSet, UnaryFn } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { Shape } from '../../src/tensor.ts';
import { count, expectSame, kernelOf } from './compare.ts';
import { activation, constant, type Input, integers, perTensor, random, type TestCall } from './run-call.ts';

const binaryFns: readonly BinaryFn[] = ['add', 'sub', 'mul', 'div', 'min', 'max', 'pow'];
const unaryFns: readonly UnaryFn[] = [
  'abs',
  'neg',
  'exp',
  'log',
  'sqrt',
  'rsqrt',
  'square',
  'floor',
  'logistic',
  'tanh',
  'hardSwish',
  'elu',
  'leakyRelu',
];

/** js, and where it declines, what a plan would take: such a call is compared with itself. */
const orReference = (set: KernelSet): KernelSet => ({
  name: set.name,
  offer: (call) => set.offer(call) ?? reference.offer(call),
});

const pairs: readonly { readonly label: string; readonly a: Shape; readonly b: Shape }[] = [
  { label: 'alike, rank 4', a: [2, 3, 4, 5], b: [2, 3, 4, 5] },
  { label: 'alike, rank 2', a: [3, 7], b: [3, 7] },
  { label: 'alike, rank 5', a: [2, 1, 3, 2, 2], b: [2, 1, 3, 2, 2] },
  { label: 'scalars', a: [], b: [] },
  { label: 'a channel vector on the right', a: [1, 3, 4, 5], b: [5] },
  { label: 'a channel vector on the left', a: [1, 1, 1, 5], b: [2, 3, 4, 5] },
  { label: 'one number on the right', a: [2, 3, 4, 5], b: [1] },
  { label: 'one number on the left', a: [], b: [2, 3, 4] },
  { label: 'a picture against channels', a: [2, 3, 4, 1], b: [1, 1, 1, 6] },
  { label: 'a gate for each picture and channel', a: [2, 3, 4, 5], b: [2, 1, 1, 5] },
  { label: 'a row against a column', a: [4, 1], b: [1, 5] },
  { label: 'repeats in the middle', a: [2, 1, 4, 1], b: [2, 3, 4, 5] },
  { label: 'repeats at both ends', a: [1, 3, 4, 1], b: [2, 3, 4, 5] },
  { label: 'both repeat, axes in turn', a: [2, 1, 4, 1], b: [1, 3, 1, 5] },
  { label: 'rank 6, axes in turn', a: [2, 1, 2, 1, 2, 1], b: [1, 3, 1, 2, 1, 2] },
  { label: 'rank 5, repeats in the middle', a: [2, 3, 1, 2, 2], b: [2, 3, 4, 2, 2] },
];

describe.each([
  { set: js, label: 'TFLite', rounding: {} },
  { set: js, label: 'ONNX', rounding: { rounding: 'even' } },
] as const)('binary on $set.name, rounded as in $label', ({ set, rounding }) => {
  const binary = (fn: BinaryFn, clamp: Clamp): Arithmetic => ({ kind: 'binary', fn, clamp, ...rounding });
  const both = orReference(set);
  describe.each(pairs)('$label', ({ a, b }) => {
    const shape = broadcastShapes(a, b)!;
    const roles = [
      { label: 'two activations', make: [activation, activation] },
      { label: 'a constant on the right', make: [activation, constant] },
      { label: 'a constant on the left', make: [constant, activation] },
    ] as const;

    it.each(roles)('f32, $label', ({ make }) => {
      const next = random(11);
      const floats = (s: Shape) => Array.from({ length: count(s) }, () => Math.fround(next() * 8 - 4));
      for (const fn of binaryFns)
        for (const clamp of [noClamp, { min: 0, max: Number.POSITIVE_INFINITY }, { min: -1, max: 2 }])
          expectSame(
            both,
            {
              arithmetic: binary(fn, clamp),
              inputs: [make[0]('f32', a, floats(a)), make[1]('f32', b, floats(b))],
              output: { dtype: 'f32', shape, quantization: null },
            },
            fn,
          );
    });

    it.each(roles)('i8 and u8, $label', ({ make }) => {
      for (const dtype of ['i8', 'u8'] as const) {
        const next = random(12);
        const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
        const [za, zb, zy] = dtype === 'i8' ? [-5, 17, 3] : [120, 140, 131];
        const bytes = (s: Shape) => integers(next, count(s), lo, hi);
        for (const fn of binaryFns)
          expectSame(
            both,
            {
              arithmetic: binary(fn, { min: -2, max: 2.5 }),
              inputs: [
                make[0](dtype, a, bytes(a), perTensor(0.03, za)),
                make[1](dtype, b, bytes(b), perTensor(0.011, zb)),
              ],
              output: { dtype, shape, quantization: perTensor(0.037, zy) },
            },
            `${dtype} ${fn}`,
          );
      }
    });
  });

  it.each([
    { label: 'scales alike', a: 0.05, b: 0.05, y: 0.05 },
    { label: 'scales alike, a wider output', a: 0.05, b: 0.05, y: 0.1 },
    { label: 'scales unlike', a: 0.043, b: 0.0017, y: 0.029 },
    { label: 'one far smaller', a: 1, b: 1e-5, y: 0.7 },
    { label: 'a finer output', a: 0.05, b: 0.04, y: 0.0003 },
    { label: 'a much finer output', a: 1, b: 1, y: 1e-7 },
    { label: 'a coarser output', a: 0.01, b: 0.02, y: 3 },
    { label: 'a far coarser output', a: 0.0001, b: 0.0002, y: 30 },
  ])('every pair of bytes: $label', ({ a, b, y }) => {
    const all = Array.from({ length: 256 }, (_, i) => i - 128);
    for (const fn of ['add', 'sub', 'mul'] as const)
      for (const [za, zb, zy] of [
        [0, 0, 0],
        [-128, 127, -17],
      ])
        for (const clamp of [noClamp, { min: -11 * y, max: 40 * y }])
          expectSameOnce(set, {
            arithmetic: binary(fn, clamp),
            inputs: [
              activation('i8', [256, 1], all, perTensor(a, za)),
              activation('i8', [1, 256], all, perTensor(b, zb)),
            ],
            output: { dtype: 'i8', shape: [256, 256], quantization: perTensor(y, zy) },
          });
  });

  it('has kernels of its own for sums and products', () => {
    const call = (fn: BinaryFn, dtype: 'f32' | 'i8'): TestCall => {
      const quantization = dtype === 'i8' ? perTensor(0.1, 0) : null;
      const x = activation(dtype, [1, 2, 2, 3], new Array(12).fill(1), quantization);
      return {
        arithmetic: binary(fn, noClamp),
        inputs: [x, x],
        output: { dtype, shape: [1, 2, 2, 3], quantization },
      };
    };
    for (const fn of ['add', 'sub', 'mul'] as const)
      for (const dtype of ['f32', 'i8'] as const) expect(kernelOf(set, call(fn, dtype))).toMatch(/-js$/);
  });

  it('f32 of infinities, NaN and zeros', () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, -3.5, 3e38];
    for (const fn of ['add', 'sub', 'mul'] as const)
      expectSameOnce(set, {
        arithmetic: binary(fn, noClamp),
        inputs: [activation('f32', [8, 1], odd), activation('f32', [1, 8], odd)],
        output: { dtype: 'f32', shape: [8, 8], quantization: null },
      });
  });

  it('200 random broadcasts', () => {
    const next = random(13);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 200; i++) {
      const full = Array.from({ length: between(1, 6) }, () => between(1, 4));
      const drop = (s: readonly number[]) => s.map((e) => (between(0, 2) === 0 ? 1 : e)).slice(between(0, 1));
      const [a, b] = [drop(full), drop(full)];
      const shape = broadcastShapes(a, b)!;
      const fn = binaryFns[between(0, 5)];
      const quantized = (s: Shape) =>
        activation(
          'i8',
          s,
          integers(next, count(s), -128, 127),
          perTensor(0.02 + next() * 0.1, between(-9, 9)),
        );
      const real = (s: Shape) => activation('f32', s, integers(next, count(s), -9, 9));
      const where = `${fn} [${a}] [${b}]`;
      expectSame(
        both,
        {
          arithmetic: binary(fn, noClamp),
          inputs: [quantized(a), quantized(b)],
          output: { dtype: 'i8', shape, quantization: perTensor(0.1, 1) },
        },
        where,
      );
      expectSame(
        both,
        {
          arithmetic: binary(fn, noClamp),
          inputs: [real(a), real(b)],
          output: { dtype: 'f32', shape, quantization: null },
        },
        where,
      );
    }
  });
});

/** Where the layout was tried already. */
function expectSameOnce(set: KernelSet, call: TestCall): void {
  expectSame(orReference(set), call, '', ['dense']);
}

describe.each([js])('one operand on $name', (set) => {
  const byteCases = [
    { from: 'i8', to: 'i8', zx: -7, zy: 11 },
    { from: 'u8', to: 'u8', zx: 121, zy: 100 },
    { from: 'i8', to: 'u8', zx: -7, zy: 121 },
    { from: 'u8', to: 'i8', zx: 121, zy: -7 },
  ] as const;
  const scales = [
    { sx: 0.05, sy: 0.05 },
    { sx: 0.031, sy: 1 / 256 },
    { sx: 0.1, sy: 0.7 },
    { sx: 2, sy: 0.003 },
  ];
  const operators: { label: string; arithmetic: Arithmetic }[] = [
    ...unaryFns.map((fn) => ({ label: fn, arithmetic: { kind: 'unary', fn, alpha: 0.1 } as const })),
    { label: 'relu', arithmetic: { kind: 'clamp', clamp: { min: 0, max: Number.POSITIVE_INFINITY } } },
    { label: 'relu6', arithmetic: { kind: 'clamp', clamp: { min: 0, max: 6 } } },
    { label: '−1…1', arithmetic: { kind: 'clamp', clamp: { min: -1, max: 1 } } },
    { label: 'convert', arithmetic: { kind: 'convert', rounding: 'away' } },
    { label: 'convert, halves to even', arithmetic: { kind: 'convert', rounding: 'even' } },
  ];

  it.each(operators)('$label of all 256 bytes', ({ arithmetic }) => {
    for (const { from, to, zx, zy } of byteCases)
      for (const { sx, sy } of scales) {
        const lo = from === 'i8' ? -128 : 0;
        const all = Array.from({ length: 256 }, (_, i) => lo + i);
        for (const shape of [[256], [1, 16, 4, 4]]) {
          const call: TestCall = {
            arithmetic,
            inputs: [activation(from, shape, all, perTensor(sx, zx))],
            output: { dtype: to, shape, quantization: perTensor(sy, zy) },
          };
          expectSame(set, call, `${from} ${sx} → ${to} ${sy}`);
        }
      }
  });

  it.each([
    { label: 'logistic with the output that TFLite fixes', fn: 'logistic', sy: 1 / 256, zy: -128 },
    { label: 'tanh with the output that TFLite fixes', fn: 'tanh', sy: 1 / 128, zy: 0 },
  ] as const)('$label', ({ fn, sy, zy }) => {
    const all = Array.from({ length: 256 }, (_, i) => i - 128);
    for (const sx of [0.01, 0.05, 0.1])
      expectSame(set, {
        arithmetic: { kind: 'unary', fn, alpha: 0 },
        inputs: [activation('i8', [256], all, perTensor(sx, -7))],
        output: { dtype: 'i8', shape: [256], quantization: perTensor(sy, zy) },
      });
  });

  const odd = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    -0,
    0.5,
    -0.5,
    1,
    -1,
    2.5,
    -2.5,
    6,
    7,
    1e-30,
    -1e30,
    3e38,
  ];

  const leftToReference = ['convert', 'convert, halves to even', 'elu'];
  it.each(operators.filter(({ label }) => !leftToReference.includes(label)))(
    '$label of floats',
    ({ arithmetic }) => {
      for (const shape of [[16], [1, 2, 2, 4]])
        expectSame(set, {
          arithmetic,
          inputs: [activation('f32', shape, odd)],
          output: { dtype: 'f32', shape, quantization: null },
        });
    },
  );

  const conversions = (['i8', 'u8'] as const).flatMap((dtype) =>
    (['away', 'even'] as const).map((rounding) => ({ dtype, rounding })),
  );
  it.each(conversions)('dequantises all 256 $dtype, $rounding', ({ dtype, rounding }) => {
    const lo = dtype === 'i8' ? -128 : 0;
    const all = Array.from({ length: 256 }, (_, i) => lo + i);
    for (const shape of [[256], [1, 16, 4, 4]])
      for (const scale of [1, 0.1, 1 / 3, 1e-20])
        expectSame(set, {
          arithmetic: { kind: 'convert', rounding },
          inputs: [activation(dtype, shape, all, perTensor(scale, 9))],
          output: { dtype: 'f32', shape, quantization: null },
        });
  });

  it.each(conversions)(
    'quantises to $dtype, $rounding: ties, ends, infinities, NaN',
    ({ dtype, rounding }) => {
      const next = random(14);
      const ties = Array.from({ length: 600 }, (_, i) => (i - 300) / 2);
      const near = Array.from({ length: 600 }, (_, i) => Math.fround((i - 300) / 2 + (next() - 0.5) * 1e-5));
      for (const scale of [1, 0.1, 1 / 3, 0.0078125])
        for (const list of [
          odd,
          ties.map((t) => Math.fround(t * scale)),
          near.map((t) => Math.fround(t * scale)),
        ]) {
          const x: Input = activation('f32', [1, 2, 2, list.length / 4], list);
          expectSame(set, {
            arithmetic: { kind: 'convert', rounding },
            inputs: [x],
            output: { dtype, shape: x.shape, quantization: perTensor(scale, dtype === 'i8' ? -9 : 77) },
          });
        }
    },
  );
});
