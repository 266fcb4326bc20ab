/**
 * PNG files to pictures and back, through pngjs.
 *
 * Reads every colour type, bit depth and interlacing of the PNG specification. pngjs trusts what it is given, so
 * `readLayout` first walks the chunks, checks every length against the file and against the limits, and hands over
 * only the chunks that carry pixels: IHDR, PLTE, the palette's tRNS, IDAT, IEND.
 *
 * Left out: gamma, colour profiles, background colour, text, animation (the first frame is the picture).
 *
 * Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", §5 (chunks), §8 (interlacing),
 * §11 (chunk contents).
 */

import { PNG } from 'pngjs';
import { VireoError } from '../../errors.ts';

import type { Picture } from './picture.ts';
import { checkInflatedSize, checksum } from './zlib.ts';

/** What a picture may cost, whatever its header says. */
export interface PictureLimits {
  /** width·height; default 32 Mi. */
  readonly pixels?: number;
  /** Bytes of the uncompressed pixels as the file stores them; default 128 MiB. */
  readonly bytes?: number;
}

/** A picture at these limits takes about two seconds and half a gibibyte, most of both in pngjs. */
const defaultPixels = 1 << 25;
const defaultBytes = 1 << 27;
/** pngjs computes a row's bits in 32-bit integers: 65,535 pixels of 64 bits stay below 2³¹. */
const maxSide = 65_535;

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Samples a pixel and bit depths allowed, by colour type (table 8 of the specification). */
const colourTypes: Readonly<
  Record<number, { readonly samples: number; readonly depths: readonly number[] }>
> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] }, // grey
  2: { samples: 3, depths: [8, 16] }, // red green blue
  3: { samples: 1, depths: [1, 2, 4, 8] }, // palette
  4: { samples: 2, depths: [8, 16] }, // grey + alpha
  6: { samples: 4, depths: [8, 16] }, // red green blue + alpha
};

/** What the chunks say, before any pixel is read. */
interface Layout {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly interlaced: boolean;
  /** Palette entries; 0 without a palette. */
  readonly paletteSize: number;
  /** tRNS: the alpha of palette entries, or the grey or RGB value that stands for "transparent". */
  readonly transparency: Uint8Array | undefined;
  /** The chunks that pngjs gets to see, whole, in order. */
  readonly kept: readonly Uint8Array[];
  readonly compressed: Uint8Array;
}

export function decodePng(bytes: Uint8Array, limits: PictureLimits = {}): Picture {
  const layout = readLayout(bytes, limits);
  const { width, height, depth, colourType, transparency } = layout;
  checkInflatedSize(layout.compressed, storedBytes(layout), 'png');

  const rgba = readPixels(layout); // (height, width, 4)
  const wide = rgba.length > 0 && depth === 16;
  const count = width * height;
  const coloured = colourType === 2 || colourType === 3 || colourType === 6;
  const opaque = colourType !== 4 && colourType !== 6 && transparency === undefined;
  const channels = coloured ? (opaque ? 3 : 4) : opaque ? 1 : 2;
  const data = wide ? new Float32Array(count * channels) : new Uint8Array(count * channels);
  const unit = wide ? 257 : 1; // 65535 = 257·255
  const colours = coloured ? 3 : 1;
  for (let i = 0, o = 0; i < count * 4; i += 4) {
    for (let c = 0; c < colours; c++) data[o++] = rgba[i + c] / unit;
    if (!opaque) data[o++] = rgba[i + 3] / unit;
  }
  // pngjs never saw the transparent colour of a grey or RGB picture, because it would blacken those pixels.
  if (transparency !== undefined && colourType !== 3) applyColourKey(data, channels, transparency, depth);
  return { width, height, channels, data };
}

/** A file of 8 bits a sample; real values are rounded. Alpha is kept. */
export function encodePng(picture: Picture): Uint8Array {
  const { width, height, channels, data } = picture;
  if (data.length !== width * height * channels || data.length === 0) {
    throw new VireoError(
      'bad-input',
      `png: ${width}x${height}x${channels} needs ${width * height * channels} values, got ${data.length}`,
    );
  }
  const png = new PNG({ width, height });
  const colours = channels < 3 ? 1 : 3;
  for (let i = 0, o = 0; i < data.length; i += channels, o += 4) {
    for (let c = 0; c < 3; c++) png.data[o + c] = toByte(data[i + Math.min(c, colours - 1)]);
    png.data[o + 3] = channels === colours ? 255 : toByte(data[i + colours]);
  }
  // Colour type 0 or 2, plus 4 with alpha.
  const colorType = channels === 1 ? 0 : channels === 2 ? 4 : channels === 3 ? 2 : 6;
  const file = PNG.sync.write(png, { colorType, inputHasAlpha: true });
  return new Uint8Array(file.buffer, file.byteOffset, file.length);
}

