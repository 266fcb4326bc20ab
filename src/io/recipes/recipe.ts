/**
 * Recipes: all that a training depends on, as JSON. docs/training.md describes the format by example.
 *
 * The same recipe on the same data gives the same network, byte for byte, on any number of threads.
 */

import { VireoError } from '../../errors.ts';
import type { Activation, Layer, WindowOptions } from '../../graph/train/network.ts';
import type { Schedule } from '../../graph/train/schedule.ts';
import type { Pair } from '../../kernels/call.ts';
import { type PictureAugmentation, parsePictureAugmentation } from '../augment/picture.ts';
import { parseSoundAugmentation, type SoundAugmentation } from '../augment/sound.ts';
import {
  fieldsOf,
  isGiven,
  itemsOf,
  mistake,
  numberOf,
  oneOf,
  type Place,
  parseJson,
  patternOf,
  textOf,
  wholeOf,
} from '../cards/json.ts';
import { type InputCard, inputOf } from '../cards/network-card.ts';

export const recipeVersion = 'recipe/1';

export interface Recipe {
  readonly name: string;
  readonly about: string;
  /** (h, w, c) */
  readonly shape: readonly [h: number, w: number, c: number];
  readonly layers: readonly Layer[];
  /** How a picture or a recording becomes the network's input. */
  readonly input: InputCard & { readonly kind: 'image' | 'audio' };
  readonly train: readonly DataPart[];
  /** Data cards, or the share of the training items kept apart; null: none. */
  readonly validation: readonly DataPart[] | number | null;
  /** Judged once, at the end. */
  readonly test: readonly DataPart[];
  readonly augment: Augment;
  /** Label smoothing. */
  readonly smoothing: number;
  readonly optimizer: OptimizerRecipe;
  readonly schedule: Schedule;
  readonly epochs: number;
  readonly batch: number;
  /** Parts of a batch that can be computed at the same time. */
  readonly shards: number;
  readonly seed: number;
  /** Epochs without a better validation before it stops; null: never. What it then keeps is the best, not the last. */
  readonly patience: number | null;
}

export type Augment =
  | { readonly kind: 'picture'; readonly options: PictureAugmentation }
  | { readonly kind: 'sound'; readonly options: SoundAugmentation };

export interface DataPart {
  /** Path of a data card, relative to the recipe. */
  readonly card: string;
  /** Which items of the card, by name; null: all. */
  readonly names: RegExp | null;
}

export type OptimizerRecipe =
  | { readonly kind: 'sgd'; readonly momentum: number; readonly weightDecay: number }
  | { readonly kind: 'adam'; readonly weightDecay: number };

/** A recipe from its text; `file` is named in messages. */
export function parseRecipe(text: string, file: string): Recipe {
  const recipe = fieldsOf(parseJson(text, file), [
    'vireo',
    'name',
    'about',
    'network',
    'input',
    'data',
    'augment',
    'loss',
    'optimizer',
    'schedule',
    'epochs',
    'batch',
    'shards',
    'seed',
    'patience',
  ]);
  oneOf(recipe.vireo, [recipeVersion]);
  const network = fieldsOf(recipe.network, ['input', 'layers']);
  const input = inputOf(recipe.input);
  if (input.kind === 'raw') throw mistake(recipe.input, 'an input of kind "image" or "audio"');
  const data = fieldsOf(recipe.data, ['train', 'validation', 'test']);
  const batch = wholeOf(recipe.batch, 1, 4096);
  const shards = given(recipe.shards, (place) => wholeOf(place, 1, 64), 2);
  if (batch % shards !== 0) throw mistake(recipe.batch, `a multiple of the ${shards} shards`);
  const loss = given(recipe.loss, (place) => fieldsOf(place, ['smoothing']), null);
  const patience = given(recipe.patience, (place) => wholeOf(place, 1), null);
  const validation = given(data.validation, validationOf, null);
  if (patience !== null && validation === null)
    throw new VireoError('bad-file', `${recipe.patience.path}: needs data.validation, which is not given`);
  return {
    name: textOf(recipe.name),
    about: given(recipe.about, textOf, ''),
    shape: shapeOf(network.input),
    layers: itemsOf(network.layers, 1).map(layerOf),
    input,
    train: partsOf(data.train),
    validation,
    test: given(data.test, partsOf, []),
    augment: augmentOf(recipe.augment, input.kind),
    smoothing: loss ? given(loss.smoothing, shareOf, 0) : 0,
    optimizer: optimizerOf(recipe.optimizer),
    schedule: scheduleOf(recipe.schedule),
    epochs: wholeOf(recipe.epochs, 1, 100_000),
    batch,
    shards,
    seed: given(recipe.seed, (place) => wholeOf(place, 0, 0xffffffff), 0),
    patience,
  };
}

function given<T, D>(place: Place, read: (place: Place) => T, otherwise: D): T | D {
  return isGiven(place) ? read(place) : otherwise;
}

function shapeOf(place: Place): [number, number, number] {
  const [h, w, c, ...rest] = itemsOf(place, 3).map((extent) => wholeOf(extent, 1, 4096));
  if (rest.length > 0) throw mistake(place, 'height, width and channels');
  return [h!, w!, c!]; // itemsOf gives at least 3
}

const layerKinds = ['conv', 'depthwise', 'maxPool', 'averagePool', 'meanPool', 'dense', 'residual'] as const;

