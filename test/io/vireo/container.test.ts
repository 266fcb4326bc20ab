/** The container: every dtype, any place in memory, what is damaged is said to be, and packed headers. */
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/io/vireo/crc32.ts';
import { readContainer, writeContainer } from '../../../src/io/vireo/index.ts';
import { compress, decompress } from '../../../src/io/vireo/lz4.ts';
import { bytesPerElement, type DType, type Tensor, viewOf } from '../../../src/tensor.ts';
import { seeded } from '../../data.ts';
import { parts, sealed } from './seal.ts';

const dtypes = Object.keys(bytesPerElement) as DType[];

/** Extents that leave each tensor's end at an odd place. */
function tensorOf(dtype: DType, extent: number): Tensor {
  const size = bytesPerElement[dtype];
  const below = seeded(extent);
  const bytes = Uint8Array.from({ length: 3 * extent * size }, () =>
    dtype === 'bool' ? below(2) : below(256),
  );
  return { dtype, shape: [3, extent], data: viewOf(dtype, bytes.buffer, 0, 3 * extent) } as Tensor;
}

const everything = {
  kind: 'test',
  meta: { step: 7, clamp: [-Infinity, Infinity], rate: 0.1, name: 'é', none: null, flags: [true, false] },
  tensors: new Map<string, Tensor>([
    ...dtypes.map((dtype, i) => [`${dtype} tensor`, tensorOf(dtype, i % 2 === 0 ? 5 : 1)] as const),
    ['scalar', { dtype: 'f64', shape: [], data: Float64Array.of(Math.PI) }],
    ['empty', { dtype: 'i64', shape: [2, 0], data: new BigInt64Array(0) }],
  ]),
};

/** The bytes at a place of their own in a larger buffer. */
function at(offset: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 32).fill(0xaa);
  whole.set(bytes, offset);
  return whole.subarray(offset, offset + bytes.length);
}

const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'VireoError', code, message: expect.stringMatching(message) });

