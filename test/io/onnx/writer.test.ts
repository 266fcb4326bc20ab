/** Written ONNX files: what stands in them, what is refused, and where their transposes are. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { GraphBuilder } from '../../../src/graph/build.ts';
import type { Graph, ValueId } from '../../../src/graph/ir.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import { readOnnx } from '../../../src/io/onnx/index.ts';
import { writeOnnx } from '../../../src/io/onnx/write/index.ts';
import { exactMeans } from '../../../src/io/onnx/write/means.ts';
import { noClamp, noPad, type Pad, type Pair } from '../../../src/kernels/call.ts';
import { quantize, rangeOf, roundHalfEven } from '../../../src/kernels/requantize.ts';
import { elementCount, type Quantization } from '../../../src/tensor.ts';
import { compileTraining, freeze, sgd, trainingStep } from '../../../src/train.ts';
import { seeded } from '../../data.ts';
import { randomGraph, randomInputs } from '../../graph/random-graph.ts';
import { lenet, resnet8, type TrainingNet, trainingNet } from '../../graph/train-nets.ts';
import { countOf, distance, integerForms, lookInto, roundTrip } from './round-trip.ts';

const relu = { min: 0, max: Number.POSITIVE_INFINITY };
const q = (scale: number, zeroPoint: number): Quantization => ({
  scale: [scale],
  zeroPoint: [zeroPoint],
  axis: 0,
});

/** `shape`, or how many. */
function floats(shape: readonly number[] | number, seed = 1): Float32Array {
  const below = seeded(seed);
  const length = typeof shape === 'number' ? shape : elementCount(shape);
  return Float32Array.from({ length }, () => below(2000) / 1000 - 1);
}

function refusal(deed: () => unknown): VireoError {
  try {
    deed();
  } catch (error) {
    if (error instanceof VireoError) return error;
    throw error;
  }
  throw new Error('expected a VireoError');
}

/** 3 × 3, same size, on (n, h, w, c). */
function conv(b: GraphBuilder, x: ValueId, outC: number, clamp = relu): ValueId {
  const inC = b.value(x).shape[3]!;
  const w = b.constant('w', 'f32', [outC, 3, 3, inC], floats([outC, 3, 3, inC], outC));
  const bias = b.constant('b', 'f32', [outC], floats([outC], inC));
  const pad = { top: 1, left: 1, bottom: 1, right: 1 };
  const op = { kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad, groups: 1, clamp } as const;
  return b.add(op, [x, w, bias], { name: 'conv' });
}

