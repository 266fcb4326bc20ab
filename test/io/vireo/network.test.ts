/** Networks as `.vireo` files: what goes in comes out, in few bytes, always the same ones. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { casesIn } from '../../../src/cli/conformance.ts';
import { VireoError } from '../../../src/errors.ts';
import { GraphBuilder } from '../../../src/graph/build.ts';
import type { Graph } from '../../../src/graph/ir.ts';
import type { Op } from '../../../src/graph/ops.ts';
import { optimize } from '../../../src/graph/optimize.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import { TrainingBuilder } from '../../../src/graph/train/builder.ts';
import { readOnnx } from '../../../src/io/onnx/index.ts';
import { readTflite } from '../../../src/io/tflite/index.ts';
import {
  type Data,
  type DataRecord,
  isVireo,
  readContainer,
  readVireo,
  readVireoMetadata,
  withoutUnused,
  writeContainer,
  writeVireo,
} from '../../../src/io/vireo/index.ts';
import {
  attributeNames,
  type RowName,
  readOp,
  rowName,
  writeAttributes,
} from '../../../src/io/vireo/operators.ts';
import { noClamp, noPad } from '../../../src/kernels/call.ts';
import { adam, compileTraining, differentiate, sgd, trainingStep } from '../../../src/train.ts';
import { smallNetwork } from '../../core/networks.ts';
import { dataPath, itWithData, readData } from '../../data.ts';
import { randomGraph, randomInputs } from '../../graph/random-graph.ts';
import { gradientCases } from '../../graph/train-cases.ts';
import { lenet, trainingNet } from '../../graph/train-nets.ts';
import { random } from '../../kernels/run-call.ts';
import { networkFiles } from '../../networks/files.ts';

const relu = { min: 0, max: Number.POSITIVE_INFINITY };

/** Faster than `toEqual` on millions of numbers, and as strict. */
function expectRoundTrip(graph: Graph): Uint8Array {
  const bytes = writeVireo(graph);
  const read = readVireo(bytes);
  if (!isDeepStrictEqual(read, graph)) expect(read).toStrictEqual(graph);
  expect(isDeepStrictEqual(writeVireo(read), bytes), 'the same bytes again').toBe(true);
  return bytes;
}

function expectSameOutputs(graph: Graph, other: Graph): void {
  const sessions = [graph, other].map((g) => compile(g));
  const inputs = randomInputs(graph, 5);
  for (const session of sessions) {
    inputs.forEach((data, i) => {
      session.input(i, session.inputs[i]!.dtype).set(data as never); // of the dtype that was asked for
    });
    session.run();
  }
  graph.outputs.forEach((_, i) => {
    const [a, b] = sessions.map((session) => session.output(i, session.outputs[i]!.dtype));
    expect(isDeepStrictEqual(a, b), `output ${i}`).toBe(true);
  });
}

const onnx = [
  ...['ch_ppocr_mobile_v2.0_cls_infer', 'mnist', 'super_resolution_core_op18', 'version-RFB-320'],
  ...['version-slim-320', 'version-slim-320_simplified', 'version-slim-320_without_postprocessing'],
].map((name) => `models/onnx/${name}.onnx`);
const twins = [
  ...[
    'ad_f32',
    'ad_i8',
    'ic_f32',
    'ic_i8',
    'kws_f32',
    'kws_i8',
    'mbv1_f32',
    'mbv1_i8',
    'mbv1_i8.w8',
    'mbv2_f32',
  ],
  ...['mbv2_i8.w8', 'vww_f32', 'vww_i8'],
].map((name) => `peer-models/${name}.onnx`);

function readAny(path: string): Graph {
  const bytes = readData(path);
  if (path.endsWith('.tflite')) return readTflite(bytes);
  return readOnnx(bytes, { shapes: path.includes('ppocr') ? { x: [1, 3, 48, 192] } : {} });
}

