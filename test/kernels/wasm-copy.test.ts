/** copy-run-wasm, copy-transpose-wasm and fill-wasm: what reference moves, they move. */
import { describe, expect, it } from 'vitest';
import type { Copy } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import type { DType, Quantization, Shape } from '../../src/tensor.ts';
import { count, expectSame, kernelOf, layouts } from './compare.ts';
import {
  activation,
  constant,
  dataOf,
  integers,
  perTensor,
  random,
  runCall,
  type TestCall,
} from './run-call.ts';

const dtypes: readonly DType[] = ['f32', 'i8', 'u8', 'i16', 'i32', 'i64', 'f64', 'bool'];
const sets = [
  { label: 'wasm', set: wasmKernels() },
  { label: 'wasm without relaxed SIMD', set: wasmKernels({ relaxed: false }) },
];

const zeros = (shape: Shape) => shape.map(() => 0);
const ones = (shape: Shape) => shape.map(() => 1);

interface Case {
  readonly label: string;
  readonly x: Shape;
  readonly y: Shape;
  readonly copy: Partial<Copy>;
}

const cases: readonly Case[] = [
  { label: 'a whole tensor', x: [2, 3, 4, 5], y: [2, 3, 4, 5], copy: {} },
  { label: 'a scalar', x: [], y: [], copy: {} },
  { label: 'a part of a vector', x: [9], y: [4], copy: { extent: [4], begin: [3] } },
  { label: 'a vector backwards', x: [9], y: [9], copy: { extent: [9], begin: [8], step: [-1] } },
  { label: 'every second backwards', x: [9], y: [4], copy: { extent: [4], begin: [7], step: [-2] } },
  { label: 'into the middle of a tensor', x: [2, 3], y: [4, 7], copy: { extent: [2, 3], outBegin: [1, 2] } },
  {
    label: 'rows every second, columns backwards, channels in part',
    x: [1, 7, 6, 5],
    y: [1, 3, 6, 2],
    copy: { extent: [1, 3, 6, 2], begin: [0, 1, 5, 2], step: [1, 2, -1, 1] },
  },
  {
    label: 'channels into a wider tensor',
    x: [2, 3, 3, 4],
    y: [2, 3, 3, 9],
    copy: { extent: [2, 3, 3, 4], outBegin: [0, 0, 0, 3] },
  },
  {
    label: 'a picture into its padding',
    x: [2, 3, 3, 2],
    y: [2, 6, 5, 2],
    copy: { extent: [2, 3, 3, 2], outBegin: [0, 1, 1, 0] },
  },
  { label: 'NCHW to NHWC', x: [2, 3, 4, 5], y: [2, 4, 5, 3], copy: { perm: [0, 2, 3, 1] } },
  { label: 'NHWC to NCHW', x: [2, 4, 5, 3], y: [2, 3, 4, 5], copy: { perm: [0, 3, 1, 2] } },
  {
    label: 'NCHW to NHWC, a part into a part',
    x: [2, 6, 7, 9],
    y: [3, 6, 9, 11],
    copy: { perm: [0, 2, 3, 1], extent: [2, 5, 8, 5], begin: [0, 1, 2, 1], outBegin: [1, 0, 1, 2] },
  },
  {
    label: 'NHWC to NCHW, every second pixel, rows backwards',
    x: [1, 7, 9, 5],
    y: [1, 5, 7, 5],
    copy: { perm: [0, 3, 1, 2], begin: [0, 6, 0, 0], step: [1, -1, 2, 1] },
  },
  { label: 'a matrix transposed', x: [3, 5], y: [5, 3], copy: { perm: [1, 0] } },
  {
    label: 'transposed, backwards and in part',
    x: [4, 5, 6],
    y: [3, 4, 2],
    copy: { extent: [3, 4, 2], perm: [2, 0, 1], begin: [3, 4, 5], step: [-1, -2, -2] },
  },
  {
    label: 'rank 6 turned about',
    x: [2, 1, 3, 2, 2, 3],
    y: [3, 2, 2, 3, 1, 2],
    copy: { perm: [5, 4, 3, 2, 1, 0] },
  },
  {
    label: 'rank 6, four axes that do not collapse',
    x: [3, 4, 3, 4, 3, 4],
    y: [2, 3, 2, 3, 2, 3],
    copy: { extent: [2, 3, 2, 3, 2, 3], begin: [1, 1, 1, 1, 1, 1] },
  },
];

