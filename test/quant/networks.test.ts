/** What quantisation costs whole networks, on data that they were not calibrated on. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { openDataSet } from '../../src/cli/data-set.ts';
import { storedSize } from '../../src/graph/cost/size.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { decodeWav } from '../../src/io/audio/index.ts';
import { type InputCard, parseNetworkCard, planInput } from '../../src/io/cards/index.ts';
import { decodePng } from '../../src/io/image/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { readVireo } from '../../src/io/vireo/index.ts';
import { calibrate, dequantize, prepare, quantize, type Sample } from '../../src/quant/index.ts';
import { dataFolder, itWithData, readData } from '../data.ts';
import { classOf } from '../networks/accuracy.ts';
import { runEverywhere } from './run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dataCard = (name: string): string => `${root}weights/cards/data/${name}.json`;
const inputCard = (path: string): InputCard =>
  parseNetworkCard(readFileSync(`${root}weights/${path}`, 'utf8'), path).inputs[0];

/** Every `step`-th item of a data set, up to `count` of them, as the graph's input takes it. */
async function samplesOf(
  card: string,
  graph: Graph,
  input: InputCard,
  count: number,
  step = 1,
): Promise<Sample[]> {
  const { dtype, shape, quantization } = graph.values[graph.inputs[0]];
  const plan = planInput(input, { dtype, shape, quantization });
  const samples: Sample[] = [];
  let at = 0;
  for await (const { source } of (await openDataSet(card, { dataFolder })).items()) {
    if (at++ % step === 0) samples.push([plan.prepare(source)]);
    if (samples.length === count) break;
  }
  return samples;
}

/** Which class each item gets, and how many are right. */
async function answersOf(
  card: string,
  graph: Graph,
  input: InputCard,
): Promise<{ answers: number[]; right: number }> {
  const session = compile(graph);
  const plan = planInput(input, session.inputs[0]);
  const answers: number[] = [];
  let right = 0;
  for await (const { label, source } of (await openDataSet(card, { dataFolder })).items()) {
    session.input(0).set(plan.prepare(source) as Float32Array); // or whatever the input holds
    session.run();
    const answer = classOf(session.output(0));
    answers.push(answer);
    if (answer === label) right++;
  }
  return { answers, right };
}

const differing = (a: readonly number[], b: readonly number[]): number =>
  a.filter((answer, i) => answer !== b[i]).length;

const bytesOf = (graph: Graph): number => {
  const { constants, scales } = storedSize(graph);
  return constants + scales;
};

describe('ResNet-8, calibrated on 500 training pictures', () => {
  const file = 'mlperf-tiny/ic/pretrainedResnet.tflite';
  const needs = [
    file,
    'cifar10/train-images-10000.bin',
    'cifar10/test-images-0000-4999.bin',
    'cifar10/test-labels-0000-4999.bin',
  ];

  itWithData(
    'int8: at least 86.7 % of CIFAR-10 test 0–4999, 27 % of the bytes; 4-bit weights: at most 1.5 points less, 15 %',
    needs,
    async () => {
      const input = inputCard('cards/networks/mlperf-tiny-ic-resnet8.json');
      const { graph } = prepare(readTflite(readData(file)));
      const calibration = calibrate(
        graph,
        await samplesOf(dataCard('cifar10-train-10000'), graph, input, 500, 20),
      );
      const test = dataCard('cifar10-test');
      const float = await answersOf(test, graph, input);
      expect(float.right).toBe(4349);

      const int8 = quantize(graph, calibration).graph;
      const { right, answers } = await answersOf(test, int8, input);
      expect(right).toBeGreaterThanOrEqual(4335);
      expect(differing(answers, float.answers)).toBeLessThan(75);
      expect(bytesOf(int8) / bytesOf(graph)).toBeLessThan(0.27);
      runEverywhere(int8, (await samplesOf(test, graph, input, 1))[0]);

      const int4 = quantize(graph, calibration, { weightBits: 4 }).graph;
      expect((await answersOf(test, int4, input)).right).toBeGreaterThanOrEqual(4349 - 75);
      expect(bytesOf(int4) / bytesOf(graph)).toBeLessThan(0.15);
    },
    180_000,
  );
});

