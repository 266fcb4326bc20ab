/**
 * Network cards: what a network's file does not say of its inputs and outputs, as JSON beside it.
 *
 * A card names the front-end of every input (how a picture or a recording becomes numbers) and the meaning of every
 * output (classes and their names). docs/cards.md describes the format by example.
 */

import { planFrontEnd } from '../audio/front-ends.ts';
import type { ImageOptions } from '../image/to-input.ts';
import type { Place } from './json.ts';
import {
  fieldsOf,
  isGiven,
  itemsOf,
  mistake,
  numberOf,
  numbersOf,
  oneOf,
  parseJson,
  recordOf,
  textOf,
  textsOf,
  wholeOf,
} from './json.ts';
import type { Rounding } from './store.ts';

export const networkCardVersion = 'network-card/1';

export interface NetworkCard {
  readonly name: string;
  /** Free text: what the network is for, what to watch out for. */
  readonly about: string;
  /** SHA-256 of the network files this card describes, lower-case hexadecimal. */
  readonly sha256: readonly string[];
  /** In the order of the network's inputs. */
  readonly inputs: readonly InputCard[];
  /** In the order of the network's outputs. */
  readonly outputs: readonly OutputCard[];
}

export type InputCard =
  | ({ readonly kind: 'image' } & Required<ImageOptions>)
  | {
      readonly kind: 'audio';
      readonly frontEnd: string;
      readonly parameters: Readonly<Record<string, unknown>>;
      readonly rounding: Rounding;
      /** The input is this many successive frames of the front-end; windows start every `step` frames. */
      readonly window: { readonly frames: number; readonly step: number } | undefined;
    }
  /** Numbers made elsewhere: only raw tensors fit. */
  | { readonly kind: 'raw'; readonly about: string };

export type OutputCard =
  | {
      readonly kind: 'classification';
      /** `probabilities` are shown as they are; `logits` pass through softmax first. */
      readonly scores: 'probabilities' | 'logits';
      readonly labels: Labels;
      /** How the scores of a recording's windows become one set. */
      readonly overWindows: 'mean' | 'max';
    }
  /** One class number for every pixel. */
  | { readonly kind: 'segmentation'; readonly labels: Labels }
  /** Scores [1, N, classes], class 0 being the background; another output has the N boxes [1, N, 4]. */
  | {
      readonly kind: 'detection';
      /** The number of the output that has the boxes. */
      readonly boxes: number;
      /** `corners`: x1, y1, x2, y2 as shares of the picture's width and height. */
      readonly form: 'corners';
      /** What a score must exceed. */
      readonly threshold: number;
      /** Of two boxes of a class that overlap by more (intersection over union), the likelier one stays. */
      readonly overlap: number;
      readonly labels: Labels;
    }
  | { readonly kind: 'regression'; readonly unit: string }
  /** Numbers for a program, not for a reader: the boxes of a detection, embeddings. */
  | { readonly kind: 'raw'; readonly about: string };

/** Names of the classes 0, 1, …; from the card itself, or from a file that `loadLabels` reads. */
export interface Labels {
  readonly names: readonly string[];
  readonly file: LabelFile | undefined;
}

export interface LabelFile {
  /** Relative to the card, or `data:…`. */
  readonly path: string;
  /** A CSV file's column; without it every line is a name. */
  readonly column: string | undefined;
  /** Lines (or rows) before class 0: 1 where the list starts with a background class that the network lacks. */
  readonly offset: number;
}

/** A card from its text; `file` is named in messages. */
export function parseNetworkCard(text: string, file: string): NetworkCard {
  const card = fieldsOf(parseJson(text, file), [
    'vireo',
    'name',
    'about',
    'source',
    'licence',
    'sha256',
    'inputs',
    'outputs',
  ]);
  oneOf(card.vireo, [networkCardVersion]);
  for (const note of [card.source, card.licence]) if (isGiven(note)) textOf(note);
  return {
    name: textOf(card.name),
    about: isGiven(card.about) ? textOf(card.about) : '',
    sha256: isGiven(card.sha256) ? itemsOf(card.sha256).map(hashOf) : [],
    inputs: itemsOf(card.inputs, 1).map(inputOf),
    outputs: itemsOf(card.outputs, 1).map((place, index, { length }) => outputOf(place, index, length)),
  };
}

function hashOf(place: Place): string {
  const hash = textOf(place);
  if (!/^[0-9a-f]{64}$/u.test(hash)) throw mistake(place, '64 lower-case hexadecimal digits');
  return hash;
}

function kindOf<K extends string>(place: Place, kinds: readonly K[]): K {
  const kind: Place = { value: recordOf(place)['kind'], path: `${place.path}.kind` };
  return oneOf(kind, kinds);
}

export function inputOf(place: Place): InputCard {
  switch (kindOf(place, ['image', 'audio', 'raw'])) {
    case 'image':
      return imageOf(place);
    case 'audio':
      return audioOf(place);
    case 'raw': {
      const input = fieldsOf(place, ['kind', 'about']);
      return { kind: 'raw', about: isGiven(input.about) ? textOf(input.about) : '' };
    }
  }
}