/** Every remainder of a matrix around the blocks of 2, 4 and 8, and of a run around the vector and its loop. */
const matrices = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18].flatMap((rows) =>
  [1, 2, 3, 6, 8, 11, 16].map((columns) => [rows, columns] as const),
);
const lengths = [
  ...Array.from({ length: 40 }, (_, i) => i + 1),
  63,
  64,
  65,
  127,
  128,
  129,
  191,
  255,
  257,
  1000,
];

function call(dtype: DType, c: Case, quantization: Quantization | null = null, seed = 1): TestCall {
  const next = random(seed);
  const lo = dtype === 'bool' || dtype === 'u8' ? 0 : -128;
  const hi = dtype === 'bool' ? 1 : dtype === 'u8' ? 255 : 127;
  const numbers = (shape: Shape) => integers(next, count(shape), lo, hi);
  return {
    arithmetic: {
      kind: 'copy',
      extent: c.y,
      perm: c.x.map((_, i) => i),
      begin: zeros(c.x),
      step: ones(c.x),
      outBegin: zeros(c.y),
      ...c.copy,
    },
    inputs: [activation(dtype, c.x, numbers(c.x), quantization)],
    output: { dtype, shape: c.y, quantization, before: dataOf(dtype, c.y, numbers(c.y)) },
  };
}

/** With the zero points that make the encodings differ most. */
const quantized: readonly (readonly [DType, number])[] = [
  ['i8', -128],
  ['i8', 127],
  ['i8', -3],
  ['u8', 0],
  ['u8', 255],
  ['u8', 131],
];