/** A small int8 network. */
function integers(): Graph {
  const b = new GraphBuilder('integers');
  const x = b.input('x', 'i8', [1, 6, 6, 2], q(0.05, -3));
  const w = b.constant('w', 'i8', [3, 1, 1, 2], Int8Array.of(5, -7, 100, 3, -128, 127), {
    scale: [0.01, 0.02, 0.03],
    zeroPoint: [0, 0, 0],
    axis: 0,
  });
  const bias = b.constant('b', 'i32', [3], Int32Array.of(4, -500, 60));
  const op = {
    kind: 'conv2d',
    stride: [1, 1],
    dilation: [1, 1],
    pad: noPad,
    groups: 1,
    clamp: noClamp,
  } as const;
  const y = b.add(op, [x, w, bias], { name: 'y', quantization: q(0.1, 11) });
  const pool = { kind: 'averagePool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp } as const;
  const mean = b.add(pool, [y], { name: 'mean', quantization: q(0.1, 11) });
  const flat = b.add({ kind: 'reshape', shape: [1, 27] }, [mean]);
  const v = b.constant(
    'v',
    'i8',
    [2, 27],
    Int8Array.from({ length: 54 }, (_, i) => i * 4 - 100),
    q(0.02, 0),
  );
  return b.finish([
    b.add({ kind: 'dense', clamp: noClamp }, [flat, v], { name: 'z', quantization: q(0.3, -7) }),
  ]);
}

describe('the file', () => {
  const b = new GraphBuilder('small');
  const small = b.finish([conv(b, b.input('x', 'f32', [1, 4, 4, 2]), 3)]);

  it('says who made it, for which operators, and what it was given to say', () => {
    const metadata = { source: 'a'.repeat(64), note: 'ä\n"' };
    const model = lookInto(writeOnnx(small, { metadata }));
    expect(model.producer).toBe('vireo-nn');
    expect(model.opset).toBe(14);
    expect(model.metadata).toEqual(metadata);
  });
  it.each([
    ['none', {}],
    ['empty', { metadata: {} }],
    ['empty texts', { metadata: { '': '' } }],
  ])('metadata: %s', (_, options) => {
    const bytes = writeOnnx(small, options);
    expect(lookInto(bytes).metadata).toEqual('metadata' in options ? options.metadata : {});
    expect(readOnnx(bytes).nodes.length).toBeGreaterThan(0);
  });
  it('is the same for the same network', () => {
    for (const graph of [small, integers()])
      for (const form of ['float', 'qdq', 'qlinear'] as const)
        expect(writeOnnx(graph, { form })).toEqual(writeOnnx(structuredClone(graph), { form }));
  });
  it('keeps names, dtypes and shapes of inputs and outputs', () => {
    for (const form of ['float', 'qdq', 'qlinear'] as const)
      for (const graph of [small, integers()]) {
        const back = readOnnx(writeOnnx(graph, { form }));
        for (const ends of ['inputs', 'outputs'] as const) {
          const info = (one: Graph) =>
            one[ends].map((id) => [one.values[id]!.name, one.values[id]!.dtype, one.values[id]!.shape]);
          expect(info(back)).toEqual(info(graph));
        }
        expect(back.name).toBe(graph.name);
      }
  });
  it('holds nothing that no output needs', () => {
    const b = new GraphBuilder('dead');
    const x = b.input('x', 'f32', [1, 4, 4, 2]);
    conv(b, x, 7);
    const model = lookInto(writeOnnx(b.finish([b.add({ kind: 'clamp', clamp: relu }, [x], { name: 'y' })])));
    expect(model.nodes.map(({ type }) => type)).toEqual(['Relu']);
    expect(model.initializers).toEqual([]);
  });
  it('over 2 GiB is refused before it is made', () => {
    const b = new GraphBuilder('large', { bytes: 2 ** 33 });
    const data = new Float32Array(2 ** 27); // pages that nobody touches
    const x = b.input('x', 'f32', [1, 2 ** 14]);
    const outputs = Array.from({ length: 5 }, (_, i) => {
      const w = b.constant(`w${i}`, 'f32', [2 ** 13, 2 ** 14], data);
      return b.add({ kind: 'dense', clamp: noClamp }, [x, w]);
    });
    const error = refusal(() => writeOnnx(b.finish(outputs)));
    expect(error.code).toBe('too-large');
    expect(error.message).toContain('2147483647');
  });
});

describe('names', () => {
  const identity = { kind: 'unary', fn: 'neg', alpha: 0 } as const;
  /** Outputs named as listed, of inputs `x`. */
  function named(inputs: readonly string[], outputs: readonly string[]): Graph {
    const b = new GraphBuilder('names');
    const xs = inputs.map((_, i) => b.input(`x${i}`, 'f32', [2]));
    const graph = b.finish(outputs.map(() => b.add(identity, [xs[0]!])));
    const values = graph.values.map((value, id) => {
      const [i, o] = [graph.inputs.indexOf(id), graph.outputs.indexOf(id)];
      return { ...value, name: (i >= 0 ? inputs[i] : outputs[o]) ?? value.name };
    });
    return { ...graph, values };
  }
  it.each([
    ['twice', ['x'], ['y', 'y', 'y_2'], ['y', 'y_2', 'y_2_2']],
    ['of an input', ['x'], ['x'], ['x_2']],
    ['none at all', [''], [''], ['value_2']],
    ['what no file holds', ['\ud800'], ['a\0b'], ['a\ufffdb']],
    ['of an object', ['__proto__'], ['constructor', 'toString'], ['constructor', 'toString']],
    ['other scripts', ['入力'], ['出力 "1"/🐟'], ['出力 "1"/🐟']],
  ])('%s', (_, inputs, outputs, expected) => {
    const graph = named(inputs, outputs);
    const bytes = writeOnnx(graph);
    const back = readOnnx(bytes);
    expect(back.outputs.map((id) => back.values[id]!.name)).toEqual(expected);
    const names = lookInto(bytes).nodes.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
  it('of 300 values that are called the same stay apart', () => {
    const b = new GraphBuilder('chain');
    let x = b.input('x', 'f32', [2]);
    for (let i = 0; i < 300; i++) x = b.add(identity, [x]);
    const graph = b.finish([x]);
    const values = graph.values.map((value) => ({ ...value, name: 'v' }));
    const [{ original, written }] = roundTrip({ ...graph, values }, [Float32Array.of(1, -2)]) as [never];
    expect(written).toEqual(original);
  });
  it('an input, a constant, and one value twice can be outputs', () => {
    const b = new GraphBuilder('ends');
    const x = b.input('x', 'f32', [2]);
    const y = b.add(identity, [x], { name: 'y' });
    const c = b.constant('c', 'f32', [2], Float32Array.of(3, 4));
    const pairs = roundTrip(b.finish([x, y, y, c]), [Float32Array.of(1, -2)]);
    expect(pairs.map(({ written }) => written)).toEqual([
      [1, -2],
      [-1, 2],
      [-1, 2],
      [3, 4],
    ]);
  });
});

describe('what ONNX has no words for', () => {
  it('is listed all at once, with everything behind it looked at', () => {
    const b = new GraphBuilder('strange');
    const x = b.input('x', 'f32', [1, 6, 6, 2]);
    const wide = { stride: [1, 1], dilation: [2, 2], before: [0, 0], after: [0, 0] };
    const average = {
      kind: 'poolNd',
      fn: 'average',
      kernel: [2, 2],
      countPad: false,
      p: 1,
      ...wide,
    } as const;
    const first = b.add(average, [x], { name: 'first' });
    const between = b.add({ kind: 'clamp', clamp: relu }, [first]);
    const q16 = b.add({ kind: 'convert', rounding: 'away' }, [between], {
      name: 'q16',
      dtype: 'i16',
      quantization: q(0.1, 0),
    });
    const last = b.add({ kind: 'convert', rounding: 'away' }, [q16], {
      name: 'last',
      dtype: 'f32',
      quantization: null,
    });
    const error = refusal(() => writeOnnx(b.finish([last])));
    expect(error.code).toBe('unsupported');
    expect(error.message.split('\n')).toHaveLength(4);
    for (const text of [
      'poolNd "first": dilated',
      'convert "q16": quantises to i16',
      'convert "last": dequantises i16',
    ])
      expect(error.message).toContain(text);
  });
  it('a network in training names its states and its training operators', () => {
    const { graph } = trainingNet(2);
    const error = refusal(() => writeOnnx(graph));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('state "conv1/weights": kept from run to run');
    expect(error.message).toContain('training "');
  });
  it('a graph that breaks its own rules', () => {
    const graph = integers();
    const broken = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, inputs: [99] })) };
    expect(refusal(() => writeOnnx(broken)).code).toBe('bad-graph');
  });
});

