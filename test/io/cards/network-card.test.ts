/** Network cards: their format, how they are found, and the cards that come with the package. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findNetworkCard } from '../../../src/cli/cards.ts';
import { VireoError } from '../../../src/errors.ts';
import type { CardFiles } from '../../../src/io/cards/index.ts';
import { cardPathOf, findCard, parseNetworkCard } from '../../../src/io/cards/index.ts';
import { dataFolder, hasData, itWithData, readData } from '../../data.ts';

const minimal = {
  vireo: 'network-card/1',
  name: 'a network',
  inputs: [{ kind: 'image', real: { mean: [0], std: [255] } }],
  outputs: [{ kind: 'classification', labels: ['cat', 'dog'] }],
};
const text = (card: unknown): string => JSON.stringify(card);

describe('parseNetworkCard', () => {
  it('fills in what is usual', () => {
    expect(parseNetworkCard(text(minimal), 'net.card.json')).toEqual({
      name: 'a network',
      about: '',
      sha256: [],
      inputs: [
        {
          kind: 'image',
          channels: 'rgb',
          layout: 'nhwc',
          alpha: 'ignore',
          scaling: { kind: 'real', mean: [0], std: [255] },
          rounding: 'nearest',
        },
      ],
      outputs: [
        {
          kind: 'classification',
          scores: 'probabilities',
          labels: { names: ['cat', 'dog'], file: undefined },
          overWindows: 'mean',
        },
      ],
    });
  });

  const input = (change: object): unknown => ({ ...minimal, inputs: [{ ...minimal.inputs[0], ...change }] });
  const output = (change: object): unknown => ({
    ...minimal,
    outputs: [{ ...minimal.outputs[0], ...change }],
  });
  it.each<[string, unknown, string]>([
    ['a list', [], 'c.json: expected an object, got []'],
    [
      'another version',
      { ...minimal, vireo: 'network-card/2' },
      'c.json: vireo: expected "network-card/1", got',
    ],
    ['no name', { ...minimal, name: undefined }, 'c.json: name: expected a text, got nothing'],
    ['a misspelt field', { ...minimal, input: [] }, 'c.json: input: unknown; known are vireo, name'],
    ['no inputs', { ...minimal, inputs: [] }, 'c.json: inputs: expected a list of 1 or more, got []'],
    [
      'an unknown kind',
      input({ kind: 'video' }),
      'c.json: inputs[0].kind: expected "image" or "audio" or "raw", got',
    ],
    [
      'real and stored',
      input({ stored: { offset: 0 } }),
      'c.json: inputs[0]: expected either "real" or "stored"',
    ],
    [
      'two means',
      input({ real: { mean: [0, 1], std: [1] } }),
      'c.json: inputs[0].real.mean: expected 1 or 3 numbers',
    ],
    [
      'a deviation of 0',
      input({ real: { mean: [0], std: [0] } }),
      'c.json: inputs[0].real.std: expected positive',
    ],
    [
      'a rounding',
      input({ rounding: 'down' }),
      'c.json: inputs[0].rounding: expected "nearest" or "truncate", got "down"',
    ],
    [
      'a text for a number',
      input({ real: { mean: ['0'], std: [1] } }),
      'c.json: inputs[0].real.mean[0]: expected a number',
    ],
    ['labels', output({ labels: [1] }), 'c.json: outputs[0].labels[0]: expected a text, got 1'],
    [
      'scores',
      output({ scores: 'percent' }),
      'c.json: outputs[0].scores: expected "probabilities" or "logits"',
    ],
    [
      'boxes in an output that is not there',
      { ...minimal, outputs: [{ kind: 'detection', boxes: 1 }] },
      'c.json: outputs[0].boxes: expected a whole number, from 0 to 0, got 1',
    ],
    [
      'boxes among their scores',
      { ...minimal, outputs: [{ kind: 'detection', boxes: 0 }] },
      'c.json: outputs[0].boxes: expected the number of another output, got 0',
    ],
    [
      'a threshold in percent',
      { ...minimal, outputs: [{ kind: 'detection', boxes: 1, threshold: 70 }, { kind: 'raw' }] },
      'c.json: outputs[0].threshold: expected a number from 0 to 1, got 70',
    ],
    [
      'another form of box',
      { ...minimal, outputs: [{ kind: 'detection', boxes: 1, form: 'centre' }, { kind: 'raw' }] },
      'c.json: outputs[0].form: expected "corners", got "centre"',
    ],
    [
      'an upper-case hash',
      { ...minimal, sha256: ['A'.repeat(64)] },
      'c.json: sha256[0]: expected 64 lower-case',
    ],
    [
      'a front-end',
      { ...minimal, inputs: [{ kind: 'audio', frontEnd: 'mfcc' }] },
      'c.json: inputs[0].frontEnd: expected a known front-end (front-end "mfcc"; known are mlperf-tiny-kws-mfcc',
    ],
    [
      'a window of nothing',
      { ...minimal, inputs: [{ kind: 'audio', frontEnd: 'waveform', window: { frames: 0 } }] },
      'c.json: inputs[0].window.frames: expected a whole number, 1 or more, got 0',
    ],
  ])('refuses %s', (_, card, message) => {
    try {
      parseNetworkCard(text(card), 'c.json');
    } catch (error) {
      expect(error).toBeInstanceOf(VireoError);
      expect(String(error)).toContain(message);
      return;
    }
    throw new Error('accepted');
  });

  it('refuses what is not JSON', () => {
    expect(() => parseNetworkCard('{', 'c.json')).toThrow(/^c\.json: not JSON: /);
  });
});

describe('findCard', () => {
  const hash = 'ab'.repeat(32);
  const named = (name: string, more: object = {}): string => text({ ...minimal, name, ...more });
  const files = (contents: Readonly<Record<string, string>>): CardFiles => ({
    read: (path) => contents[path],
    list: (folder) =>
      Object.keys(contents)
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)),
  });
  const request = { network: 'dir/net.tflite', sha256: () => hash, builtIn: 'own', dataFolder: 'd' };

  it("the card asked for, then the one beside the network, then the package's own", () => {
    const all = {
      'my.json': named('mine'),
      'dir/net.card.json': named('beside'),
      'own/a.json': named('other', { sha256: ['cd'.repeat(32)] }),
      'own/b.json': named('own', { sha256: [hash] }),
    };
    expect(findCard({ ...request, card: 'my.json' }, files(all))?.card.name).toBe('mine');
    expect(findCard(request, files(all))?.card.name).toBe('beside');
    const { 'dir/net.card.json': _, ...notBeside } = all;
    expect(findCard(request, files(notBeside))?.path).toBe('own/b.json');
    expect(findCard(request, files({ 'own/a.json': all['own/a.json'] }))).toBeUndefined();
    expect(() => findCard({ ...request, card: 'no.json' }, files(all))).toThrow('no.json: no such card');
  });

  it('the network is not hashed when a card lies beside it', () => {
    const sha256 = (): string => {
      throw new Error('hashed');
    };
    expect(findCard({ ...request, sha256 }, files({ 'dir/net.card.json': named('x') }))?.card.name).toBe('x');
  });

  it.each([
    ['net.tflite', 'net.card.json'],
    ['a.b/net', 'a.b/net.card.json'],
    ['C:\\x\\net.v2.tflite', 'C:\\x\\net.v2.card.json'],
  ])('%s has %s beside it', (network, card) => expect(cardPathOf(network)).toBe(card));

  const labelled = (labels: object): string => named('x', { outputs: [{ kind: 'classification', labels }] });
  const names = (contents: Readonly<Record<string, string>>): readonly string[] | undefined => {
    const output = findCard(request, files(contents))?.card.outputs[0];
    return output?.kind === 'classification' ? output.labels.names : undefined;
  };

  it('labels from lines, beside the card or in the data folder, or from a column', () => {
    const card = labelled({ file: 'l.txt', offset: 1 });
    expect(names({ 'dir/net.card.json': card, 'dir/l.txt': 'none\r\ncat\r\ndog\n\n' })).toEqual([
      'cat',
      'dog',
    ]);
    const inData = labelled({ file: 'data:x/l.csv', column: 'name' });
    const csv = 'n,name\n0,"Bark, loud"\n1,"say ""miaow"""\n';
    expect(names({ 'dir/net.card.json': inData, 'd/x/l.csv': csv })).toEqual(['Bark, loud', 'say "miaow"']);
  });

  it('missing labels are a note, not an error', () => {
    const found = findCard(request, files({ 'dir/net.card.json': labelled({ file: 'data:l.txt' }) }));
    expect(found?.notes).toEqual(['d/l.txt is missing, so classes are shown by number']);
  });

  it('a column that is not there, an absolute path', () => {
    const contents = {
      'dir/net.card.json': labelled({ file: 'l.csv', column: 'y' }),
      'dir/l.csv': 'a,b\n1,2\n',
    };
    expect(() => names(contents)).toThrow('dir/l.csv: no column "y"; there are a, b');
    expect(() => names({ 'dir/net.card.json': labelled({ file: '/etc/x' }) })).toThrow(
      /expected a relative path/,
    );
  });
});

describe('the cards of the package', () => {
  const folder = fileURLToPath(new URL('../../../weights/cards/networks', import.meta.url));
  const cards = readdirSync(folder);
  it.each(cards)('%s is well-formed', (name) => {
    const card = parseNetworkCard(readFileSync(join(folder, name), 'utf8'), name);
    expect(card.sha256.length).toBeGreaterThan(0);
  });

  const networks = [
    'mlperf-tiny/ic/pretrainedResnet.tflite',
    'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
    'mlperf-tiny/kws/kws_ref_model_float32.tflite',
    'mlperf-tiny/kws/kws_ref_model.tflite',
    'mlperf-tiny/vww/vww_96_float.tflite',
    'mlperf-tiny/vww/vww_96_int8.tflite',
    'mlperf-tiny/ad/ad01_fp32.tflite',
    'mlperf-tiny/ad/ad01_int8.tflite',
    'mlperf-tiny/sww/str_ww_ref_model.tflite',
    'models/tflite/mobilenet_v1_0.25_128_quant.tflite',
    'models/tflite/mobilenet_v1_0.75_192_quant.tflite',
    'models/tflite/mobilenet_v2_1.0_224_quant.tflite',
    'models/tflite/mobilenet_v2_quantized_1x3x224x224.tflite',
    'models/tflite/person_detect.tflite',
    'models/tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite',
    'models/tflite/micro_speech_quantized.tflite',
    'models/tflite/hello_world_int8.tflite',
    'models/tflite/hello_world_float.tflite',
    'models/tflite/version-slim-320_without_postprocessing.tflite',
    'models/tflite/yamnet.tflite',
    'models/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx',
    'models/onnx/mnist.onnx',
    'models/onnx/super_resolution_core_op18.onnx',
    'models/onnx/version-RFB-320.onnx',
    'models/onnx/version-slim-320.onnx',
    'models/onnx/version-slim-320_simplified.onnx',
    'models/onnx/version-slim-320_without_postprocessing.onnx',
  ];
  for (const network of networks) {
    itWithData(`${network} is recognised, with its labels`, [network], () => {
      const found = findNetworkCard(join(dataFolder, network), readData(network), { dataFolder });
      expect(found?.card.sha256).toContain(createHash('sha256').update(readData(network)).digest('hex'));
      if (hasData('models/labels/imagenet_labels.txt')) expect(found?.notes).toEqual([]);
    });
  }

  itWithData('labels stand where the networks count them', ['models/labels/imagenet_labels.txt'], () => {
    const name = (network: string, index: number): string | undefined => {
      const path = `models/tflite/${network}.tflite`;
      const output = findNetworkCard(path, readData(path), { dataFolder })?.card.outputs[0];
      return output?.kind === 'classification' || output?.kind === 'segmentation'
        ? output.labels.names[index]
        : '';
    };
    expect(name('mobilenet_v2_1.0_224_quant', 286)).toMatch(/^Egyptian cat/);
    expect(name('mobilenet_v2_quantized_1x3x224x224', 285)).toMatch(/^Egyptian cat/);
    expect(name('deeplabv3_mnv2_dm05_pascal_quant', 3)).toBe('bird');
    expect(name('yamnet', 93)).toBe('Fowl');
  });
});
