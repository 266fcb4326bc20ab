/**
 * FlatBuffers, read with suspicion: every offset, vtable, vector length and string is checked before it
 * is followed. What is left for a reader to do, a DataView does.
 *
 *   table    at → i32 distance back to its vtable, then the fields
 *   vtable   u16 own bytes, u16 table bytes, then one u16 a field: its place in the table, 0 = absent
 *   offset   u32, forwards from where it is stored
 *   vector   u32 length, then the elements; a string is a vector of UTF-8 bytes
 *
 * Nothing in the format stops a file from pointing at the same vector a million times, so what is read
 * into JavaScript arrays and strings is paid for out of a budget of a few times the file's own size.
 *
 * Source: FlatBuffers internals, https://flatbuffers.dev/internals/.
 */
import { VireoError } from '../../errors.ts';

const budgetPerByte = 8;
const budgetAtLeast = 65_536;

export class FlatFile {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #format: string;
  readonly #decoder: InstanceType<typeof TextDecoder>;
  #budget: number;

  /** `format` names the kind of file in error messages. */
  constructor(bytes: Uint8Array, format: string) {
    if (typeof TextDecoder === 'undefined')
      throw new VireoError('usage', `${format}: reading needs TextDecoder, which this engine lacks`);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#format = format;
    this.#decoder = new TextDecoder();
    this.#budget = bytes.length * budgetPerByte + budgetAtLeast;
  }

  root(identifier: string): Table {
    const isRight =
      this.bytes.length >= 8 && [...identifier].every((c, i) => c.charCodeAt(0) === this.bytes[4 + i]);
    if (!isRight) this.fail(`expected "${identifier}" at byte 4 of ${this.bytes.length} bytes`);
    return this.table(this.follow(0));
  }

  table(at: number): Table {
    this.spend(8);
    this.check(at, 4, 'a table');
    const vtable = at - this.view.getInt32(at, true);
    this.check(vtable, 4, 'a vtable');
    const vtableBytes = this.view.getUint16(vtable, true);
    const tableBytes = this.view.getUint16(vtable + 2, true);
    if (vtableBytes < 4 || tableBytes < 4) this.fail(`the vtable at byte ${vtable} is too short`);
    this.check(vtable, vtableBytes, 'a vtable');
    this.check(at, tableBytes, 'a table');
    return new Table(this, at, vtable, vtableBytes, tableBytes);
  }

  /** Where every field has its default. */
  emptyTable(): Table {
    return new Table(this, 0, 0, 4, 4);
  }

  /** The target of the offset stored at `at`, which the caller has checked to lie within the file. */
  follow(at: number): number {
    const target = at + this.view.getUint32(at, true);
    this.check(target, 4, 'the target of an offset');
    return target;
  }

  text(at: number, length: number): string {
    return this.#decoder.decode(this.bytes.subarray(at, at + length));
  }

  check(at: number, size: number, what: string): void {
    if (at < 0 || at + size > this.bytes.length)
      this.fail(`${what} takes bytes ${at} to ${at + size} and the file ends at byte ${this.bytes.length}`);
  }

  spend(bytes: number): void {
    this.#budget -= bytes;
    if (this.#budget < 0) this.fail('its tables point at the same bytes over and over');
  }

  fail(message: string): never {
    throw new VireoError('bad-file', `${this.#format}: ${message}`);
  }
}

interface Span {
  readonly at: number;
  readonly length: number;
}

/** One table; fields are named by their number in the schema. */
export class Table {
  readonly #file: FlatFile;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;
  readonly #tableBytes: number;

  constructor(file: FlatFile, at: number, vtable: number, vtableBytes: number, tableBytes: number) {
    this.#file = file;
    this.#at = at;
    this.#vtable = vtable;
    this.#vtableBytes = vtableBytes;
    this.#tableBytes = tableBytes;
  }

  has(field: number): boolean {
    return this.#place(field, 1) !== 0;
  }

  bool(field: number, otherwise = false): boolean {
    const at = this.#place(field, 1);
    return at === 0 ? otherwise : this.#file.view.getUint8(at) !== 0;
  }

