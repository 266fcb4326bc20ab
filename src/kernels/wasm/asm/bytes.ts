/** A growing array of bytes, and the number formats of WebAssembly's binary format (specification, §5.2). */
export class Bytes {
  #data: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.#data = new Uint8Array(capacity);
  }

  /** What was written; valid until the next write. */
  get data(): Uint8Array<ArrayBuffer> {
    return this.#data.subarray(0, this.length) as Uint8Array<ArrayBuffer>;
  }

  #room(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#data.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#data.length));
    grown.set(this.#data);
    this.#data = grown;
  }

  byte(value: number): void {
    if (this.length === this.#data.length) this.#room(1);
    this.#data[this.length++] = value;
  }

  /** A byte and a `u32` behind it, which most often is one byte as well. */
  coded(code: number, value: number): void {
    if (value >>> 7 === 0 && this.length + 2 <= this.#data.length) {
      this.#data[this.length++] = code;
      this.#data[this.length++] = value;
    } else {
      this.byte(code);
      this.u32(value);
    }
  }

  /** LEB128, unsigned, below 2³². */
  u32(value: number): void {
    if (value >>> 7 === 0) {
      this.byte(value);
      return;
    }
    this.#room(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.#data[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#data[this.length++] = rest;
  }

  /** LEB128, signed. */
  s32(value: number): void {
    this.#room(5);
    let rest = value | 0;
    while (rest < -0x40 || rest >= 0x40) {
      this.#data[this.length++] = (rest & 0x7f) | 0x80;
      rest >>= 7;
    }
    this.#data[this.length++] = rest & 0x7f;
  }

  s64(value: bigint): void {
    this.#room(10);
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest >= 0x40n) {
      this.#data[this.length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#data[this.length++] = Number(rest & 0x7fn);
  }

  f32(value: number): void {
    this.#room(4);
    new DataView(this.#data.buffer).setFloat32(this.length, value, true);
    this.length += 4;
  }

  f64(value: number): void {
    this.#room(8);
    new DataView(this.#data.buffer).setFloat64(this.length, value, true);
    this.length += 8;
  }

  append(bytes: ArrayLike<number>): void {
    this.#room(bytes.length);
    this.#data.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** UTF-8 of an ASCII name, its length before it. */
  name(text: string): void {
    this.u32(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** A vector or section: the bytes of `inner` with their count in front. */
  sized(inner: Bytes): void {
    this.u32(inner.length);
    this.append(inner.data);
  }
}
