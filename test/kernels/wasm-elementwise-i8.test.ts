/** Functions of one and of two 8-bit numbers on wasm, equal to reference in every encoding. */
import { describe, expect, it } from 'vitest';
import { broadcastShapes } from '../../src/graph/shapes.ts';
import type { Arithmetic, BinaryFn, Clamp, KernelSet, UnaryFn } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import type { Shape } from '../../src/tensor.ts';
import { count, expectSame, kernelOf, layouts } from './compare.ts';
import { activation, constant, integers, perTensor, random, type TestCall } from './run-call.ts';

const sets = [
  { set: wasmKernels(), label: 'at its best' },
  { set: wasmKernels({ relaxed: false }), label: 'without relaxed SIMD' },
];
const roundings = [
  { by: 'TFLite', rounding: {} },
  { by: 'ONNX', rounding: { rounding: 'even' } },
] as const;

/** The call, if the set takes it; whether it did. */
function same(set: KernelSet, call: TestCall, where: string, tried = layouts): boolean {
  if (kernelOf(set, call) === undefined) return false;
  expectSame(set, call, where, tried);
  return true;
}

const pairs: readonly { readonly label: string; readonly a: Shape; readonly b: Shape }[] = [
  { label: 'alike, rank 4', a: [2, 3, 4, 5], b: [2, 3, 4, 5] },
  { label: 'alike, 16 channels', a: [1, 3, 2, 16], b: [1, 3, 2, 16] },
  { label: 'alike, 37 channels', a: [1, 2, 2, 37], b: [1, 2, 2, 37] },
  { label: 'alike, rank 2', a: [3, 7], b: [3, 7] },
  { label: 'alike, rank 5', a: [2, 1, 3, 2, 2], b: [2, 1, 3, 2, 2] },
  { label: 'scalars', a: [], b: [] },
  { label: 'a channel vector on the right', a: [1, 3, 4, 21], b: [21] },
  { label: 'a channel vector on the left', a: [1, 1, 1, 5], b: [2, 3, 4, 5] },
  { label: 'one number on the right', a: [2, 3, 4, 5], b: [1] },
  { label: 'one number on the left', a: [], b: [2, 3, 4] },
  { label: 'a picture against channels', a: [2, 3, 4, 1], b: [1, 1, 1, 6] },
  { label: 'a gate for each picture and channel', a: [2, 3, 4, 18], b: [2, 1, 1, 18] },
  { label: 'a row against a column', a: [4, 1], b: [1, 5] },
  { label: 'both repeat, axes in turn', a: [2, 1, 4, 1], b: [1, 3, 1, 5] },
  { label: 'rank 6, axes in turn', a: [2, 1, 2, 1, 2, 1], b: [1, 3, 1, 2, 1, 2] },
];

describe.each(sets.flatMap((s) => roundings.map((r) => ({ ...s, ...r }))))(
  'binary int8 on wasm $label, rounded as in $by',
  ({ set, rounding }) => {
    const binary = (fn: BinaryFn, clamp: Clamp): Arithmetic => ({ kind: 'binary', fn, clamp, ...rounding });

    it.each(pairs)('$label', ({ a, b }) => {
      for (const dtype of ['i8', 'u8'] as const)
        for (const [make, makeB, tried] of [
          [activation, activation, ['dense', 'strided', 'overwriting', 'overwriting the last']],
          [activation, constant, ['dense', 'strided']],
          [constant, activation, ['dense']],
        ] as const) {
          if (dtype === 'u8' && make !== makeB) continue;
          const next = random(12);
          const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
          const [za, zb, zy] = dtype === 'i8' ? [-5, 17, 3] : [120, 140, 131];
          const bytes = (s: Shape) => integers(next, count(s), lo, hi);
          for (const fn of ['add', 'sub', 'mul', 'min', 'max', 'div'] as const) {
            const alike = fn === 'min' || fn === 'max';
            const call: TestCall = {
              arithmetic: binary(fn, { min: -2, max: 2.5 }),
              inputs: [
                make(dtype, a, bytes(a), perTensor(0.03, za)),
                makeB(dtype, b, bytes(b), alike ? perTensor(0.03, za) : perTensor(0.011, zb)),
              ],
              output: {
                dtype,
                shape: broadcastShapes(a, b)!,
                quantization: alike ? perTensor(0.03, za) : perTensor(0.037, zy),
              },
            };
            const taken = same(set, call, `${dtype} ${fn}`, a.length === 4 ? tried : ['dense']);
            expect(taken || (fn === 'div' && !('rounding' in rounding)), fn).toBe(true);
          }
        }
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
      for (const fn of ['add', 'sub', 'mul', 'div', 'min', 'max'] as const)
        for (const [za, zb, zy, clamp] of [
          [0, 0, 0, noClamp],
          [-128, 127, -17, { min: -11 * y, max: 40 * y }],
        ] as const)
          expect(
            same(
              set,
              {
                arithmetic: binary(fn, clamp),
                inputs: [
                  activation('i8', [256, 1], all, perTensor(a, za)),
                  activation('i8', [1, 256], all, perTensor(b, zb)),
                ],
                output: { dtype: 'i8', shape: [256, 256], quantization: perTensor(y, zy) },
              },
              `${fn} ${za} ${zb} ${zy}`,
              ['dense'],
            ),
          ).toBe(true);
    });

    it('takes sums and products of scales as networks have them', () => {
      const next = random(7);
      for (let i = 0; i < 20; i++) {
        const [a, b, y] = [0.01 + next() * 0.1, 0.01 + next() * 0.1, 0.02 + next() * 0.1];
        const [za, zb, zy] = integers(next, 3, -128, 127) as [number, number, number];
        const x = (scale: number, zero: number) =>
          activation('i8', [1, 8, 8, 64], integers(next, 4096, -128, 127), perTensor(scale, zero));
        for (const fn of ['add', 'sub', 'mul'] as const) {
          const call: TestCall = {
            arithmetic: binary(fn, noClamp),
            inputs: [x(a, za), x(b, zb)],
            output: {
              dtype: 'i8',
              shape: [1, 8, 8, 64],
              quantization: perTensor(fn === 'mul' ? a * b * 90 : y, zy),
            },
          };
          expect(same(set, call, `${fn} ${a} ${b} ${y}`, ['dense'])).toBe(true);
        }
      }
    });
  },
);

