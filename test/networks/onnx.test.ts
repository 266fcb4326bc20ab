/**
 * The networks that come as ONNX: beside ONNX Runtime on the same inputs, on the data they were made for, what the
 * rewrites leave of them, and the quantised twins of TFLite networks beside their originals.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { builtInCards, findNetworkCard } from '../../src/cli/cards.ts';
import { openDataSet } from '../../src/cli/data-set.ts';
import { VireoError } from '../../src/errors.ts';
import type { Graph, Node } from '../../src/graph/ir.ts';
import { optimize } from '../../src/graph/optimize.ts';
import { compile } from '../../src/graph/run/compile.ts';
import type { Session } from '../../src/graph/run/session.ts';
import { type Box, type Detection, detect, overlapOf, planInput } from '../../src/io/cards/index.ts';
import { decodePng } from '../../src/io/image/index.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { dataFolder, dataPath, hasData, itWithData, readData } from '../data.ts';
import { classOf, compareAll } from './accuracy.ts';
import { readJson } from './golden.ts';
import { kernels } from './kernels.ts';

const image = (name: string): string => `models/images/${name}.png`;

const pretrained = [
  'ch_ppocr_mobile_v2.0_cls_infer',
  'mnist',
  'super_resolution_core_op18',
  'version-RFB-320',
  'version-slim-320',
  'version-slim-320_simplified',
  'version-slim-320_without_postprocessing',
].map((name) => `models/onnx/${name}.onnx`);
const twins = [
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
  'mbv2_i8.w8',
  'vww_f32',
  'vww_i8',
].map((name) => `peer-models/${name}.onnx`);
const foreign = 'models/onnx/super_resolution_with_pre_post_processing_op18.onnx';
const textLine = 'models/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx';
const detectors = ['models/onnx/version-slim-320.onnx', 'models/onnx/version-RFB-320.onnx'];

function readGraph(path: string): Graph {
  return readOnnx(readData(path), { shapes: path === textLine ? { x: [1, 3, 48, 192] } : {} });
}

describe.each(kernels)('golden outputs of ONNX Runtime and $label', ({ sets }) => {
  interface Entry {
    readonly model: string;
    readonly input: { readonly file: string };
    readonly outputs: readonly { readonly file: string; readonly name: string }[];
  }
  const index = 'models/golden/golden.json';
  const numbers = (file: string) => new Float32Array(readData(`models/golden/${file}`).buffer);

  for (const path of pretrained)
    itWithData(path, [path, index], () => {
      const { input, outputs } = readJson<Entry[]>(index).find(({ model }) => `models/${model}` === path)!;
      const session = compile(readGraph(path), { kernels: sets });
      session.input(0).set(numbers(input.file));
      session.run();
      for (const { file, name } of outputs) {
        const expected = numbers(file);
        const actual = session.output(name);
        expect(actual.length).toBe(expected.length);
        const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (let k = 0; k < expected.length; k++) {
          // What is near 0 is a difference of larger numbers, whose last digits count.
          const bound = Math.min(1e-5 * largest, 5e-6 * largest + 1e-4 * Math.abs(expected[k]));
          if (!(Math.abs(actual[k] - expected[k]) <= bound))
            expect.fail(`${name}, element ${k} is ${actual[k]}, expected ${expected[k]} ± ${bound}`);
        }
      }
    });

  itWithData('one with operators of another house is refused by name', [foreign], () => {
    let message = '';
    try {
      readOnnx(readData(foreign));
    } catch (error) {
      if (!(error instanceof VireoError && error.code === 'unsupported')) throw error;
      message = error.message;
    }
    expect(message).toContain('DecodeImage "pre_process_0" (com.microsoft.extensions opset 1)');
    expect(message).toContain('EncodeImage "post_process_52"');
  });
});

/** A network with what its card says of its input. */
function openCarded(path: string) {
  const bytes = readData(path);
  const session = compile(readGraph(path));
  const { card } = findNetworkCard(dataPath(path), bytes, { dataFolder })!;
  return { session, card, input: planInput(card.inputs[0], session.inputs[0]) };
}

describe('digits', () => {
  const network = 'models/onnx/mnist.onnx';
  const images = 'mnist/t10k-images-idx3-ubyte.gz';

  itWithData(
    '98.91 ± 0.02 % of the 10,000 test images of MNIST',
    [network, images, 'mnist/t10k-labels-idx1-ubyte.gz'],
    async () => {
      const { session, input } = openCarded(network);
      const set = await openDataSet(`${builtInCards}/data/mnist-test.json`, { dataFolder });
      let [correct, count] = [0, 0];
      for await (const { label, source } of set.items()) {
        session.input(0).set(input.prepare(source) as Float32Array);
        session.run();
        if (classOf(session.output(0)) === label) correct++;
        count++;
      }
      expect(count).toBe(10_000);
      expect(Math.abs(correct / 100 - 98.91)).toBeLessThanOrEqual(0.02);
    },
    60_000,
  );
});

