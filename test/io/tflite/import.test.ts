import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { FlatFile } from '../../../src/io/tflite/flatbuffer.ts';
import { readTflite } from '../../../src/io/tflite/index.ts';
import * as o from '../../../src/io/tflite/schema.ts';
import { runGraph } from './run.ts';
import {
  constant,
  type FileSpec,
  f16,
  f32,
  i8,
  i16,
  i32,
  i64,
  numbers,
  type OptionsSpec,
  oneOperator,
  scalar,
  type TensorSpec,
  withParams,
  writeTflite,
} from './write.ts';

const read = (spec: FileSpec) => readTflite(writeTflite(spec));
const conv: OptionsSpec = {
  union: o.conv2d.union,
  fields: { [o.conv2d.padding]: ['i8', 1], [o.conv2d.strideW]: ['i32', 1], [o.conv2d.strideH]: ['i32', 1] },
};

function errorOf(body: () => unknown): VireoError {
  try {
    body();
  } catch (error) {
    if (error instanceof VireoError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('readTflite', () => {
  it('keeps names, order and quantisation of inputs and outputs', () => {
    const graph = read({
      tensors: [
        { ...i8([1, 2], [], 0.5, 3), name: 'left' },
        { ...i8([1, 2], [], 0.25, -3), name: 'right' },
        { ...i8([1, 2], [], 1, 7), name: 'sum' },
      ],
      operators: [{ code: 'ADD', inputs: [1, 0], outputs: [2] }],
      inputs: [0, 1],
      outputs: [2],
      name: 'adder',
    });
    expect(graph.name).toBe('adder');
    expect(graph.inputs.map((id) => graph.values[id]!.name)).toEqual(['left', 'right']);
    const [sum] = graph.outputs.map((id) => graph.values[id]!);
    expect(sum).toMatchObject({
      name: 'sum',
      dtype: 'i8',
      quantization: { scale: [1], zeroPoint: [7], axis: 0 },
    });
    expect(graph.nodes.map((node) => node.inputs)).toEqual([[graph.inputs[1], graph.inputs[0]]]);
    expect(readTflite(writeTflite(oneOperator('ABS', [f32([1])], [f32([1])])), { name: 'mine' }).name).toBe(
      'mine',
    );
  });

  it('maps outputs that are inputs or constants themselves', () => {
    const graph = read({
      tensors: [f32([2]), constant(f32([2], [3, 4]))],
      operators: [],
      inputs: [0],
      outputs: [1, 0, 0],
    });
    const x = Float32Array.of(1, 2);
    expect(runGraph(graph, [x]).map((data) => Array.from(data, Number))).toEqual([
      [3, 4],
      [1, 2],
      [1, 2],
    ]);
  });

  it('views aligned constants in place and copies the others', () => {
    const weights = constant(f32([2], [5, 6]));
    const bytes = writeTflite(oneOperator('ADD', [f32([2]), weights], [f32([2])]));
    const dataOf = (graph: ReturnType<typeof readTflite>) =>
      graph.values.find((value) => value.data)!.data as Float32Array;
    expect(dataOf(readTflite(bytes)).buffer).toBe(bytes.buffer);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const copied = dataOf(readTflite(shifted.subarray(1)));
    expect(copied.buffer).not.toBe(shifted.buffer);
    expect(Array.from(copied)).toEqual([5, 6]);
  });

  it('finds constants outside the FlatBuffer, as files over 2 GB have them', () => {
    const spec = oneOperator('ADD', [f32([2], [1, 2]), constant(f32([2], [5, 6]))], [f32([2])]);
    const graph = read({ ...spec, buffersOutside: true });
    expect(Array.from(runGraph(graph, [Float32Array.of(1, 2)])[0]!, Number)).toEqual([6, 8]);
    const cut = writeTflite({ ...spec, buffersOutside: true });
    expect(errorOf(() => readTflite(cut.subarray(0, cut.length - 16))).code).toBe('bad-file');
  });

  it('widens float16 constants, exactly, and says so', () => {
    const halves = [0x0000, 0x8000, 0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0x3555];
    const wanted = [0, -0, 1, -2, 2 ** -24, 1023 * 2 ** -24, 65504, Number.POSITIVE_INFINITY, 0.333251953125];
    const graph = read({
      tensors: [f32([9]), constant(f16([9], halves)), f32([9]), f32([9])],
      operators: [
        { code: 'DEQUANTIZE', inputs: [1], outputs: [2] },
        { code: 'MAXIMUM', inputs: [0, 2], outputs: [3] },
      ],
      inputs: [0],
      outputs: [3, 2],
    });
    expect(Array.from(graph.values[graph.outputs[1]!]!.data!, Number)).toEqual(wanted);
    expect(graph.notes).toEqual(['float16 constants became float32 at import: 1 tensors.']);
  });

  it('takes open extents as the file has them, and others where the caller gives them', () => {
    const x: TensorSpec = { ...f32([1, 2]), signature: [-1, 2], name: 'x' };
    const bytes = writeTflite(oneOperator('ABS', [x], [f32([1, 2])]));
    const graph = readTflite(bytes);
    expect(graph.notes).toEqual(['Input "x" leaves extents open, [-1, 2]; they are taken as [1, 2].']);
    const wider = readTflite(bytes, { shapes: { x: [5, 2] } });
    expect(wider.values[wider.outputs[0]!]!.shape).toEqual([5, 2]);
    expect(wider.notes).toEqual([]);
    expect(errorOf(() => readTflite(bytes, { shapes: { y: [1] } }))).toMatchObject({
      code: 'usage',
      message: 'shapes: there is no input "y"; the inputs are "x"',
    });
    expect(errorOf(() => readTflite(bytes, { shapes: { x: [0.5, 2] } })).code).toBe('usage');
  });

  it('infers the shapes in between instead of believing them', () => {
    const graph = read({
      tensors: [
        f32([1, 4, 2]),
        i32([3]),
        numbers(1),
        numbers(2),
        numbers(1),
        i32([]),
        constant(i32([], [2])),
        i32([2]),
        f32([1, 1]), // wrong: [4, 2]
      ],
      operators: [
        { code: 'SHAPE', inputs: [0], outputs: [1] },
        {
          code: 'STRIDED_SLICE',
          inputs: [1, 2, 3, 4],
          outputs: [5],
          options: { union: o.stridedSlice.union, fields: { [o.stridedSlice.shrinkAxisMask]: ['i32', 1] } },
        },
        {
          code: 'PACK',
          inputs: [5, 6],
          outputs: [7],
          options: { union: o.pack.union, fields: { [o.pack.count]: ['i32', 2] } },
        },
        { code: 'RESHAPE', inputs: [0, 7], outputs: [8] },
      ],
      inputs: [0],
      outputs: [8],
    });
    expect(graph.nodes.map((node) => node.op)).toEqual([{ kind: 'reshape', shape: [4, 2] }]);
  });

  it('mentions further subgraphs', () => {
    const graph = read({ ...oneOperator('ABS', [f32([1])], [f32([1])]), subgraphs: 3 });
    expect(graph.notes[0]).toContain('3 subgraphs');
  });
});

describe('what readTflite refuses', () => {
  it('lists everything unsupported at once, with the reasons', () => {
    const x = f32([1]);
    const error = errorOf(() =>
      read({
        tensors: [x, x, x, x, x, { ...i16([1]), scale: [1] }, { ...i16([1]), scale: [1] }, x],
        operators: [
          { code: 'CUSTOM:Fancy', inputs: [0], outputs: [1] },
          { code: 'ABS', inputs: [1], outputs: [2] },
          { code: 'LSTM', inputs: [2], outputs: [3] },
          { code: 'CUSTOM:Fancy', inputs: [3], outputs: [4] },
          { code: 'ABS', inputs: [5], outputs: [6] },
          { code: 'NEG', inputs: [0], outputs: [7] },
        ],
        inputs: [0, 5],
        outputs: [4, 7],
      }),
    );
    expect(error.code).toBe('unsupported');
    expect(error.message).toBe(
      [
        'TFLite: not supported:',
        'CUSTOM:Fancy (operator 0, 3)',
        'LSTM (operator 2)',
        'ABS: int16 activations (operator 4)',
      ].join('\n  '),
    );
  });

  const one = f32([1, 1, 1, 1], [1]);
  const weights8 = constant(i8([1, 1, 1, 1], [1]));
  const x8 = i8([1, 1, 1, 1], [1]);
  const unsupported: [label: string, spec: FileSpec, message: string][] = [
    [
      'weights made at run time',
      oneOperator('CONV_2D', [one, one], [one], conv),
      'weights that are not constant',
    ],
    [
      '16x8',
      oneOperator('CONV_2D', [{ ...i16([1, 1, 1, 1]), scale: [1] }, weights8], [one], conv),
      'int16 activations',
    ],
    [
      'int64 bias',
      oneOperator('CONV_2D', [x8, weights8, constant(i64([1], [1]))], [x8], conv),
      'int64 bias under int8 activations',
    ],
    [
      'mixed types',
      oneOperator('CONV_2D', [{ ...x8, type: 'uint8' }, weights8], [x8], conv),
      'int8 weights under uint8 activations',
    ],
    [
      'another output type',
      oneOperator('CONV_2D', [x8, weights8], [i32([1, 1, 1, 1])], conv),
      'int32 output of int8 input',
    ],
    [
      'the wrong axis',
      oneOperator(
        'CONV_2D',
        [x8, constant(withParams(i8([1, 1, 1, 2], [1, 1]), { scale: [1, 1], zeroPoint: [0, 0], axis: 3 }))],
        [x8],
        conv,
      ),
      'int8 weights quantised along axis 3',
    ],
    [
      'sparse weights',
      oneOperator('CONV_2D', [one, { ...constant(one), sparse: true }], [one], conv),
      'sparse data',
    ],
    [
      'TANH fused',
      oneOperator('ADD', [one, one], [one], { union: 11, fields: { 0: ['i8', 4] } }),
      'fused activation TANH',
    ],
    [
      'shuffled weights',
      oneOperator('FULLY_CONNECTED', [f32([1, 1]), constant(f32([1, 1], [1]))], [one], {
        union: o.fullyConnected.union,
        fields: { [o.fullyConnected.weightsFormat]: ['i8', 1] },
      }),
      'shuffled weights',
    ],
    [
      'a shape from data',
      oneOperator('RESHAPE', [one, i32([1], [1])], [one]),
      'extents that are not constant',
    ],
    ['strings', oneOperator('ABS', [{ type: 'string', shape: [1] }], [one]), 'input "t0": string data'],
    [
      'state',
      { ...oneOperator('ABS', [{ ...one, isVariable: true }], [one]), inputs: [] },
      'the state kept in tensor "t0"',
    ],
    [
      'complex output',
      oneOperator('RFFT2D', [f32([1, 1, 2]), numbers(1, 2)], [{ type: 'complex64', shape: [1, 1, 2] }]),
      'output "out0": complex64 data',
    ],
    [
      'uint8 that stands for nothing',
      oneOperator('ABS', [{ type: 'uint8', shape: [1] }], [one]),
      'uint8 input without',
    ],
    ['schema version 2', { ...oneOperator('ABS', [one], [one]), version: 2 }, 'schema version 2'],
  ];
  it.each(unsupported)('%s: unsupported', (_, spec, message) => {
    const error = errorOf(() => read(spec));
    expect(error.message).toContain(message);
    expect(error.code).toBe('unsupported');
  });

  const bad: [label: string, spec: FileSpec, message: string][] = [
    ['no TFLite file', { ...oneOperator('ABS', [one], [one]), identifier: 'ABCD' }, 'expected "TFL3"'],
    ['no output', { ...oneOperator('ABS', [one], [one]), outputs: [] }, 'no output'],
    [
      'a tensor that does not exist',
      { ...oneOperator('ABS', [one], [one]), outputs: [9] },
      'tensor 9 does not exist',
    ],
    ['a tensor before it is written', { ...oneOperator('ABS', [one], [one]), inputs: [] }, 'is read before'],
    [
      'two writers',
      {
        tensors: [one, one],
        operators: [
          { code: 'ABS', inputs: [0], outputs: [1] },
          { code: 'NEG', inputs: [0], outputs: [1] },
        ],
        inputs: [0],
        outputs: [1],
      },
      'written twice',
    ],
    [
      'a constant of the wrong size',
      oneOperator('ADD', [one, { ...constant(one), shape: [2] }], [one]),
      'float32[2] expects 8 bytes, got 4',
    ],
    [
      'a scale of 0',
      oneOperator('ADD', [{ ...i8([1], []), scale: [0] }, i8([1], [])], [i8([1], [])]),
      'scales expect finite positive numbers, got 0',
    ],
    [
      'a zero point out of range',
      oneOperator('ADD', [i8([1], [], 1, 200), i8([1], [])], [i8([1], [])]),
      'zero points expect -128 to 127, got 200',
    ],
    [
      'scales that do not fit their axis',
      oneOperator('ABS', [withParams(i8([2, 2], []), { scale: [1, 1, 1], zeroPoint: [0, 0, 0] })], [one]),
      '3 scales do not fit axis 0 of [2, 2]',
    ],
    [
      'options of another operator',
      oneOperator('ADD', [one, one], [one], { union: o.conv2d.union, fields: {} }),
      'expected options of kind 11, got 1',
    ],
    [
      'indices beyond the axis',
      oneOperator('GATHER', [f32([2]), numbers(2)], [f32([1])]),
      'index 2 is outside axis 0 of [2]',
    ],
    [
      'a SPLIT that does not come out',
      oneOperator('SPLIT', [numbers(0), f32([3])], [one, one]),
      'does not split',
    ],
    ['strides of 0', oneOperator('CONV_2D', [one, constant(one)], [one]), 'stride expects positive numbers'],
  ];
  it.each(bad)('%s: bad-file', (_, spec, message) => {
    const error = errorOf(() => read(spec));
    expect(error.message).toContain(message);
    expect(error.code).toBe('bad-file');
  });

  it('shapes that do not fit: bad-graph', () => {
    expect(errorOf(() => read(oneOperator('ADD', [f32([2]), f32([3])], [f32([3])]))).code).toBe('bad-graph');
  });

  it('more than the limits allow: too-large', () => {
    const bytes = writeTflite(oneOperator('ABS', [f32([1000])], [f32([1000])]));
    expect(errorOf(() => readTflite(bytes, { limits: { bytes: 100 } })).code).toBe('too-large');
    expect(errorOf(() => readTflite(bytes, { limits: { nodes: 0 } })).code).toBe('too-large');
  });
});

describe('what a small file could make grow', () => {
  const refused = (spec: FileSpec) => errorOf(() => read(spec)).code;

  it('an empty tensor with one huge extent', () => {
    const shape = [0x7fffffff, 0];
    expect(refused(oneOperator('RESHAPE', [constant(f32([0])), numbers(...shape)], [f32(shape)]))).toBe(
      'too-large',
    );
  });

  it('a constant padded to a gigabyte stays in the graph', () => {
    const paddings = constant(i32([1, 2], [0, 2 ** 27]));
    const graph = read(oneOperator('PAD', [constant(f32([1], [1])), paddings], [f32([1])]));
    expect(graph.nodes.map((node) => node.op.kind)).toEqual(['pad']);
  });

  it('the rank, one axis an operator', () => {
    const count = 40;
    const tensors = [scalar(0), ...Array.from({ length: count + 1 }, () => f32([1]))];
    const operators = Array.from({ length: count }, (_, i) => ({
      code: 'EXPAND_DIMS',
      inputs: [i + 1, 0],
      outputs: [i + 2],
    }));
    const error = errorOf(() => read({ tensors, operators, inputs: [1], outputs: [count + 1] }));
    expect(error.message).toContain('EXPAND_DIMS: output of rank 9, at most 8 (operator 7)');
  });

  it('tables that share one vector a million times', () => {
    const bytes = writeTflite(oneOperator('ABS', [f32([1])], [f32([1])]));
    const file = new FlatFile(bytes, 'test');
    expect(() => {
      for (let i = 0; i < 1e6; i++)
        file.root(o.fileIdentifier).tables(o.model.subgraphs).at(0).ints(o.subgraph.inputs);
    }).toThrow('its tables point at the same bytes over and over');
  });
});
