/**
 * Data cards: what a set of samples is made of, as JSON. docs/data.md describes the format by example.
 */

import type { DType, Quantization } from '../../tensor.ts';
import type { Place } from '../cards/json.ts';
import {
  fieldsOf,
  isGiven,
  itemsOf,
  mistake,
  numberOf,
  oneOf,
  parseJson,
  patternOf,
  recordOf,
  textOf,
  textsOf,
  wholeOf,
} from '../cards/json.ts';

export const dataCardVersion = 'data-card/1';

export interface DataCard {
  readonly name: string;
  readonly about: string;
  readonly items: ItemsCard;
  readonly labels: LabelsCard | undefined;
  readonly classes: readonly string[] | ColumnCard;
  readonly select: SelectCard;
  /** Items that the card delivers; checked against the files. */
  readonly count: number | undefined;
}

/** What the numbers of a raw item are: a picture (bytes, [h, w] or [h, w, c]), or a tensor to be fed as it is. */
export type ItemRole = 'picture' | 'tensor';

export type ItemsCard =
  | {
      readonly kind: 'raw';
      readonly file: string;
      readonly dtype: DType;
      readonly shape: readonly number[];
      readonly headerBytes: number;
      readonly role: ItemRole;
      readonly quantization: Quantization | null;
    }
  | { readonly kind: 'idx'; readonly file: string; readonly role: ItemRole }
  /** WAV and PNG files in an archive or in a folder; only names that match `files`. */
  | { readonly kind: 'tar' | 'folder'; readonly path: string; readonly files: RegExp };

export type LabelsCard =
  | { readonly kind: 'raw'; readonly file: string; readonly dtype: DType; readonly headerBytes: number }
  | { readonly kind: 'idx'; readonly file: string }
  /** One row an item, or, with `key`, the row whose `key` column is the item's name. */
  | { readonly kind: 'csv'; readonly file: string; readonly column: string; readonly key: string | undefined }
  | { readonly kind: 'lines'; readonly file: string }
  /** The first group of the pattern, in the item's name. */
  | { readonly kind: 'name'; readonly pattern: RegExp };

/** A column of a CSV file, or the lines of a text without one. */
export interface ColumnCard {
  readonly file: string;
  readonly column: string | undefined;
}

export interface SelectCard {
  readonly names: RegExp | undefined;
  /** Positions in the files; those beyond their end select nothing. */
  readonly indices: readonly number[] | ColumnCard | undefined;
}

export function parseDataCard(text: string, file: string): DataCard {
  const card = fieldsOf(parseJson(text, file), [
    'vireo',
    'name',
    'about',
    'source',
    'licence',
    'items',
    'labels',
    'classes',
    'select',
    'count',
  ]);
  oneOf(card.vireo, [dataCardVersion]);
  for (const note of [card.source, card.licence]) if (isGiven(note)) textOf(note);
  return {
    name: textOf(card.name),
    about: isGiven(card.about) ? textOf(card.about) : '',
    items: itemsCardOf(card.items),
    labels: isGiven(card.labels) ? labelsCardOf(card.labels) : undefined,
    classes: classesOf(card.classes),
    select: selectOf(card.select),
    count: isGiven(card.count) ? wholeOf(card.count, 0) : undefined,
  };
}

function kindOf<K extends string>(place: Place, kinds: readonly K[]): K {
  return oneOf({ value: recordOf(place)['kind'], path: `${place.path}.kind` }, kinds);
}

const dtypes: readonly DType[] = ['f32', 'i8', 'u8', 'i16', 'i32'];