describe('every network of the test data comes back as it was', () => {
  for (const path of [...networkFiles(), ...onnx, ...twins])
    itWithData(path, [path], () => void expectRoundTrip(readAny(path)), 60_000);

  const runs = [
    ...['mlperf-tiny/kws/kws_ref_model.tflite', 'mlperf-tiny/kws/kws_ref_model_float32.tflite'],
    ...[
      'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
      'models/tflite/person_detect.tflite',
      'models/onnx/mnist.onnx',
    ],
    ...['peer-models/kws_i8.onnx', 'models/tflite/yamnet.tflite'],
  ];
  for (const path of runs)
    itWithData(`${path} gives the same bytes, without what is unused too`, [path], () => {
      const graph = readAny(path);
      expectSameOutputs(graph, readVireo(writeVireo(graph)));
      expectSameOutputs(graph, readVireo(writeVireo(withoutUnused(graph))));
    });

  for (const suite of ['node', 'models-and-pytorch'])
    itWithData(
      `the networks of ${suite} that are read`,
      [`onnx-backend-suite/${suite}.tar.gz`],
      async () => {
        let read = 0;
        for await (const { name, files } of casesIn(dataPath(`onnx-backend-suite/${suite}.tar.gz`))) {
          const graph = readable(files.get('model.onnx')!);
          if (!graph) continue;
          read++;
          const written = writeVireo(graph);
          if (!isDeepStrictEqual(readVireo(written), graph)) expect.fail(name);
        }
        expect(read).toBeGreaterThan(suite === 'node' ? 450 : 100);
      },
      120_000,
    );
});

function readable(bytes: Uint8Array): Graph | null {
  try {
    return readOnnx(bytes);
  } catch (error) {
    if (error instanceof VireoError) return null;
    throw error;
  }
}

describe('networks made here', () => {
  it.each(['f32', 'i8', 'u8'] as const)('60 random graphs of %s, as built and rewritten', (dtype) => {
    for (let seed = 0; seed < 60; seed++) {
      const graph = randomGraph(seed, dtype);
      expectRoundTrip(graph);
      expectRoundTrip(optimize(graph).graph);
    }
  });

  it.each(['f32', 'i8'] as const)('run as before, %s', (dtype) => {
    for (const graph of [smallNetwork(dtype), randomGraph(4, dtype)])
      expectSameOutputs(graph, readVireo(writeVireo(graph)));
  });

  it.each([
    ['the network with its loss', trainingNet(2).graph],
    ['its gradients', differentiate(trainingNet(2).graph, trainingNet(2).loss).graph],
    ['a step of SGD', trainingStep(trainingNet(2).graph, trainingNet(2).loss, sgd({ momentum: 0.9 }))],
    ['a step of Adam', trainingStep(lenet(4).graph, lenet(4).loss, adam())],
  ])('training: %s', (_, graph) => {
    expect(graph.states?.length).toBeGreaterThan(0);
    expectRoundTrip(graph);
  });

  it.each(gradientCases)('the gradient of $label', ({ make }) => {
    const next = random(1);
    const b = new TrainingBuilder('case');
    const numbers = (shape: readonly number[]) =>
      Float32Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, next);
    let count = 0;
    const y = make({
      b,
      p: (shape) => b.state(`p${count++}`, shape, numbers(shape)),
      c: (shape) => b.constant(`c${count++}`, 'f32', shape, numbers(shape)),
      int: (lo, hi) => lo + Math.floor(next() * (hi - lo + 1)),
    });
    const loss = b.add({ kind: 'reduce', fn: 'sum', axes: b.value(y).shape.map((_, axis) => axis) }, [y]);
    expectRoundTrip(differentiate(b.finish([loss]), loss).graph);
  });

  it('a training that is read goes on as the one that was written', () => {
    const { graph, loss } = trainingNet(2);
    const step = trainingStep(graph, loss, sgd({ momentum: 0.9 }));
    const sessions = [step, readVireo(writeVireo(step))].map((g) => compileTraining(g));
    const losses = sessions.map((session) => {
      session.input('learningRate')[0] = 0.1;
      for (let i = 0; i < 3; i++) session.run();
      return session.output(0)[0];
    });
    expect(losses[0]).toBe(losses[1]);
  });
});