describe('transposes', () => {
  const types = (graph: Graph) => lookInto(writeOnnx(graph)).nodes.map(({ type }) => type);

  it('a network of rows and columns has one at each end', () => {
    const b = new GraphBuilder('nhwc');
    const x = b.input('x', 'f32', [1, 6, 6, 3]);
    const y = conv(b, x, 4);
    const both = b.add({ kind: 'concat', axis: 3 }, [y, conv(b, y, 4)]);
    const k = b.constant('k', 'f32', [8], floats([8]));
    const scaled = b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [both, k]);
    const part = b.add({ kind: 'slice', begin: [0, 1, 1, 0], size: [1, 4, 4, 8], step: [1, 1, 1, 1] }, [
      scaled,
    ]);
    const padded = b.add({ kind: 'pad', before: [0, 1, 0, 0], after: [0, 0, 2, 0], value: 0 }, [part]);
    const graph = b.finish([conv(b, b.add({ kind: 'softmax', beta: 1, log: false }, [padded]), 2)]);
    const made = types(graph);
    expect(made.filter((type) => type === 'Transpose')).toHaveLength(2);
    expect([made[0], made.at(-1)]).toEqual(['Transpose', 'Transpose']);
    const [pair] = roundTrip(graph, [floats([1, 6, 6, 3])]);
    expect(distance(pair!)).toBeLessThan(1e-6);
  });
  it('one that takes and gives (n, c, h, w) has none', () => {
    const b = new GraphBuilder('nchw');
    const x = b.input('x', 'f32', [1, 3, 6, 6]);
    const last = b.add({ kind: 'transpose', perm: [0, 2, 3, 1] }, [x]);
    const y = conv(b, conv(b, last, 4), 4);
    const graph = b.finish([b.add({ kind: 'transpose', perm: [0, 3, 1, 2] }, [y])]);
    expect(types(graph)).toEqual(['Conv', 'Relu', 'Conv', 'Relu']);
  });
  it('where only axes of one element move, a reshape does', () => {
    const b = new GraphBuilder('grey');
    const x = b.input('x', 'f32', [1, 6, 6, 1]);
    const mean = b.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [conv(b, x, 4)]);
    const graph = b.finish([b.add({ kind: 'reshape', shape: [1, 4] }, [mean])]);
    expect(types(graph)).toEqual(['Reshape', 'Conv', 'Relu', 'GlobalAveragePool', 'Reshape']);
  });
  it('of one value to several readers is one', () => {
    const b = new GraphBuilder('shared');
    const x = b.input('x', 'f32', [1, 6, 6, 3]);
    const sum = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [conv(b, x, 4), conv(b, x, 4)]);
    expect(types(b.finish([b.add({ kind: 'reduce', fn: 'max', axes: [1, 2, 3] }, [sum])]))).toEqual([
      'Transpose',
      'Conv',
      'Relu',
      'Conv',
      'Relu',
      'Add',
      'ReduceMax',
    ]);
  });
  it('of two layouts, that is taken which both operands have already', () => {
    const b = new GraphBuilder('residual');
    const x = b.input('x', 'f32', [1, 6, 6, 3]);
    const rest = b.add({ kind: 'binary', fn: 'sub', clamp: noClamp }, [x, conv(b, x, 3)]);
    const made = types(b.finish([conv(b, rest, 4)]));
    expect(made).toEqual(['Transpose', 'Conv', 'Relu', 'Sub', 'Conv', 'Relu', 'Transpose']);
  });
  it('weights that are dequantised when it runs are turned when it is written', () => {
    const b = new GraphBuilder('pairs');
    const x = b.input('x', 'f32', [1, 3, 6, 6]);
    const w = b.constant(
      'w',
      'i8',
      [4, 1, 1, 3],
      Int8Array.from({ length: 12 }, (_, i) => i - 6),
      {
        scale: [0.1, 0.2, 0.3, 0.4],
        zeroPoint: [0, 0, 0, 0],
        axis: 0,
      },
    );
    const real = b.add({ kind: 'convert', rounding: 'even' }, [w], {
      dtype: 'f32',
      quantization: null,
      fold: false,
    });
    const last = b.add({ kind: 'transpose', perm: [0, 2, 3, 1] }, [x]);
    const op = {
      kind: 'conv2d',
      stride: [1, 1],
      dilation: [1, 1],
      pad: noPad,
      groups: 1,
      clamp: noClamp,
    } as const;
    const y = b.add(op, [last, real]);
    const graph = b.finish([b.add({ kind: 'transpose', perm: [0, 3, 1, 2] }, [y])]);
    expect(types(graph)).toEqual(['DequantizeLinear', 'Conv']);
  });
});

