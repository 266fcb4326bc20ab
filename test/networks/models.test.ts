/**
 * The pretrained networks against TensorFlow Lite with XNNPACK on the same inputs, and the classes of pictures
 * read, resized and stored as the networks' cards say.
 */
import { describe, expect } from 'vitest';
import { findNetworkCard } from '../../src/cli/cards.ts';
import { VireoError } from '../../src/errors.ts';
import { compile } from '../../src/graph/run/compile.ts';
import type { Session } from '../../src/graph/run/session.ts';
import { planInput } from '../../src/io/cards/index.ts';
import { decodePng } from '../../src/io/image/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { dataFolder, dataPath, itWithData, readData } from '../data.ts';
import { topClasses } from './accuracy.ts';
import { networkFiles, refusedFiles } from './files.ts';
import { readJson } from './golden.ts';
import { kernels } from './kernels.ts';

interface Stored {
  readonly file: string;
  readonly dtype: 'float32' | 'int8' | 'uint8';
}

/** One line of a `golden.json`. */
interface Entry {
  readonly model: string;
  readonly input: Stored;
  readonly outputs: readonly Stored[];
}

interface Expectation {
  readonly folder: 'models' | 'mlperf-tiny';
  readonly model: string;
  readonly input?: string;
  /** Integers: the most steps that a value may be off. Floats: 1e-5 + this·|b|. */
  readonly steps?: number;
  readonly relative?: number;
  /** Classes in the lead, in any order. */
  readonly top?: readonly number[];
}

/** Steps of the deep MobileNets as measured, and some more: XNNPACK rounds once, these networks twice. */
const golden: readonly Expectation[] = [
  { folder: 'models', model: 'tflite/micro_speech_quantized.tflite', steps: 0 },
  { folder: 'models', model: 'tflite/mobilenet_v1_0.25_128_quant.tflite', steps: 4, top: [286, 283, 282] },
  { folder: 'models', model: 'tflite/mobilenet_v1_0.75_192_quant.tflite', steps: 16, top: [282, 286, 283] },
  { folder: 'models', model: 'tflite/mobilenet_v2_1.0_224_quant.tflite', steps: 6, top: [286] },
  {
    folder: 'models',
    model: 'tflite/mobilenet_v2_quantized_1x3x224x224.tflite',
    steps: 16,
    top: [285, 281, 282],
  },
  { folder: 'models', model: 'tflite/version-slim-320_without_postprocessing.tflite', relative: 1e-4 },
  { folder: 'models', model: 'tflite/yamnet.tflite', relative: 1e-4, top: [93, 81, 67] },
  {
    folder: 'mlperf-tiny',
    model: 'vww/vww_96_int8.tflite',
    input: 'vww_96_int8.tflite.grace_hopper.in0.bin',
    steps: 2,
    top: [1],
  },
  {
    folder: 'mlperf-tiny',
    model: 'vww/vww_96_int8.tflite',
    input: 'vww_96_int8.tflite.cat.in0.bin',
    steps: 2,
    top: [0],
  },
  {
    folder: 'mlperf-tiny',
    model: 'vww/vww_96_float.tflite',
    input: 'vww_96_float.tflite.grace_hopper.in0.bin',
    relative: 1e-4,
    top: [1],
  },
  {
    folder: 'mlperf-tiny',
    model: 'vww/vww_96_float.tflite',
    input: 'vww_96_float.tflite.cat.in0.bin',
    relative: 1e-4,
    top: [0],
  },
  { folder: 'mlperf-tiny', model: 'ad/ad01_fp32.tflite', relative: 1e-4 },
  { folder: 'mlperf-tiny', model: 'ad/ad01_int8.tflite', steps: 2 },
  { folder: 'mlperf-tiny', model: 'sww/str_ww_ref_model.tflite', steps: 0 },
];

describe.each(kernels)('golden outputs of TensorFlow Lite and $label', ({ sets }) => {
  for (const { folder, model, input, steps, relative, top } of golden) {
    const path = `${folder}/${model}`;
    const index = `${folder}/golden/golden.json`;
    itWithData(input ?? path, [path, index], () => {
      const entry = readJson<Entry[]>(index).find(
        (e) => e.model === model && (!input || e.input.file === input),
      )!;
      const session = compile(readTflite(readData(path)), { kernels: sets });
      session.input(0).set(read(folder, entry.input));
      session.run();
      entry.outputs.forEach((output, i) => {
        const expected = read(folder, output);
        const actual = session.output(i);
        expect(actual.length).toBe(expected.length);
        for (let k = 0; k < expected.length; k++) {
          const bound = steps ?? 1e-5 + relative! * Math.abs(expected[k]);
          if (!(Math.abs(actual[k] - expected[k]) <= bound))
            expect.fail(`output ${i}, element ${k} is ${actual[k]}, expected ${expected[k]} ± ${bound}`);
        }
        if (i === 0 && top) {
          expect(topClasses(expected, top.length)).toEqual(top);
          expect(topClasses(actual, top.length).sort()).toEqual([...top].sort());
          expect(actual[top[0]]).toBe(Math.max(...actual)); // a tie may stand beside it
        }
      });
    });
  }

  for (const folder of ['models', 'mlperf-tiny'] as const)
    itWithData(`every network of ${folder}/golden is in this table`, [`${folder}/golden/golden.json`], () => {
      const entries = readJson<Entry[]>(`${folder}/golden/golden.json`);
      const listed = golden.filter((e) => e.folder === folder);
      for (const { model, input } of entries.filter((e) => e.model.endsWith('.tflite')))
        expect(
          listed.some((e) => e.model === model && (!e.input || e.input === input.file)),
          model,
        ).toBe(true);
    });
});

