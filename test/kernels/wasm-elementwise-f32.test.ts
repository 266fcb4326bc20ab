/** Chains of elementwise operators on f32 of the wasm set: as reference, or within the bound of each function. */
import { describe, expect, it } from 'vitest';
import { broadcastShapes } from '../../src/graph/shapes.ts';
import type { Arithmetic, BinaryFn, Clamp, Following, Operand, UnaryFn } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { byReference, expectSame, kernelOf, layouts } from './compare.ts';
import {
  activation,
  constant,
  type Input,
  integers,
  operandsOf,
  random,
  runCall,
  type TestCall,
} from './run-call.ts';

const sets = [
  { label: 'wasm', set: wasmKernels() },
  { label: 'wasm without relaxed SIMD', set: wasmKernels({ relaxed: false }) },
];

const binaryFns = ['add', 'sub', 'mul', 'div', 'min', 'max'] as const;
const relu: Clamp = { min: 0, max: Number.POSITIVE_INFINITY };

/** Relative error; the functions without one are exact. */
const unaryBounds: Partial<Record<UnaryFn, number>> = {
  abs: 0,
  neg: 0,
  sign: 0,
  floor: 0,
  ceil: 0,
  round: 0,
  square: 0,
  sqrt: 0,
  reciprocal: 0,
  rsqrt: 2 ** -23,
  softsign: 2 ** -23,
  leakyRelu: 2 ** -23,
  exp: 1.25 * 2 ** -23,
  hardSwish: 1.25 * 2 ** -22,
  logistic: 1.25 * 2 ** -22,
  tanh: 1.25 * 2 ** -22,
  elu: 1.25 * 2 ** -22,
};
const unaryFns = Object.keys(unaryBounds) as UnaryFn[];

const pairs: readonly { readonly label: string; readonly a: Shape; readonly b: Shape }[] = [
  { label: 'alike, rank 4', a: [2, 3, 4, 5], b: [2, 3, 4, 5] },
  { label: 'alike, many', a: [1, 5, 9, 12], b: [1, 5, 9, 12] },
  { label: 'alike, one channel', a: [2, 3, 4, 1], b: [2, 3, 4, 1] },
  { label: 'alike, rank 2', a: [3, 7], b: [3, 7] },
  { label: 'alike, rank 5', a: [2, 1, 3, 2, 2], b: [2, 1, 3, 2, 2] },
  { label: 'scalars', a: [], b: [] },
  { label: 'a channel vector on the right', a: [1, 3, 4, 5], b: [5] },
  { label: 'a channel vector of 16', a: [2, 3, 3, 16], b: [16] },
  { label: 'a channel vector on the left', a: [1, 1, 1, 5], b: [2, 3, 4, 5] },
  { label: 'one number on the right', a: [2, 3, 4, 5], b: [1] },
  { label: 'one number on the left', a: [], b: [2, 3, 4] },
  { label: 'a picture against channels', a: [2, 3, 4, 1], b: [1, 1, 1, 6] },
  { label: 'a number for each pixel', a: [2, 3, 4, 7], b: [2, 3, 4, 1] },
  { label: 'a gate for each picture and channel', a: [2, 3, 4, 5], b: [2, 1, 1, 5] },
  { label: 'a row against a column', a: [4, 1], b: [1, 5] },
  { label: 'repeats in the middle', a: [2, 1, 4, 1], b: [2, 3, 4, 5] },
  { label: 'repeats at both ends', a: [1, 3, 4, 1], b: [2, 3, 4, 5] },
  { label: 'both repeat, axes in turn', a: [2, 1, 4, 1], b: [1, 3, 1, 5] },
  { label: 'rank 6, axes in turn', a: [2, 1, 2, 1, 2, 1], b: [1, 3, 1, 2, 1, 2] },
];

const roles = [
  { label: 'two activations', make: [activation, activation] },
  { label: 'a constant on the right', make: [activation, constant] },
  { label: 'a constant on the left', make: [constant, activation] },
] as const;

