/** PNG files of every kind, written from the specification alone, so that the reader is not its own witness. */

import { deflateSync } from 'node:zlib';

export interface Image {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA. */
  readonly colourType: number;
  readonly depth: number;
  readonly interlaced?: boolean;
  /** Row-major, interleaved, each 0 … 2^depth − 1; palette indices for colour type 3. */
  readonly samples: ArrayLike<number>;
  readonly palette?: Uint8Array;
  readonly transparency?: Uint8Array;
  /** Filter of each row, by row number modulo its length. */
  readonly filters?: readonly number[];
  /** Bytes in each IDAT; default all in one. */
  readonly split?: number;
  /** Chunks between IHDR and the pixels. */
  readonly extra?: readonly Uint8Array[];
}

export function samplesPerPixel(colourType: number): number {
  return [1, 0, 3, 1, 2, 0, 4][colourType];
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

export function chunk(type: string, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + content.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(content, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < 8 + content.length; i++) crc = crcTable[(crc ^ out[i]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + content.length, (crc ^ 0xffffffff) >>> 0);
  return out;
}

export function header(
  width: number,
  height: number,
  depth: number,
  colourType: number,
  interlace: number,
): Uint8Array {
  const content = new Uint8Array(13);
  const view = new DataView(content.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  content.set([depth, colourType, 0, 0, interlace], 8);
  return chunk('IHDR', content);
}

export const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function writePng(image: Image): Uint8Array {
  const raw = image.interlaced
    ? concat(
        [
          [0, 0, 8, 8],
          [4, 0, 8, 8],
          [0, 4, 4, 8],
          [2, 0, 4, 4],
          [0, 2, 2, 4],
          [1, 0, 2, 2],
          [0, 1, 1, 2],
        ].map(([x0, y0, dx, dy]) => pass(image, x0, y0, dx, dy)),
      )
    : pass(image, 0, 0, 1, 1);
  const packed = deflateSync(raw);
  const idat: Uint8Array[] = [];
  const step = image.split ?? packed.length;
  for (let at = 0; at < packed.length; at += step) idat.push(chunk('IDAT', packed.subarray(at, at + step)));
  return concat([
    signature,
    header(image.width, image.height, image.depth, image.colourType, image.interlaced ? 1 : 0),
    ...(image.extra ?? []),
    ...(image.palette ? [chunk('PLTE', image.palette)] : []),
    ...(image.transparency ? [chunk('tRNS', image.transparency)] : []),
    ...idat,
    chunk('IEND', new Uint8Array(0)),
  ]);
}

/** The filtered bytes of the pixels (x0 + dx·i, y0 + dy·j). */
function pass(image: Image, x0: number, y0: number, dx: number, dy: number): Uint8Array {
  const perPixel = samplesPerPixel(image.colourType);
  const width = Math.ceil((image.width - x0) / dx);
  const height = Math.ceil((image.height - y0) / dy);
  if (width <= 0 || height <= 0) return new Uint8Array(0);
  const rowBytes = Math.ceil((width * perPixel * image.depth) / 8);
  const back = Math.max(1, (perPixel * image.depth) >> 3);
  const out: Uint8Array[] = [];
  let above = new Uint8Array(rowBytes);
  for (let j = 0; j < height; j++) {
    const row = new Uint8Array(rowBytes);
    for (let i = 0, bit = 0; i < width; i++) {
      for (let c = 0; c < perPixel; c++, bit += image.depth) {
        const value = image.samples[((y0 + dy * j) * image.width + x0 + dx * i) * perPixel + c];
        if (image.depth === 16) {
          row[bit >> 3] = value >> 8;
          row[(bit >> 3) + 1] = value & 255;
        } else {
          row[bit >> 3] |= value << (8 - image.depth - (bit & 7));
        }
      }
    }
    const filter = (image.filters ?? [0])[j % (image.filters?.length ?? 1)];
    const line = new Uint8Array(rowBytes + 1);
    line[0] = filter;
    for (let i = 0; i < rowBytes; i++) {
      const a = i >= back ? row[i - back] : 0;
      const b = above[i];
      const c = i >= back ? above[i - back] : 0;
      line[i + 1] = row[i] - [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter];
    }
    out.push(line);
    above = row;
  }
  return concat(out);
}

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const pa = Math.abs(p - a);
  const pb = Math.abs(p - b);
  const pc = Math.abs(p - c);
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