describe('every network file', () => {
  for (const path of networkFiles())
    itWithData(`${path} runs`, [path], () => {
      const session = compile(readTflite(readData(path)));
      session.run();
      session.outputs.forEach(({ dtype }, i) => {
        const output = dtype === 'f32' ? session.output(i, 'f32') : undefined;
        if (output) expect(output.every(Number.isFinite)).toBe(true);
      });
    });

  for (const path of refusedFiles())
    itWithData(`${path} is refused for its custom operators`, [path], () => {
      expect(() => readTflite(readData(path))).toThrow(VireoError);
      for (const name of ['SignalWindow', 'SignalFftAutoScale', 'SignalRfft', 'SignalEnergy', 'SignalPCAN'])
        expect(() => readTflite(readData(path))).toThrow(`CUSTOM:${name}`);
    });
});

describe('pictures', () => {
  const image = (name: string) => `models/images/${name}.png`;

  for (const { network, picture, lead } of [
    { network: 'models/tflite/person_detect.tflite', picture: 'person', lead: [1] },
    { network: 'models/tflite/person_detect.tflite', picture: 'no_person', lead: [0] },
    { network: 'models/tflite/mobilenet_v1_0.25_128_quant.tflite', picture: 'cat', lead: [286, 283, 282] },
    { network: 'models/tflite/mobilenet_v1_0.75_192_quant.tflite', picture: 'cat', lead: [282, 286, 283] },
    { network: 'models/tflite/mobilenet_v2_1.0_224_quant.tflite', picture: 'cat', lead: [286] },
    {
      network: 'models/tflite/mobilenet_v2_quantized_1x3x224x224.tflite',
      picture: 'cat',
      lead: [285, 281, 282],
    },
    { network: 'mlperf-tiny/vww/vww_96_int8.tflite', picture: 'grace_hopper', lead: [1] },
    { network: 'mlperf-tiny/vww/vww_96_int8.tflite', picture: 'cat', lead: [0] },
    { network: 'mlperf-tiny/vww/vww_96_float.tflite', picture: 'grace_hopper', lead: [1] },
    { network: 'mlperf-tiny/vww/vww_96_float.tflite', picture: 'cat', lead: [0] },
  ])
    itWithData(`${picture}.png: ${lead} by ${network}`, [network, image(picture)], () => {
      const session = withPicture(network, image(picture));
      const scores = session.output(0);
      expect(topClasses(scores, lead.length).sort()).toEqual([...lead].sort());
    });

  const segmenter = 'models/tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite';
  itWithData('bird_segmentation.png: the bird of the mask', [segmenter, image('bird_segmentation')], () => {
    const session = withPicture(segmenter, image('bird_segmentation'));
    const classes = session.output(0, 'i64');
    const mask = decodePng(readData(image('bird_segmentation_mask')));
    expect([mask.width, mask.height]).toEqual([513, 513]);
    const bird = 3;
    let [both, either] = [0, 0];
    classes.forEach((found, i) => {
      if (found === BigInt(bird) || mask.data[i] === bird) either++;
      if (found === BigInt(bird) && mask.data[i] === bird) both++;
    });
    expect(both / either).toBeGreaterThan(0.8);
  });
});

/** The network after one run on a picture, prepared as its card says. */
function withPicture(network: string, picture: string): Session {
  const bytes = readData(network);
  const session = compile(readTflite(bytes));
  const { card } = findNetworkCard(dataPath(network), bytes, { dataFolder })!;
  const input = planInput(card.inputs[0], session.inputs[0]);
  const data = input.prepare({ kind: 'picture', picture: decodePng(readData(picture)) });
  session.input(0).set(data as Uint8Array);
  session.run();
  return session;
}

function read(folder: string, { file, dtype }: Stored): Float32Array | Int8Array | Uint8Array {
  const bytes = readData(`${folder}/golden/${file}`);
  if (dtype === 'float32') return new Float32Array(bytes.buffer);
  return dtype === 'int8' ? new Int8Array(bytes.buffer) : bytes;
}
