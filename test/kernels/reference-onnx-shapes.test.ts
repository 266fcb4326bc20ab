import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Op } from '../../src/graph/ops.ts';
import { inferShape } from '../../src/graph/shapes.ts';
import { verify } from '../../src/graph/verify.ts';
import { noClamp } from '../../src/kernels/call.ts';
import type { DType, Quantization, Shape } from '../../src/tensor.ts';
import { perTensor } from './run-call.ts';

const line = { stride: [1], dilation: [1], before: [0], after: [0] } as const;
const pool: Op = { kind: 'poolNd', fn: 'max', kernel: [2], ...line, countPad: false, p: 2 };
const transposed: Op = { kind: 'transposedConvNd', stride: [2], dilation: [1], before: [1], groups: 1 };
const topK: Op = { kind: 'topK', axis: 1, k: 2, largest: true, indices: false };

const shaped = (op: Op, inputs: readonly Shape[], output?: Shape) =>
  inferShape(
    op,
    inputs.map((shape) => ({ shape })),
    'here',
    output,
  );

describe('shapes', () => {
  it.each<{ label: string; op: Op; inputs: Shape[]; output?: Shape; is: Shape }>([
    { label: 'where', op: { kind: 'where' }, inputs: [[2, 1], [3], []], is: [2, 3] },
    {
      label: 'matmul',
      op: { kind: 'matmul' },
      inputs: [
        [2, 1, 4, 5],
        [3, 5, 6],
      ],
      is: [2, 3, 4, 6],
    },
    {
      label: 'convNd',
      op: { kind: 'convNd', ...line, groups: 2 },
      inputs: [[1, 9, 4], [6, 3, 2], [6]],
      is: [1, 7, 6],
    },
    {
      label: 'transposedConvNd',
      op: transposed,
      inputs: [
        [1, 4, 3],
        [3, 3, 5],
      ],
      is: [1, 8, 5],
    },
    {
      label: 'transposedConvNd, told',
      op: transposed,
      inputs: [
        [1, 4, 3],
        [3, 3, 5],
      ],
      output: [1, 7, 5],
      is: [1, 7, 5],
    },
    { label: 'poolNd', op: { ...pool, stride: [2] }, inputs: [[1, 5, 3]], is: [1, 2, 3] },
    {
      label: 'poolNd, told',
      op: { ...pool, stride: [2] },
      inputs: [[1, 5, 3]],
      output: [1, 3, 3],
      is: [1, 3, 3],
    },
    { label: 'topK', op: topK, inputs: [[2, 5, 3]], is: [2, 2, 3] },
    {
      label: 'gatherElements',
      op: { kind: 'gatherElements', axis: 1 },
      inputs: [
        [2, 3],
        [2, 7],
      ],
      is: [2, 7],
    },
    {
      label: 'gatherNd',
      op: { kind: 'gatherNd', batchDims: 1 },
      inputs: [
        [2, 3, 4, 5],
        [2, 6, 2],
      ],
      is: [2, 6, 5],
    },
  ])('$label', ({ op, inputs, output, is }) => expect(shaped(op, inputs, output)).toEqual(is));

  it.each<{ op: Op; inputs: Shape[]; output?: Shape; says: string }>([
    {
      op: { kind: 'where' },
      inputs: [[2], [3], []],
      says: 'where "here": shapes [2] and [3] do not broadcast',
    },
    { op: { kind: 'matmul' }, inputs: [[4], [4, 1]], says: 'expected at least rank 2, got [4] and [4, 1]' },
    {
      op: { kind: 'matmul' },
      inputs: [
        [1, 4],
        [5, 1],
      ],
      says: '[1, 4] and [5, 1] have different inner extents',
    },
    {
      op: { kind: 'convNd', ...line, groups: 1 },
      inputs: [
        [1, 4],
        [1, 1],
      ],
      says: 'expects at least rank 3, got [1, 4]',
    },
    {
      op: { kind: 'convNd', ...line, groups: 1 },
      inputs: [
        [1, 4, 4, 1],
        [1, 1, 1, 1],
      ],
      says: 'stride expects 2 numbers, got [1]',
    },
    {
      op: { kind: 'convNd', ...line, groups: 2 },
      inputs: [
        [1, 4, 3],
        [2, 1, 2],
      ],
      says: 'weights expect 4 input channels, got 3',
    },
    {
      op: { kind: 'convNd', ...line, groups: 1 },
      inputs: [
        [1, 2, 1],
        [1, 3, 1],
      ],
      says: 'output [1, 0, 1] does not fit',
    },
    {
      op: { ...pool, before: [-1] },
      inputs: [[1, 4, 1]],
      says: 'padding expects integers of at least 0, got [-1]',
    },
    {
      op: pool,
      inputs: [[1, 4, 1]],
      output: [1, 3, 2],
      says: 'output [1, 3, 2] does not fit input [1, 4, 1]',
    },
    {
      op: transposed,
      inputs: [
        [1, 4, 3],
        [2, 3, 5],
      ],
      says: 'weights expect 2 input channels in 1 groups, got 3',
    },
    { op: { ...topK, k: 6 }, inputs: [[2, 5]], says: 'k 6 is outside 0…5' },
    {
      op: { kind: 'gatherElements', axis: 1 },
      inputs: [
        [2, 3],
        [3, 1],
      ],
      says: 'indices [3, 1] reach beyond [2, 3]',
    },
    {
      op: { kind: 'gatherNd', batchDims: 0 },
      inputs: [[2], [1, 2]],
      says: 'batch dims 0 and 2 indices do not fit [2]',
    },
    {
      op: { kind: 'lrn', size: 0, alpha: 1, beta: 1, bias: 1 },
      inputs: [[2]],
      says: 'size expects positive integers, got [0]',
    },
  ])('$says', ({ op, inputs, output, says }) => {
    expect(() => shaped(op, inputs, output)).toThrow(says);
  });
});

