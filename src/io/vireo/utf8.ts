/** UTF-8 without TextEncoder and TextDecoder, which a bare engine lacks. Source: RFC 3629. */
import { VireoError } from '../../errors.ts';

/** The least code point that takes so many bytes behind the first: others are longer than need be. */
const least = [0, 0x80, 0x800, 0x10000];

const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff;

export function encodeUtf8(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (isSurrogate(code))
      throw new VireoError('bad-input', `${JSON.stringify(text)}: half a surrogate pair is no character`);
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return bytes;
}

/** The text of bytes `from` to `to`; throws `VireoError('bad-file')` where they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; ) {
    const start = at;
    const first = bytes[at++]!;
    const more =
      first < 0x80 ? 0 : first >= 0xc0 && first < 0xf8 ? (first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3) : -1;
    let code = more === 0 ? first : first & (0x3f >> more);
    for (let i = 0; i < more; i++) {
      const next = at < to ? bytes[at++]! : 0;
      code = (next & 0xc0) === 0x80 ? code * 64 + (next & 63) : Number.NaN;
    }
    if (more < 0 || !(code >= least[more]! && code <= 0x10ffff) || isSurrogate(code))
      throw new VireoError('bad-file', `byte ${start} expects UTF-8, got 0x${first.toString(16)} …`);
    text += String.fromCodePoint(code);
  }
  return text;
}