/** Every row, with its usual attributes and with others. */
const window = { stride: [2, 1], dilation: [1, 3], pad: { top: 1, left: 2, bottom: 0, right: 4 } } as const;
const plain = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;
const windowNd = { stride: [2, 1, 1], dilation: [1, 2, 1], before: [0, 1, 2], after: [1, 0, 0] };
const poolNd = { ...windowNd, kernel: [3, 1, 2], countPad: true, p: 1 };
const poolWindow = { kernel: [3, 2], stride: [2, 2], pad: window.pad } as const;
const clamp = { min: -0.25, max: 6 };
const samples: { readonly [N in RowName]: readonly Op[] } = {
  conv2d: [
    { kind: 'conv2d', ...window, clamp, groups: 3, rounding: 'even' },
    { kind: 'conv2d', ...plain, clamp: noClamp, groups: 1 },
    { kind: 'conv2d', ...plain, clamp: relu, groups: 1 },
  ],
  depthwiseConv2d: [{ kind: 'depthwiseConv2d', ...window, clamp, rounding: 'even' }],
  transposedConv2d: [{ kind: 'transposedConv2d', stride: [2, 3], pad: window.pad, clamp }],
  dense: [
    { kind: 'dense', clamp: noClamp },
    { kind: 'dense', clamp: noClamp, rounding: 'even' },
  ],
  matmul: [{ kind: 'matmul' }],
  convNd: [{ kind: 'convNd', ...windowNd, groups: 2 }],
  transposedConvNd: [{ kind: 'transposedConvNd', stride: [2], dilation: [1], before: [3], groups: 1 }],
  maxPool2d: [{ kind: 'maxPool2d', ...poolWindow, clamp, rounding: 'even' }],
  averagePool2d: [{ kind: 'averagePool2d', kernel: [7, 7], stride: [1, 1], pad: noPad, clamp: noClamp }],
  poolNd: [
    { kind: 'poolNd', fn: 'lp', ...poolNd },
    { kind: 'poolNd', fn: 'max', ...poolNd, countPad: false, p: 2 },
  ],
  maxPoolIndices: [{ kind: 'maxPoolIndices', ...poolNd, columnMajor: true }],
  binary: [
    { kind: 'binary', fn: 'greaterOrEqual', clamp: noClamp },
    { kind: 'binary', fn: 'add', clamp: relu, rounding: 'even' },
  ],
  codebookConv2d: [{ kind: 'codebookConv2d', ...window, clamp: relu }],
  where: [{ kind: 'where' }],
  unary: [
    { kind: 'unary', fn: 'leakyRelu', alpha: 0.1 },
    { kind: 'unary', fn: 'exp', alpha: 0 },
    { kind: 'unary', fn: 'elu', alpha: -0 },
  ],
  clamp: [
    { kind: 'clamp', clamp },
    { kind: 'clamp', clamp: { min: Number.NaN, max: -0 } },
  ],
  prelu: [{ kind: 'prelu' }],
  softmax: [
    { kind: 'softmax', beta: 1, log: false },
    { kind: 'softmax', beta: 0.3, log: true },
  ],
  l2Normalize: [{ kind: 'l2Normalize' }],
  lrn: [{ kind: 'lrn', size: 5, alpha: 1e-4, beta: 0.75, bias: 2 }],
  reduce: [
    { kind: 'reduce', fn: 'mean', axes: [1, 2] },
    { kind: 'reduce', fn: 'prod', axes: [] },
  ],
  argMax: [
    { kind: 'argMax', axis: 3, least: false, last: false },
    { kind: 'argMax', axis: 0, least: true, last: true },
  ],
  topK: [{ kind: 'topK', axis: 1, k: 5, largest: false, indices: true }],
  convert: [
    { kind: 'convert', rounding: 'away' },
    { kind: 'convert', rounding: 'even' },
  ],
  cast: [{ kind: 'cast' }],
  fakeQuantize: [{ kind: 'fakeQuantize', batchDims: 1, symmetric: true }],
  gather: [
    { kind: 'gather', axis: 2, batchDims: 1 },
    { kind: 'gather', axis: 0, batchDims: 0 },
  ],
  gatherElements: [{ kind: 'gatherElements', axis: 1 }],
  gatherNd: [{ kind: 'gatherNd', batchDims: 2 }],
  resize: [
    { kind: 'resize', mode: 'bilinear', size: [3, 5], alignCorners: false, halfPixelCenters: true },
    { kind: 'resize', mode: 'nearest', size: [1, 1], alignCorners: true, halfPixelCenters: false },
  ],
  mirrorPad: [{ kind: 'mirrorPad', before: [0, 1], after: [2, 0], mode: 'symmetric' }],
  rfft2d: [{ kind: 'rfft2d', length: [1, 512] }],
  complexAbs: [{ kind: 'complexAbs' }],
  reshape: [
    { kind: 'reshape', shape: [2, 0, 3] },
    { kind: 'reshape', shape: [] },
  ],
  transpose: [{ kind: 'transpose', perm: [0, 2, 3, 1] }],
  concat: [{ kind: 'concat', axis: 3 }],
  slice: [{ kind: 'slice', begin: [4, 0], size: [2, 3], step: [-2, 1] }],
  pad: [{ kind: 'pad', before: [1, 0], after: [0, 2], value: Number.NEGATIVE_INFINITY }],
  'training.conv2dWeights': [
    { kind: 'training', fn: 'conv2dWeights', shape: [4, 3, 3, 2], ...window, groups: 2 },
  ],
  'training.maxPool2d': [{ kind: 'training', fn: 'maxPool2d', shape: [1, 4, 4, 2], ...poolWindow }],
  'training.averagePool2d': [{ kind: 'training', fn: 'averagePool2d', shape: [1, 4, 4, 2], ...poolWindow }],
  'training.clamp': [{ kind: 'training', fn: 'clamp', shape: [3], bounds: clamp }],
  'training.moments': [{ kind: 'training', fn: 'moments', shape: [2, 3] }],
  'training.batchNorm': [{ kind: 'training', fn: 'batchNorm', shape: [5, 3], epsilon: 1e-3 }],
  'training.batchNormSums': [{ kind: 'training', fn: 'batchNormSums', shape: [2, 3], epsilon: 1e-3 }],
  'training.batchNormInput': [{ kind: 'training', fn: 'batchNormInput', shape: [5, 3], epsilon: 1e-3 }],
};