describe.each(sets)('tables of every pair on wasm $label', ({ set }) => {
  it.each(['div', 'pow', 'max'] as const)('%s in every layout', (fn) => {
    for (const dtype of ['i8', 'u8'] as const) {
      const next = random(31);
      const [lo, hi] = dtype === 'i8' ? [-128, 127] : [0, 255];
      const [za, zb, zy] = dtype === 'i8' ? [-5, 17, 3] : [120, 140, 131];
      const x = (shape: Shape, scale: number, zero: number) =>
        activation(dtype, shape, integers(next, count(shape), lo, hi), perTensor(scale, zero));
      for (const b of [[2, 8, 8, 37], [37], [2, 8, 8, 1]]) {
        const call: TestCall = {
          arithmetic: { kind: 'binary', fn, clamp: { min: -1, max: 2 } },
          inputs: [x([2, 8, 8, 37], 0.03, za), x(b, 0.02, zb)],
          output: { dtype, shape: [2, 8, 8, 37], quantization: perTensor(0.025, zy) },
        };
        expect(kernelOf(set, call)).toBe('pair-table-i8-1-wasm');
        expectSame(set, call, `${dtype} ${fn}`, ['dense', 'strided', 'overwriting']);
      }
    }
  });
});

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

describe.each(sets)('one int8 operand on wasm $label', ({ set }) => {
  const operators: { label: string; arithmetic: Arithmetic }[] = [
    ...unaryFns.map((fn) => ({ label: fn, arithmetic: { kind: 'unary', fn, alpha: 0.1 } as const })),
    { label: 'relu', arithmetic: { kind: 'clamp', clamp: { min: 0, max: Number.POSITIVE_INFINITY } } },
    { label: 'relu6', arithmetic: { kind: 'clamp', clamp: { min: 0, max: 6 } } },
    { label: '−1…1', arithmetic: { kind: 'clamp', clamp: { min: -1, max: 1 } } },
  ];
  const byteCases = [
    { from: 'i8', to: 'i8', zx: -7, zy: 11 },
    { from: 'u8', to: 'u8', zx: 121, zy: 100 },
    { from: 'i8', to: 'u8', zx: -7, zy: 121 },
    { from: 'u8', to: 'i8', zx: 121, zy: -7 },
    { from: 'i8', to: 'i8', zx: -128, zy: -128 },
  ] as const;

  it.each(operators)('$label of all 256 bytes', ({ arithmetic }) => {
    for (const { from, to, zx, zy } of byteCases)
      for (const [sx, sy] of [
        [0.05, 0.05],
        [0.031, 1 / 256],
        [0.1, 0.7],
        [2, 0.003],
      ] as const) {
        const lo = from === 'i8' ? -128 : 0;
        const all = Array.from({ length: 256 }, (_, i) => lo + i);
        for (const shape of [[256], [1, 16, 4, 4], [2, 1, 1, 128]]) {
          const call: TestCall = {
            arithmetic,
            inputs: [activation(from, shape, all, perTensor(sx, zx))],
            output: { dtype: to, shape, quantization: perTensor(sy, zy) },
          };
          expect(
            same(
              set,
              call,
              `${from} ${sx} → ${to} ${sy}`,
              shape.length === 4 ? ['dense', 'strided', 'overwriting'] : ['dense'],
            ),
          ).toBe(true);
        }
      }
  });

  it('a clamp on one scale is no table', () => {
    const call: TestCall = {
      arithmetic: { kind: 'clamp', clamp: { min: 0, max: 6 } },
      inputs: [activation('i8', [3], [1, 2, 3], perTensor(0.1, 4))],
      output: { dtype: 'i8', shape: [3], quantization: perTensor(0.1, 4) },
    };
    expect(kernelOf(set, call)).toBe('shift-i8-16-wasm');
    const rescaled = { ...call, output: { ...call.output, quantization: perTensor(0.06, -3) } };
    expect(kernelOf(set, rescaled)).toMatch(/^(line-i8-16|table-i8-1)-wasm$/);
  });
});
