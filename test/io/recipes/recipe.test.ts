import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { parseRecipe } from '../../../src/io/recipes/recipe.ts';

const whole = {
  vireo: 'recipe/1',
  name: 'digits',
  network: {
    input: [32, 32, 1],
    layers: [
      { kind: 'conv', channels: 8, kernel: [5, 3], stride: 2, norm: true, activation: 'relu' },
      { kind: 'residual', activation: 'relu', layers: [{ kind: 'depthwise', padding: 'same' }] },
      { kind: 'maxPool' },
      { kind: 'dense', units: 10, name: 'logits' },
    ],
  },
  input: { kind: 'image', channels: 'grey', real: { mean: [33], std: [79] } },
  data: { train: ['a.json', { card: 'b.json', names: '^x' }], validation: 0.1, test: 'c.json' },
  augment: { shift: 2 },
  loss: { smoothing: 0.1 },
  optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0.001 },
  schedule: { kind: 'cosine', rate: 0.1, end: 0.001, warmUp: 1 },
  epochs: 3,
  batch: 32,
  seed: 7,
  patience: 5,
};
const parse = (change: object = {}) => parseRecipe(JSON.stringify({ ...whole, ...change }), 'r.json');

describe('a recipe', () => {
  it('with everything', () => {
    const recipe = parse();
    expect(recipe).toMatchObject({
      name: 'digits',
      shape: [32, 32, 1],
      train: [
        { card: 'a.json', names: null },
        { card: 'b.json', names: /^x/u },
      ],
      validation: 0.1,
      test: [{ card: 'c.json' }],
      augment: { kind: 'picture', options: { shift: 2, flip: false } },
      smoothing: 0.1,
      shards: 2,
      patience: 5,
    });
    expect(recipe.layers[0]).toEqual({
      kind: 'conv',
      channels: 8,
      groups: 1,
      norm: true,
      kernel: [5, 3],
      stride: 2,
      activation: 'relu',
    });
  });
  it('with the least', () => {
    const { name, network, input, epochs, batch, vireo } = whole;
    const least = { vireo, name, network, input, epochs, batch, data: { train: 'a.json' } };
    const text = JSON.stringify({
      ...least,
      optimizer: { kind: 'adam' },
      schedule: { kind: 'constant', rate: 1 },
    });
    expect(parseRecipe(text, 'r.json')).toMatchObject({
      about: '',
      validation: null,
      test: [],
      smoothing: 0,
      seed: 0,
      patience: null,
      optimizer: { kind: 'adam', weightDecay: 0 },
      schedule: { end: 0, warmUp: 0 },
    });
  });

  const layers = (layer: object) => ({ network: { input: [8, 8, 1], layers: [layer] } });
  it.each<[string, object, string]>([
    ['an unknown key', { epoch: 3 }, 'r.json: epoch: unknown; known are vireo, name,'],
    ['an unknown key inside', { optimizer: { kind: 'sgd', momentun: 1 } }, 'optimizer.momentun: unknown'],
    ['another version', { vireo: 'recipe/2' }, 'r.json: vireo: expected "recipe/1", got "recipe/2"'],
    ['no epochs', { epochs: 0 }, 'r.json: epochs: expected a whole number, from 1 to 100000, got 0'],
    ['an unknown layer', layers({ kind: 'conf' }), 'network.layers[0].kind: expected "conv" or'],
    ['a layer that is a number', { network: { input: [8, 8, 1], layers: [3] } }, 'network.layers[0].kind'],
    [
      'a layer without its size',
      layers({ kind: 'dense' }),
      'network.layers[0].units: expected a whole number',
    ],
    [
      'no units',
      layers({ kind: 'dense', units: 0 }),
      'units: expected a whole number, from 1 to 65536, got 0',
    ],
    ['three strides', layers({ kind: 'maxPool', stride: [1, 2, 3] }), 'stride: expected one number or two'],
    [
      'a layer inside a residual',
      layers({ kind: 'residual', layers: [{ kind: 'x' }] }),
      'layers[0].layers[0]',
    ],
    [
      'an input of two axes',
      { network: { ...whole.network, input: [8, 8] } },
      'network.input: expected a list of 3',
    ],
    ['a raw input', { input: { kind: 'raw' } }, 'input: expected an input of kind "image" or "audio"'],
    ['all items for the validation', { data: { train: 'a', validation: 1 } }, 'a share between 0 and 1'],
    [
      'patience with nothing to wait for',
      { data: { train: 'a' }, patience: 1 },
      'patience: needs data.validation',
    ],
    [
      'a batch that shards do not divide',
      { batch: 33 },
      'r.json: batch: expected a multiple of the 2 shards',
    ],
    [
      'momentum of adam',
      { optimizer: { kind: 'adam', momentum: 0.9 } },
      'optimizer.momentum: expected nothing',
    ],
    [
      'a negative rate',
      { schedule: { kind: 'cosine', rate: -1 } },
      'schedule.rate: expected a positive number',
    ],
    ['smoothing of 1', { loss: { smoothing: 1 } }, 'loss.smoothing: expected a number from 0 to below 1'],
    ['augmentation of sound for pictures', { augment: { gain: 3 } }, 'augment.gain: unknown'],
    [
      'a broken pattern',
      { data: { train: { card: 'a', names: '(' } } },
      'names: expected a regular expression',
    ],
  ])('refuses %s', (_, change, message) => {
    const attempt = (): unknown => parse({ patience: undefined, ...change });
    expect(attempt).toThrow(VireoError);
    expect(attempt).toThrow(message);
  });
  it('refuses what is not JSON', () => expect(() => parseRecipe('{', 'r.json')).toThrow('r.json: not JSON'));
});
