/** PNG reading against files whose samples are known, and against files that lie. */
import { deflateSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { decodePng, encodePng, type Picture } from '../../../src/io/image/index.ts';
import { seeded } from '../../data.ts';
import { chunk, concat, header, type Image, samplesPerPixel, signature, writePng } from './png-writer.ts';

const kinds = [
  { colourType: 0, depths: [1, 2, 4, 8, 16] },
  { colourType: 2, depths: [8, 16] },
  { colourType: 3, depths: [1, 2, 4, 8] },
  { colourType: 4, depths: [8, 16] },
  { colourType: 6, depths: [8, 16] },
];
const names: Readonly<Record<number, string>> = {
  0: 'grey',
  2: 'rgb',
  3: 'palette',
  4: 'grey+alpha',
  6: 'rgba',
};

/** A picture of random samples; 13 x 11 leaves a part-filled byte in every depth and every interlace pass. */
function randomImage(colourType: number, depth: number, interlaced: boolean, width = 13, height = 11): Image {
  const random = seeded(colourType * 100 + depth * 2 + (interlaced ? 1 : 0) + width * 1000);
  const limit = 2 ** depth;
  const samples = Array.from({ length: width * height * samplesPerPixel(colourType) }, () => random(limit));
  const image: Image = {
    width,
    height,
    colourType,
    depth,
    interlaced,
    samples,
    filters: [0, 1, 2, 3, 4],
    split: 40,
  };
  return colourType === 3
    ? { ...image, palette: Uint8Array.from({ length: limit * 3 }, () => random(256)) }
    : image;
}

/** What the specification says the values are, in 0…255. */
function expected(image: Image): number[] {
  const { palette, transparency, samples, depth, colourType } = image;
  const out: number[] = [];
  if (palette !== undefined) {
    for (let i = 0; i < samples.length; i++) {
      out.push(...palette.subarray(3 * samples[i], 3 * samples[i] + 3));
      if (transparency !== undefined) out.push(transparency[samples[i]] ?? 255);
    }
    return out;
  }
  const perPixel = samplesPerPixel(colourType);
  for (let i = 0; i < samples.length; i += perPixel) {
    let matches = transparency !== undefined;
    for (let c = 0; c < perPixel; c++) {
      const value = (samples[i + c] * 255) / (2 ** depth - 1);
      out.push(depth === 16 ? Math.fround(value) : Math.round(value));
      if (transparency !== undefined) {
        matches &&= samples[i + c] === ((transparency[2 * c] << 8) | transparency[2 * c + 1]);
      }
    }
    if (transparency !== undefined) out.push(matches ? 0 : 255);
  }
  return out;
}

function expectPicture(picture: Picture, image: Image): void {
  expect([picture.width, picture.height]).toEqual([image.width, image.height]);
  const values = expected(image);
  expect(picture.channels).toBe(values.length / (image.width * image.height));
  expect(picture.data).toBeInstanceOf(image.depth === 16 ? Float32Array : Uint8Array);
  expect(picture.data.length).toBe(values.length);
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(picture.data[i] - values[i]) > 1e-4) {
      expect(picture.data[i], `value ${i}`).toBe(values[i]);
    }
  }
}

const cases = kinds.flatMap(({ colourType, depths }) =>
  depths.flatMap((depth) =>
    [false, true].map((interlaced) => ({
      label: `${names[colourType]} ${depth} bit${interlaced ? ' interlaced' : ''}`,
      image: randomImage(colourType, depth, interlaced),
    })),
  ),
);

describe('decodePng', () => {
  it.each(cases)('$label', ({ image }) => expectPicture(decodePng(writePng(image)), image));

  it.each(
    kinds.flatMap(({ colourType, depths }) =>
      depths.flatMap((depth) => [1, 2, 3, 4, 5].map((side) => ({ colourType, depth, side }))),
    ),
  )(
    'interlaced $side x 1 and 1 x $side, colour type $colourType, $depth bit',
    ({ colourType, depth, side }) => {
      for (const [width, height] of [
        [side, 1],
        [1, side],
      ]) {
        const image = randomImage(colourType, depth, true, width, height);
        expectPicture(decodePng(writePng(image)), image);
      }
    },
  );

  it('palette with transparency', () => {
    const image = { ...randomImage(3, 4, false), transparency: Uint8Array.of(0, 128, 7) };
    expectPicture(decodePng(writePng(image)), image);
  });

  it.each([
    [0, 2, 1],
    [0, 8, 1],
    [0, 16, 1],
    [2, 8, 3],
    [2, 16, 3],
  ])(
    'transparent colour, colour type %i, %i bit: the colour stays, alpha is 0',
    (colourType, depth, samples) => {
      const image = randomImage(colourType, depth, false);
      const transparency = new Uint8Array(2 * samples);
      for (let c = 0; c < samples; c++) {
        transparency[2 * c] = image.samples[samples * 5 + c] >> 8;
        transparency[2 * c + 1] = image.samples[samples * 5 + c] & 255;
      }
      const keyed = { ...image, transparency };
      const picture = decodePng(writePng(keyed));
      expectPicture(picture, keyed);
      expect(picture.data[5 * picture.channels + picture.channels - 1]).toBe(0);
    },
  );

  it('skips unknown ancillary chunks and whatever follows IEND', () => {
    const image = { ...randomImage(2, 8, false), extra: [chunk('teXt', Uint8Array.of(1, 2, 3))] };
    expectPicture(decodePng(concat([writePng(image), Uint8Array.of(1, 2, 3)])), image);
  });

  it.each([1, 2, 3, 4] as const)('encodePng and back, %i channels', (channels) => {
    const random = seeded(channels);
    const data = Uint8Array.from({ length: 7 * 5 * channels }, () => random(256));
    const picture: Picture = { width: 7, height: 5, channels, data };
    expect(decodePng(encodePng(picture))).toEqual(picture);
  });
});