describe.each(sets)('copy on $label', ({ set }) => {
  it.each(cases)('$label', (c) => {
    for (const dtype of dtypes) expectSame(set, call(dtype, c), dtype, ['dense', 'strided']);
  });

  it.each(cases)('$label, quantised, in every encoding', (c) => {
    for (const [dtype, zero] of quantized)
      expectSame(set, call(dtype, c, perTensor(0.1, zero)), `${dtype} ${zero}`, ['dense', 'strided']);
  });

  it('matrices of every remainder, transposed', () => {
    matrices.forEach(([rows, columns], i) => {
      const c: Case = { label: '', x: [rows, columns], y: [columns, rows], copy: { perm: [1, 0] } };
      for (const dtype of ['f32', 'i16', 'f64'] as const)
        expectSame(set, call(dtype, c), `${dtype} ${rows} × ${columns}`, ['dense']);
      const [dtype, zero] = quantized[i % quantized.length];
      expectSame(set, call(dtype, c, perTensor(0.1, zero)), `${dtype} ${zero} ${rows} × ${columns}`, [
        'dense',
      ]);
    });
  });

  it('runs of every length', () => {
    lengths.forEach((length, i) => {
      const c: Case = { label: '', x: [3, length], y: [3, length + 1], copy: { extent: [3, length] } };
      for (const dtype of ['f32', 'i8'] as const)
        expectSame(set, call(dtype, c), `${dtype} ${length}`, ['dense']);
      const [dtype, zero] = quantized[i % quantized.length];
      expectSame(set, call(dtype, c, perTensor(0.1, zero)), `${dtype} ${zero} ${length}`, ['dense']);
    });
  });

  it('a constant', () => {
    const c = call('i8', cases[10], perTensor(0.1, 5));
    const [x] = c.inputs;
    for (const coding of ['stored', 'encoded'] as const)
      expect(
        runCall(
          set,
          { ...c, inputs: [constant('i8', x.shape, x.data as Int8Array, x.quantization)] },
          'dense',
          coding,
        ),
      ).toEqual(runCall(set, c, 'dense', coding));
  });

  it('a scale for each channel is never encoded', () => {
    const perChannel = { scale: [1, 2, 3, 4, 5], zeroPoint: [0, 0, 0, 0, 0], axis: 3 };
    expectSame(set, call('i8', cases[0], perChannel));
  });

  it('names its kernels', () => {
    expect(kernelOf(set, call('f32', cases[9]))).toBe('copy-transpose-wasm');
    expect(kernelOf(set, call('f32', cases[0]))).toBe('copy-run-wasm');
  });

  it('keeps the bits of every NaN', () => {
    const bits = Int32Array.of(0x7fc00000, 0x7f800001, -1, -0x400001, 0x7f800000);
    const offer = (dtype: 'i32' | 'f32') =>
      set.offer({
        arithmetic: { kind: 'copy', extent: [5], perm: [0], begin: [4], step: [-1], outBegin: [0] },
        inputs: [{ dtype, shape: [5], quantization: null, data: null }],
        output: { dtype, shape: [5], quantization: null, data: null },
      })!;
    const program = set.program!(64);
    const place = {
      strides: [1],
      border: { top: 0, left: 0, bottom: 0, right: 0 },
      encoding: 'stored',
    } as const;
    const emitted = offer('f32');
    if (!('emit' in emitted)) throw new Error('expected an emitted offer');
    emitted.emit(program, [{ address: 0, ...place }], { address: 32, ...place }, 0);
    const { buffer, stretches } = program.link({ stretches: [[0, 1]] });
    new Int32Array(buffer).set(bits);
    stretches[0]();
    expect([...new Int32Array(buffer, 32, 5)]).toEqual([...bits].reverse());
  });

  it('300 random parts of tensors of rank 1 to 6', () => {
    const next = random(5);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 300; i++) {
      const rank = between(1, 6);
      const x = Array.from({ length: rank }, () => between(1, rank < 3 ? 19 : 5));
      const perm = x.map((_, axis) => axis).sort(() => next() - 0.5);
      const step = x.map(() => (between(0, 2) === 0 ? between(1, 2) * (between(0, 1) * 2 - 1) : 1));
      const size = x.map((e, axis) => between(1, Math.ceil(e / Math.abs(step[axis]))));
      const begin = x.map((e, axis) => {
        const span = (size[axis] - 1) * step[axis];
        return span < 0 ? between(-span, e - 1) : between(0, e - 1 - span);
      });
      const extent = perm.map((p) => size[p]);
      const outBegin = extent.map(() => between(0, 2));
      const y = extent.map((e, axis) => e + outBegin[axis] + between(0, 1));
      const c: Case = { label: '', x, y, copy: { extent, perm, begin, step, outBegin } };
      const dtype = dtypes[between(0, dtypes.length - 1)];
      const scale =
        dtype === 'i8' || dtype === 'u8' ? perTensor(0.1, dtype === 'u8' ? between(0, 255) : 7) : null;
      expectSame(set, call(dtype, c, scale, i), `${dtype} ${JSON.stringify(c)}`, [
        i % 2 === 0 ? 'dense' : 'strided',
      ]);
    }
  });
});

describe.each(sets)('fill on $label', ({ set }) => {
  const shapes: readonly Shape[] = [[], [7], [2, 3, 4, 5], [1, 1, 6, 1], [2, 3, 2, 2, 3], [1, 5, 9, 16]];
  it.each(shapes.map((shape) => ({ shape })))('$shape', ({ shape }) => {
    for (const dtype of dtypes)
      for (const quantization of dtype === 'i8' || dtype === 'u8'
        ? [null, perTensor(0.1, dtype === 'i8' ? -7 : 77)]
        : [null])
        expectSame(
          set,
          {
            arithmetic: {
              kind: 'fill',
              value: dtype === 'i8' || dtype === 'i16' || dtype === 'i64' ? -77 : dtype === 'f32' ? 0.1 : 1,
            },
            inputs: [],
            output: { dtype, shape, quantization },
          },
          dtype,
        );
  });

  it('rows of every length', () => {
    for (const length of lengths)
      for (const layout of layouts.slice(0, 2))
        expect(
          runCall(
            set,
            {
              arithmetic: { kind: 'fill', value: 200 },
              inputs: [],
              output: { dtype: 'u8', shape: [1, 2, 2, length], quantization: null },
            },
            layout,
          ),
        ).toEqual(new Uint8Array(4 * length).fill(200));
  });
});