describe('operators', () => {
  it.each(Object.entries(samples))('%s', (name, ops) => {
    for (const op of ops) {
      expect(rowName(op)).toBe(name);
      expect(readOp(name, writeAttributes(op), 'test')).toStrictEqual(op);
    }
  });

  it('usual attributes take no place', () => {
    const [, usual, withRelu] = samples.conv2d;
    expect(writeAttributes(usual!)).toEqual([]);
    expect(writeAttributes(withRelu!)).toEqual([null, null, null, [0, Number.POSITIVE_INFINITY]]);
  });

  it.each([
    ['an unknown operator', 'fly', [], /operator "fly" is not known/u],
    ['a name from the prototype', 'toString', [], /operator "toString"/u],
    ['training that is unknown', 'training.fly', [], /operator "training.fly"/u],
    ['training without saying which', 'training', [], /operator "training"/u],
    ['an attribute too many', 'cast', [1], /cast has 0 attributes, got 1/u],
    ['an attribute missing', 'concat', [], /concat's axis expects a value/u],
    ['a negative axis', 'concat', [-1], /axis expects an integer of at least 0, got -1/u],
    ['text for a number', 'concat', ['1'], /axis expects an integer/u],
    ['a stride of 0', 'conv2d', [[0, 1]], /stride expects an integer of at least 1/u],
    ['three strides', 'conv2d', [[1, 1, 1]], /stride expects a pair/u],
    ['one stride', 'conv2d', [[1]], /stride expects an integer/u],
    ['a negative padding', 'conv2d', [null, null, [0, -1, 0, 0]], /pad expects an integer of at least 0/u],
    ['three sides', 'conv2d', [null, null, [0, 0, 0]], /pad expects top, left, bottom and right/u],
    ['a clamp without an end', 'clamp', [[0]], /clamp expects \[min, max\]/u],
    ['half a group', 'conv2d', [null, null, null, null, 0.5], /groups expects an integer/u],
    ['an unknown function', 'unary', ['gelu'], /fn expects abs \| neg/u],
    ['a function from the prototype', 'unary', ['constructor'], /fn expects abs/u],
    ['a number for a flag', 'softmax', [1, 1], /log expects true or false/u],
    ['33 axes', 'transpose', [Array.from({ length: 33 }, (_, i) => i)], /perm expects a list of at most 32/u],
  ] as const)('refused: %s', (_, name, attributes, message) => {
    expect(() => readOp(name, attributes as readonly Data[], 'node "n"')).toThrow(
      expect.objectContaining({ code: 'bad-file', message: expect.stringMatching(message) }),
    );
    expect(() => readOp(name, attributes as readonly Data[], 'node "n"')).toThrow(/^node "n": /u);
  });

  it('are all in docs/vireo-format.md, with their attributes in order', () => {
    const text = readFileSync(new URL('../../../docs/vireo-format.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `([\w.]+)` \|([^|]*)\|/gmu)].map(
      ([, name, attributes]) => [name!, attributes!.trim()] as const,
    );
    const documented = Object.fromEntries(rows.filter(([name]) => name in attributeNames));
    const expected = Object.entries(attributeNames).map(([name, list]) => [name, list.join(', ')]);
    expect(documented).toEqual(Object.fromEntries(expected));
  });
});

const perChannel = (scale: readonly number[], axis = 0) => ({ scale, zeroPoint: scale.map(() => 0), axis });

/** x i8 (1, 2, 2, 1) → conv2d per channel → mean → f32; a float copy of the weights that nothing reads. */
function tiny(): Graph {
  const b = new GraphBuilder('tiny');
  const x = b.input('x', 'i8', [1, 2, 2, 1], { scale: [0.5], zeroPoint: [-3], axis: 0 });
  const scales = perChannel([0.25, 0.125]);
  const w = b.constant('w', 'i8', [2, 2, 2, 1], Int8Array.of(1, -2, 3, -4, 5, -6, 7, -8), scales);
  const bias = b.constant('bias', 'i32', [2], Int32Array.of(100, -7), perChannel([0.125, 0.0625]));
  const numbers = [0.25, -0.5, 0.75, -1, 0.625, -0.75, 0.875, -1];
  b.constant('w/f32', 'f32', [2, 2, 2, 1], Float32Array.from(numbers));
  const pad = { top: 1, left: 0, bottom: 0, right: 1 };
  const out = { scale: [0.1], zeroPoint: [4], axis: 0 };
  const y = b.add({ kind: 'conv2d', ...plain, pad, clamp: relu, groups: 1 }, [x, w, bias], {
    name: 'conv',
    quantization: out,
  });
  const z = b.add({ kind: 'convert', rounding: 'away' }, [y], {
    name: 'out',
    dtype: 'f32',
    quantization: null,
  });
  b.note('Made for a test.');
  return b.finish([z]);
}

const golden = `
89564952454f0a010e30f75f400100000d01000011010000f01483676e6574776f726ba9646e616d656474696e79656b
696e64738266636f6e763264670700f065657274656e6f646573828800f68300010204f6f684010000018200f97c0085
01f68104056461776179656e6f74657381704d61646520666f72206120746573742e66696e7075747381006676616c75
65738684617802840102020100836177000183646269617301038265772f66333281018464780001230081020283636f
7574000c0041676f75744a00f00605686d65746164617461a16870726f6475636572646c00f00e6d7175616e74697a61
74696f6e738482f93800228281020082fb3fb9990100f00e9a0482820001008383613002840202020183613106810283
613200810201fe03fc05fa07f800000064000000f9ffffff0000803e0000003e
`.trim();

describe('the file', () => {
  it('is byte for byte what it was: a change of format is a new version', () => {
    const bytes = writeVireo(tiny(), { metadata: { producer: 'test' } });
    const lines = Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,96}/gu);
    expect(lines?.join('\n')).toBe(golden);
    expect(readVireo(bytes)).toStrictEqual(tiny());
    expect(isVireo(bytes)).toBe(true);
  });

  it('says what it was given as metadata, in any order', () => {
    const metadata = { source: 'net.tflite', producer: 'vireo', 'source-sha256': 'ab' };
    const reversed = Object.fromEntries(Object.entries(metadata).reverse());
    const bytes = writeVireo(tiny(), { metadata });
    expect(readVireoMetadata(bytes)).toEqual(metadata);
    expect(writeVireo(tiny(), { metadata: reversed })).toEqual(bytes);
    expect(readVireoMetadata(writeVireo(tiny()))).toEqual({});
    expect(readVireo(bytes)).toStrictEqual(tiny());
  });

  it('is not taken for one when it is something else', () => {
    for (const text of ['', 'TFL3', '\x89PNG\r\n\x1a\n'])
      expect(isVireo(Buffer.from(text, 'latin1'))).toBe(false);
  });

  it('stores equal constants once, whatever they mean', () => {
    const build = (count: number): Graph => {
      const b = new GraphBuilder('shared');
      const x = b.input('x', 'f32', [1, 64]);
      const ys = Array.from({ length: count }, (_, i) => {
        const w = b.constant(
          `w${i}`,
          'f32',
          [64, 64],
          Float32Array.from({ length: 4096 }, (_, k) => k / 7),
        );
        return b.add({ kind: 'dense', clamp: noClamp }, [x, w]);
      });
      return b.finish(ys);
    };
    const [one, three] = [build(1), build(3)].map(expectRoundTrip);
    expect(three!.length - one!.length).toBeLessThan(100);
    const { values } = readVireo(three!);
    const buffers = new Set(values.flatMap(({ data }) => (data ? [data.byteOffset] : [])));
    expect(buffers.size).toBe(1);
  });

  it('does not share what differs in dtype, shape or one bit', () => {
    const b = new GraphBuilder('apart');
    const x = b.input('x', 'f32', [2, 2]);
    const add = (shape: readonly number[], data: Float32Array): number =>
      b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [x, b.constant('c', 'f32', shape, data)]);
    const ys = [
      add([2, 2], Float32Array.of(0, 1, 2, 3)),
      add([1, 2, 2], Float32Array.of(0, 1, 2, 3)),
      add([2, 2], Float32Array.of(-0, 1, 2, 3)),
      add([2, 2], Float32Array.of(Number.NaN, 1, 2, Number.POSITIVE_INFINITY)),
    ];
    b.constant('whole', 'i32', [2, 2], new Int32Array(Float32Array.of(0, 1, 2, 3).buffer));
    const bytes = expectRoundTrip(b.finish(ys));
    expect(readContainer(bytes).tensors.size).toBe(5);
  });

  it('tells float constants by the integers that they are', () => {
    const bytes = writeVireo(tiny());
    const { tensors } = readContainer(bytes);
    expect([...tensors.values()].map(({ dtype }) => dtype)).toEqual(['i8', 'i32', 'f32']); // weights, bias, scales
    const changed = tiny();
    const { data } = changed.values.find(({ name }) => name === 'w/f32')!;
    (data as Float32Array)[7] = 0.1;
    expect(readContainer(expectRoundTrip(changed)).tensors.size).toBe(4);
  });

  it('one tensor that means two things is dequantised in one way', () => {
    const b = new GraphBuilder('two');
    const x = b.input('x', 'f32', [1, 2]);
    const weights = [0.5, 0.25].map((scale, i) => {
      b.constant(`q${i}`, 'i8', [2, 2], Int8Array.of(1, 2, 3, 4), {
        scale: [scale],
        zeroPoint: [0],
        axis: 0,
      });
      return b.constant(`w${i}`, 'f32', [2, 2], Float32Array.of(scale, 2 * scale, 3 * scale, 4 * scale));
    });
    const ys = weights.map((w) => b.add({ kind: 'dense', clamp: noClamp }, [x, w]));
    expect(readContainer(expectRoundTrip(b.finish(ys))).tensors.size).toBe(2);
  });

  it('a float constant before the integers that it is', () => {
    const b = new GraphBuilder('before');
    const w = b.constant('w', 'f32', [2], Float32Array.of(0.5, 1));
    b.constant('q', 'i8', [2], Int8Array.of(1, 2), { scale: [0.5], zeroPoint: [0], axis: 0 });
    expect(readContainer(expectRoundTrip(b.finish([w]))).tensors.size).toBe(2);
  });

  it('unused constants go, those that others are told by stay', () => {
    const b = new GraphBuilder('unused');
    const x = b.input('x', 'f32', [1, 2]);
    b.constant('nobody', 'f32', [1000], new Float32Array(1000));
    b.constant('q', 'i8', [2, 2], Int8Array.of(1, 2, 3, 4), { scale: [0.5], zeroPoint: [0], axis: 0 });
    const w = b.constant('w', 'f32', [2, 2], Float32Array.of(0.5, 1, 1.5, 2));
    const y = b.add({ kind: 'dense', clamp: noClamp }, [x, w]);
    b.add({ kind: 'unary', fn: 'exp', alpha: 0 }, [y]);
    const kept = withoutUnused(b.finish([y]));
    expect(kept.values.map(({ name }) => name)).toEqual(['x', 'q', 'w', 'dense']);
    expect(kept.outputs).toEqual([3]);
    expect(readContainer(expectRoundTrip(kept)).tensors.size).toBe(1);
  });

  it('keeps quantisation in f64 and zero points that differ', () => {
    const b = new GraphBuilder('quantised');
    const x = b.input('x', 'u8', [1, 3], { scale: [0.1], zeroPoint: [128], axis: 0 });
    const scales = { scale: [0.1, 0.2, 1e-30], zeroPoint: [1, 2, 3], axis: 1 };
    b.constant('c', 'u8', [2, 3], new Uint8Array(6), scales);
    b.constant('d', 'u8', [2, 3], new Uint8Array(6), { ...scales, zeroPoint: [7, 7, 7] });
    expectRoundTrip(b.finish([x]));
  });

  it.each([
    ['numbers of another type', { data: new Float64Array(8) }],
    ['too few numbers', { data: new Int8Array(7) }],
  ])('refuses to write %s', (_, change) => {
    const graph = tiny();
    const values = graph.values.map((value) => (value.name === 'w' ? { ...value, ...change } : value));
    expect(() => writeVireo({ ...graph, values })).toThrow(
      expect.objectContaining({ code: 'bad-graph', message: expect.stringMatching(/"w"/u) }),
    );
  });
});

