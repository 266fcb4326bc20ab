/** copy-js and fill-js: what reference moves, they move. */
import { describe, it } from 'vitest';
import type { Copy, KernelSet } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { DType, Shape } from '../../src/tensor.ts';
import { count, expectSame } from './compare.ts';
import { activation, dataOf, integers, random, type TestCall } from './run-call.ts';

const dtypes: readonly DType[] = ['f32', 'i8', 'u8', 'i16', 'i32', 'i64', 'bool'];

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

function call(dtype: DType, c: Case, seed = 1): TestCall {
  const next = random(seed);
  const numbers = (shape: Shape) =>
    integers(next, count(shape), dtype === 'bool' ? 0 : -100, dtype === 'bool' ? 1 : 27);
  const unsigned = (list: number[]) => (dtype === 'u8' ? list.map((v) => v + 100) : list);
  const rank = c.x.length;
  return {
    arithmetic: {
      kind: 'copy',
      extent: c.y,
      perm: Array.from({ length: rank }, (_, i) => i),
      begin: zeros(c.x),
      step: ones(c.x),
      outBegin: zeros(c.y),
      ...c.copy,
    },
    inputs: [activation(dtype, c.x, unsigned(numbers(c.x)))],
    output: { dtype, shape: c.y, quantization: null, before: dataOf(dtype, c.y, unsigned(numbers(c.y))) },
  };
}

describe.each([js])('copy on $name', (set) => {
  const both: KernelSet = {
    name: set.name,
    offer: (kernelCall) => set.offer(kernelCall) ?? reference.offer(kernelCall),
  };

  it.each(cases)('$label', (c) => {
    for (const dtype of dtypes) expectSame(both, call(dtype, c), dtype);
    for (const dtype of ['f32', 'i8', 'u8', 'i32'] as const) expectSame(set, call(dtype, c), dtype);
  });

  it('keeps the bits of every NaN', () => {
    const bits = Int32Array.of(0x7fc00000, 0x7f800001, -1, -0x400001, 0x7f800000);
    const x = { dtype: 'f32', shape: [5], quantization: null, constant: false } as const;
    const data = new Float32Array(bits.buffer);
    const offer = set.offer({
      arithmetic: { kind: 'copy', extent: [5], perm: [0], begin: [4], step: [-1], outBegin: [0] },
      inputs: [{ ...x, data: null }],
      output: { ...x, data: null },
    })!;
    const out = new Float32Array(5);
    const place = { offset: 0, strides: [1], border: { top: 0, left: 0, bottom: 0, right: 0 } };
    if (!('bind' in offer)) throw new Error('expected a bound offer');
    offer.bind([{ ...place, data }], { ...place, data: out }, new Uint8Array(0))();
    const moved = new Int32Array(out.buffer);
    for (let i = 0; i < 5; i++)
      if (moved[i] !== bits[4 - i]) throw new Error(`NaN ${i}: ${moved[i]} instead of ${bits[4 - i]}`);
  });

  it('500 random parts of tensors of rank 1 to 6', () => {
    const next = random(5);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 500; i++) {
      const rank = between(1, 6);
      const x = Array.from({ length: rank }, () => between(1, 5));
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
      expectSame(both, call(dtype, c, i), `${dtype} ${JSON.stringify(c)}`);
    }
  });
});

describe.each([js])('fill on $name', (set) => {
  it.each([[], [7], [2, 3, 4, 5], [1, 1, 6, 1], [2, 3, 2, 2, 3]].map((shape) => ({ shape })))(
    '$shape',
    ({ shape }) => {
      for (const dtype of ['f32', 'i8', 'u8', 'i16', 'i32', 'bool'] as const)
        expectSame(
          set,
          {
            arithmetic: {
              kind: 'fill',
              value: dtype === 'i8' || dtype === 'i16' ? -77 : dtype === 'f32' ? 0.1 : 1,
            },
            inputs: [],
            output: { dtype, shape, quantization: null },
          },
          dtype,
        );
    },
  );
});
