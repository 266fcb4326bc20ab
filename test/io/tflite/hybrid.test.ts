/** Float activations and integer weights: the input rounded to int8 as TensorFlow Lite's kernels do, or left alone. */
import { describe, expect, it } from 'vitest';
import { readTflite } from '../../../src/io/tflite/index.ts';
import { type Case, testCases } from './cases.ts';
import { runGraph } from './run.ts';
import { conv, depthwise, full, transposed, valid } from './windows-cases.ts';
import {
  constant,
  f32,
  i8,
  numbers,
  type OperatorSpec,
  type TensorSpec,
  u8,
  withParams,
  writeTflite,
} from './write.ts';

const perChannel = (w: TensorSpec, scale: readonly number[], axis = 0) =>
  constant(withParams(w, { scale, zeroPoint: scale.map(() => 0), axis }));

/**
 * max|x| = 127 makes s = 1 in the symmetric form and max x − min x = 255 in the asymmetric one; a half then
 * shows the form: beside 127, 1.5 becomes 2; between 0 and 255 it becomes 1 (z = −128, −126.5 → −127).
 */
const symmetric = [1.5, 127];
const asymmetric = [1.5, 255];

const cases: readonly Case[] = [
  {
    label: 'one scale: symmetric',
    code: 'CONV_2D',
    in: [f32([1, 1, 1, 2], symmetric), constant(i8([1, 1, 1, 2], [2, 4], 0.5))],
    out: [f32([1, 1, 1, 1], [2 + 254])],
    options: conv(valid),
  },
  {
    label: 'a scale for each picture',
    code: 'CONV_2D',
    in: [f32([2, 1, 1, 2], [...symmetric, 12, 2032]), constant(i8([1, 1, 1, 2], [1, 0]))],
    out: [f32([2, 1, 1, 1], [2, 16])], // the second rounds to multiples of 16
    options: conv(valid),
  },
  {
    label: 'a scale for each output channel: asymmetric',
    code: 'CONV_2D',
    in: [f32([1, 1, 1, 2], asymmetric), perChannel(i8([2, 1, 1, 2], [2, 4, 1, 1]), [0.5, 2])],
    out: [f32([1, 1, 1, 2], [1 + 510, 2 + 510])],
    options: conv(valid),
  },
  {
    label: 'output channels with the same scale: symmetric',
    code: 'CONV_2D',
    in: [f32([1, 1, 1, 2], symmetric), perChannel(i8([2, 1, 1, 2], [2, 4, 2, 0]), [0.5, 0.5])],
    out: [f32([1, 1, 1, 2], [2 + 254, 2])],
    options: conv(valid),
  },
  {
    label: 'groups: asymmetric',
    code: 'CONV_2D',
    in: [f32([1, 1, 1, 2], asymmetric), constant(i8([2, 1, 1, 1], [1, 2]))],
    out: [f32([1, 1, 1, 2], [1, 510])],
    options: conv(valid),
  },
  {
    label: 'uint8 weights: symmetric',
    code: 'CONV_2D',
    in: [f32([1, 1, 1, 2], symmetric), constant(u8([1, 1, 1, 2], [130, 132], 0.5, 128))],
    out: [f32([1, 1, 1, 1], [2 + 254])],
    options: conv(valid),
  },
  {
    label: 'int8 weights: asymmetric',
    code: 'DEPTHWISE_CONV_2D',
    in: [f32([1, 1, 1, 2], asymmetric), constant(i8([1, 1, 1, 2], [2, 4], 0.5))],
    out: [f32([1, 1, 1, 2], [1, 510])],
    options: depthwise(valid, 1, 1),
  },
  {
    label: 'uint8 weights have no hybrid kernel',
    code: 'DEPTHWISE_CONV_2D',
    in: [f32([1, 1, 1, 2], asymmetric), constant(u8([1, 1, 1, 2], [130, 132], 0.5, 128))],
    out: [f32([1, 1, 1, 2], [1.5, 510])],
    options: depthwise(valid, 1, 1),
  },
  {
    label: 'has no hybrid kernel',
    code: 'TRANSPOSE_CONV',
    in: [numbers(1, 1, 2, 1), constant(i8([1, 1, 1, 1], [4], 0.5)), f32([1, 1, 2, 1], symmetric)],
    out: [f32([1, 1, 2, 1], [3, 254])],
    options: transposed(valid, 1),
  },
  {
    label: 'a scale for each row: symmetric',
    code: 'FULLY_CONNECTED',
    in: [f32([2, 2], [...symmetric, 12, -2032]), constant(i8([2, 2], [2, 0, 0, 2], 0.5))],
    out: [f32([2, 2], [2, 127, 16, -2032])],
    options: full(),
  },
  {
    label: 'rows that are part of an axis',
    code: 'FULLY_CONNECTED',
    in: [f32([1, 4], [...symmetric, 12, -2032]), constant(i8([1, 2], [2, 0], 0.5))],
    out: [f32([2, 1], [2, 16])],
    options: full(),
  },
  {
    label: 'rows of several axes',
    code: 'FULLY_CONNECTED',
    in: [f32([2, 1, 2], [...symmetric, 12, -2032]), constant(i8([1, 2], [2, 0], 0.5))],
    out: [f32([2, 1], [2, 16])],
    options: full(),
  },
  {
    label: 'one row of one axis',
    code: 'FULLY_CONNECTED',
    in: [f32([2], symmetric), constant(i8([1, 2], [2, 0], 0.5))],
    out: [f32([1, 1], [2])],
    options: full(),
  },
  {
    label: 'keep_num_dims',
    code: 'FULLY_CONNECTED',
    in: [f32([1, 2, 2], [...symmetric, 12, -2032]), constant(i8([1, 2], [2, 0], 0.5))],
    out: [f32([1, 2, 1], [2, 16])],
    options: full(1),
  },
  {
    label: 'asymmetric_quantize_inputs',
    code: 'FULLY_CONNECTED',
    in: [f32([1, 2], asymmetric), constant(i8([1, 2], [2, 0], 0.5))],
    out: [f32([1, 1], [1])],
    options: full(0, 0, 1),
  },
  {
    label: 'a scale for each output: symmetric still',
    code: 'FULLY_CONNECTED',
    in: [f32([1, 2], symmetric), perChannel(i8([2, 2], [2, 0, 1, 0]), [0.5, 2])],
    out: [f32([1, 2], [2, 4])],
    options: full(),
  },
];