describe('the container', () => {
  const bytes = writeContainer(everything);

  it('gives back what it was given, and the same bytes each time', () => {
    expect(readContainer(bytes)).toEqual(everything);
    expect(writeContainer(readContainer(bytes))).toEqual(bytes);
  });

  it.each([0, 1, 2, 3, 4, 5, 7, 8])('reads a file that lies %i bytes behind a multiple of 16', (offset) => {
    const placed = at(offset, bytes);
    const { tensors } = readContainer(placed);
    expect(tensors).toEqual(everything.tensors);
    // What fits where it lies is looked at there.
    for (const [name, { data }] of tensors)
      if (offset % data.BYTES_PER_ELEMENT === 0 && data.length > 0)
        expect(data.buffer, name).toBe(placed.buffer);
  });

  it('keeps numbers whose arrays lie inside others', () => {
    const whole = Float32Array.of(9, 1, 2, 3, 9);
    const tensors = new Map([['w', { dtype: 'f32', shape: [3], data: whole.subarray(1, 4) } as const]]);
    const read = readContainer(writeContainer({ kind: 'k', meta: null, tensors }));
    expect(read.tensors.get('w')?.data).toEqual(Float32Array.of(1, 2, 3));
  });

  it('holds no tensors as well as many', () => {
    const none = { kind: '', meta: [], tensors: new Map() };
    expect(readContainer(writeContainer(none))).toEqual(none);
    expect(writeContainer(none).length).toBe(24 + 4);
  });

  it('any flipped bit is noticed', () => {
    for (let i = 0; i < bytes.length; i++) {
      const damaged = bytes.slice();
      damaged[i]! ^= 1 << (i % 8);
      const seen =
        i < 7 ? /starts with/u : i < 8 ? /version/u : i >= 12 && i < 16 ? /expected \d+ bytes/u : /checksum/u;
      expect(() => readContainer(damaged), `byte ${i}`).toThrow(
        refused(i === 7 ? 'unsupported' : 'bad-file', seen),
      );
    }
  });

  it('every shorter file is cut off, a longer one has something behind it', () => {
    for (let length = 7; length < bytes.length; length++)
      expect(() => readContainer(bytes.subarray(0, length))).toThrow(refused('bad-file', /cut off/u));
    for (let length = 0; length < 7; length++)
      expect(() => readContainer(bytes.subarray(0, length))).toThrow(refused('bad-file', /starts with/u));
    expect(() => readContainer(Uint8Array.of(...bytes, 0))).toThrow(refused('bad-file', /follows the file/u));
  });

  it.each([
    ['a header that is no list', { a: 1 }, 'bad-file', /\[kind, meta, tensors\]/u],
    ['no tensors', ['k', null], 'bad-file', /\[kind, meta, tensors\]/u],
    ['a kind that is no text', [1, null, []], 'bad-file', /\[kind, meta, tensors\]/u],
    ['a record that is no list', ['k', null, [1]], 'bad-file', /tensor 0: expected \[name/u],
    ['an unknown dtype', ['k', null, [['w', 11, [1]]]], 'bad-file', /tensor "w": dtype 11/u],
    ['a dtype between two', ['k', null, [['w', 0.5, [1]]]], 'bad-file', /dtype 0.5/u],
    ['a negative extent', ['k', null, [['w', 0, [-1]]]], 'bad-file', /tensor "w": expected a shape/u],
    ['a broken extent', ['k', null, [['w', 0, [1.5]]]], 'bad-file', /tensor "w": expected a shape/u],
    ['33 axes', ['k', null, [['w', 0, Array(33).fill(1)]]], 'bad-file', /at most 32 axes/u],
    [
      'a name twice',
      [
        'k',
        null,
        [
          ['w', 2, [0]],
          ['w', 2, [0]],
        ],
      ],
      'bad-file',
      /"w" comes twice/u,
    ],
    ['an element too many', ['k', null, [['w', 2, [9]]]], 'bad-file', /"w": ends at byte/u],
    ['an element too few', ['k', null, [['w', 2, [7]]]], 'bad-file', /the tensors end at byte/u],
    ['more than the limit', ['k', null, [['w', 0, [65536, 65536]]]], 'too-large', /"w"/u],
    [
      'extents whose product no number holds',
      ['k', null, [['w', 0, [2 ** 52, 2 ** 52, 0]]]],
      'too-large',
      /"w"/u,
    ],
    [
      'nibbles of another type',
      ['k', null, [['w', 3, [16], 'i4', 8]]],
      'bad-file',
      /"w": u8\[16\] in i4 expects i8/u,
    ],
    ['nibbles of another length', ['k', null, [['w', 2, [12], 'i4', 8]]], 'bad-file', /"w".*i8 and 6 bytes/u],
    ['nibbles without a length', ['k', null, [['w', 2, [16], 'i4']]], 'bad-file', /"w".*i8 and 8 bytes/u],
    ['an unknown encoding', ['k', null, [['w', 2, [8], 'rans', 8]]], 'unsupported', /"w": encoding "rans"/u],
  ] as const)('refuses %s', (_, header, code, message) => {
    expect(() => readContainer(sealed(header, new Uint8Array(8)))).toThrow(refused(code, message));
  });

  it.each([
    ['−8 … 7 take half a byte each', 33, 7, 17],
    ['8 does not fit', 33, 8, 33],
    ['few numbers are left as they are', 31, 7, 31],
  ])('%s', (_, count, most, bytes) => {
    const data = Int8Array.from({ length: count }, (_, i) => (i % 16) - 8);
    data[1] = most;
    const dtype = 'i8' as const;
    const file = writeContainer({
      kind: 'k',
      meta: null,
      tensors: new Map([['w', { dtype, shape: [count], data }]]),
    });
    expect(parts(file).data.length).toBe(bytes);
    expect(readContainer(file).tensors.get('w')!.data).toEqual(data);
  });

  it('leaves aside what a later version adds behind the tensors', () => {
    const file = sealed(['k', 5, [['w', 2, [8]]], 'more'], new Uint8Array(8));
    expect(readContainer(file)).toMatchObject({ kind: 'k', meta: 5 });
  });

  it('keeps to the limits it is given', () => {
    expect(() => readContainer(bytes, { bytes: 100 })).toThrow(refused('too-large', /"i64 tensor"/u));
    expect(() => readContainer(bytes, { nodes: 0 })).toThrow(refused('too-large', /header/u));
  });

  it('a header of many small items is refused before they are made', () => {
    const header = ['k', Array.from({ length: 5000 }, () => []), []];
    expect(() => readContainer(sealed(header), { nodes: 50 })).toThrow(
      refused('too-large', /too many items/u),
    );
  });

  it('does not write a tensor whose numbers do not fit', () => {
    const tensors = new Map([['w', { dtype: 'f32', shape: [4], data: new Float32Array(3) } as const]]);
    expect(() => writeContainer({ kind: 'k', meta: null, tensors })).toThrow(
      refused('bad-input', /tensor "w"/u),
    );
  });
});

describe('CRC-32', () => {
  it.each([
    ['', 0],
    ['a', 0xe8b7be43],
    ['123456789', 0xcbf43926],
    ['The quick brown fox jumps over the lazy dog', 0x414fa339],
  ])('of %j', (text, expected) => expect(crc32(new TextEncoder().encode(text))).toBe(expected));
});

describe('LZ4 blocks', () => {
  const encoder = new TextEncoder();
  const below = seeded(3);
  const texts: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', new Uint8Array(0)],
    ['one byte', Uint8Array.of(7)],
    ['12 equal bytes, too short for a match', new Uint8Array(12).fill(1)],
    ['13 equal bytes', new Uint8Array(13).fill(1)],
    ['5,000 equal bytes: lengths of several bytes', new Uint8Array(5000).fill(1)],
    ['random bytes: literals of several bytes', Uint8Array.from({ length: 3000 }, () => below(256))],
    [
      'names',
      encoder.encode(Array.from({ length: 90 }, (_, i) => `model/block_${i}/conv/weights;`).join('')),
    ],
    [
      'a repetition further back than an offset reaches',
      Uint8Array.of(
        ...encoder.encode('far away it was'),
        ...new Uint8Array(65536),
        ...encoder.encode('far away it was'),
      ),
    ],
  ];
  it.each(texts)('%s', (_, bytes) => {
    const block = compress(bytes);
    expect(decompress(block, bytes.length, 'test')).toEqual(bytes);
    expect(block.length).toBeLessThan(bytes.length + bytes.length / 200 + 16);
  });

  it('packs names', () => {
    const [, names] = texts[6]!;
    expect(compress(names).length).toBeLessThan(names.length / 3);
  });

  it('a block as the description has it: a match that overlaps itself, then literals alone', () => {
    // token 1 literal, match 4+6; "a"; 1 back; token 5 literals
    const block = Uint8Array.of(0x16, 0x61, 1, 0, 0x50, 0x62, 0x63, 0x64, 0x65, 0x66);
    expect(decompress(block, 16, 'test')).toEqual(encoder.encode('aaaaaaaaaaabcdef'));
  });

  it.each([
    ['an empty block', [], 0, /cut off/u],
    ['literals cut off', [0x50, 1, 2], 5, /5 literals/u],
    ['more literals than promised', [0x50, 1, 2, 3, 4, 5], 4, /5 literals/u],
    ['fewer bytes than promised', [0x10, 1], 2, /1 bytes, expected 2/u],
    ['an offset of 0', [0x10, 1, 0, 0, 0], 9, /0 bytes back/u],
    ['an offset before the start', [0x10, 1, 2, 0, 0], 9, /2 bytes back, after 1/u],
    ['a match longer than promised', [0x1f, 1, 1, 0, 255, 0, 0], 20, /274 bytes does not fit/u],
    ['a length that never ends', [0xf0, 255, 255, 255], 1000, /cut off/u],
    ['a promise that no block of this length keeps', [0x10, 1], 2 ** 30, /cannot give/u],
  ])('refuses %s', (_, block, size, message) => {
    expect(() => decompress(Uint8Array.from(block), size, 'test')).toThrow(refused('bad-file', message));
  });
});