describe('faces', () => {
  /** Around the faces, drawn by hand on the pictures, as shares of width and height. */
  const faces: Readonly<Record<string, readonly Box[]>> = {
    face: [
      [0.26, 0.22, 0.44, 0.57],
      [0.5, 0.1, 0.7, 0.48],
      [0.01, 0.28, 0.1, 0.45],
      [0.85, 0.33, 0.96, 0.52],
    ],
    grace_hopper: [[0.33, 0.2, 0.71, 0.56]],
    cat: [],
    bird: [],
    dragonfly: [],
  };

  for (const network of detectors)
    for (const [name, expected] of Object.entries(faces))
      itWithData(`${network}: ${expected.length} in ${name}.png`, [network, image(name)], () => {
        const found = facesIn(network, image(name));
        expect(found).toHaveLength(expected.length);
        for (const face of expected)
          expect(Math.max(...found.map(({ box }) => overlapOf(box, face)))).toBeGreaterThan(0.6);
      });

  function facesIn(network: string, picture: string): Detection[] {
    const { session, card, input } = openCarded(network);
    const [scores] = card.outputs;
    if (scores.kind !== 'detection') throw new Error(`${card.name}: output 0 is of kind ${scores.kind}`);
    const data = input.prepare({ kind: 'picture', picture: decodePng(readData(picture)) });
    session.input(0).set(data as Float32Array);
    session.run();
    const output = (i: number) => ({ data: session.output(i), info: session.outputs[i] });
    return detect(scores, output(0), output(scores.boxes));
  }
});

it('every ONNX network of the data is among these', () => {
  for (const [folder, known] of [
    ['models/onnx', [...pretrained, foreign]],
    ['peer-models', twins],
  ] as const)
    if (hasData(folder))
      expect(
        readdirSync(dataPath(folder))
          .map((name) => `${folder}/${name}`)
          .sort(),
      ).toEqual([...known].sort());
});

describe('what the rewrites leave', () => {
  for (const path of detectors)
    itWithData(`${path}: the transpose of its input, and no other`, [path], () => {
      const { graph } = optimize(readGraph(path));
      const left = graph.nodes.filter(({ op }) => op.kind === 'transpose');
      expect(left.map((node) => node.inputs)).toEqual([graph.inputs]);
      expect(readGraph(path).nodes.filter(({ op }) => op.kind === 'transpose').length).toBeGreaterThan(90);
    });

  // The direction of text lines keeps two for each squeeze-and-excite block: its gate is a reshape to [1, c, 1, 1].
  for (const path of [...pretrained, ...twins].filter((file) => file !== textLine))
    itWithData(`${path}: transposes only at inputs and heads`, [path], () => {
      const { graph } = optimize(readGraph(path));
      const inside = graph.nodes.filter(
        (node) => node.op.kind === 'transpose' && !isFed(graph, node) && !isHead(graph, node),
      );
      expect(inside.map(({ name }) => name)).toEqual([]);
    });

  for (const path of [...pretrained, ...twins]) {
    const quantised = path.includes('_i8');
    // A softmax is computed in real numbers, so it keeps the pair around it; the autoencoder has none.
    const pair = quantised && !path.includes('/ad_');
    itWithData(`${path}: ${pair ? 'one pair, around its softmax' : 'no pair'}`, [path], () => {
      const { graph } = optimize(readGraph(path));
      const converts = graph.nodes.filter(({ op }) => op.kind === 'convert');
      if (!pair) return expect(converts).toEqual([]);
      const softmax = graph.nodes.find(({ op }) => op.kind === 'softmax')!;
      expect(converts.map(({ output }) => output)).toEqual([softmax.inputs[0], graph.outputs[0]]);
      expect(converts[1].inputs).toEqual([softmax.output]);
      expect(graph.outputs).toHaveLength(1);
    });
  }
});

/** Whether a graph input reaches the node through nothing but reshapes. */
function isFed(graph: Graph, { inputs }: Node): boolean {
  const maker = graph.nodes.find(({ output }) => output === inputs[0]);
  return maker ? maker.op.kind === 'reshape' && isFed(graph, maker) : graph.inputs.includes(inputs[0]);
}

