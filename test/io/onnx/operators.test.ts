/**
 * Operators that the backend suite does not cover: those of com.microsoft, the forms of older opsets, and
 * what the import makes of a convolution. Expected numbers are worked out beside each case.
 */
import { describe, expect, it } from 'vitest';
import type { OpKind } from '../../../src/graph/ops.ts';
import { readOnnx } from '../../../src/io/onnx/index.ts';
import { runOnnx } from './run.ts';
import { bytes, floats, longs, type NodeSpec, oneNode, type TensorSpec, writeModel } from './write.ts';

/** To the nearest, halves to even. */
function even(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}
const clamp = (q: number, low: number, high: number): number => Math.min(high, Math.max(low, q));
const u8 = (real: number, scale: number, zero: number): number =>
  clamp(even(Math.fround(real / scale)) + zero, 0, 255);
const f = Math.fround;

/** A scale and a zero point for x, y, … */
const uint8Scale = (name: string, scale: number, zero: number): TensorSpec[] => [
  floats(`${name}_s`, [], [scale]),
  bytes(`${name}_z`, 'uint8', [], [zero]),
];

describe('com.microsoft', () => {
  const domain = 'com.microsoft';
  const x = [0, 10, 100, 128, 200, 255];
  const [sx, zx, sy, zy] = [f(0.05), 128, f(0.07), 100];
  const real = (q: number, s: number, z: number) => s * (q - z);

  it('QLinearAdd', () => {
    const b = [255, 1, 77, 128, 90, 255];
    const model = oneNode(
      { type: 'QLinearAdd', domain, in: ['x', 'x_s', 'x_z', 'b', 'b_s', 'b_z', 'y_s', 'y_z'] },
      { type: 'uint8', shape: [6] },
      {
        initializers: [
          ...uint8Scale('x', sx, zx),
          bytes('b', 'uint8', [6], b),
          ...uint8Scale('b', f(0.02), 90),
          ...uint8Scale('y', sy, zy),
        ],
      },
    );
    expect(runOnnx(model, x)).toEqual(
      x.map((q, i) => u8(real(q, sx, zx) + real(b[i]!, f(0.02), 90), sy, zy)),
    );
  });

  it('QLinearMul', () => {
    const model = oneNode(
      { type: 'QLinearMul', domain, in: ['x', 'x_s', 'x_z', 'b', 'b_s', 'b_z', 'y_s', 'y_z'] },
      { type: 'uint8', shape: [6] },
      {
        initializers: [
          ...uint8Scale('x', sx, zx),
          bytes('b', 'uint8', [], [130]),
          ...uint8Scale('b', f(0.5), 127),
          ...uint8Scale('y', sy, zy),
        ],
      },
    );
    expect(runOnnx(model, x)).toEqual(x.map((q) => u8(real(q, sx, zx) * real(130, 0.5, 127), sy, zy)));
  });

  it('QLinearSigmoid', () => {
    const model = oneNode(
      { type: 'QLinearSigmoid', domain, in: ['x', 'x_s', 'x_z', 'y_s', 'y_z'] },
      { type: 'uint8', shape: [6] },
      { initializers: [...uint8Scale('x', sx, zx), ...uint8Scale('y', 1 / 256, 0)] },
    );
    expect(runOnnx(model, x)).toEqual(x.map((q) => u8(1 / (1 + Math.exp(-real(q, sx, zx))), 1 / 256, 0)));
  });

  it('QLinearConcat brings its parts to one scale', () => {
    const model = oneNode(
      {
        type: 'QLinearConcat',
        domain,
        in: ['y_s', 'y_z', 'x', 'x_s', 'x_z', 'b', 'b_s', 'b_z'],
        attributes: { axis: { i: 0 } },
      },
      { type: 'uint8', shape: [6] },
      {
        initializers: [
          ...uint8Scale('x', sx, zx),
          bytes('b', 'uint8', [2], [0, 9]),
          ...uint8Scale('b', f(1.1), 3),
          ...uint8Scale('y', sy, zy),
        ],
      },
    );
    expect(runOnnx(model, x)).toEqual([
      ...x.map((q) => u8(real(q, sx, zx), sy, zy)),
      ...[0, 9].map((q) => u8(real(q, f(1.1), 3), sy, zy)),
    ]);
  });

  it.each([0, 1])('QLinearGlobalAveragePool, channels_last %i', (last) => {
    const model = oneNode(
      {
        type: 'QLinearGlobalAveragePool',
        domain,
        in: ['x', 'x_s', 'x_z', 'y_s', 'y_z'],
        attributes: { channels_last: { i: last } },
      },
      { type: 'uint8', shape: last ? [1, 1, 3, 2] : [1, 2, 1, 3] },
      { initializers: [...uint8Scale('x', sx, zx), ...uint8Scale('y', sy, zy)] },
    );
    const channels = last
      ? [
          [0, 100, 200],
          [10, 128, 255],
        ]
      : [
          [0, 10, 100],
          [128, 200, 255],
        ];
    const mean = (c: number[]) => c.reduce((sum, q) => sum + real(q, sx, zx), 0) / 3;
    expect(runOnnx(model, x)).toEqual(channels.map((c) => u8(mean(c), sy, zy)));
  });

  it('QLinearAveragePool', () => {
    const model = oneNode(
      {
        type: 'QLinearAveragePool',
        domain,
        in: ['x', 'x_s', 'x_z', 'y_s', 'y_z'],
        attributes: { kernel_shape: { ints: [1, 2] }, strides: { ints: [1, 2] } },
      },
      { type: 'uint8', shape: [1, 1, 1, 6] },
      { initializers: [...uint8Scale('x', sx, zx), ...uint8Scale('y', sy, zy)] },
    );
    const pairs = [
      [0, 10],
      [100, 128],
      [200, 255],
    ] as const;
    expect(runOnnx(model, x)).toEqual(
      pairs.map(([a, b]) => u8((real(a, sx, zx) + real(b, sx, zx)) / 2, sy, zy)),
    );
  });

  describe('QGemm', () => {
    // a (2, 3), b (3, 2), c (2)
    const a = [
      [0, 10, 100],
      [128, 200, 255],
    ];
    const b = [
      [1, -2],
      [3, 4],
      [-5, 60],
    ];
    const sb = f(0.01);
    const c = [100, -200];
    const sum = (m: number, n: number) => [0, 1, 2].reduce((s, k) => s + (a[m]![k]! - zx) * b[k]![n]!, c[n]!);
    const sums = [sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)];
    const constants = [
      ...uint8Scale('x', sx, zx),
      bytes('b', 'int8', [3, 2], b.flat()),
      floats('b_s', [], [sb]),
      bytes('b_z', 'int8', [], [0]),
      { name: 'c', type: 'int32', dims: [2], typed: c } as const,
    ];
    const inputs = ['x', 'x_s', 'x_z', 'b', 'b_s', 'b_z', 'c'];
    it('to integers', () => {
      const model = oneNode(
        { type: 'QGemm', domain, in: [...inputs, 'y_s', 'y_z'] },
        { type: 'uint8', shape: [2, 3] },
        { initializers: [...constants, ...uint8Scale('y', sy, zy)] },
      );
      expect(runOnnx(model, x)).toEqual(sums.map((s) => u8(s * sx * sb, sy, zy)));
    });
    it('to real numbers', () => {
      const model = oneNode(
        { type: 'QGemm', domain, in: inputs },
        { type: 'uint8', shape: [2, 3] },
        { initializers: constants, output: 'float' },
      );
      const y = runOnnx(model, x);
      sums.forEach((s, i) => {
        expect(y[i]).toBeCloseTo(s * sx * sb, 4);
      });
    });
  });

  it('FusedConv', () => {
    const model = oneNode(
      {
        type: 'FusedConv',
        domain,
        attributes: { activation: { s: 'LeakyRelu' }, activation_params: { floats: [0.5] } },
      },
      { shape: [1, 1, 1, 3] },
      { initializers: [floats('w', [1, 1, 1, 1], [2]), floats('b', [1], [1])] },
    );
    expect(runOnnx(model, [1, -1, -3])).toEqual([3, -0.5, -2.5]);
  });
});