function imageOf(place: Place): InputCard {
  const input = fieldsOf(place, ['kind', 'channels', 'layout', 'alpha', 'real', 'stored', 'rounding']);
  const channels = isGiven(input.channels) ? oneOf(input.channels, ['rgb', 'bgr', 'grey']) : 'rgb';
  if (isGiven(input.real) === isGiven(input.stored)) throw mistake(place, 'either "real" or "stored"');
  return {
    kind: 'image',
    channels,
    layout: isGiven(input.layout) ? oneOf(input.layout, ['nhwc', 'nchw']) : 'nhwc',
    alpha: isGiven(input.alpha) ? oneOf(input.alpha, ['ignore', 'black', 'white']) : 'ignore',
    scaling: isGiven(input.real)
      ? realOf(input.real, channels === 'grey' ? 1 : 3)
      : { kind: 'stored', offset: numberOf(fieldsOf(input.stored, ['offset']).offset) },
    rounding: roundingOf(input.rounding),
  };
}

function realOf(place: Place, channels: number): ImageOptions['scaling'] & { readonly kind: 'real' } {
  const real = fieldsOf(place, ['mean', 'std']);
  const mean = numbersOf(real.mean, 1);
  const std = numbersOf(real.std, 1);
  for (const [list, at] of [
    [mean, real.mean],
    [std, real.std],
  ] as const) {
    if (list.length !== 1 && list.length !== channels) throw mistake(at, `1 or ${channels} numbers`);
  }
  if (std.some((value) => value <= 0)) throw mistake(real.std, 'positive numbers');
  return { kind: 'real', mean, std };
}

function audioOf(place: Place): InputCard {
  const input = fieldsOf(place, ['kind', 'frontEnd', 'parameters', 'rounding', 'window']);
  const frontEnd = textOf(input.frontEnd);
  const parameters = isGiven(input.parameters) ? recordOf(input.parameters) : {};
  try {
    planFrontEnd(frontEnd, parameters);
  } catch (error) {
    if (error instanceof Error) throw mistake(input.frontEnd, `a known front-end (${error.message})`);
    throw error;
  }
  const window = isGiven(input.window) ? fieldsOf(input.window, ['frames', 'step']) : undefined;
  return {
    kind: 'audio',
    frontEnd,
    parameters,
    rounding: roundingOf(input.rounding),
    window:
      window === undefined
        ? undefined
        : { frames: wholeOf(window.frames, 1), step: isGiven(window.step) ? wholeOf(window.step, 1) : 1 },
  };
}

function roundingOf(place: Place): Rounding {
  return isGiven(place) ? oneOf(place, ['nearest', 'truncate']) : 'nearest';
}

function outputOf(place: Place, index: number, count: number): OutputCard {
  switch (kindOf(place, ['classification', 'segmentation', 'detection', 'regression', 'raw'])) {
    case 'classification': {
      const output = fieldsOf(place, ['kind', 'scores', 'labels', 'overWindows']);
      return {
        kind: 'classification',
        scores: isGiven(output.scores) ? oneOf(output.scores, ['probabilities', 'logits']) : 'probabilities',
        labels: labelsOf(output.labels),
        overWindows: isGiven(output.overWindows) ? oneOf(output.overWindows, ['mean', 'max']) : 'mean',
      };
    }
    case 'segmentation':
      return { kind: 'segmentation', labels: labelsOf(fieldsOf(place, ['kind', 'labels']).labels) };
    case 'detection': {
      const output = fieldsOf(place, ['kind', 'boxes', 'form', 'threshold', 'overlap', 'labels']);
      const boxes = wholeOf(output.boxes, 0, count - 1);
      if (boxes === index) throw mistake(output.boxes, 'the number of another output');
      return {
        kind: 'detection',
        boxes,
        form: isGiven(output.form) ? oneOf(output.form, ['corners']) : 'corners',
        threshold: isGiven(output.threshold) ? shareOf(output.threshold) : 0.7,
        overlap: isGiven(output.overlap) ? shareOf(output.overlap) : 0.3,
        labels: labelsOf(output.labels),
      };
    }
    case 'regression': {
      const output = fieldsOf(place, ['kind', 'unit']);
      return { kind: 'regression', unit: isGiven(output.unit) ? textOf(output.unit) : '' };
    }
    case 'raw': {
      const output = fieldsOf(place, ['kind', 'about']);
      return { kind: 'raw', about: isGiven(output.about) ? textOf(output.about) : '' };
    }
  }
}

function shareOf(place: Place): number {
  const share = numberOf(place);
  if (share < 0 || share > 1) throw mistake(place, 'a number from 0 to 1');
  return share;
}

/** A list of names, or `{ "file": …, "column": …, "offset": … }`; nothing means that classes go by number. */
function labelsOf(place: Place): Labels {
  if (!isGiven(place)) return { names: [], file: undefined };
  if (Array.isArray(place.value)) return { names: textsOf(place, 1), file: undefined };
  const labels = fieldsOf(place, ['file', 'column', 'offset']);
  return {
    names: [],
    file: {
      path: textOf(labels.file),
      column: isGiven(labels.column) ? textOf(labels.column) : undefined,
      offset: isGiven(labels.offset) ? wholeOf(labels.offset, 0) : 0,
    },
  };
}