describe('hybrid layers', () => {
  testCases(cases);

  const x = f32([1, 1, 1, 2], symmetric);
  const w = constant(i8([2, 1, 1, 2], [2, 0, 0, 2], 0.5));
  const out = f32([1, 1, 1, 2]);
  const layer = (from: number, to: number, weights = 1): OperatorSpec => ({
    code: 'CONV_2D',
    inputs: [from, weights],
    outputs: [to],
    options: conv(valid),
  });
  const rounded = (graph: ReturnType<typeof readTflite>) =>
    graph.nodes.filter((node) => node.op.kind === 'fakeQuantize').map((node) => node.op);
  const both = [
    'Integer constants under float activations became float32 at import: 1 tensors.',
    'Hybrid layers (float activations, integer weights) round their input to int8 in each inference, as TensorFlow Lite does: 2 layers.',
  ];

  it('round what they read one after the other, and are counted with their weights', () => {
    const graph = readTflite(
      writeTflite({
        tensors: [x, w, out, out],
        operators: [layer(0, 2), layer(2, 3)],
        inputs: [0],
        outputs: [3],
      }),
    );
    expect(rounded(graph)).toHaveLength(2);
    expect(graph.notes).toEqual(both);
  });

  it('share one rounding where they read the same tensor alike', () => {
    const dense: OperatorSpec = { code: 'FULLY_CONNECTED', inputs: [0, 2], outputs: [5], options: full() };
    const asymmetricDense: OperatorSpec = { ...dense, outputs: [6], options: full(0, 0, 1) };
    const graph = readTflite(
      writeTflite({
        tensors: [x, w, constant(i8([1, 2], [2, 2], 0.5)), out, out, f32([1, 1]), f32([1, 1])],
        operators: [layer(0, 3), layer(0, 4), dense, asymmetricDense],
        inputs: [0],
        outputs: [3, 4, 5, 6],
      }),
    );
    expect(rounded(graph)).toEqual([
      { kind: 'fakeQuantize', batchDims: 1, symmetric: true },
      { kind: 'fakeQuantize', batchDims: 1, symmetric: false },
    ]);
  });

  it("leave their input in float with hybrid: 'float', and say so", () => {
    const bytes = writeTflite({ tensors: [x, w, out], operators: [layer(0, 2)], inputs: [0], outputs: [2] });
    const results = (['as-tflite', 'float'] as const).map((hybrid) => {
      const graph = readTflite(bytes, { hybrid });
      return { notes: graph.notes, y: Array.from(runGraph(graph, [x.data!])[0]!, Number) };
    });
    expect(results.map(({ y }) => y)).toEqual([
      [2, 127],
      [1.5, 127],
    ]);
    expect(results[1]!.notes).toEqual([
      both[0],
      'Hybrid layers (float activations, integer weights) keep their input in float32: 1 layers. TensorFlow Lite rounds it to int8.',
    ]);
  });
});
