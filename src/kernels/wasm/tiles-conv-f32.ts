/**
 * Which register tiles cover the outputs of a float product.
 *
 *   columns         a tile is mh × mw pixels × nv vectors of 4 outputs
 *   ┌───┬───┬──┐
 *   │   │   │  │ rows     t tiles on an axis of n pixels differ by at most one pixel: ⌈n/t⌉ or ⌊n/t⌋,
 *   ├───┼───┼──┤          so there are at most two sizes to an axis, and no tile is a small rest.
 *   │   │   │  │          Output channels: blocks of nv vectors and one rest.
 *   └───┴───┴──┘
 *
 * The cost of a tile is an estimate of clock cycles: K rounds, each bound by the multiplications, by how soon a sum
 * can be added to again, by the loads or by the number of instructions, and what starts and stores the sums.
 */

import type { Target } from './target.ts';

/** `count` tiles of `size` along one axis. */
export interface Segment {
  readonly size: number;
  readonly count: number;
}

export interface Tiling {
  /** mh × mw × outputs of its largest tile. */
  readonly name: string;
  readonly rows: readonly Segment[];
  readonly columns: readonly Segment[];
  /** Sizes in vectors of 4 outputs. */
  readonly channels: readonly Segment[];
  /** Estimated cycles. */
  readonly cost: number;
}

export interface Extents {
  readonly rows: number;
  readonly columns: number;
  readonly vectors: number;
  /** Products in one sum. */
  readonly depth: number;
}

const mostVectors = 8;
const mostPixels = 12;
/** Tilings that a tuner may try. */
const offered = 3;

/**
 * Whether a tile's sums and operands fit V8's 15 vector registers. An engine that is new enough to have an exact dot
 * product computes in the order of the code: the sums, the operands held (of weights and activations the fewer) and
 * the one at hand. Older ones (Node 20 and 22) load all operands of a round first, and a separate product needs a
 * register too. A tile that spills runs at half speed.
 */
function fits(pixels: number, vectors: number, { madd, dot }: Target): boolean {
  const sums = pixels * vectors;
  if (dot === 'u8') return sums + Math.min(pixels, vectors) + 1 <= 15;
  return sums + pixels + vectors <= (madd ? 15 : 14);
}

/** Estimated cycles of one tile. */
export function tileCost(pixels: number, vectors: number, depth: number, { madd }: Target): number {
  const sums = pixels * vectors;
  const loads = pixels + vectors;
  const instructions = (madd ? sums : 2 * sums) + loads + 4;
  const round = Math.max(sums / 2, madd ? 4.4 : 3, loads / 2, instructions / 6);
  return depth * (round + 0.05 * vectors) + 6 + sums; // weights may come from the second-level cache
}

/** The best tilings by estimate, the best first. */
export function tilings({ rows, columns, vectors, depth }: Extents, target: Target): Tiling[] {
  const found: Tiling[] = [];
  for (let nv = 1; nv <= Math.min(vectors, mostVectors); nv++) {
    const channels = blocks(vectors, nv);
    for (let mh = 1; mh <= Math.min(rows, mostPixels); mh++) {
      const high = even(rows, mh);
      if (high[0]!.size !== mh) continue; // the same as for a smaller mh
      for (let mw = 1; mw <= Math.min(columns, mostPixels) && fits(mh * mw, nv, target); mw++) {
        const wide = even(columns, mw);
        if (wide[0]!.size !== mw) continue;
        let cost = 0;
        for (const c of channels)
          for (const h of high)
            for (const w of wide)
              cost += c.count * h.count * w.count * tileCost(h.size * w.size, c.size, depth, target);
        cost *= 1 + 0.002 * channels.length * high.length * wide.length; // less code is better code
        found.push({ name: `${mh}x${mw}x${4 * nv}`, rows: high, columns: wide, channels, cost });
      }
    }
  }
  return found.sort((a, b) => a.cost - b.cost).slice(0, offered);
}

/** The tiling of that name if it is among the best, else the best. */
export function chooseTiling(extents: Extents, target: Target, name?: string): Tiling {
  const best = tilings(extents, target);
  return best.find((tiling) => tiling.name === name) ?? best[0]!;
}

/** As few tiles of at most `most` as will do, as equal as can be. */
export function even(length: number, most: number): Segment[] {
  const tiles = Math.ceil(length / most);
  const size = Math.floor(length / tiles);
  const larger = length - tiles * size;
  const segments = [
    { size: size + 1, count: larger },
    { size, count: tiles - larger },
  ];
  return segments.filter(({ count }) => count > 0);
}

/** Whole blocks and the rest. */
export function blocks(length: number, size: number): Segment[] {
  const segments = [
    { size, count: Math.floor(length / size) },
    { size: length % size, count: 1 },
  ];
  return segments.filter((segment) => segment.count * segment.size > 0);
}
