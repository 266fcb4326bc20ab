/** The repository's own samples: that the cards fit them, that the script makes them again, that networks read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { digitForms, drawDigit } from '../scripts/samples/digits.ts';
import { drawPicture, pictureNames } from '../scripts/samples/pictures.ts';
import { espeakVersion, speak, spokenSamples, spokenSet, spokenWith } from '../scripts/samples/spoken.ts';
import { type DataItem, openDataSet } from '../src/cli/data-set.ts';
import type { Graph } from '../src/graph/ir.ts';
import { compile } from '../src/graph/run/compile.ts';
import { encodeWav } from '../src/io/audio/index.ts';
import { decodePng } from '../src/io/image/index.ts';
import { readOnnx } from '../src/io/onnx/index.ts';
import { readTflite } from '../src/io/tflite/index.ts';
import { dataFolder, itWithData, readData } from './data.ts';

const weights = fileURLToPath(new URL('../weights', import.meta.url));
const readSample = (path: string): Uint8Array => new Uint8Array(readFileSync(`${weights}/samples/${path}`));

async function itemsOf(card: string): Promise<DataItem[]> {
  const set = await openDataSet(`${weights}/cards/data/${card}.json`, { dataFolder });
  const items: DataItem[] = [];
  for await (const item of set.items()) items.push(item);
  return items;
}

/** Names of the pictures whose label is not the class with the highest score; pixels go in as they are. */
async function misread(card: string, graph: Graph): Promise<string[]> {
  const session = compile(graph);
  return (await itemsOf(card)).flatMap(({ name, label, source }) => {
    if (source.kind !== 'picture') throw new Error(`${name} is not a picture`);
    session.input(0).set(Float32Array.from(source.picture.data));
    session.run();
    const scores = [...session.output(0)];
    return scores.indexOf(Math.max(...scores)) === label ? [] : [name];
  });
}

describe('the cards', () => {
  it.each([
    ['samples-digits', 15, '28x28x1'],
    ['samples-pictures', 13, '32x32x3'],
    ['samples-spoken', 14, '8000 Hz, 1 channel'],
  ])('%s: %i items, every class, all of them %s', async (card, count, form) => {
    const items = await itemsOf(card);
    expect(items).toHaveLength(count);
    expect(new Set(items.map(({ label }) => label)).size).toBe(10);
    for (const { source } of items) expect(formOf(source)).toBe(form);
  });

  it('know every file, and no other lies beside them', () => {
    const made = {
      digits: digitForms.map((name) => `${name}.png`),
      pictures: pictureNames.map((name) => `${name}.png`),
      spoken: spokenSamples.map(({ name }) => `${name}.wav`),
    };
    for (const [folder, names] of Object.entries(made))
      expect(readdirSync(`${weights}/samples/${folder}`).sort()).toEqual([...names].sort());
  });
});

function formOf(source: DataItem['source']): string {
  if (source.kind === 'picture') {
    const { width, height, channels } = source.picture;
    return `${width}x${height}x${channels}`;
  }
  if (source.kind !== 'recording') return source.kind;
  const { sampleRate, channels } = source.recording;
  return `${sampleRate} Hz, ${channels.length} channel`;
}

describe('what scripts/make-samples.mjs makes is what lies there', () => {
  // Pixels, not bytes: zlib may pack them otherwise elsewhere.
  it.each(digitForms)('digit %s', (name) => {
    expect(drawDigit(name)).toEqual(decodePng(readSample(`digits/${name}.png`)));
  });

  it.each(pictureNames)('picture %s', (name) => {
    expect(drawPicture(name)).toEqual(decodePng(readSample(`pictures/${name}.png`)));
  });

  const installed = process.arch === 'x64' ? espeakVersion() : undefined;
  const silent = installed !== spokenWith;
  const reason = silent ? ` [needs espeak-ng ${spokenWith} on x64, found ${installed ?? 'none'}]` : '';
  it.skipIf(silent).each(spokenSamples)(`spoken $name${reason}`, (utterance) => {
    expect(encodeWav(speak(utterance))).toEqual(readSample(`spoken/${utterance.name}.wav`));
  });
});

describe('spoken digits', () => {
  it('have the same peak, and silence only around the word', async () => {
    for (const { name, source } of await itemsOf('samples-spoken')) {
      if (source.kind !== 'recording') throw new Error(`${name} is not a recording`);
      const [samples] = source.recording.channels;
      const loud = samples.map((sample) => (Math.abs(sample) >= 0.01 ? 1 : 0)); // a fiftieth of the peak
      expect(Math.max(...samples.map(Math.abs)), name).toBeCloseTo(0.5, 4);
      expect([loud.indexOf(1), samples.length - 1 - loud.lastIndexOf(1)], name).toEqual([320, 320]);
    }
  });

  it('of the larger set come from other voices than the samples', () => {
    const variantOf = (voice: string): string => voice.split('+')[1] ?? 'plain';
    const own = new Set(spokenSamples.map(({ voice }) => variantOf(voice)));
    const set = spokenSet();
    expect(set.filter(({ voice }) => own.has(variantOf(voice)))).toEqual([]);
    expect(new Set(set.map(({ name }) => name)).size).toBe(600);
    expect(spokenSet()).toEqual(set);
  });
});

describe('public networks', () => {
  itWithData('mnist.onnx reads every digit', ['models/onnx/mnist.onnx'], async () => {
    expect(await misread('samples-digits', readOnnx(readData('models/onnx/mnist.onnx')))).toEqual([]);
  });

  const resnet = 'mlperf-tiny/ic/pretrainedResnet.tflite';
  itWithData('ResNet-8 knows every picture', [resnet], async () => {
    expect(await misread('samples-pictures', readTflite(readData(resnet)))).toEqual([]);
  });
});