function itemsCardOf(place: Place): ItemsCard {
  const kind = kindOf(place, ['raw', 'idx', 'tar', 'folder']);
  switch (kind) {
    case 'raw': {
      const items = fieldsOf(place, ['kind', 'file', 'dtype', 'shape', 'headerBytes', 'as', 'quantization']);
      const dtype = oneOf(items.dtype, dtypes);
      const shape = itemsOf(items.shape, 1).map((extent) => wholeOf(extent, 1, 1 << 24));
      const role = oneOf(items.as, ['picture', 'tensor']);
      if (role === 'picture') checkPicture(items.shape, shape, dtype);
      return {
        kind,
        file: textOf(items.file),
        dtype,
        shape,
        headerBytes: isGiven(items.headerBytes) ? wholeOf(items.headerBytes, 0) : 0,
        role,
        quantization: isGiven(items.quantization) ? quantizationOf(items.quantization) : null,
      };
    }
    case 'idx': {
      const items = fieldsOf(place, ['kind', 'file', 'as']);
      return { kind, file: textOf(items.file), role: oneOf(items.as, ['picture', 'tensor']) };
    }
    case 'tar': {
      const items = fieldsOf(place, ['kind', 'file', 'files']);
      return { kind, path: textOf(items.file), files: filesOf(items.files) };
    }
    case 'folder': {
      const items = fieldsOf(place, ['kind', 'folder', 'files']);
      return { kind, path: textOf(items.folder), files: filesOf(items.files) };
    }
  }
}

function checkPicture(place: Place, shape: readonly number[], dtype: DType): void {
  const channels = shape.length === 2 ? 1 : shape[2];
  if (dtype !== 'u8' || shape.length < 2 || shape.length > 3 || channels > 4) {
    throw mistake(place, 'a picture: dtype u8, shape [h, w] or [h, w, 1 … 4]');
  }
}

function quantizationOf(place: Place): Quantization {
  const quantization = fieldsOf(place, ['scale', 'zeroPoint']);
  const scale = numberOf(quantization.scale);
  if (scale <= 0) throw mistake(quantization.scale, 'a positive number');
  return { scale: [scale], zeroPoint: [wholeOf(quantization.zeroPoint, -(2 ** 31), 2 ** 31)], axis: 0 };
}

function filesOf(place: Place): RegExp {
  return isGiven(place) ? patternOf(place) : /\.(?:wav|png)$/iu;
}

function labelsCardOf(place: Place): LabelsCard {
  const kind = kindOf(place, ['raw', 'idx', 'csv', 'lines', 'name']);
  switch (kind) {
    case 'raw': {
      const labels = fieldsOf(place, ['kind', 'file', 'dtype', 'headerBytes']);
      return {
        kind,
        file: textOf(labels.file),
        dtype: isGiven(labels.dtype) ? oneOf(labels.dtype, ['u8', 'i8', 'i16', 'i32']) : 'u8',
        headerBytes: isGiven(labels.headerBytes) ? wholeOf(labels.headerBytes, 0) : 0,
      };
    }
    case 'csv': {
      const labels = fieldsOf(place, ['kind', 'file', 'column', 'key']);
      return {
        kind,
        file: textOf(labels.file),
        column: textOf(labels.column),
        key: isGiven(labels.key) ? textOf(labels.key) : undefined,
      };
    }
    case 'idx':
    case 'lines':
      return { kind, file: textOf(fieldsOf(place, ['kind', 'file']).file) };
    case 'name':
      return { kind, pattern: patternOf(fieldsOf(place, ['kind', 'pattern']).pattern) };
  }
}

function classesOf(place: Place): DataCard['classes'] {
  if (!isGiven(place)) return [];
  return Array.isArray(place.value) ? textsOf(place, 1) : columnOf(place);
}

function columnOf(place: Place): ColumnCard {
  const fields = fieldsOf(place, ['file', 'column']);
  return { file: textOf(fields.file), column: isGiven(fields.column) ? textOf(fields.column) : undefined };
}

function selectOf(place: Place): SelectCard {
  if (!isGiven(place)) return { names: undefined, indices: undefined };
  const select = fieldsOf(place, ['names', 'indices']);
  const { indices } = select;
  return {
    names: isGiven(select.names) ? patternOf(select.names) : undefined,
    indices: !isGiven(indices)
      ? undefined
      : Array.isArray(indices.value)
        ? itemsOf(indices).map((index) => wholeOf(index, 0))
        : columnOf(indices),
  };
}
