/**
 * Damages a file, the same way for the same seed: flipped bytes, words overwritten with the numbers that
 * break readers, pieces cut off, moved or repeated. One to four of these at a time.
 */
import { seeded } from './data.ts';

const words = [
  0, 1, 2, 4, 0xff, 0x7f, 0xffff, 0x7fff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
];

export function mutate(bytes: Uint8Array, seed: number): Uint8Array<ArrayBuffer> {
  const below = seeded(seed);
  let out = Uint8Array.from(bytes);
  for (let times = 1 + below(4); times > 0; times--) out = damage(out, below);
  return out;
}

function damage(bytes: Uint8Array<ArrayBuffer>, below: (limit: number) => number): Uint8Array<ArrayBuffer> {
  const { length } = bytes;
  if (length < 8) return bytes;
  // Half of the time near one of the ends, where headers and tables lie in most formats.
  const place = (size: number) => {
    const last = length - size;
    const near = Math.min(last, 4096);
    const kind = below(4);
    return kind === 0 ? below(near + 1) : kind === 1 ? last - below(near + 1) : below(last + 1);
  };
  const write = (at: number, size: number, value: number) => {
    for (let i = 0; i < size; i++) bytes[at + i] = (value >>> (8 * i)) & 0xff;
  };
  switch (below(8)) {
    case 0:
      bytes[place(1)]! ^= 1 << below(8);
      return bytes;
    case 1:
      bytes[place(1)] = below(256);
      return bytes;
    case 2:
    case 3: {
      const at = place(4) & ~3; // where 32-bit words lie
      write(at, 4, words[below(words.length)]!);
      return bytes;
    }
    case 4: {
      const at = place(4) & ~3;
      write(at, 4, below(2) === 0 ? below(0x100000000) : below(256));
      return bytes;
    }
    case 5:
      return bytes.slice(0, below(length));
    case 6: {
      const size = 1 + below(Math.min(64, length - 1));
      const from = place(size);
      if (below(2) === 0) return splice(bytes, from, place(size), size);
      return bytes.copyWithin(place(size), from, from + size);
    }
    default: {
      const at = place(2) & ~1;
      write(at, 2, words[below(words.length)]! & 0xffff);
      return bytes;
    }
  }
}

/** `size` bytes from `from` put in again at `to`, everything behind them moved back. */
function splice(bytes: Uint8Array, from: number, to: number, size: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length + size);
  out.set(bytes.subarray(0, to));
  out.set(bytes.subarray(from, from + size), to);
  out.set(bytes.subarray(to), to + size);
  return out;
}