describe('older opsets', () => {
  interface Case {
    readonly label: string;
    readonly node: Partial<NodeSpec> & { readonly type: string };
    readonly opset: number;
    readonly shape: readonly number[];
    readonly x: readonly number[];
    readonly initializers?: readonly TensorSpec[];
    readonly y: readonly number[];
  }
  const one: readonly Case[] = [
    {
      label: 'Clip 6: bounds are attributes',
      node: { type: 'Clip', attributes: { min: { f: -1 }, max: { f: 2 } } },
      opset: 6,
      shape: [3],
      x: [-5, 1, 9],
      y: [-1, 1, 2],
    },
    {
      label: 'Pad 2: attributes',
      node: { type: 'Pad', attributes: { pads: { ints: [1, 0] }, value: { f: 7 } } },
      opset: 2,
      shape: [2],
      x: [1, 2],
      y: [7, 1, 2],
    },
    {
      label: 'Slice 1',
      node: { type: 'Slice', attributes: { starts: { ints: [1] }, ends: { ints: [-1] } } },
      opset: 9,
      shape: [4],
      x: [1, 2, 3, 4],
      y: [2, 3],
    },
    {
      label: 'Slice 1 to the largest int64',
      node: { type: 'Slice', attributes: { starts: { ints: [2] }, ends: { ints: [9223372036854775000] } } },
      opset: 9,
      shape: [4],
      x: [1, 2, 3, 4],
      y: [3, 4],
    },
    {
      label: 'Squeeze 1: axes are an attribute',
      node: { type: 'Squeeze', attributes: { axes: { ints: [0] } } },
      opset: 11,
      shape: [1, 2],
      x: [1, 2],
      y: [1, 2],
    },
    {
      label: 'ReduceSum 1: axes are an attribute',
      node: { type: 'ReduceSum', attributes: { axes: { ints: [1] }, keepdims: { i: 0 } } },
      opset: 11,
      shape: [2, 2],
      x: [1, 2, 3, 4],
      y: [3, 7],
    },
    {
      label: 'Softmax 11: all axes from axis on',
      node: { type: 'Softmax', attributes: { axis: { i: 1 } } },
      opset: 11,
      shape: [1, 2, 2],
      x: [0, 0, 0, 0],
      y: [0.25, 0.25, 0.25, 0.25],
    },
    {
      label: 'Softmax 13: one axis',
      node: { type: 'Softmax', attributes: { axis: { i: 1 } } },
      opset: 13,
      shape: [1, 2, 2],
      x: [0, 0, 0, 0],
      y: [0.5, 0.5, 0.5, 0.5],
    },
    {
      label: 'Add 6: broadcast from an axis',
      node: { type: 'Add', attributes: { broadcast: { i: 1 }, axis: { i: 0 } } },
      opset: 6,
      shape: [2, 3],
      x: [0, 0, 0, 0, 0, 0],
      initializers: [floats('b', [2], [1, 2])],
      y: [1, 1, 1, 2, 2, 2],
    },
    {
      label: 'PRelu 6: a slope for each channel',
      node: { type: 'PRelu' },
      opset: 6,
      shape: [1, 2, 2],
      x: [-1, 1, -1, 1],
      initializers: [floats('s', [2], [0.5, 2])],
      y: [-0.5, 1, -2, 1],
    },
    {
      label: 'Dropout 6',
      node: { type: 'Dropout', attributes: { is_test: { i: 1 } } },
      opset: 6,
      shape: [2],
      x: [1, 2],
      y: [1, 2],
    },
    {
      label: 'Upsample 7: scales are an attribute',
      node: { type: 'Upsample', attributes: { scales: { floats: [1, 1, 1, 2] } } },
      opset: 7,
      shape: [1, 1, 1, 2],
      x: [1, 2],
      y: [1, 1, 2, 2],
    },
    {
      label: 'Resize 10',
      node: { type: 'Resize' },
      opset: 10,
      shape: [1, 1, 1, 2],
      x: [1, 2],
      initializers: [floats('s', [4], [1, 1, 1, 2])],
      y: [1, 1, 2, 2],
    },
    {
      label: 'TopK 1: k is an attribute',
      node: { type: 'TopK', attributes: { k: { i: 2 } }, out: ['y', 'i'] },
      opset: 9,
      shape: [4],
      x: [1, 4, 3, 2],
      y: [4, 3],
    },
    {
      label: 'Split 2: sizes are an attribute',
      node: { type: 'Split', attributes: { split: { ints: [1, 3] } }, out: ['a', 'y'] },
      opset: 2,
      shape: [4],
      x: [1, 2, 3, 4],
      y: [1],
    },
    {
      label: 'Cast 1: the type by name',
      node: { type: 'Cast', attributes: { to: { s: 'FLOAT' } } },
      opset: 5,
      shape: [2],
      x: [1.5, 2],
      y: [1.5, 2],
    },
    {
      label: 'Reshape 1: the shape is an attribute',
      node: { type: 'Reshape', attributes: { shape: { ints: [-1] } } },
      opset: 1,
      shape: [2, 1],
      x: [1, 2],
      y: [1, 2],
    },
    {
      label: 'BatchNormalization 7',
      node: { type: 'BatchNormalization', attributes: { epsilon: { f: 0 } } },
      opset: 7,
      shape: [1, 2, 1],
      x: [3, 3],
      initializers: [
        floats('g', [2], [1, 2]),
        floats('b', [2], [0, 1]),
        floats('m', [2], [1, 2]),
        floats('v', [2], [4, 1]),
      ],
      y: [1, 3],
    },
  ];
  it.each(one)('$label', ({ node, opset, shape, x, initializers, y }) => {
    const model = oneNode(node, { shape }, { opset, ...(initializers ? { initializers } : {}) });
    const made = runOnnx(model, x);
    expect(made.length).toBe(y.length);
    made.forEach((number, i) => {
      expect(number).toBeCloseTo(y[i]!, 6);
    });
  });
});

