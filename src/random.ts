/**
 * Numbers that look random and are the same on every machine: one stream for each list of keys, so that what is drawn
 * for a sample depends on the seed, the epoch and the sample, never on the order in which threads come to it.
 *
 * xoshiro128**, its state filled by a 32-bit finaliser over the keys.
 * Source: Blackman and Vigna 2018, arXiv:1805.01407; finaliser of MurmurHash3 (Appleby), public domain.
 */

export interface Random {
  /** Uniform in [0, 1), 24 bits of it random. */
  readonly uniform: () => number;
  /** A whole number in [0, count); count at most 2²⁴. */
  readonly below: (count: number) => number;
  /** Normal, mean 0 and variance 1 (Box and Muller 1958); as exact as the engine's `log` and `cos`. */
  readonly normal: () => number;
}

/** `keys`: whole numbers, of which the low 32 bits count. */
export function randomStream(...keys: readonly number[]): Random {
  let hash = 0x9e3779b9;
  for (const key of keys) hash = mix(hash ^ mix(key + 0x85ebca6b));
  let a = mix(hash + 1);
  let b = mix(hash + 2);
  let c = mix(hash + 3);
  let d = mix(hash + 4) | 1; // never all zeros
  const next = (): number => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  };
  const uniform = (): number => (next() >>> 8) / 0x1000000;
  return {
    uniform,
    below: (count) => Math.floor(uniform() * count),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

/** The numbers 0 … count − 1 in an order drawn from `random` (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const swap = order[i]!;
    order[i] = order[j]!;
    order[j] = swap;
  }
  return order;
}

function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