/** A file with one chunk list; pixels default to those of a 4 x 4 grey picture. */
function file(...chunks: Uint8Array[]): Uint8Array {
  return concat([signature, ...chunks, chunk('IEND', new Uint8Array(0))]);
}
const pixels4x4 = chunk('IDAT', deflateSync(new Uint8Array(20)));
const palette = (entries: number): Uint8Array => chunk('PLTE', new Uint8Array(entries * 3));
const twice = new Uint8Array(26);

describe('a malformed PNG names what is wrong', () => {
  const whole = writePng(randomImage(2, 8, false));
  it.each<[string, Uint8Array, RegExp, string]>([
    ['empty', new Uint8Array(0), /not a PNG file/, 'bad-file'],
    ['text', new TextEncoder().encode('hello, this is text'), /not a PNG file/, 'bad-file'],
    ['cut in IDAT', whole.subarray(0, 100), /claims \d+ bytes, \d+ are left|inside a chunk/, 'bad-file'],
    ['no IEND', whole.subarray(0, whole.length - 12), /before IEND/, 'bad-file'],
    ['no IHDR', file(pixels4x4), /expected IHDR first, got IDAT/, 'bad-file'],
    ['two IHDR', file(header(4, 4, 8, 0, 0), header(9, 9, 8, 0, 0), pixels4x4), /second IHDR/, 'bad-file'],
    ['long IHDR', file(chunk('IHDR', twice), pixels4x4), /IHDR has 13 bytes, got 26/, 'bad-file'],
    ['no pixels', file(header(4, 4, 8, 0, 0)), /no IDAT/, 'bad-file'],
    ['width 0', file(header(0, 4, 8, 0, 0), pixels4x4), /0x4/, 'bad-file'],
    ['depth 3', file(header(4, 4, 3, 0, 0), pixels4x4), /3 bits/, 'bad-file'],
    ['palette of 16 bits', file(header(4, 4, 16, 3, 0), palette(2), pixels4x4), /16 bits/, 'bad-file'],
    ['colour type 5', file(header(4, 4, 8, 5, 0), pixels4x4), /colour type 5/, 'bad-file'],
    ['interlace 2', file(header(4, 4, 8, 0, 2), pixels4x4), /interlace 2/, 'bad-file'],
    ['palette missing', file(header(4, 4, 8, 3, 0), pixels4x4), /without PLTE/, 'bad-file'],
    ['palette of 0', file(header(4, 4, 8, 3, 0), palette(0), pixels4x4), /PLTE of 0/, 'bad-file'],
    [
      'index outside the palette',
      file(header(4, 4, 8, 3, 0), palette(2), chunk('IDAT', deflateSync(new Uint8Array(20).fill(7, 1, 4)))),
      /not in palette/,
      'bad-file',
    ],
    [
      'tRNS too long',
      file(header(4, 4, 8, 3, 0), palette(2), chunk('tRNS', twice), pixels4x4),
      /tRNS/,
      'bad-file',
    ],
    ['tRNS with alpha', file(header(4, 4, 8, 6, 0), chunk('tRNS', twice), pixels4x4), /tRNS/, 'bad-file'],
    ['IDAT apart', file(header(4, 4, 8, 0, 0), pixels4x4, palette(2), pixels4x4), /PLTE/, 'bad-file'],
    [
      'unknown critical chunk',
      file(header(4, 4, 8, 0, 0), chunk('ABCD', twice), pixels4x4),
      /ABCD/,
      'bad-file',
    ],
    [
      'too few pixels',
      file(header(4, 5, 8, 0, 0), pixels4x4),
      /expected 25 bytes of pixels.* 20/,
      'bad-file',
    ],
    [
      'too many pixels',
      file(header(4, 3, 8, 0, 0), pixels4x4),
      /more than the expected 15|expected 15 .* more/,
      'bad-file',
    ],
    ['not deflate', file(header(4, 4, 8, 0, 0), chunk('IDAT', twice.fill(9))), /cannot be read/, 'bad-file'],
    [
      'filter 9',
      file(header(4, 4, 8, 0, 0), chunk('IDAT', deflateSync(new Uint8Array(20).fill(9, 5, 6)))),
      /filter/,
      'bad-file',
    ],
    ['huge sides', file(header(70_000, 1, 8, 0, 0), pixels4x4), /70000x1/, 'too-large'],
    ['many pixels', file(header(9000, 9000, 8, 0, 0), pixels4x4), /33554432 in all/, 'too-large'],
    ['many bytes', file(header(5000, 5000, 16, 6, 0), pixels4x4), /bytes of pixels, the limit/, 'too-large'],
    ['large promise, few bytes', file(header(5000, 5000, 8, 0, 0), pixels4x4), /cannot hold/, 'bad-file'],
  ])('%s', (_, bytes, message, code) => {
    const error = failure(() => decodePng(bytes));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^png: /);
    expect(error.code).toBe(code);
  });

  it('a wrong checksum', () => {
    const broken = whole.slice();
    broken[broken.length - 14] ^= 1;
    expect(failure(() => decodePng(broken)).message).toMatch(/chunk IDAT at byte \d+ has checksum/);
  });

  it('an interlaced bomb stops at the size its header gives', () => {
    const bomb = file(header(8, 8, 8, 0, 1), chunk('IDAT', deflateSync(new Uint8Array(1 << 26))));
    const before = process.memoryUsage().rss;
    const start = performance.now();
    expect(failure(() => decodePng(bomb)).message).toMatch(/more than/);
    expect(performance.now() - start).toBeLessThan(1000);
    expect(process.memoryUsage().rss - before).toBeLessThan(1 << 25);
  });

  it('limits can be lowered', () => {
    const image = randomImage(2, 8, false);
    expect(failure(() => decodePng(writePng(image), { pixels: 142 })).code).toBe('too-large');
    expectPicture(decodePng(writePng(image), { pixels: 143 }), image);
  });
});