function toByte(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)));
}

function bad(message: string): VireoError {
  return new VireoError('bad-file', `png: ${message}`);
}

function readLayout(bytes: Uint8Array, limits: PictureLimits): Layout {
  for (let i = 0; i < signature.length; i++) {
    if (bytes[i] !== signature[i]) throw bad('this is not a PNG file (its first eight bytes differ)');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const kept: Uint8Array[] = [bytes.subarray(0, 8)];
  const pixelParts: Uint8Array[] = [];
  let header: Pick<Layout, 'width' | 'height' | 'depth' | 'colourType' | 'interlaced'> | undefined;
  let paletteSize = 0;
  let transparency: Uint8Array | undefined;
  let closedPixels = false;
  let ended = false;

  for (let at = 8; !ended; ) {
    if (at + 12 > bytes.length)
      throw bad(`the file ends at byte ${bytes.length}, inside a chunk or before IEND`);
    const length = view.getUint32(at);
    const type = chunkName(bytes, at + 4);
    if (length > bytes.length - at - 12) {
      throw bad(`chunk ${type} at byte ${at} claims ${length} bytes, ${bytes.length - at - 12} are left`);
    }
    const content = bytes.subarray(at + 8, at + 8 + length);
    const whole = bytes.subarray(at, at + 12 + length);
    if (isCritical(bytes[at + 4]) || type === 'tRNS') {
      const stated = view.getUint32(at + 8 + length);
      const real = checksum(bytes.subarray(at + 4, at + 8 + length));
      if (stated !== real)
        throw bad(`chunk ${type} at byte ${at} has checksum ${real}, its file says ${stated}`);
    }
    if (header === undefined && type !== 'IHDR') throw bad(`expected IHDR first, got ${type}`);
    if (pixelParts.length > 0 && type !== 'IDAT') closedPixels = true;
    switch (type) {
      case 'IHDR':
        if (header !== undefined) throw bad('a second IHDR');
        header = readHeader(content, limits);
        kept.push(whole);
        break;
      case 'PLTE':
        if (paletteSize > 0 || pixelParts.length > 0) throw bad('PLTE twice, or after the pixels');
        if (length === 0 || length % 3 !== 0 || length > 768) throw bad(`PLTE of ${length} bytes`);
        paletteSize = length / 3;
        kept.push(whole);
        break;
      case 'tRNS':
        if (transparency !== undefined || pixelParts.length > 0) throw bad('tRNS twice, or after the pixels');
        checkTransparency(length, header?.colourType ?? 0, paletteSize);
        transparency = content;
        if (header?.colourType === 3) kept.push(whole);
        break;
      case 'IDAT':
        if (closedPixels) throw bad('IDAT chunks are not next to each other');
        if (header?.colourType === 3 && paletteSize === 0) throw bad('a palette picture without PLTE');
        pixelParts.push(content);
        if (length > 0) kept.push(whole);
        break;
      case 'IEND':
        if (length !== 0) throw bad(`IEND of ${length} bytes`);
        kept.push(whole);
        ended = true;
        break;
      default:
        if (isCritical(bytes[at + 4])) throw bad(`unknown chunk ${type} that must be understood`);
    }
    at += 12 + length;
  }
  if (header === undefined || pixelParts.length === 0) throw bad('no IDAT chunk, so no pixels');
  return { ...header, paletteSize, transparency, kept, compressed: joined(pixelParts) };
}

/** Bit 5 of a chunk's first letter: a capital means that a reader must understand it. */
function isCritical(letter: number): boolean {
  return (letter & 0x20) === 0;
}

function chunkName(bytes: Uint8Array, at: number): string {
  let name = '';
  for (let i = at; i < at + 4; i++) {
    const letter = (bytes[i] >= 65 && bytes[i] <= 90) || (bytes[i] >= 97 && bytes[i] <= 122);
    if (!letter) throw bad(`byte ${at} should start a chunk's name, which has letters only`);
    name += String.fromCharCode(bytes[i]);
  }
  return name;
}

function readHeader(
  content: Uint8Array,
  limits: PictureLimits,
): Pick<Layout, 'width' | 'height' | 'depth' | 'colourType' | 'interlaced'> {
  if (content.length !== 13) throw bad(`IHDR has 13 bytes, got ${content.length}`);
  const view = new DataView(content.buffer, content.byteOffset, 13);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [depth, colourType, compression, filter, interlace] = content.subarray(8);
  if (width === 0 || height === 0) throw bad(`a picture of ${width}x${height}`);
  const known = colourTypes[colourType];
  if (known === undefined) throw bad(`colour type ${colourType}; known are 0, 2, 3, 4, 6`);
  if (!known.depths.includes(depth)) throw bad(`colour type ${colourType} with ${depth} bits a sample`);
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw bad(`compression ${compression}, filter ${filter}, interlace ${interlace}; expected 0, 0, 0 or 1`);
  }
  const maxPixels = limits.pixels ?? defaultPixels;
  const maxBytes = limits.bytes ?? defaultBytes;
  if (width > maxSide || height > maxSide || width * height > maxPixels) {
    throw new VireoError(
      'too-large',
      `png: ${width}x${height} pixels; the limits are ${maxSide} a side and ${maxPixels} in all`,
    );
  }
  const layout = { width, height, depth, colourType, interlaced: interlace === 1 };
  const stored = storedBytes(layout);
  if (stored > maxBytes) {
    throw new VireoError('too-large', `png: ${stored} bytes of pixels, the limit is ${maxBytes}`);
  }
  return layout;
}

