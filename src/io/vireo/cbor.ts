/**
 * JSON-like data as CBOR (RFC 8949) in its deterministic encoding (§4.2): definite lengths, every number in
 * the least bytes that hold it, records sorted by the bytes of their keys. The same data give the same bytes.
 *
 *   head  major type << 5 | n   n < 24: itself; 24, 25, 26, 27: in the 1, 2, 4 or 8 bytes behind, big-endian
 *   0 n   1 −1−n   3 text of n bytes   4 array of n   5 record of n pairs   7 false true null, f16 f32 f64
 *
 * A number that is whole and safe (|n| < 2⁵³), −0 apart, is an integer; every other one is a float.
 * Left out: byte strings, tags, indefinite lengths, integers that no `number` holds, keys that are no text.
 */
import { VireoError } from '../../errors.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

export type Data = null | boolean | number | string | readonly Data[] | DataRecord;
export interface DataRecord {
  readonly [key: string]: Data;
}

export const isRecord = (data: Data | undefined): data is DataRecord =>
  typeof data === 'object' && data !== null && !Array.isArray(data);

/** For messages: as JSON, long ones cut off. */
export function show(data: Data | undefined): string {
  const text = JSON.stringify(data) ?? 'nothing';
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}

/** Arrays and records inside one another: what data have is a handful. */
const mostDepth = 32;

const [unsigned, negative, text, array, record, simple] = [0, 1, 3, 4, 5, 7];
const [no, yes, nothing, half, single, double] = [20, 21, 22, 25, 26, 27];

export function encodeCbor(data: Data): Uint8Array<ArrayBuffer> {
  const out = new Output();
  write(out, data, 0);
  return out.bytes();
}

function write(out: Output, data: Data, depth: number): void {
  if (depth > mostDepth) throw new VireoError('bad-input', `data nest deeper than ${mostDepth}`);
  if (data === null || typeof data === 'boolean') out.head(simple, data === null ? nothing : data ? yes : no);
  else if (typeof data === 'number') writeNumber(out, data);
  else if (typeof data === 'string') {
    const bytes = encodeUtf8(data);
    out.head(text, bytes.length);
    for (const byte of bytes) out.uint(byte, 1);
  } else if (isRecord(data)) {
    const entries = Object.entries(data)
      .map(([key, value]) => ({ key, bytes: encodeUtf8(key), value }))
      .sort((a, b) => compare(a.bytes, b.bytes));
    out.head(record, entries.length);
    for (const { key, value } of entries) {
      write(out, key, depth + 1);
      write(out, value, depth + 1);
    }
  } else {
    out.head(array, data.length);
    for (const item of data) write(out, item, depth + 1);
  }
}

/** The order of the encoded keys: their heads hold the lengths, so the shorter comes first. */
function compare(a: readonly number[], b: readonly number[]): number {
  const differ = a.findIndex((byte, i) => byte !== b[i]);
  return a.length - b.length || (differ < 0 ? 0 : a[differ]! - b[differ]!);
}

function writeNumber(out: Output, x: number): void {
  if (Number.isSafeInteger(x) && !Object.is(x, -0)) out.head(x < 0 ? negative : unsigned, x < 0 ? -1 - x : x);
  else {
    const isHalf = fitsHalf(x);
    const isSingle = isHalf || Number.isNaN(x) || Math.fround(x) === x;
    out.uint((simple << 5) | (isHalf ? half : isSingle ? single : double), 1);
    if (isHalf) out.uint(halfBits(x), 2);
    else out.float(x, isSingle ? 4 : 8);
  }
}

/** f16: sign, 5 bits of exponent (bias 15), 10 of fraction; the least step is 2⁻²⁴. */
function fitsHalf(x: number): boolean {
  if (Number.isNaN(x)) return true;
  const size = Math.abs(x);
  if (size === Number.POSITIVE_INFINITY || size === 0) return true;
  return size <= 65504 && Number.isInteger(size / halfStep(size));
}

/** The distance of the f16 numbers around `size`. */
function halfStep(size: number): number {
  let step = 2 ** -24;
  while (size >= step * 2048) step *= 2;
  return step;
}

function halfBits(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  const step = halfStep(size);
  const units = size / step; // 1024 and more, but for the least numbers; each doubling of the step counts 1024
  return sign | ((31 - Math.clz32(step * 2 ** 24)) * 1024 + units);
}

function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  const size =
    exponent === 31
      ? fraction === 0
        ? Number.POSITIVE_INFINITY
        : Number.NaN
      : exponent === 0
        ? fraction * 2 ** -24
        : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

/** Bytes in a buffer that grows. */
class Output {
  #view = new DataView(new ArrayBuffer(1024));
  #length = 0;