describe('500 seeded mutations and truncations', () => {
  const sources = cases.filter((_, i) => i % 2 === 0 || i % 3 === 0).map(({ image }) => writePng(image));
  it('each decodes or throws VireoError, quickly and small', () => {
    let worstMs = 0;
    let decoded = 0;
    const before = process.memoryUsage().rss;
    let peak = before;
    for (let n = 0; n < 500; n++) {
      const bytes = mutated(sources[n % sources.length], n);
      const start = performance.now();
      try {
        const picture = decodePng(bytes);
        expect(picture.data.length).toBe(picture.width * picture.height * picture.channels);
        decoded++;
      } catch (error) {
        expect(error, `mutation ${n}`).toBeInstanceOf(VireoError);
      }
      worstMs = Math.max(worstMs, performance.now() - start);
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect(worstMs).toBeLessThan(2000);
    expect(peak - before).toBeLessThan(256 * 2 ** 20);
    expect(decoded).toBeGreaterThan(40); // the mutations reach the pixels, not only the header checks
    expect(decoded).toBeLessThan(490);
    if (process.env['VIREO_SHOW']) {
      console.log(
        `png fuzz: worst ${worstMs.toFixed(1)} ms, +${((peak - before) / 2 ** 20).toFixed(0)} MiB, ${decoded} decoded`,
      );
    }
  });
});

/** Cut, flip, overwrite, insert or drop; every other time with the checksums made right again. */
function mutated(source: Uint8Array, seed: number): Uint8Array {
  const random = seeded(seed);
  let bytes: Uint8Array = source.slice();
  const kind = seed % 6;
  if (kind === 0) return bytes.subarray(0, random(bytes.length));
  if (kind === 5) return withOtherPixels(bytes, random);
  for (let i = 1 + random(4); i > 0; i--) {
    const at = random(bytes.length);
    if (kind === 1) bytes[at] ^= 1 << random(8);
    if (kind === 2) bytes[at] = [0, 255, 128, 127][random(4)];
    if (kind === 3) bytes = concat([bytes.subarray(0, at), Uint8Array.of(random(256)), bytes.subarray(at)]);
    if (kind === 4) bytes = concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(8))]);
  }
  return random(2) === 0 ? bytes : withChecksums(bytes);
}

/** The same file with some bytes of the uncompressed rows changed: filters, indices, samples. */
function withOtherPixels(bytes: Uint8Array, random: (limit: number) => number): Uint8Array {
  const before: Uint8Array[] = [];
  const packed: Uint8Array[] = [];
  const view = new DataView(bytes.buffer);
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at);
    const isPixels = String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === 'IDAT';
    if (isPixels) packed.push(bytes.subarray(at + 8, at + 8 + length));
    else before.push(bytes.subarray(at, at + 12 + length));
    at += 12 + length;
  }
  const rows = inflateSync(concat(packed));
  for (let i = 1 + random(2); i > 0; i--) rows[random(rows.length)] = random(256);
  const last = before.pop() ?? new Uint8Array(0);
  return concat([bytes.subarray(0, 8), ...before, chunk('IDAT', deflateSync(rows)), last]);
}

function withChecksums(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    out.push(chunk(type, bytes.subarray(at + 8, at + 8 + length)));
    at += 12 + length;
  }
  return concat([...out, bytes.subarray(at)]);
}

function failure(deed: () => unknown): VireoError {
  try {
    deed();
  } catch (error) {
    expect(error).toBeInstanceOf(VireoError);
    if (error instanceof VireoError) return error;
  }
  throw new Error('expected a VireoError');
}
