/**
 * One multiplication and one addition in f32 that climb a staircase of integers and miss no step.
 *
 *   y(n) = [[n + start]·scale + bias]          [·] rounds to f32; unfused, the product is rounded too
 *   u(n) = trunc(y(n)), from then on kept within 0 … most
 *
 * Every operation is monotone, so u is right everywhere if it is right on both sides of every step. Step k is
 * at[k], the least n that must give k or more. Next to k, f32 numbers lie 2ε apart below it, and k is even as
 * a mantissa, so
 *
 *   y rounds to ≥ k   ⟺   the number before the last rounding is ≥ k − ε
 *   max over k (k − ε − p(at[k]))  ≤  bias  <  min over k (k − ε − p(at[k] − 1))
 *
 * where p is the product: exact when fused (24 + 24 bits, a double holds it), rounded to f32 when not. These
 * bounds are the whole truth about a scale and a start: a bias between them is right, any other is wrong.
 * What is left is to find a scale and a start that leave room for a bias that is an f32.
 */

const { fround } = Math;

/** edges[k] = k − ε: the least real number that rounds to k or more in f32. */
const edges = Float64Array.from({ length: 257 }, (_, k) =>
  k === 0 ? 0 : k - 2 ** (Math.ceil(Math.log2(k)) - 25),
);

/** A monotone function from the integers `from`…`to` to 0…most. Mutable: one is used for many channels. */
export interface Staircase {
  /** The least n that gives first + i or more, for i < count. */
  readonly at: Float64Array; // (255)
  /** first − 1 is the value at `from`, first − 1 + count the value at `to`. */
  first: number;
  count: number;
  from: number;
  to: number;
  most: number;
  /** y may be below 0 where u is 0, because u is kept within bounds; otherwise y stays at 0 or above. */
  clamped: boolean;
}

export interface Line {
  readonly scale: number;
  readonly bias: number;
  readonly start: number;
}

export function newStaircase(clamped: boolean): Staircase {
  return { at: new Float64Array(255), first: 1, count: 0, from: 0, to: -1, most: 0, clamped };
}

/** A bias that makes `scale` and `start` right on every step, or NaN where there is none. */
export function fitBias(stairs: Staircase, scale: number, start: number, fused: boolean): number {
  const { at, first, count, from, to, most } = stairs;
  if (from > to) return 0.5;
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const edge = edges[first + i];
    const above = fround(at[i] + start) * scale;
    const below = fround(at[i] + start - 1) * scale;
    low = Math.max(low, edge - fround(above));
    high = Math.min(high, edge - fround(below));
    if (fused) {
      low = Math.max(low, edge - above);
      high = Math.min(high, edge - below);
    }
    if (low >= high) return Number.NaN;
  }
  const least = fround(from + start) * scale;
  const last = fround(to + start) * scale;
  if (first > 1 || !stairs.clamped) {
    low = Math.max(low, edges[first - 1] - fround(least));
    if (fused) low = Math.max(low, edges[first - 1] - least);
  }
  if (first + count <= most) {
    high = Math.min(high, edges[first + count] - fround(last));
    if (fused) high = Math.min(high, edges[first + count] - last);
  }
  if (high === Number.POSITIVE_INFINITY) high = low + 1;
  const bias = fround((low + high) / 2);
  // The differences above were rounded to doubles.
  const slack = (Math.abs(low) + Math.abs(high)) * 2 ** -51;
  return bias >= low + slack && bias < high - slack ? bias : Number.NaN;
}
