/**
 * Protocol buffer messages, field by field, with every length checked before it is used.
 *
 *   const m = Message.of(bytes, 'ONNX');
 *   while (m.next()) {
 *     if (m.field === 1) name = m.string();
 *     else m.skip();
 *   }
 *
 * The decoding of varints, floats and strings is protobufjs' minimal reader: no reflection, no `eval`.
 * Source: protobuf.dev, "Encoding".
 */
import protobuf from 'protobufjs/minimal.js';
import { VireoError } from '../../errors.ts';

const varint = 0;
const fixed64 = 1;
const delimited = 2;
const fixed32 = 5;

/** More than any exporter nests graphs inside attributes. */
const maxDepth = 64;

export class Message {
  field = 0;
  readonly what: string;
  readonly depth: number;
  readonly #bytes: Uint8Array;
  readonly #reader: protobuf.Reader;
  #wire = varint;

  private constructor(bytes: Uint8Array, what: string, depth: number) {
    this.#bytes = bytes;
    this.#reader = new protobuf.Reader(bytes);
    this.what = what;
    this.depth = depth;
  }

  static of(bytes: Uint8Array, what: string): Message {
    return new Message(bytes, what, 0);
  }

  fail(message: string): never {
    throw new VireoError('bad-file', `${this.what}: ${message}`);
  }

  /** False at the end of the message. */
  next(): boolean {
    if (this.#reader.pos >= this.#bytes.length) return false;
    const tag = this.#read('a field', () => this.#reader.uint32());
    this.field = tag >>> 3;
    this.#wire = tag & 7;
    if (this.field === 0) this.fail('a field has number 0');
    return true;
  }

  skip(): void {
    this.#read('a field', () => this.#reader.skipType(this.#wire));
  }

  bytes(): Uint8Array {
    this.#expect(delimited);
    const length = this.#read('a length', () => this.#reader.uint32());
    const { pos } = this.#reader;
    if (length > this.#bytes.length - pos)
      this.fail(`field ${this.field} wants ${length} bytes, ${this.#bytes.length - pos} are left`);
    this.#reader.pos = pos + length;
    return this.#bytes.subarray(pos, pos + length);
  }

  string(): string {
    return textOf(this.bytes());
  }

  message(what = this.what): Message {
    if (this.depth >= maxDepth) this.fail(`messages are nested more than ${maxDepth} deep`);
    return new Message(this.bytes(), what, this.depth + 1);
  }

  /** A whole number, exact up to 2^53; beyond it, something as large. */
  integer(): number {
    this.#expect(varint);
    return this.#read('a number', () => Number(int64(this.#reader)));
  }

  float(): number {
    this.#expect(fixed32);
    return this.#read('a number', () => this.#reader.float());
  }

  /** One element or a packed run of a repeated integer field. */
  integers(into: number[]): void {
    this.#repeated(varint, (reader) => into.push(Number(int64(reader))));
  }

  bigints(into: bigint[]): void {
    this.#repeated(varint, (reader) => into.push(int64(reader)));
  }

  floats(into: number[]): void {
    this.#repeated(fixed32, (reader) => into.push(reader.float()));
  }

  doubles(into: number[]): void {
    this.#repeated(fixed64, (reader) => into.push(reader.double()));
  }

  #repeated(wire: number, one: (reader: protobuf.Reader) => void): void {
    if (this.#wire === wire) {
      this.#read('a number', () => one(this.#reader));
      return;
    }
    const run = this.bytes();
    const reader = new protobuf.Reader(run);
    this.#read('a run of numbers', () => {
      while (reader.pos < run.length) one(reader);
    });
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) this.fail(`field ${this.field} has wire type ${this.#wire}, expected ${wire}`);
  }

  /** The reader throws errors of its own where the bytes end early or a varint is too long. */
  #read<T>(what: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof VireoError) throw error;
      return this.fail(
        `${what} in field ${this.field} is damaged: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

/** The two halves of protobufjs' Long, put together without loss. */
function int64(reader: protobuf.Reader): bigint {
  const { high, low } = reader.int64();
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** UTF-8, what is damaged replaced by U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
