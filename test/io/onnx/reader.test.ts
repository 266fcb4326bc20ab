/** The file format: tensors of every kind, names, shapes, functions, branches, and what is refused. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import {
  isOnnx,
  OnnxUnsupported,
  onnxInputs,
  parameterInputs,
  readOnnx,
  readOnnxTensor,
} from '../../../src/io/onnx/index.ts';
import { tensorOf } from '../../../src/io/onnx/tensors.ts';
import { runOnnx } from './run.ts';
import { floats, longs, type ModelSpec, oneNode, type TensorSpec, writeModel, writeTensor } from './write.ts';

const x2 = [{ name: 'x', type: 'float', shape: [2] }] as const;
const y2 = [{ name: 'y', type: 'float', shape: [2] }] as const;
const relu = { type: 'Relu', in: ['x'], out: ['y'] };

function refusal(bytes: Uint8Array, options = {}): VireoError {
  try {
    readOnnx(bytes, options);
  } catch (error) {
    if (error instanceof VireoError) return error;
    throw error;
  }
  throw new Error('was read');
}

const little = (...numbers: number[]): Uint8Array => Uint8Array.from(numbers);

describe('tensors', () => {
  const cases: readonly [string, TensorSpec, readonly (number | bigint)[]][] = [
    ['float, typed', { type: 'float', dims: [2], typed: [1.5, -2] }, [1.5, -2]],
    ['float, raw', { type: 'float', dims: [1], raw: little(0, 0, 0xc0, 0x3f) }, [1.5]],
    ['double, typed', { type: 'double', dims: [1], typed: [0.1] }, [0.1]],
    [
      'float16, typed bits',
      { type: 'float16', dims: [3], typed: [0x3c00, 0xc000, 0x0001] },
      [1, -2, 2 ** -24],
    ],
    ['float16, raw', { type: 'float16', dims: [2], raw: little(0, 0x7c, 0xff, 0x7b) }, [Infinity, 65504]],
    ['int8', { type: 'int8', dims: [2], typed: [-128, 127] }, [-128, 127]],
    ['uint8, raw', { type: 'uint8', dims: [2], raw: little(0, 255) }, [0, 255]],
    ['int16', { type: 'int16', dims: [1], typed: [-32768] }, [-32768]],
    ['uint16', { type: 'uint16', dims: [1], typed: [65535] }, [65535]],
    ['int32', { type: 'int32', dims: [2], typed: [-(2 ** 31), 2 ** 31 - 1] }, [-(2 ** 31), 2 ** 31 - 1]],
    ['uint32', { type: 'uint32', dims: [1], typed: [4294967295] }, [4294967295]],
    [
      'int64',
      { type: 'int64', dims: [2], typed: [-(2n ** 63n), 2n ** 53n + 1n] },
      [-(2n ** 63n), 2n ** 53n + 1n],
    ],
    ['uint64', { type: 'uint64', dims: [1], typed: [2n ** 64n - 1n] }, [2n ** 64n - 1n]],
    ['bool', { type: 'bool', dims: [3], typed: [0, 1, 1] }, [0, 1, 1]],
    ['a scalar', { type: 'float', dims: [], typed: [3] }, [3]],
    ['no elements', { type: 'float', dims: [0, 3] }, []],
  ];
  it.each(cases)('%s', (_, spec, expected) => {
    const { data, shape } = readOnnxTensor(writeTensor(spec));
    expect(Array.from<number | bigint>(data)).toEqual(expected);
    expect(shape).toEqual(spec.dims);
  });

  it.each([
    ['too few numbers', { type: 'float', dims: [3], typed: [1, 2] }, 'bad-file'],
    ['raw data of the wrong length', { type: 'float', dims: [2], raw: little(1, 2, 3) }, 'bad-file'],
    ['a negative extent', { type: 'float', dims: [-1], typed: [] }, 'bad-file'],
    ['2^40 elements', { type: 'float', dims: [2 ** 20, 2 ** 20], typed: [1] }, 'too-large'],
    ['bfloat16', { type: 'bfloat16', dims: [1], typed: [0] }, 'unsupported'],
    ['strings', { type: 'string', dims: [1], typed: [0] }, 'unsupported'],
  ] as const)('refuses %s', (_, spec, code) => {
    expect(() => readOnnxTensor(writeTensor(spec))).toThrow(expect.objectContaining({ code }));
  });

  describe('in other files', () => {
    const model = (location: string) =>
      writeModel({
        inputs: x2,
        outputs: y2,
        initializers: [
          { name: 'w', type: 'float', dims: [2], external: { location, offset: '4', length: '8' } },
        ],
        nodes: [{ type: 'Add', in: ['x', 'w'], out: ['y'] }],
      });
    const numbers = new Uint8Array(Float32Array.of(9, 1, 2).buffer);
    const external = (_: string, offset: number, length: number) => numbers.subarray(offset, offset + length);

    it('are asked of the caller', () => {
      expect(runOnnx(model('weights/a.bin'), [10, 20], { external })).toEqual([11, 22]);
    });
    it('are unsupported without one', () => {
      expect(refusal(model('a.bin')).message).toContain('initialiser "w": data in another file, "a.bin"');
    });
    it.each(['../a.bin', 'a/../../b', '/etc/passwd', 'C:a.bin', 'a\\b.bin', '', 'a//b', '..'])(
      'never outside of the folder: %j',
      (location) => {
        const asked: string[] = [];
        const spy = (name: string) => {
          asked.push(name);
          return numbers;
        };
        expect(refusal(model(location), { external: spy }).code).toBe('bad-file');
        expect(asked).toEqual([]);
      },
    );
    it('must be as long as they should', () => {
      expect(refusal(model('a.bin'), { external: () => numbers }).message).toContain(
        'expected 8 bytes, got 12',
      );
    });
  });
});

describe('inputs', () => {
  const grow: ModelSpec = {
    inputs: [{ name: 'x', type: 'float', shape: ['n', 'length'] }],
    outputs: [{ name: 'y', type: 'float', shape: ['n', 'length'] }],
    nodes: [relu],
  };
  it('take the shapes that the caller gives', () => {
    expect(runOnnx(writeModel(grow), [1, -1, 2, -2], { shapes: { x: [2, 2] } })).toEqual([1, 0, 2, 0]);
  });
  it('must be given where more than the batch is open', () => {
    const error = refusal(writeModel(grow));
    expect(error.code).toBe('usage');
    expect(error.message).toContain('x [n, length]');
  });
  it('have a batch of 1 unless told', () => {
    const graph = readOnnx(writeModel({ ...grow, inputs: [{ name: 'x', type: 'float', shape: ['n', 3] }] }));
    expect(graph.values[graph.inputs[0]!]!.shape).toEqual([1, 3]);
    expect(graph.notes[0]).toContain('"x"');
  });
  it('share the extents that have a name', () => {
    const two = writeModel({
      ...grow,
      inputs: [...grow.inputs!, { name: 'z', type: 'float', shape: ['n', 'length'] }],
      nodes: [{ type: 'Add', in: ['x', 'z'], out: ['y'] }],
    });
    const graph = readOnnx(two, { shapes: { x: [4, 5] } });
    expect(graph.values[graph.inputs[1]!]!.shape).toEqual([4, 5]);
  });
  it('with an initialiser are constants', () => {
    const model = writeModel({
      inputs: [...x2, { name: 'w', type: 'float', shape: [2] }],
      outputs: y2,
      initializers: [floats('w', [2], [1, 2])],
      nodes: [{ type: 'Add', in: ['x', 'w'], out: ['y'] }],
    });
    expect(onnxInputs(model).map((input) => input.name)).toEqual(['x']);
    expect(runOnnx(model, [1, 1])).toEqual([2, 3]);
  });
  it('that shape something are named, and can be bound', () => {
    const model = writeModel({
      inputs: [...x2, { name: 'shape', type: 'int64', shape: [2] }],
      outputs: [{ name: 'y', type: 'float', shape: ['a', 'b'] }],
      nodes: [
        { type: 'Identity', in: ['shape'], out: ['s'] },
        { type: 'Reshape', in: ['x', 's'], out: ['y'] },
      ],
    });
    expect(parameterInputs(model)).toEqual(['shape']);
    const bind = { shape: tensorOf('i64', [2], BigInt64Array.of(2n, 1n)) };
    expect(parameterInputs(model, { bind })).toEqual([]);
    expect(runOnnx(model, [3, 4], { bind })).toEqual([3, 4]);
  });
  it('that do not exist cannot be meant', () => {
    expect(refusal(writeModel(grow), { shapes: { q: [1] } }).code).toBe('usage');
  });
});

describe('names', () => {
  it('of inputs and outputs are those of the file', () => {
    const model = writeModel({
      inputs: x2,
      outputs: [
        ...y2,
        { name: 'same', type: 'float', shape: [2] },
        { name: 'seven', type: 'float', shape: [] },
      ],
      initializers: [floats('c', [], [7])],
      nodes: [
        relu,
        { type: 'Identity', in: ['x'], out: ['same'] },
        { type: 'Identity', in: ['c'], out: ['seven'] },
      ],
    });
    const session = compile(readOnnx(model));
    expect(session.inputs.map((info) => info.name)).toEqual(['x']);
    expect(session.outputs.map((info) => info.name)).toEqual(['y', 'same', 'seven']);
    session.input('x').set([1, -1]);
    session.run();
    expect(Array.from(session.output('same'))).toEqual([1, -1]);
    expect(Array.from(session.output('seven'))).toEqual([7]);
  });
});

describe('functions of the file', () => {
  const scale: ModelSpec = {
    opsets: { '': 21, mine: 1 },
    inputs: x2,
    outputs: y2,
    nodes: [{ type: 'Scale', domain: 'mine', in: ['x'], out: ['y'], attributes: { by: { f: 3 } } }],
    functions: [
      {
        name: 'Scale',
        domain: 'mine',
        inputs: ['a', 'absent'],
        outputs: ['b'],
        attributes: ['by'],
        nodes: [
          { type: 'Constant', in: [], out: ['k'], attributes: { value_float: { ref: 'by' } } },
          { type: 'Mul', in: ['a', 'k'], out: ['m'] },
          { type: 'Clip', in: ['m', 'absent'], out: ['b'] },
        ],
      },
    ],
  };
  it('are put in place, with their attributes', () => {
    expect(runOnnx(writeModel(scale), [1, 2])).toEqual([3, 6]);
  });
  it('that call themselves are refused', () => {
    const itself = {
      ...scale.functions![0]!,
      nodes: [{ type: 'Scale', domain: 'mine', in: ['a'], out: ['b'] }],
    };
    expect(refusal(writeModel({ ...scale, functions: [itself] })).message).toContain('calls itself');
  });
  it('that double at each of 30 levels are too large', () => {
    const functions = Array.from({ length: 30 }, (_, level) => ({
      name: `F${level}`,
      domain: 'mine',
      inputs: ['a'],
      outputs: ['b'],
      nodes:
        level === 0
          ? [{ type: 'Relu', in: ['a'], out: ['b'] }]
          : [
              { type: `F${level - 1}`, domain: 'mine', in: ['a'], out: ['m'] },
              { type: `F${level - 1}`, domain: 'mine', in: ['m'], out: ['b'] },
            ],
    }));
    const nodes = [{ type: 'F29', domain: 'mine', in: ['x'], out: ['y'] }];
    expect(refusal(writeModel({ ...scale, nodes, functions })).code).toBe('too-large');
  });
});

describe('If', () => {
  const branch = (type: string) => ({
    g: {
      nodes: [{ type, in: ['x'], out: ['r'] }],
      outputs: [{ name: 'r', type: 'float', shape: [2] }],
    } as const,
  });
  const model = (condition: number) =>
    writeModel({
      inputs: x2,
      outputs: y2,
      initializers: [{ name: 'c', type: 'bool', dims: [], typed: [condition] }],
      nodes: [
        {
          type: 'If',
          in: ['c'],
          out: ['y'],
          attributes: { then_branch: branch('Relu'), else_branch: branch('Neg') },
        },
      ],
    });
  it('with a known condition is its branch', () => {
    expect(runOnnx(model(1), [1, -2])).toEqual([1, 0]);
    expect(runOnnx(model(0), [1, -2])).toEqual([-1, 2]);
  });
});

describe('what is not supported', () => {
  it('is listed whole: name, operator, domain, opset, reason', () => {
    const model = writeModel({
      opsets: { '': 17, 'ai.onnx.ml': 2 },
      inputs: [...x2, { name: 't', type: 'string', shape: [1] }],
      outputs: y2,
      nodes: [
        { type: 'Loop', name: 'first', in: [], out: ['a'] },
        { type: 'Binarizer', name: 'second', domain: 'ai.onnx.ml', in: ['x'], out: ['b'] },
        { type: 'Add', in: ['a', 'b'], out: ['c'] },
        { type: 'Relu', name: 'third', in: ['x'], out: ['d'], attributes: { strange: { i: 1 } } },
        { type: 'Add', in: ['c', 'd'], out: ['y'] },
      ],
    });
    const error = refusal(model);
    expect(error).toBeInstanceOf(OnnxUnsupported);
    expect(error.code).toBe('unsupported');
    expect((error as OnnxUnsupported).nodes).toEqual([
      { name: 'input "t"', operator: '', domain: '', opset: 0, reason: 'string data' },
      { name: 'first', operator: 'Loop', domain: 'ai.onnx', opset: 17, reason: 'no such operator here' },
      {
        name: 'second',
        operator: 'Binarizer',
        domain: 'ai.onnx.ml',
        opset: 2,
        reason: 'no such operator here',
      },
      {
        name: 'third',
        operator: 'Relu',
        domain: 'ai.onnx',
        opset: 17,
        reason: 'attribute "strange" is not understood',
      },
    ]);
    expect(error.message).toContain('Binarizer "second" (ai.onnx.ml opset 2): no such operator here');
  });
  it('includes newer opsets', () => {
    expect(refusal(oneNode({ type: 'Relu' }, { shape: [1] }, { opset: 99 })).code).toBe('unsupported');
  });
});

describe('graphs that are wrong', () => {
  const graph = (nodes: ModelSpec['nodes'], more: Partial<ModelSpec> = {}) =>
    refusal(writeModel({ inputs: x2, outputs: y2, nodes, ...more }));
  const add = (a: string, b: string, out: string) => ({
    type: 'Add',
    name: `make ${out}`,
    in: [a, b],
    out: [out],
  });

  it('nodes out of order', () => {
    expect(
      graph([add('x', 'a', 'y'), { type: 'Relu', name: 'late', in: ['x'], out: ['a'] }]).message,
    ).toContain('Add "make y" reads "a" before Relu "late" makes it');
  });
  it('a cycle', () => {
    expect(graph([add('x', 'b', 'a'), add('x', 'a', 'b'), add('a', 'b', 'y')]).message).toContain(
      'form a cycle',
    );
  });
  it('an input that nothing makes', () => {
    expect(graph([add('x', 'ghost', 'y')]).message).toContain('reads "ghost", which nothing makes');
  });
  it('a name made twice', () => {
    expect(graph([relu, relu]).message).toContain('"y" is made twice');
  });
  it('an initialiser twice', () => {
    expect(graph([relu], { initializers: [longs('w', [1]), longs('w', [1])] }).message).toContain(
      'stands twice',
    );
  });
  it('an output of another type than declared', () => {
    expect(graph([relu], { outputs: [{ name: 'y', type: 'int32', shape: [2] }] }).message).toContain(
      'declared int32',
    );
  });
  it('shapes that do not fit name the node', () => {
    expect(
      graph([{ type: 'Add', name: 'sum', in: ['x', 'w'], out: ['y'] }], {
        initializers: [longs('v', [1]), floats('w', [3], [1, 2, 3])],
      }).message,
    ).toContain('Add "sum"');
  });
  it('no output', () => {
    expect(graph([relu], { outputs: [] }).message).toContain('no output');
  });
  it('a million nodes in a chain', () => {
    const nodes = Array.from({ length: 1_000_000 }, (_, i) => ({
      type: 'Neg',
      in: [i === 0 ? 'x' : `v${i}`],
      out: [i === 999_999 ? 'y' : `v${i + 1}`],
    }));
    const bytes = writeModel({ inputs: x2, outputs: y2, nodes });
    const start = performance.now();
    expect(refusal(bytes).code).toBe('too-large');
    expect(performance.now() - start).toBeLessThan(2000);
  }, 60_000);
  it('90,000 nodes in a chain are read', () => {
    const nodes = Array.from({ length: 90_000 }, (_, i) => ({
      type: 'Neg',
      in: [i === 0 ? 'x' : `v${i}`],
      out: [i === 89_999 ? 'y' : `v${i + 1}`],
    }));
    const bytes = writeModel({ inputs: x2, outputs: y2, nodes });
    const start = performance.now();
    expect(readOnnx(bytes).nodes.length).toBe(90_000);
    expect(performance.now() - start).toBeLessThan(2000);
  }, 60_000);
});

describe('an input of integers', () => {
  const scalar = (name: string, type: 'float' | 'int8', value: number): TensorSpec => ({
    name,
    type,
    dims: [],
    typed: [value],
  });
  const read = (nodes: readonly object[], outputs: readonly string[] = ['y']) =>
    readOnnx(
      writeModel({
        inputs: [{ name: 'x', type: 'int8', shape: [2] }],
        outputs: outputs.map((name) => ({ name, type: 'float', shape: [2] })),
        nodes: nodes as ModelSpec['nodes'],
        initializers: [scalar('s', 'float', 0.5), scalar('t', 'float', 0.25), scalar('z', 'int8', -3)],
      }),
    );
  const dequantize = (scale: string, out: string) => ({
    type: 'DequantizeLinear',
    in: ['x', scale, 'z'],
    out: [out],
  });
  const scaleOf = ({ values, inputs }: ReturnType<typeof readOnnx>) => values[inputs[0]!]!.quantization;

  it('has the scale that its one reader gives it', () => {
    const graph = read([dequantize('s', 'a'), { type: 'Relu', in: ['a'], out: ['y'] }]);
    expect(scaleOf(graph)).toEqual({ scale: [0.5], zeroPoint: [-3], axis: 0 });
    const session = compile(graph);
    session.input(0).set([-5, 3]);
    session.run();
    expect([...session.output(0)]).toEqual([0, 3]);
  });
  it('has none where two readers disagree, or where something reads the stored numbers', () => {
    const add = { type: 'Add', in: ['a', 'b'], out: ['y'] };
    expect(scaleOf(read([dequantize('s', 'a'), dequantize('s', 'b'), add]))).not.toBeNull();
    expect(scaleOf(read([dequantize('s', 'a'), dequantize('t', 'b'), add]))).toBeNull();
    const cast = { type: 'Cast', in: ['x'], out: ['b'], attributes: { to: { i: 1 } } };
    expect(scaleOf(read([dequantize('s', 'a'), cast, add]))).toBeNull();
  });
});

describe('isOnnx', () => {
  it('knows a model by its content', () => {
    expect(isOnnx(oneNode({ type: 'Relu' }, { shape: [1] }))).toBe(true);
    expect(isOnnx(new Uint8Array(0))).toBe(false);
    expect(isOnnx(new TextEncoder().encode('a text, and no model at all'))).toBe(false);
  });
});
