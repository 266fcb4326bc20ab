/**
 * LZ4 blocks: what came before is not said twice. Names in a network repeat much, and so does its structure.
 *
 *   sequence   token (literals << 4 | match − 4), [more literals], literals, offset (u16, back), [more match]
 *   15 in the token: bytes are added until one is not 255. The last sequence has literals alone.
 *
 * Source: lz4 block format description 1.5 (lz4/lz4, doc/lz4_Block_format.md), with its rules for the end of a block.
 */
import { VireoError } from '../../errors.ts';

const leastMatch = 4;
/** Bytes at the end that are always literals, and how far from the end the last match may start. */
const [lastLiterals, lastStart] = [5, 12];
const mostOffset = 65535;
/** Earlier places tried for each match: more gain little. */
const tries = 32;

/** A byte gives at most 255. */
export const mostExpansion = 255;

const hashBits = 13;
const hash = (bytes: Uint8Array, at: number): number =>
  Math.imul(
    bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24),
    2654435761,
  ) >>>
  (32 - hashBits);

export function compress(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  const head = new Int32Array(1 << hashBits).fill(-1); // the last place with this hash, and the one before each
  const before = new Int32Array(bytes.length);
  const lastMatch = bytes.length - lastStart;
  let literals = 0; // where those not yet written start
  for (let at = 0; at <= lastMatch; ) {
    const { from, length } = longest(bytes, at, head[hash(bytes, at)]!, before);
    if (length >= leastMatch) {
      sequence(out, bytes, literals, at, { offset: at - from, length });
      literals = at + length;
    }
    for (const next = at + Math.max(1, length); at < next; at++) {
      if (at > lastMatch) continue;
      const h = hash(bytes, at);
      before[at] = head[h]!;
      head[h] = at;
    }
  }
  sequence(out, bytes, literals, bytes.length, null);
  return Uint8Array.from(out);
}

/** The longest match of what starts at `at` among earlier places with the same hash; of equals the nearest. */
function longest(
  bytes: Uint8Array,
  at: number,
  nearest: number,
  before: Int32Array,
): { readonly from: number; readonly length: number } {
  const most = bytes.length - lastLiterals - at;
  let best = { from: -1, length: 0 };
  let from = nearest;
  for (let i = 0; i < tries && from >= 0 && at - from <= mostOffset; i++) {
    let length = 0;
    while (length < most && bytes[from + length] === bytes[at + length]) length++;
    if (length > best.length && length >= leastMatch) best = { from, length };
    if (length === most) break;
    from = before[from]!;
  }
  return best;
}

function sequence(
  out: number[],
  bytes: Uint8Array,
  from: number,
  to: number,
  match: { readonly offset: number; readonly length: number } | null,
): void {
  const more = (count: number): void => {
    if (count < 15) return;
    let rest = count - 15;
    for (; rest >= 255; rest -= 255) out.push(255);
    out.push(rest);
  };
  const literals = to - from;
  const length = match ? match.length - leastMatch : 0;
  out.push((Math.min(15, literals) << 4) | Math.min(15, length));
  more(literals);
  for (let i = from; i < to; i++) out.push(bytes[i]!);
  if (!match) return;
  out.push(match.offset & 255, match.offset >> 8);
  more(length);
}

/** Throws `VireoError('bad-file')`, its message starting with `where`, unless the block gives `size` bytes. */
export function decompress(block: Uint8Array, size: number, where: string): Uint8Array<ArrayBuffer> {
  const fail = (message: string): never => {
    throw new VireoError('bad-file', `${where}: ${message}`);
  };
  if (size > block.length * mostExpansion) fail(`${block.length} bytes cannot give ${size}`);
  const out = new Uint8Array(size);
  let at = 0;
  let end = 0;
  const next = (): number => (at < block.length ? block[at++]! : fail('the block is cut off'));
  const count = (nibble: number): number => {
    let n = nibble;
    if (nibble === 15)
      for (let byte = 255; byte === 255; ) {
        byte = next();
        n += byte;
      }
    return n;
  };
  for (;;) {
    const token = next();
    const literals = count(token >> 4);
    if (literals > block.length - at || literals > size - end) fail(`${literals} literals do not fit`);
    out.set(block.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === block.length) break;
    const offset = next() | (next() << 8);
    const length = count(token & 15) + leastMatch;
    if (offset === 0 || offset > end) fail(`a match starts ${offset} bytes back, after ${end}`);
    if (length > size - end) fail(`a match of ${length} bytes does not fit`);
    for (let i = 0; i < length; i++, end++) out[end] = out[end - offset]!; // may overlap itself
  }
  return end === size ? out : fail(`${end} bytes, expected ${size}`);
}