/** Whether the node's result is an output, or goes through reshapes and dense layers alone to one. */
function isHead(graph: Graph, { output }: Node): boolean {
  const users = graph.nodes.filter(({ inputs }) => inputs.includes(output));
  const tail = ['reshape', 'transpose', 'dense', 'softmax'];
  return users.every((user) => tail.includes(user.op.kind) && isHead(graph, user));
}

/**
 * Beside the outputs that TensorFlow Lite (XNNPACK) stored for the originals. It rounds a sum once, as these
 * networks say; vireo's own reading of the originals rounds twice, as TensorFlow Lite Micro does.
 */
describe('quantised twins and the outputs of their TFLite originals', () => {
  /** int8 values as the twins hold them. */
  const shifted = (path: string): Uint8Array => readData(path).map((byte) => byte ^ 128);
  const mlperf = 'mlperf-tiny/golden';
  const models = 'models/golden';

  interface Twin {
    readonly name: string;
    readonly inputs: string;
    readonly outputs: string;
    /** How the files hold the bytes; `i8` ones are 128 less than the twin's. */
    readonly stored: readonly [inputs: 'i8' | 'u8', outputs: 'i8' | 'u8'];
    /** Only the first of the items. */
    readonly items?: number;
    /** Items that get the same answer, and the most steps that a value may be off. */
    readonly same: number;
    readonly steps: number;
  }
  const twin = (name: string, item: string, steps: number): Twin => ({
    name,
    inputs: `${item}.in0.bin`,
    outputs: `${item}.out0.bin`,
    stored: item.startsWith(mlperf) ? ['i8', 'i8'] : ['u8', 'u8'],
    same: 1,
    steps,
  });
  const compared: readonly Twin[] = [
    {
      name: 'kws_i8',
      inputs: 'mlperf-tiny/kws/kws01-inputs-700.bin',
      outputs: 'mlperf-tiny/kws/kws01-int8-outputs-700.bin',
      stored: ['i8', 'i8'],
      same: 700,
      steps: 0,
    },
    // The residual additions: TensorFlow Lite adds in fixed point, the twin says dequantise, add, quantise. Now and
    // then that is a step, and the softmax makes much of it.
    {
      name: 'ic_i8',
      inputs: 'cifar10/test-images-0000-4999.bin',
      outputs: 'mlperf-tiny/ic/pretrainedResnet_quant-int8-outputs-0000-4999.bin',
      stored: ['u8', 'i8'],
      items: 1000,
      same: 997,
      steps: 38,
    },
    twin('vww_i8', `${mlperf}/vww_96_int8.tflite.cat`, 0),
    twin('vww_i8', `${mlperf}/vww_96_int8.tflite.grace_hopper`, 0),
    twin('ad_i8', `${mlperf}/ad01_int8.tflite`, 0),
    twin('mbv1_i8', `${models}/mobilenet_v1_0.25_128_quant.tflite`, 1),
    twin('mbv1_i8.w8', `${models}/mobilenet_v1_0.25_128_quant.tflite`, 1),
    twin('mbv2_i8.w8', `${models}/mobilenet_v2_1.0_224_quant.tflite`, 0),
  ];

  for (const { name, inputs, outputs, stored, items, same, steps } of compared) {
    const path = `peer-models/${name}.onnx`;
    itWithData(
      `${name} on ${inputs}: ${same} answers of ${items ?? same}, ${steps === 0 ? 'every byte' : `${steps} steps off at most`}`,
      [path, inputs, outputs],
      () => {
        const [given, expected] = [inputs, outputs].map((file, i) =>
          stored[i] === 'i8' ? shifted(file) : readData(file),
        );
        const session = compile(readGraph(path));
        const [size, width] = [session.input(0).length, session.output(0).length];
        const count = items ?? given.length / size;
        const stray = compareAll(expected, width);
        for (let item = 0; item < count; item++) {
          feedTwin(session, given.subarray(item * size, (item + 1) * size));
          session.run();
          stray.take(session.output(0), item);
        }
        const { otherClass, largest } = stray.agreement();
        expect(count).toBe(items ?? same);
        expect(count - otherClass).toBeGreaterThanOrEqual(same);
        expect(largest).toBeLessThanOrEqual(steps);
      },
      60_000,
    );
  }

  /** Rows × columns × channels into what the twin takes, channels first. */
  function feedTwin(session: Session, item: Uint8Array): void {
    const { shape } = session.inputs[0];
    const channels = shape.length === 4 ? shape[1] : 1;
    const area = item.length / channels;
    const input = session.input(0);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < area; i++) input[c * area + i] = item[i * channels + c];
  }
});