describe('what becomes of a convolution', () => {
  const kinds = (model: Uint8Array): OpKind[] => readOnnx(model).nodes.map((node) => node.op.kind);
  const weights = (dims: readonly number[]) =>
    floats('w', dims, new Array<number>(dims.reduce((a, b) => a * b)).fill(1));
  const conv = (shape: readonly number[], dims: readonly number[], group: number) =>
    oneNode(
      { type: 'Conv', attributes: { group: { i: group } } },
      { shape },
      { initializers: [weights(dims)] },
    );

  it('two axes', () =>
    expect(kinds(conv([1, 2, 5, 5], [4, 2, 3, 3], 1))).toEqual(['transpose', 'conv2d', 'transpose']));
  it('one input channel a group', () =>
    expect(kinds(conv([1, 2, 5, 5], [4, 1, 3, 3], 2))).toEqual([
      'transpose',
      'depthwiseConv2d',
      'transpose',
    ]));
  it('other groups', () => expect(kinds(conv([1, 4, 5, 5], [4, 2, 3, 3], 2))).toContain('conv2d'));
  it('one axis', () =>
    expect(kinds(conv([1, 2, 5], [4, 2, 3], 1))).toEqual([
      'reshape',
      'transpose',
      'conv2d',
      'transpose',
      'reshape',
    ]));
  it('three axes', () => expect(kinds(conv([1, 2, 5, 5, 5], [4, 2, 3, 3, 3], 1))).toContain('convNd'));

  it('weights made of integers stay integers, their scales along', () => {
    const model = writeModel({
      opset: 13,
      inputs: [{ name: 'x', type: 'float', shape: [1, 2, 3, 3] }],
      outputs: [{ name: 'y', type: 'float', shape: [1, 2, 3, 3] }],
      initializers: [
        bytes('w', 'int8', [2, 1, 1, 1], [3, -4]),
        floats('s', [2], [0.5, 0.25]),
        bytes('z', 'int8', [2], [0, 0]),
      ],
      nodes: [
        { type: 'DequantizeLinear', in: ['w', 's', 'z'], out: ['v'], attributes: { axis: { i: 0 } } },
        { type: 'Conv', in: ['x', 'v'], out: ['y'], attributes: { group: { i: 2 } } },
      ],
    });
    const graph = readOnnx(model);
    const conv2d = graph.nodes.find((node) => node.op.kind === 'depthwiseConv2d')!;
    const convert = graph.nodes.find((node) => node.output === conv2d.inputs[1])!;
    const integers = graph.values[convert.inputs[0]!]!;
    expect(convert.op.kind).toBe('convert');
    expect(integers).toMatchObject({
      dtype: 'i8',
      shape: [1, 1, 1, 2],
      quantization: { scale: [0.5, 0.25], axis: 3 },
    });
    expect(Array.from<number | bigint>(integers.data!)).toEqual([3, -4]);
    expect(runOnnx(model, new Array<number>(18).fill(2))).toEqual([
      ...new Array(9).fill(3),
      ...new Array(9).fill(-2),
    ]);
  });
});