describe('integers', () => {
  const operators = (form: 'float' | 'qdq' | 'qlinear') => {
    const model = lookInto(writeOnnx(integers(), { form }));
    return Object.fromEntries(
      [...new Set(model.nodes.map(({ type }) => type))].map((t) => [t, countOf(model, t)]),
    );
  };
  it('in pairs: uint8 between int8 ends', () => {
    expect(operators('qdq')).toEqual({
      DequantizeLinear: 8, // the input, x, w, b, the pool, the dense layer's x and w, the result
      QuantizeLinear: 5,
      Transpose: 2,
      Conv: 1,
      AveragePool: 1,
      Reshape: 1,
      Gemm: 1,
    });
  });
  it('by QLinear operators', () => {
    expect(operators('qlinear')).toEqual({
      Transpose: 2,
      QLinearConv: 1,
      DequantizeLinear: 1,
      AveragePool: 1,
      QuantizeLinear: 1,
      Reshape: 1,
      QLinearMatMul: 1,
    });
  });
  it('as floats, with integers at the ends alone', () => {
    expect(operators('float')).toEqual({
      Transpose: 2,
      DequantizeLinear: 1,
      Conv: 1,
      Clip: 3,
      AveragePool: 1,
      Reshape: 1,
      Gemm: 1,
      QuantizeLinear: 1,
    });
  });
  it.each(['qdq', 'qlinear'] as const)(
    'written, read and written again in the form %s: every byte',
    (form) => {
      for (let seed = 0; seed < 60; seed++) {
        const graph = randomGraph(seed, seed % 2 === 0 ? 'i8' : 'u8');
        const once = readOnnx(writeOnnx(graph, { form }));
        for (const pair of roundTrip(once, randomInputs(graph, seed), { form }))
          expect(`${seed} ${pair.name}: ${distance(pair)}`).toBe(`${seed} ${pair.name}: 0`);
      }
    },
  );
});