function layerOf(place: Place): Layer {
  const kind = oneOf(
    { value: (place.value as { kind?: unknown } | null)?.kind, path: `${place.path}.kind` },
    layerKinds,
  );
  switch (kind) {
    case 'conv': {
      const layer = fieldsOf(place, [...windowFields, ...namedFields, 'norm', 'channels', 'groups']);
      return {
        kind,
        channels: wholeOf(layer.channels, 1, 65536),
        groups: given(layer.groups, (groups) => wholeOf(groups, 1, 65536), 1),
        norm: given(layer.norm, switchOf, false),
        ...windowOf(layer),
        ...namedOf(layer),
      };
    }
    case 'depthwise': {
      const layer = fieldsOf(place, [...windowFields, ...namedFields, 'norm']);
      return { kind, norm: given(layer.norm, switchOf, false), ...windowOf(layer), ...namedOf(layer) };
    }
    case 'maxPool':
    case 'averagePool':
      return { kind, ...windowOf(fieldsOf(place, [...windowFields, 'kind'])) };
    case 'meanPool':
      fieldsOf(place, ['kind']);
      return { kind };
    case 'dense': {
      const layer = fieldsOf(place, [...namedFields, 'units']);
      return { kind, units: wholeOf(layer.units, 1, 65536), ...namedOf(layer) };
    }
    case 'residual': {
      const layer = fieldsOf(place, [...namedFields, 'layers']);
      return { kind, layers: itemsOf(layer.layers, 1).map(layerOf), ...namedOf(layer) };
    }
  }
}

const windowFields = ['kernel', 'stride', 'padding'] as const;
const namedFields = ['kind', 'name', 'activation'] as const;

function windowOf(layer: Readonly<Record<(typeof windowFields)[number], Place>>): WindowOptions {
  return {
    ...(isGiven(layer.kernel) && { kernel: extentOf(layer.kernel) }),
    ...(isGiven(layer.stride) && { stride: extentOf(layer.stride) }),
    ...(isGiven(layer.padding) && { padding: oneOf(layer.padding, ['same', 'valid']) }),
  };
}

function namedOf(layer: Readonly<Record<'name' | 'activation', Place>>): {
  name?: string;
  activation?: Activation;
} {
  return {
    ...(isGiven(layer.name) && { name: textOf(layer.name) }),
    ...(isGiven(layer.activation) && { activation: oneOf(layer.activation, ['none', 'relu', 'relu6']) }),
  };
}

function extentOf(place: Place): number | Pair {
  if (!Array.isArray(place.value)) return wholeOf(place, 1, 1024);
  const [h, w, ...rest] = itemsOf(place, 2).map((extent) => wholeOf(extent, 1, 1024));
  if (rest.length > 0) throw mistake(place, 'one number or two');
  return [h!, w!]; // itemsOf gives at least 2
}

function switchOf(place: Place): boolean {
  if (typeof place.value !== 'boolean') throw mistake(place, 'true or false');
  return place.value;
}

/** One card or a list of them; a card is its path, or `{ "card": path, "names": pattern }`. */
function partsOf(place: Place): DataPart[] {
  const parts = Array.isArray(place.value) ? itemsOf(place, 1) : [place];
  return parts.map((part) => {
    if (typeof part.value === 'string') return { card: part.value, names: null };
    const { card, names } = fieldsOf(part, ['card', 'names']);
    return { card: textOf(card), names: given(names, patternOf, null) };
  });
}

function validationOf(place: Place): DataPart[] | number {
  if (typeof place.value !== 'number') return partsOf(place);
  const share = numberOf(place);
  if (share <= 0 || share >= 1) throw mistake(place, 'a share between 0 and 1, or data cards');
  return share;
}

function augmentOf(place: Place, kind: 'image' | 'audio'): Augment {
  const options: Place = isGiven(place) ? place : { value: {}, path: place.path };
  return kind === 'image'
    ? { kind: 'picture', options: parsePictureAugmentation(options) }
    : { kind: 'sound', options: parseSoundAugmentation(options) };
}

function optimizerOf(place: Place): OptimizerRecipe {
  const { kind, momentum, weightDecay } = fieldsOf(place, ['kind', 'momentum', 'weightDecay']);
  const decay = given(weightDecay, shareOf, 0);
  if (oneOf(kind, ['sgd', 'adam']) === 'sgd')
    return { kind: 'sgd', momentum: given(momentum, shareOf, 0), weightDecay: decay };
  if (isGiven(momentum)) throw mistake(momentum, 'nothing: adam has none');
  return { kind: 'adam', weightDecay: decay };
}

function scheduleOf(place: Place): Schedule {
  const schedule = fieldsOf(place, ['kind', 'rate', 'end', 'warmUp']);
  return {
    kind: oneOf(schedule.kind, ['constant', 'cosine']),
    rate: positiveOf(schedule.rate),
    end: given(schedule.end, positiveOf, 0),
    warmUp: given(schedule.warmUp, positiveOf, 0),
  };
}

function shareOf(place: Place): number {
  const share = numberOf(place);
  if (share < 0 || share >= 1) throw mistake(place, 'a number from 0 to below 1');
  return share;
}

function positiveOf(place: Place): number {
  const number = numberOf(place);
  if (number <= 0) throw mistake(place, 'a positive number');
  return number;
}