const f32 = (shape: Shape) => ({ dtype: 'f32', shape, quantization: null }) as const;
const binary = (fn: BinaryFn, clamp: Clamp = noClamp): Arithmetic => ({ kind: 'binary', fn, clamp });
const unary = (fn: UnaryFn, alpha = 0): Arithmetic => ({ kind: 'unary', fn, alpha });

function floats(next: () => number, shape: Shape): number[] {
  return Array.from({ length: elementCount(shape) }, () => Math.fround(next() * 8 - 4));
}

const odd = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1,
  -3.5,
  3e38,
  -3e38,
  1e-45,
  -1e-40,
];

describe.each(sets)('binary and prelu on $label', ({ set }) => {
  describe.each(pairs)('$label', ({ a, b }) => {
    const shape = broadcastShapes(a, b)!;
    it.each(roles)('$label', ({ make }) => {
      const next = random(11);
      for (const fn of binaryFns)
        for (const clamp of [noClamp, relu, { min: -1, max: 2 }])
          expectSame(
            set,
            {
              arithmetic: binary(fn, clamp),
              inputs: [make[0]('f32', a, floats(next, a)), make[1]('f32', b, floats(next, b))],
              output: f32(shape),
            },
            fn,
            clamp === noClamp ? layouts : ['dense'],
          );
    });
  });

  it.each(pairs.filter(({ a, b }) => elementCount(a) === elementCount(broadcastShapes(a, b)!)))(
    'prelu, $label',
    ({ a, b }) => {
      const next = random(12);
      for (const make of [activation, constant])
        expectSame(set, {
          arithmetic: { kind: 'prelu' },
          inputs: [activation('f32', a, floats(next, a)), make('f32', b, floats(next, b))],
          output: f32(a),
        });
    },
  );

  it('infinities, NaN, zeros and subnormal numbers', () => {
    const n = odd.length;
    for (const arithmetic of [
      ...binaryFns.flatMap((fn) => [noClamp, relu, { min: -1, max: 0 }].map((clamp) => binary(fn, clamp))),
    ])
      expectSame(
        set,
        {
          arithmetic,
          inputs: [activation('f32', [n, 1], odd), activation('f32', [1, n], odd)],
          output: f32([n, n]),
        },
        JSON.stringify(arithmetic),
      );
    const columns = odd.flatMap(() => odd);
    const rows = odd.flatMap((x) => odd.map(() => x));
    const inputs = [activation('f32', [n, n], columns), activation('f32', [n, n], rows)];
    expectSame(set, { arithmetic: { kind: 'prelu' }, inputs, output: f32([n, n]) });
  });

  it('every length up to 70', () => {
    for (let length = 1; length <= 70; length++) {
      const next = random(length);
      const x = () => activation('f32', [3, length], floats(next, [3, length]));
      expectSame(set, { arithmetic: binary('mul'), inputs: [x(), x()], output: f32([3, length]) });
      const row = activation('f32', [length], floats(next, [length]));
      expectSame(set, { arithmetic: binary('sub'), inputs: [row, x()], output: f32([3, length]) });
    }
  });

  it('leaves alone what it does not compute', () => {
    const x = activation('f32', [4], [1, 2, 3, 4]);
    const y = f32([4]);
    for (const fn of ['pow', 'mod', 'fmod'] as const)
      expect(set.offer(operandsOf({ arithmetic: binary(fn), inputs: [x, x], output: y }))).toBeNull();
    for (const fn of ['log', 'erf', 'sin'] as const)
      expect(set.offer(operandsOf({ arithmetic: unary(fn), inputs: [x], output: y }))).toBeNull();
    const compared = { dtype: 'bool', shape: [4], quantization: null } as const;
    expect(
      set.offer(operandsOf({ arithmetic: binary('less'), inputs: [x, x], output: compared })),
    ).toBeNull();
    const nothing = activation('f32', [0], []);
    expect(
      set.offer(operandsOf({ arithmetic: unary('abs'), inputs: [nothing], output: f32([0]) })),
    ).toBeNull();
  });
});