describe('DS-CNN from its hybrid file, calibrated on four other recordings', () => {
  const file = 'mlperf-tiny/kws/kws_ref_model_float32.tflite';
  const sounds = ['yes', 'no', 'noise', 'silence'].map((name) => `models/audio/${name}_1000ms.wav`);

  itWithData(
    'at least 90.0 % of the 700 keyword inputs',
    [file, ...sounds, 'mlperf-tiny/kws/kws01-inputs-700.bin', 'mlperf-tiny/kws/kws01-inputs-700-labels.csv'],
    async () => {
      const input = inputCard('cards/networks/mlperf-tiny-kws-dscnn.json');
      const { graph, report } = prepare(readTflite(readData(file)));
      expect(report['fakeQuantizeDropped']).toBe(5);
      const { dtype, shape } = graph.values[graph.inputs[0]];
      const plan = planInput(input, { dtype, shape });
      const samples = sounds.map((path) => [
        plan.prepare({ kind: 'recording', recording: decodeWav(readData(path)) }),
      ]);
      const quantized = quantize(graph, calibrate(graph, samples));
      const test = dataCard('kws01-700');
      const { right, answers } = await answersOf(test, quantized.graph, input);
      expect(right).toBeGreaterThanOrEqual(630);
      expect(differing(answers, (await answersOf(test, graph, input)).answers)).toBeLessThan(25);
      // Five layers have int8 weights in the file; their grid is found again.
      const exact = quantized.report.layers.filter(({ weightSnr }) => weightSnr !== null && weightSnr > 140);
      expect(exact.length).toBe(5);
      runEverywhere(quantized.graph, samples[0]);
    },
    60_000,
  );
});

describe('MobileNet v2, dequantised from its uint8 file', () => {
  const file = 'models/tflite/mobilenet_v2_1.0_224_quant.tflite';
  const names = ['bird', 'cat', 'dragonfly', 'face', 'grace_hopper', 'no_person', 'person', 'resized_cat'];
  const pictures = names.map((name) => `models/images/${name}.png`);

  itWithData(
    'the top answer on every picture stays',
    [file, ...pictures],
    () => {
      const original = readTflite(readData(file));
      const stored = inputCard('cards/networks/mobilenet-v2-1.0-224-quant.json');
      const real: InputCard = { ...stored, scaling: { kind: 'real', mean: [128], std: [128] } } as InputCard;
      const { graph } = prepare(dequantize(original).graph);
      const answer = (one: Graph, input: InputCard): number[] => {
        const session = compile(one);
        const plan = planInput(input, session.inputs[0]);
        return pictures.map((path) => {
          const picture = decodePng(readData(path));
          session.input(0).set(plan.prepare({ kind: 'picture', picture }) as Float32Array); // or bytes
          session.run();
          return classOf(session.output(0));
        });
      };
      const { dtype, shape } = graph.values[graph.inputs[0]];
      const plan = planInput(real, { dtype, shape });
      const samples = pictures.map((path) => [
        plan.prepare({ kind: 'picture', picture: decodePng(readData(path)) }),
      ]);
      const { graph: int8 } = quantize(graph, calibrate(graph, samples));
      const expected = answer(original, stored);
      expect(answer(graph, real)).toEqual(expected);
      expect(answer(int8, real)).toEqual(expected);
      expect(bytesOf(int8) / bytesOf(graph)).toBeLessThan(0.27);
    },
    180_000,
  );
});

describe("the project's own networks lose at most 0.2 points", () => {
  const own = (name: string, needs: readonly string[], train: string, step: number, test: string): void =>
    itWithData(
      name,
      needs,
      async () => {
        const input = inputCard(`${name}.card.json`);
        const { graph } = prepare(readVireo(new Uint8Array(readFileSync(`${root}weights/${name}.vireo`))));
        const samples = await samplesOf(dataCard(train), graph, input, 500, step);
        const { graph: int8 } = quantize(graph, calibrate(graph, samples));
        const before = await answersOf(dataCard(test), graph, input);
        const after = await answersOf(dataCard(test), int8, input);
        expect((100 * (before.right - after.right)) / before.answers.length).toBeLessThanOrEqual(0.2);
        expect(bytesOf(int8) / bytesOf(graph)).toBeLessThan(0.27);
      },
      120_000,
    );
  own(
    'written-digits',
    ['mnist/train-images-idx3-ubyte.gz', 'mnist/t10k-images-idx3-ubyte.gz'],
    'mnist-train',
    1,
    'mnist-test',
  );
  own('spoken-digits', ['fsdd/train.tar', 'fsdd/test.tar'], 'fsdd-train', 5, 'fsdd-test');
  own(
    'cifar10-resnet8',
    ['cifar10/train-images-10000.bin', 'cifar10/test-images-0000-4999.bin'],
    'cifar10-train-10000',
    20,
    'cifar10-test',
  );
});