function checkTransparency(length: number, colourType: number, paletteSize: number): void {
  const fits =
    (colourType === 0 && length === 2) ||
    (colourType === 2 && length === 6) ||
    (colourType === 3 && length >= 1 && length <= paletteSize);
  if (!fits)
    throw bad(`tRNS of ${length} bytes with colour type ${colourType} and ${paletteSize} palette entries`);
}

/** Bytes that the pixels take before compression: a filter byte and the packed samples for every row. */
function storedBytes(
  layout: Pick<Layout, 'width' | 'height' | 'depth' | 'colourType' | 'interlaced'>,
): number {
  const bits = colourTypes[layout.colourType].samples * layout.depth;
  const rows = (width: number, height: number): number =>
    width === 0 ? 0 : height * (1 + Math.ceil((width * bits) / 8));
  if (!layout.interlaced) return rows(layout.width, layout.height);
  // Adam7: pass i holds the pixels (x0 + dx·j, y0 + dy·k).
  const passes = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ];
  let total = 0;
  for (const [x0, y0, dx, dy] of passes) {
    const width = Math.max(0, Math.ceil((layout.width - x0) / dx));
    total += rows(width, Math.max(0, Math.ceil((layout.height - y0) / dy)));
  }
  return total;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** RGBA, palette resolved, depths below 8 stretched to 0…255, 16 bits as they are (as a Uint16Array). */
function readPixels(layout: Layout): ArrayLike<number> {
  const file = joined(layout.kept);
  try {
    // pngjs stretches 1, 2 and 4 bits itself; 16 bits it would cut to 8, hence skipRescale.
    const png = PNG.sync.read(Buffer.from(file.buffer), { skipRescale: layout.depth === 16 });
    const expected = layout.width * layout.height * 4;
    if (png.data.length !== expected)
      throw bad(`expected ${expected} values, the decoder gave ${png.data.length}`);
    return png.data;
  } catch (error) {
    if (error instanceof VireoError) throw error;
    throw bad(error instanceof Error ? error.message : String(error));
  }
}

/** alpha = 0 where the pixel has the transparent colour, else 255. */
function applyColourKey(
  data: Uint8Array | Float32Array,
  channels: number,
  transparency: Uint8Array,
  depth: number,
): void {
  const colours = channels - 1;
  const stretch = 255 / (2 ** depth - 1);
  const key: number[] = [];
  for (let c = 0; c < colours; c++) {
    const sample = ((transparency[2 * c] << 8) | transparency[2 * c + 1]) & (2 ** depth - 1);
    key.push(depth === 16 ? Math.fround(sample / 257) : Math.floor(sample * stretch + 0.5));
  }
  for (let i = 0; i < data.length; i += channels) {
    let same = true;
    for (let c = 0; c < colours; c++) same &&= data[i + c] === key[c];
    data[i + colours] = same ? 0 : 255;
  }
}