/** Element by element within a relative bound and half of the least subnormal number. */
function expectNear(set: (typeof sets)[number]['set'], call: TestCall, bound: number, tried = layouts): void {
  const expected = byReference(call) as Float32Array;
  for (const layout of tried) {
    const actual = runCall(set, call, layout) as Float32Array;
    for (let i = 0; i < expected.length; i++) {
      if (Object.is(actual[i], expected[i])) continue;
      const difference = Math.abs(actual[i] - expected[i]);
      if (!(difference <= bound * Math.abs(expected[i]) + 2 ** -149))
        expect.fail(
          `${kernelOf(set, call)} ${layout} of ${call.inputs[0].data[i]}: ${actual[i]}, by reference ${expected[i]}`,
        );
    }
  }
}

describe.each(sets)('one operand on $label', ({ set }) => {
  const next = random(21);
  const sizes = Array.from({ length: 10000 }, () => Math.fround((next() - 0.5) * 4 ** (next() * 12 - 5)));
  const bits = new Uint32Array(5000).map(() => next() * 2 ** 32);
  const edges = [
    ...odd,
    ...[0.5, -0.5, 1.5, 2.5, -2.5, 3, -3, 6, 7, 1e-30, -1e30, 88, 88.72283, 88.722839, 89, 100, -87.33654],
    ...[
      -87.4, -88, -100, -103.27893, -103.97208, -103.97209, -104, -105, -17, -17.3287, -17.5, -18, -18.1,
      9.01,
    ],
    ...[0.34657359, 0.34657362, -0.34657359, 8388608.5, 8388609, -8388608],
  ].map(Math.fround);
  const all = [...edges, ...sizes, ...new Float32Array(bits.buffer)];

  it.each(unaryFns)('%s', (fn) => {
    const alphas = fn === 'elu' || fn === 'leakyRelu' ? [0.1, 1, 0, 3].map(Math.fround) : [0];
    for (const alpha of alphas) {
      const call = (shape: Shape, values: readonly number[]): TestCall => ({
        arithmetic: unary(fn, alpha),
        inputs: [activation('f32', shape, values)],
        output: f32(shape),
      });
      expectNear(set, call([all.length], all), unaryBounds[fn]!, ['dense']);
      expectNear(set, call([1, 2, 5, 3], all.slice(0, 30)), unaryBounds[fn]!);
      expectNear(set, call([2, 1, 3, 5], sizes.slice(0, 30)), unaryBounds[fn]!);
    }
  });

  it.each([
    { label: 'relu', clamp: relu },
    { label: 'relu6', clamp: { min: 0, max: 6 } },
    { label: '−1…1', clamp: { min: -1, max: 1 } },
    { label: 'only from above', clamp: { min: Number.NEGATIVE_INFINITY, max: 0.1 } },
    { label: 'no bounds', clamp: noClamp },
  ])('clamp: $label', ({ clamp }) => {
    for (const shape of [[30], [1, 2, 5, 3], [2, 3, 5, 1]])
      expectSame(set, {
        arithmetic: { kind: 'clamp', clamp },
        inputs: [activation('f32', shape, all.slice(0, 30))],
        output: f32(shape),
      });
  });
});

interface Link {
  readonly arithmetic: Arithmetic;
  readonly other?: Input;
  readonly position?: number;
}

/** One operator after the other, all of one shape. */
function chain(shape: Shape, x: Input, links: readonly Link[]): TestCall {
  const operand: Operand = { ...f32(shape), data: null };
  const following = links.slice(1).map(
    ({ arithmetic, other, position = 0 }): Following => ({
      arithmetic,
      x: operand,
      position,
      others: other ? 1 : 0,
      output: operand,
    }),
  );
  return {
    arithmetic: links[0].arithmetic,
    inputs: [x, ...links.flatMap(({ other }) => (other ? [other] : []))],
    output: f32(shape),
    following,
  };
}

