/** The data of a container: examples of RFC 8949 (appendix A), every f16, what is refused. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { type Data, decodeCbor, encodeCbor } from '../../../src/io/vireo/cbor.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/io/vireo/utf8.ts';

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../gu) ?? [], (pair) => Number.parseInt(pair, 16));
const decode = (text: string, most = 1000): Data => decodeCbor(bytesOf(text), 'test', most);
const { NEGATIVE_INFINITY, POSITIVE_INFINITY, NaN: nan } = Number;

/** Appendix A, those without byte strings, tags, big integers, `undefined` and indefinite lengths. */
const examples: readonly (readonly [Data, string])[] = [
  [0, '00'],
  [1, '01'],
  [10, '0a'],
  [23, '17'],
  [24, '1818'],
  [25, '1819'],
  [100, '1864'],
  [1000, '1903e8'],
  [1000000, '1a000f4240'],
  [1000000000000, '1b000000e8d4a51000'],
  [-1, '20'],
  [-10, '29'],
  [-100, '3863'],
  [-1000, '3903e7'],
  [-0, 'f98000'],
  [1.1, 'fb3ff199999999999a'],
  [1.5, 'f93e00'],
  [3.4028234663852886e38, 'fa7f7fffff'],
  [1e300, 'fb7e37e43c8800759c'],
  [2 ** -24, 'f90001'],
  [0.00006103515625, 'f90400'],
  [-4.1, 'fbc010666666666666'],
  [POSITIVE_INFINITY, 'f97c00'],
  [nan, 'f97e00'],
  [NEGATIVE_INFINITY, 'f9fc00'],
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  ['', '60'],
  ['a', '6161'],
  ['IETF', '6449455446'],
  ['"\\', '62225c'],
  ['ü', '62c3bc'],
  ['水', '63e6b0b4'],
  ['𐅑', '64f0908591'],
  [[], '80'],
  [[1, 2, 3], '83010203'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [Array.from({ length: 25 }, (_, i) => i + 1), '98190102030405060708090a0b0c0d0e0f101112131415161718181819'],
  [{}, 'a0'],
  [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
  [['a', { b: 'c' }], '826161a161626163'],
  [{ a: 'A', b: 'B', c: 'C', d: 'D', e: 'E' }, 'a56161614161626142616361436164614461656145'],
];

describe('CBOR', () => {
  it.each(examples)('%j is %s', (data, text) => {
    expect(hex(encodeCbor(data))).toBe(text);
    expect(decode(text)).toEqual(data);
  });

  it('numbers come back exactly', () => {
    const { MAX_SAFE_INTEGER, MAX_VALUE, MIN_VALUE, EPSILON } = Number;
    const sizes = [
      255,
      256,
      65535,
      65536,
      2 ** 32 - 1,
      2 ** 32,
      MAX_SAFE_INTEGER,
      2 ** 53,
      2 ** 80,
      65504,
      65505,
    ];
    const parts = [
      MAX_VALUE,
      MIN_VALUE,
      EPSILON,
      0.1,
      Math.fround(0.1),
      2 ** -149,
      2 ** -24,
      2 ** -25,
      65504.5,
    ];
    for (const x of [...sizes, ...parts].flatMap((x) => [x, -x]))
      expect(decodeCbor(encodeCbor(x), 'test', 1)).toBe(x);
  });

  it('every f16 is read, and written in two bytes unless it is whole', () => {
    let last = -1;
    for (let bits = 0; bits < 0x7c00; bits++) {
      const text = `f9${bits.toString(16).padStart(4, '0')}`;
      const x = decode(text) as number;
      const isWritten = Number.isInteger(x) || hex(encodeCbor(x)) === text;
      const negative = decode(`f9${(bits + 0x8000).toString(16)}`);
      if (x <= last || !isWritten || !Object.is(negative, -x)) expect.fail(`${text}: ${x}, ${negative}`);
      last = x;
    }
    expect(last).toBe(65504);
    expect(decode('f97c01')).toBeNaN();
  });

  it('longer heads than need be are read', () => {
    for (const text of ['05', '1805', '190005', '1a00000005', '1b0000000000000005'])
      expect(decode(text)).toBe(5);
    expect(decode('fb3ff8000000000000')).toBe(1.5);
  });

  it('records are sorted by the bytes of their keys, whatever order they come in', () => {
    const keys = ['b', 'aa', 'a', '', '水', '10', '9'];
    const record = Object.fromEntries(keys.map((key, i) => [key, i]));
    const reversed = Object.fromEntries([...keys].reverse().map((key) => [key, record[key]!]));
    expect(hex(encodeCbor(record))).toBe(hex(encodeCbor(reversed)));
    expect(hex(encodeCbor({ aa: 1, b: 2 }))).toBe('a261620262616101');
    expect(decodeCbor(encodeCbor(record), 'test', 100)).toEqual(record);
  });

  it('a key named __proto__ is a key', () => {
    const data = decode('a1695f5f70726f746f5f5fa1616101') as object; // { "__proto__": { "a": 1 } }
    expect(Object.keys(data)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  });

  it.each([
    ['nothing at all', ''],
    ['a head cut off', '19 03'],
    ['text cut off', '65 6162'],
    ['text that is not UTF-8', '62 c328'],
    ['a list longer than the file', '9b 000fffffffffffff'],
    ['a record longer than the file', 'ba 0fffffff'],
    ['a key twice', 'a2 616101 616102'],
    ['a key that is a number', 'a1 0101'],
    ['byte strings', '4101'],
    ['tags', 'c001'],
    ['undefined', 'f7'],
    ['an indefinite length', '9f01ff'],
    ['a reserved length', '1c'],
    ['an integer that no number holds', '1b0020000000000000'],
    ['a negative integer that no number holds', '3b001fffffffffffff'],
    ['a second item', '0101'],
    ['40 lists inside one another', '81'.repeat(40)],
  ])('refused: %s', (_, text) => {
    expect(() => decode(text.replaceAll(' ', ''))).toThrow(
      expect.objectContaining({
        name: 'VireoError',
        code: 'bad-file',
        message: expect.stringMatching(/^test, /u),
      }),
    );
  });

  it('more items than asked for are too many', () => {
    expect(decode('83010203', 4)).toEqual([1, 2, 3]);
    expect(() => decode('83010203', 3)).toThrow(expect.objectContaining({ code: 'too-large' }));
  });

  it('does not write what it would not read', () => {
    let deep: Data = [];
    for (let i = 0; i < 40; i++) deep = [deep];
    expect(() => encodeCbor(deep)).toThrow(VireoError);
    expect(() => encodeCbor('\ud800')).toThrow(VireoError);
  });
});

describe('UTF-8', () => {
  it('is that of TextEncoder and TextDecoder, for every character', () => {
    const [encoder, decoder] = [
      new TextEncoder(),
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }),
    ];
    for (let code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 61) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = String.fromCodePoint(code);
      const bytes = Uint8Array.from(encodeUtf8(text));
      if (
        hex(bytes) !== hex(encoder.encode(text)) ||
        decodeUtf8(bytes, 0, bytes.length) !== decoder.decode(bytes)
      )
        expect.fail(`U+${code.toString(16)}`);
    }
  });

  it('refuses what TextDecoder refuses, for every byte in front of those at the edges', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const answer = (decodeIt: () => string): string => {
      try {
        return decodeIt();
      } catch {
        return 'refused';
      }
    };
    const edges = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for (const rest of [[], [0x80], [0xbf, 0x80], [0x41]])
      for (let i = 0; i < 256 * edges.length; i++) {
        const bytes = Uint8Array.of(i & 255, edges[i >> 8]!, ...rest);
        const [mine, theirs] = [
          answer(() => decodeUtf8(bytes, 0, bytes.length)),
          answer(() => decoder.decode(bytes)),
        ];
        if (mine !== theirs) expect.fail(`${hex(bytes)}: ${mine}, expected ${theirs}`);
      }
  });
});