  u8(field: number, otherwise = 0): number {
    const at = this.#place(field, 1);
    return at === 0 ? otherwise : this.#file.view.getUint8(at);
  }

  i8(field: number, otherwise = 0): number {
    const at = this.#place(field, 1);
    return at === 0 ? otherwise : this.#file.view.getInt8(at);
  }

  i32(field: number, otherwise = 0): number {
    const at = this.#place(field, 4);
    return at === 0 ? otherwise : this.#file.view.getInt32(at, true);
  }

  u32(field: number, otherwise = 0): number {
    const at = this.#place(field, 4);
    return at === 0 ? otherwise : this.#file.view.getUint32(at, true);
  }

  f32(field: number, otherwise = 0): number {
    const at = this.#place(field, 4);
    return at === 0 ? otherwise : this.#file.view.getFloat32(at, true);
  }

  /** Beyond 2^53 the number is inexact, and beyond every file. */
  u64(field: number): number {
    const at = this.#place(field, 8);
    return at === 0
      ? 0
      : this.#file.view.getUint32(at + 4, true) * 2 ** 32 + this.#file.view.getUint32(at, true);
  }

  table(field: number): Table | null {
    const at = this.#place(field, 4);
    return at === 0 ? null : this.#file.table(this.#file.follow(at));
  }

  tables(field: number): TableVector {
    return new TableVector(this.#file, this.#vector(field, 4));
  }

  ints(field: number): number[] {
    const { at, length } = this.#paid(field, 4);
    const numbers: number[] = [];
    for (let i = 0; i < length; i++) numbers.push(this.#file.view.getInt32(at + 4 * i, true));
    return numbers;
  }

  floats(field: number): number[] {
    const { at, length } = this.#paid(field, 4);
    const numbers: number[] = [];
    for (let i = 0; i < length; i++) numbers.push(this.#file.view.getFloat32(at + 4 * i, true));
    return numbers;
  }

  /** i64 as numbers; beyond 2^53 inexact. */
  longs(field: number): number[] {
    const { at, length } = this.#paid(field, 8);
    const { view } = this.#file;
    const numbers: number[] = [];
    for (let i = at; i < at + 8 * length; i += 8)
      numbers.push(view.getInt32(i + 4, true) * 2 ** 32 + view.getUint32(i, true));
    return numbers;
  }

  /** A view, not a copy. */
  bytes(field: number): Uint8Array {
    const { at, length } = this.#vector(field, 1);
    return this.#file.bytes.subarray(at, at + length);
  }

  string(field: number): string {
    const { at, length } = this.#paid(field, 1);
    return length === 0 ? '' : this.#file.text(at, length);
  }

  #paid(field: number, elementBytes: number): Span {
    const span = this.#vector(field, elementBytes);
    this.#file.spend(span.length * elementBytes);
    return span;
  }

  #vector(field: number, elementBytes: number): Span {
    const place = this.#place(field, 4);
    if (place === 0) return { at: 0, length: 0 };
    const target = this.#file.follow(place);
    const length = this.#file.view.getUint32(target, true);
    this.#file.check(target + 4, length * elementBytes, `a vector of ${length} elements`);
    return { at: target + 4, length };
  }

  /** Byte of the file at which the field lies, 0 when it is absent. */
  #place(field: number, size: number): number {
    const entry = 4 + 2 * field;
    if (entry + 2 > this.#vtableBytes) return 0;
    const offset = this.#file.view.getUint16(this.#vtable + entry, true);
    if (offset === 0) return 0;
    if (offset < 4 || offset + size > this.#tableBytes)
      this.#file.fail(`field ${field} of the table at byte ${this.#at} lies outside the table`);
    return this.#at + offset;
  }
}

/** A vector of tables; each is checked when it is asked for. */
export class TableVector {
  readonly length: number;
  readonly #file: FlatFile;
  readonly #at: number;

  constructor(file: FlatFile, span: Span) {
    this.length = span.length;
    this.#file = file;
    this.#at = span.at;
  }

  /** `index` must be below `length`. */
  at(index: number): Table {
    return this.#file.table(this.#file.follow(this.#at + 4 * index));
  }
}