  /** Where `size` more bytes go. */
  #room(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#view.byteLength) {
      const grown = new Uint8Array(2 * this.#length);
      grown.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  uint(value: number, size: 1 | 2 | 4): void {
    const at = this.#room(size);
    if (size === 1) this.#view.setUint8(at, value);
    else if (size === 2) this.#view.setUint16(at, value);
    else this.#view.setUint32(at, value);
  }

  float(value: number, size: 4 | 8): void {
    const at = this.#room(size);
    if (size === 4) this.#view.setFloat32(at, value);
    else this.#view.setFloat64(at, value);
  }

  head(major: number, n: number): void {
    const first = major << 5;
    if (n < 24) this.uint(first | n, 1);
    else if (n < 2 ** 8) this.uint(((first | 24) << 8) | n, 2);
    else if (n < 2 ** 16) {
      this.uint(first | 25, 1);
      this.uint(n, 2);
    } else if (n < 2 ** 32) {
      this.uint(first | 26, 1);
      this.uint(n, 4);
    } else {
      this.uint(first | 27, 1);
      this.uint(Math.floor(n / 2 ** 32), 4);
      this.uint(n % 2 ** 32, 4);
    }
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer.slice(0, this.#length));
  }
}

/**
 * Throws `VireoError('bad-file')`, its message starting with `where`, unless the bytes are one item of data, and
 * 'too-large' where it holds more than `mostItems`: each takes a byte here, and many times that in memory.
 */
export function decodeCbor(bytes: Uint8Array, where: string, mostItems: number): Data {
  const input = new Input(bytes, where, mostItems);
  const data = read(input, 0);
  if (input.left > 0) input.fail(`${input.left} bytes follow the data`);
  return data;
}

function read(input: Input, depth: number): Data {
  if (depth > mostDepth) input.fail(`data nest deeper than ${mostDepth}`);
  const { major, info } = input.head();
  if (major === simple) return readSimple(input, info);
  const n = input.argument(info);
  switch (major) {
    case unsigned:
      return n;
    case negative:
      return n < Number.MAX_SAFE_INTEGER ? -1 - n : input.fail(`−1 − ${n} is too large`);
    case text:
      return input.text(n);
    case array: {
      input.expect(n, 'items');
      const items: Data[] = [];
      for (let i = 0; i < n; i++) items.push(read(input, depth + 1));
      return items;
    }
    case record: {
      input.expect(2 * n, 'keys and values');
      const entries = new Map<string, Data>();
      for (let i = 0; i < n; i++) {
        const key = read(input, depth + 1);
        if (typeof key !== 'string') return input.fail('a key expects text');
        if (entries.has(key)) input.fail(`key ${show(key)} comes twice`);
        entries.set(key, read(input, depth + 1));
      }
      return Object.fromEntries(entries); // defines: a key `__proto__` is a key like others
    }
    default:
      return input.fail(`CBOR major type ${major} is not used here`);
  }
}

function readSimple(input: Input, info: number): Data {
  switch (info) {
    case no:
    case yes:
      return info === yes;
    case nothing:
      return null;
    case half:
      return halfValue(input.uint(2));
    case single:
      return input.float(4);
    case double:
      return input.float(8);
    default:
      return input.fail(`CBOR simple value ${info} is not used here`);
  }
}

class Input {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #where: string;
  #items: number;
  #at = 0;

  constructor(bytes: Uint8Array, where: string, mostItems: number) {
    this.#items = mostItems;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#where = where;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  fail(message: string): never {
    throw new VireoError('bad-file', `${this.#where}, before byte ${this.#at}: ${message}`);
  }

  /** Every item takes a byte at least, so what is promised is bounded by what is there. */
  expect(count: number, what: string): void {
    if (count > this.left) this.fail(`${count} ${what} expected, ${this.left} bytes are left`);
  }

  #take(size: number): number {
    this.expect(size, 'bytes');
    const at = this.#at;
    this.#at += size;
    return at;
  }

  uint(size: 1 | 2 | 4): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  float(size: 4 | 8): number {
    const at = this.#take(size);
    return size === 4 ? this.#view.getFloat32(at) : this.#view.getFloat64(at);
  }

  text(length: number): string {
    const at = this.#take(length);
    try {
      return decodeUtf8(this.#bytes, at, this.#at);
    } catch (error) {
      return this.fail(error instanceof VireoError ? error.message : String(error));
    }
  }

  head(): { readonly major: number; readonly info: number } {
    if (this.#items-- <= 0) throw new VireoError('too-large', `${this.#where}: too many items`);
    const byte = this.uint(1);
    return { major: byte >> 5, info: byte & 31 };
  }

  argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.uint(1);
    if (info === 25) return this.uint(2);
    if (info === 26) return this.uint(4);
    if (info > 27) return this.fail('indefinite lengths are not used here');
    const n = this.uint(4) * 2 ** 32 + this.uint(4);
    return Number.isSafeInteger(n) ? n : this.fail(`${n} is too large`);
  }
}
