/**
 * FlatBuffers, written from front to back: a table or vector is placed when its parent has been, so every offset
 * points forwards, as the format asks, and is filled in then.
 *
 *   table    vtable (shared by tables of the same form), i32 distance back to it, then the fields, wide ones first
 *   vector   u32 length, then the elements, these aligned; a string has a 0 behind it
 *
 * Small enough to need no package, and reading stays free of one too. Everything is written, defaults included.
 * Source: FlatBuffers internals, https://flatbuffers.dev/internals/. flatbuffer.ts one folder up is the reader.
 */
import { VireoError } from '../../../errors.ts';

export type Scalar = readonly [type: 'bool' | 'i8' | 'u8' | 'i32' | 'u32' | 'f32', value: number];
export type Part =
  | { readonly kind: 'table'; readonly fields: Fields }
  | { readonly kind: 'tables'; readonly items: readonly Part[] }
  | { readonly kind: 'numbers'; readonly type: 'i32' | 'f32' | 'i64'; readonly values: readonly number[] }
  | { readonly kind: 'bytes'; readonly data: Uint8Array; readonly align: number }
  | { readonly kind: 'string'; readonly text: string };
/** By field number; what is left out has its default. */
export type Fields = Readonly<Record<number, Scalar | Part>>;

export const table = (fields: Fields): Part => ({ kind: 'table', fields });
export const tables = (items: readonly Part[]): Part => ({ kind: 'tables', items });
export const ints = (values: readonly number[]): Part => ({ kind: 'numbers', type: 'i32', values });
export const floats = (values: readonly number[]): Part => ({ kind: 'numbers', type: 'f32', values });
/** i64 from whole numbers of at most 53 bits. */
export const longs = (values: readonly number[]): Part => ({ kind: 'numbers', type: 'i64', values });
export const string = (text: string): Part => ({ kind: 'string', text });
export const bytes = (data: Uint8Array, align: number): Part => ({ kind: 'bytes', data, align });

/** Offsets are 32 bits wide, and readers take them as signed. */
const mostBytes = 2 ** 31 - 1;

/** The file: offset of the root, four letters, then everything. */
export function encode(root: Part, identifier: string): Uint8Array {
  const file = new Writer();
  file.reserve(8);
  [...identifier].forEach((c, i) => {
    file.view.setUint8(4 + i, c.charCodeAt(0));
  });
  const waiting: [part: Part, offsetAt: number][] = [[root, 0]];
  for (const [part, offsetAt] of waiting) {
    const at = place(file, part, waiting);
    file.view.setUint32(offsetAt, at - offsetAt, true);
  }
  return file.bytes.slice(0, file.length);
}

function place(file: Writer, part: Part, waiting: [Part, number][]): number {
  switch (part.kind) {
    case 'table':
      return placeTable(file, part.fields, waiting);
    case 'tables': {
      const at = file.vector(part.items.length, 4, 4);
      part.items.forEach((item, i) => {
        waiting.push([item, at + 4 + 4 * i]);
      });
      return at;
    }
    case 'numbers': {
      const size = part.type === 'i64' ? 8 : 4;
      const at = file.vector(part.values.length, size, size);
      part.values.forEach((value, i) => {
        const to = at + 4 + size * i;
        if (part.type === 'i32') file.view.setInt32(to, value, true);
        else if (part.type === 'f32') file.view.setFloat32(to, value, true);
        else file.view.setBigInt64(to, BigInt(value), true);
      });
      return at;
    }
    case 'bytes': {
      const at = file.vector(part.data.length, 1, part.align);
      file.bytes.set(part.data, at + 4);
      return at;
    }
    case 'string': {
      const data = new TextEncoder().encode(part.text);
      const at = file.vector(data.length, 1, 4);
      file.bytes.set(data, at + 4);
      file.reserve(1);
      return at;
    }
  }
}

const isScalar = (field: Scalar | Part): field is Scalar => 'length' in field;
const widthOf = (field: Scalar | Part): number =>
  isScalar(field) && ['bool', 'i8', 'u8'].includes(field[0]) ? 1 : 4;

function placeTable(file: Writer, fields: Fields, waiting: [Part, number][]): number {
  const numbered = Object.entries(fields).map(([id, field]) => ({ id: Number(id), field }));
  numbered.sort((a, b) => widthOf(b.field) - widthOf(a.field) || a.id - b.id);
  const places = new Array<number>(Math.max(-1, ...numbered.map(({ id }) => id)) + 1).fill(0);
  let size = 4;
  for (const { id, field } of numbered) {
    places[id] = size;
    size += widthOf(field);
  }
  const vtable = file.vtable(places, size);
  file.align(4, 0);
  const at = file.reserve(size);
  file.view.setInt32(at, at - vtable, true);
  for (const { id, field } of numbered) {
    const to = at + places[id]!;
    if (!isScalar(field)) waiting.push([field, to]);
    else if (field[0] === 'i32') file.view.setInt32(to, field[1], true);
    else if (field[0] === 'u32') file.view.setUint32(to, field[1], true);
    else if (field[0] === 'f32') file.view.setFloat32(to, field[1], true);
    else file.view.setUint8(to, field[1]);
  }
  return at;
}

/** Bytes that grow; what is reserved is 0. */
class Writer {
  bytes = new Uint8Array(1 << 16);
  view = new DataView(this.bytes.buffer);
  length = 0;
  readonly #vtables = new Map<string, number>();

  reserve(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > mostBytes)
      throw new VireoError('too-large', `TFLite: the file would pass ${mostBytes} bytes`);
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.min(mostBytes, Math.max(2 * this.bytes.length, this.length)));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }

  /** Then `ahead` bytes further on is a multiple of `unit`. */
  align(unit: number, ahead: number): void {
    this.reserve((unit - ((this.length + ahead) % unit)) % unit);
  }

  /** Room for a vector whose elements lie at a multiple of `align`. */
  vector(count: number, elementBytes: number, align: number): number {
    this.align(Math.max(4, align), 4);
    const at = this.reserve(4 + count * elementBytes);
    this.view.setUint32(at, count, true);
    return at;
  }

  vtable(places: readonly number[], tableBytes: number): number {
    const key = `${tableBytes}:${places}`;
    const known = this.#vtables.get(key);
    if (known !== undefined) return known;
    this.align(2, 0);
    const at = this.reserve(4 + 2 * places.length);
    [4 + 2 * places.length, tableBytes, ...places].forEach((value, i) => {
      this.view.setUint16(at + 2 * i, value, true);
    });
    this.#vtables.set(key, at);
    return at;
  }
}