describe('dtypes', () => {
  const graph = (
    op: Op,
    inputs: readonly (readonly [DType, Shape, (Quantization | null)?])[],
    dtype: DType,
    quantization: Quantization | null = null,
  ) => {
    const builder = new GraphBuilder('net');
    const ids = inputs.map(([d, shape, q]) => builder.input('x', d, shape, q ?? null));
    return builder.finish([builder.add(op, ids, { dtype, quantization })]);
  };
  const less: Op = { kind: 'binary', fn: 'less', clamp: noClamp };
  const add: Op = { kind: 'binary', fn: 'add', clamp: noClamp };
  const q = perTensor(0.5, 0);

  it.each<[string, ...Parameters<typeof graph>]>([
    [
      'a comparison gives bool',
      less,
      [
        ['u64', [2]],
        ['u64', [2]],
      ],
      'bool',
    ],
    [
      'an exponent of another dtype',
      { ...add, fn: 'pow' } as Op,
      [
        ['f32', [2]],
        ['i64', [2]],
      ],
      'f32',
    ],
    [
      'plain bytes',
      add,
      [
        ['u8', [2]],
        ['u8', [2]],
      ],
      'u8',
    ],
    [
      'quantised bytes',
      add,
      [
        ['u8', [2], q],
        ['u8', [2], q],
      ],
      'u8',
      q,
    ],
    [
      'where',
      { kind: 'where' },
      [
        ['bool', [2]],
        ['i16', [2]],
        ['i16', [2]],
      ],
      'i16',
    ],
    ['indices', { ...topK, axis: 0, indices: true } as Op, [['f32', [2]]], 'i64'],
  ])('%s', (_, ...call) => expect(() => verify(graph(...call))).not.toThrow());

  it.each<[string, ...Parameters<typeof graph>]>([
    [
      'is f32, expected bool',
      less,
      [
        ['f32', [2]],
        ['f32', [2]],
      ],
      'f32',
    ],
    [
      'is i32, expected f32',
      less,
      [
        ['f32', [2]],
        ['i32', [2]],
      ],
      'bool',
    ],
    [
      'is f64, the output f32',
      add,
      [
        ['f32', [2]],
        ['f64', [2]],
      ],
      'f32',
    ],
    [
      'is u8 without scale and zero point',
      add,
      [
        ['u8', [2], q],
        ['u8', [2]],
      ],
      'u8',
      q,
    ],
    [
      'is u8, expected bool',
      { kind: 'where' },
      [
        ['u8', [2]],
        ['f32', [2]],
        ['f32', [2]],
      ],
      'f32',
    ],
    ['is i32, expected i64', { ...topK, axis: 0, indices: true } as Op, [['f32', [2]]], 'i32'],
    [
      'is u32, expected i64',
      { kind: 'gatherElements', axis: 0 },
      [
        ['f32', [2]],
        ['u32', [2]],
      ],
      'f32',
    ],
  ])('%s', (says, ...call) => expect(() => verify(graph(...call))).toThrow(says));
});