describe('means of integers', () => {
  it('a scale just under 1 rounds every half away from zero, and nothing else otherwise', () => {
    const scale = Math.fround(1 - 2 ** -21);
    const range = rangeOf('i16');
    for (let count = 1; count <= 64; count++)
      for (let sum = 0; sum <= 128 * count; sum++) {
        const away = Math.floor((sum + Math.floor(count / 2)) / count);
        const mean = Math.fround(sum / count);
        if (
          quantize(mean, scale, 0, range, roundHalfEven) !== away ||
          quantize(-mean, scale, 0, range, roundHalfEven) !== -away
        )
          expect.fail(`${sum} of ${count}`);
      }
  });
  const windows: readonly [string, Pair, Pad][] = [
    ['2 × 2', [2, 2], noPad],
    ['8 × 8', [8, 8], noPad],
    ['3 × 4, cells outside left out', [3, 4], { top: 1, left: 2, bottom: 1, right: 1 }],
  ];
  it.each(windows)(
    'the rewritten network gives the same integers, and so does the file: %s',
    (_, kernel, pad) => {
      for (const [dtype, zeroPoint] of [
        ['i8', -100],
        ['u8', 30],
      ] as const) {
        const b = new GraphBuilder('means');
        const x = b.input('x', dtype, [1, 12, 12, 8], q(0.07, zeroPoint));
        const op = {
          kind: 'averagePool2d',
          kernel,
          stride: [1, 1],
          pad,
          clamp: { min: -3, max: 6 },
        } as const;
        const graph = b.finish([b.add(op, [x], { name: 'y', quantization: q(0.07, zeroPoint) })]);
        const { graph: rewritten, report } = exactMeans(graph);
        expect(report).toBe(1);
        const inputs = randomInputs(graph, 5);
        const results = [graph, rewritten].map((one) => {
          const session = compile(one);
          session.input(0, dtype).set(inputs[0] as never);
          session.run();
          return Array.from(session.output(0, dtype));
        });
        expect(results[1]).toEqual(results[0]);
        for (const form of integerForms)
          expect(roundTrip(graph, inputs, { form })[0]!.written).toEqual(results[0]);
      }
    },
  );
});

describe('networks from training', () => {
  const nets: readonly [string, (batch: number) => TrainingNet][] = [
    ['a little of everything', trainingNet],
    ['lenet', lenet],
    ['resnet8', resnet8],
  ];
  it.each(nets)('%s, frozen after two steps', (_, make) => {
    const net = make(2);
    const training = trainingStep(net.graph, net.loss, sgd());
    const session = compileTraining(training);
    session.input('learningRate')[0] = 0.01;
    for (let step = 0; step < 2; step++) {
      session.input('x').set(floats(session.input('x').length, step));
      session.input('targets').fill(0.25);
      session.run();
    }
    const logits = training.values.findIndex(({ name }) => name === net.graph.values[net.logits]!.name);
    const graph = freeze(training, [logits], (name) => session.state(name));
    const [pair] = roundTrip(graph, [floats(session.input('x').length, 9)]);
    expect(pair!.original.some((value) => value !== 0)).toBe(true);
    expect(distance(pair!)).toBeLessThan(1e-5 * Math.max(...pair!.original.map(Math.abs)));
  });
});