type Meta = { -readonly [K in keyof DataRecord]: Data };

/** The tiny network's file with its record changed. */
function changed(change: (meta: Meta) => void): Uint8Array {
  const { kind, meta, tensors } = readContainer(writeVireo(tiny()));
  change(meta as Meta);
  return writeContainer({ kind, meta, tensors });
}

describe('what a file may not say', () => {
  const item = (list: Data | undefined, i: number): Data[] => (list as Data[])[i] as Data[];
  it('only what is changed is wrong', () => {
    expect(readVireo(changed(() => {}))).toStrictEqual(tiny());
    expect(
      readVireo(
        changed((meta) => {
          meta['of a later version'] = [{ name: 'unknown' }];
        }),
      ),
    ).toStrictEqual(tiny());
  });

  it.each<[string, (meta: Meta) => void, string, RegExp]>([
    ['no name', (m) => delete m['name'], 'bad-file', /name expects text/u],
    ['no values', (m) => delete m['values'], 'bad-file', /values expects a list/u],
    ['no nodes', (m) => delete m['nodes'], 'bad-file', /nodes expects a list/u],
    ['no outputs', (m) => delete m['outputs'], 'bad-file', /outputs expects a list/u],
    ['notes that are no texts', (m) => void (m['notes'] = [1]), 'bad-file', /note expects text/u],
    [
      'a value that is no list',
      (m) => void ((m['values'] as Data[])[0] = 1),
      'bad-file',
      /value 0 expects a list/u,
    ],
    ['a value without a name', (m) => void (item(m['values'], 1)[0] = 7), 'bad-file', /the name of value 1/u],
    ['an unknown dtype', (m) => void (item(m['values'], 0)[1] = 11), 'bad-file', /value "x": dtype 11/u],
    ['an extent of −1', (m) => void (item(m['values'], 0)[2] = [-1]), 'bad-file', /value "x": shape/u],
    [
      'a tensor that is not there',
      (m) => void (item(m['values'], 1)[1] = 9),
      'bad-file',
      /value "w": tensor 9/u,
    ],
    [
      'a quantisation that is not there',
      (m) => void (item(m['values'], 1)[2] = 9),
      'bad-file',
      /"w": quantisation 9/u,
    ],
    [
      'a constant told by an input',
      (m) => void (item(m['values'], 3)[1] = [0]),
      'bad-file',
      /"w\/f32": "x" is no/u,
    ],
    [
      'a constant told by one of 32 bits',
      (m) => void (item(m['values'], 3)[1] = [2]),
      'bad-file',
      /"bias" is no/u,
    ],
    [
      'a constant told by itself',
      (m) => void (item(m['values'], 3)[1] = [3]),
      'bad-file',
      /"w\/f32": value before it 3/u,
    ],
    [
      'a constant told by nothing',
      (m) => void (item(m['values'], 3)[1] = []),
      'bad-file',
      /"w\/f32": value before/u,
    ],
    [
      'a scale that is not there',
      (m) => void (item(m['quantizations'], 0)[0] = [9]),
      'bad-file',
      /quantisation 0: scale/u,
    ],
    [
      'a product of what comes later',
      (m) => void (item(m['quantizations'], 0)[0] = [1, 1]),
      'bad-file',
      /quantisation 0: scale/u,
    ],
    [
      'a product of three',
      (m) => void (item(m['quantizations'], 3)[0] = [0, 0, 0]),
      'bad-file',
      /quantisation 3: scale/u,
    ],
    [
      'a zero point as text',
      (m) => void (item(m['quantizations'], 0)[1] = 'z'),
      'bad-file',
      /quantisation 0: expected 1 zero/u,
    ],
    [
      'too many zero points',
      (m) => void (item(m['quantizations'], 0)[1] = [0, 0]),
      'bad-file',
      /quantisation 0: expected 1 zero/u,
    ],
    [
      'half an axis',
      (m) => void (item(m['quantizations'], 0)[2] = 0.5),
      'bad-file',
      /quantisation 0: axis 0.5/u,
    ],
    ['a scale of 0', (m) => void (item(m['quantizations'], 0)[0] = 0), 'bad-graph', /quantisation of "x"/u],
    [
      'a node that is no list',
      (m) => void ((m['nodes'] as Data[])[0] = {}),
      'bad-file',
      /node 0 expects a list/u,
    ],
    [
      'a kind that is not there',
      (m) => void (item(m['nodes'], 0)[0] = 2),
      'bad-file',
      /node "conv": kind 2/u,
    ],
    [
      'a kind that is not known',
      (m) => void ((m['kinds'] as Data[])[0] = 'fly'),
      'bad-file',
      /node "conv": operator "fly"/u,
    ],
    ['a node that makes nothing', (m) => void (item(m['nodes'], 0)[3] = 99), 'bad-file', /node 0: value 99/u],
    ['an input below 0', (m) => void (item(m['nodes'], 0)[2] = [-1]), 'bad-file', /inputs of node "conv"/u],
    ['an input that is not there', (m) => void (item(m['nodes'], 0)[2] = [99, 1]), 'bad-graph', /value 99/u],
    [
      'an input that comes later',
      (m) => void (item(m['nodes'], 0)[2] = [5, 1]),
      'bad-graph',
      /"out" is used before/u,
    ],
    ['a groups of 2 that does not fit', (m) => void (item(m['nodes'], 0)[8] = 2), 'bad-graph', /"conv"/u],
    ['an output that is not there', (m) => void (m['outputs'] = [99]), 'bad-graph', /value 99/u],
    ['inputs that are texts', (m) => void (m['inputs'] = ['x']), 'bad-file', /inputs expect numbers/u],
    [
      'a state of an input that is not there',
      (m) => void (m['states'] = [[3, null, 0]]),
      'bad-file',
      /state 0: value/u,
    ],
    [
      'a state of another dtype',
      (m) => void (m['states'] = [[0, null, 1]]),
      'bad-file',
      /state "x": expected i8/u,
    ],
    ['a state of another length', (m) => void (m['states'] = [[0, null, 0]]), 'bad-graph', /state "x"/u],
    [
      'a state twice',
      (m) =>
        void (m['states'] = [
          [0, null, 0],
          [0, null, 0],
        ]),
      'bad-file',
      /state 1: expected/u,
    ],
  ])('%s', (_, change, code, message) => {
    expect(() => readVireo(changed(change))).toThrow(
      expect.objectContaining({ name: 'VireoError', code, message: expect.stringMatching(message) }),
    );
  });

  it('a file of another kind is no network', () => {
    const bytes = writeContainer({ kind: 'checkpoint', meta: {}, tensors: new Map() });
    for (const read of [readVireo, readVireoMetadata])
      expect(() => read(bytes)).toThrow(/holds a "checkpoint"/u);
  });

  it('limits hold', () => {
    const bytes = writeVireo(tiny());
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ bytes: 7 }, /too/u],
      [{ bytes: 40 }, /all constants together pass 40 bytes/u],
      [{ nodes: 1 }, /2 nodes, the limit is 1/u],
    ];
    for (const [limits] of cases)
      expect(() => readVireo(bytes, { limits })).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(() => readVireo(bytes, { limits: { bytes: 40 } })).toThrow(cases[1]![1]);
  });

  it('a few bytes that stand for many scales', () => {
    const entries: Data[] = [[[2], 0], ...Array.from({ length: 40_000 }, (): Data => [[0, 0], 0])];
    expect(() =>
      readVireo(
        changed((meta) => {
          meta['quantizations'] = entries;
        }),
        { limits: { nodes: 1000 } },
      ),
    ).toThrow(expect.objectContaining({ code: 'too-large' }));
  });
});

describe('operands of training', () => {
  const step = differentiate(trainingNet(2).graph, trainingNet(2).loss).graph;
  const nodes = step.nodes.filter(({ op }) => op.kind === 'training');

  it.each(nodes.map((node) => [node.op.kind === 'training' ? node.op.fn : '', node] as const))(
    '%s with an operand too few, or another in its place',
    (_, node) => {
      const replaced = (inputs: readonly number[]): Graph => ({
        ...step,
        nodes: step.nodes.map((other) => (other === node ? { ...node, inputs } : other)),
      });
      const wrong = step.inputs.find((id) => step.values[id]!.name === 'targets')!;
      for (const [i] of node.inputs.entries()) {
        const inputs = node.inputs.map((id, k) => (k === i ? wrong : id));
        expect(() => readVireo(writeVireo(replaced(inputs))), `input ${i}`).toThrow(
          expect.objectContaining({ code: 'bad-graph', message: expect.stringContaining(node.name) }),
        );
      }
      expect(() => readVireo(writeVireo(replaced(node.inputs.slice(1))))).toThrow(
        expect.objectContaining({ code: 'bad-graph' }),
      );
    },
  );
});