describe('what the text of an operator refuses', () => {
  const refused: readonly [string, Uint8Array, string][] = [
    ['axes outside', oneNode({ type: 'Softmax', attributes: { axis: { i: 3 } } }, { shape: [2] }), 'axis 3'],
    [
      'an index outside',
      oneNode({ type: 'Gather' }, { shape: [2] }, { initializers: [longs('i', [2])] }),
      'index 2',
    ],
    [
      'training',
      oneNode(
        { type: 'BatchNormalization', attributes: { training_mode: { i: 1 } } },
        { shape: [1, 1, 1] },
        { initializers: ['a', 'b', 'c', 'd'].map((n) => floats(n, [1], [1])) },
      ),
      'training mode',
    ],
    [
      'a step of 0',
      oneNode(
        { type: 'Slice' },
        { shape: [2] },
        { initializers: [longs('b', [0]), longs('e', [1]), longs('a', [0]), longs('s', [0])] },
      ),
      'step of 0',
    ],
    [
      'sizes that do not add up',
      oneNode({ type: 'Split' }, { shape: [4] }, { initializers: [longs('s', [1, 1])] }),
      'sizes [1, 1]',
    ],
    [
      'a shape that holds more',
      oneNode({ type: 'Reshape' }, { shape: [4] }, { initializers: [longs('s', [3, -1])] }),
      'cannot see',
    ],
  ];
  it.each(refused)('%s', (_, model, message) => {
    expect(() => readOnnx(model)).toThrow(message);
  });
});