describe.each(sets)('chains on $label', ({ set }) => {
  const next = random(31);
  const shape = [2, 3, 4, 6];
  const like = (s: Shape, make = activation) => make('f32', s, floats(next, s));

  it.each([
    {
      label: 'scale, shift, relu',
      links: [
        { arithmetic: binary('mul'), other: like([6], constant) },
        { arithmetic: binary('add'), other: like([6], constant) },
        { arithmetic: { kind: 'clamp', clamp: relu } as const },
      ],
    },
    {
      label: 'shortcut, then prelu',
      links: [
        { arithmetic: binary('add'), other: like(shape) },
        { arithmetic: { kind: 'prelu' } as const, other: like([1, 1, 6], constant) },
      ],
    },
    {
      label: 'a number less the value, divided by a gate, bounded, negated',
      links: [
        { arithmetic: unary('abs') },
        { arithmetic: binary('sub'), other: like([1], constant), position: 1 },
        { arithmetic: binary('mul', { min: -2, max: 3 }), other: like([2, 1, 1, 6]) },
        { arithmetic: unary('neg') },
      ],
    },
    {
      label: 'x·relu6(x + 3)/6 as networks spell it',
      links: [
        { arithmetic: binary('add', { min: 0, max: 6 }), other: constant('f32', [], [3]) },
        { arithmetic: binary('mul'), other: like(shape), position: 1 },
        { arithmetic: binary('div'), other: constant('f32', [1], [6]) },
      ],
    },
    {
      label: 'eight operators',
      links: Array.from({ length: 8 }, (_, i) => ({
        arithmetic: binary(i % 2 === 0 ? 'add' : 'mul'),
        other: like(i % 3 === 0 ? shape : [6]),
      })),
    },
  ])('$label', ({ links }) => {
    expectSame(set, chain(shape, like(shape), links));
    expectSame(
      set,
      chain(shape, like([1, 1, 1, 6]), [{ arithmetic: binary('add'), other: like(shape) }, ...links]),
    );
  });

  it('x·logistic(x) in one pass', () => {
    const x = like(shape);
    const links = [{ arithmetic: unary('logistic') }, { arithmetic: binary('mul'), other: x }];
    expectNear(set, chain(shape, x, links), 2 ** -20);
  });

  it('declines a chain that widens, or has an operator that is not here', () => {
    const small = { ...f32([1, 1, 1, 6]), data: null };
    const call = chain(shape, like([1, 1, 1, 6]), [
      { arithmetic: unary('neg') },
      { arithmetic: binary('add'), other: like(shape) },
    ]);
    const widening = { ...call, following: [{ ...call.following![0], x: small }] };
    expect(set.offer(operandsOf(widening))).toBeNull();
    const log = chain(shape, like(shape), [{ arithmetic: unary('neg') }, { arithmetic: unary('log') }]);
    expect(set.offer(operandsOf(log))).toBeNull();
  });

  it('100 random chains', () => {
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 100; i++) {
      const full = Array.from({ length: between(1, 5) }, () => between(1, 6));
      const drop = () => full.map((e) => (between(0, 2) === 0 ? 1 : e)).slice(between(0, 1));
      const links = Array.from({ length: between(1, 4) }, (): Link => {
        const fn = binaryFns[between(0, 3)];
        const clamp = between(0, 1) === 0 ? noClamp : { min: -3, max: 5 };
        const make = between(0, 1) === 0 ? activation : constant;
        const other = like(drop(), make);
        return { arithmetic: binary(fn === 'div' ? 'max' : fn, clamp), other, position: between(0, 1) };
      });
      expectSame(set, chain(full, like(full), [{ ...links[0], position: 0 }, ...links.slice(1)]), `${i}`);
    }
  });
});
