/**
 * One multiplication and one addition in f32 that climb a staircase of integers and miss no step.
 *
 *   y(n) = [[n + start]·scale + bias]          [·] rounds to f32; unfused, the product is rounded as well
 *   u(n) = trunc(y(n)), kept within 0…most
 *
 * Every operation is monotone, so u is right everywhere if it is right on both sides of every step. Step k is
 * at[k], the least n with u(n) ≥ k. The f32 next to k on its lower side is 2ε away, and k is the even one of the
 * two as a mantissa, so
 *
 *   y ≥ k   ⟺   the number before the last rounding is ≥ k − ε
 *   max over k (k − ε − p(at[k]))  ≤  bias  <  min over k (k − ε − p(at[k] − 1))
 *
 * where p is the product: exact when fused (24 and 24 bits, a double holds it), rounded to f32 when not. For
 * one scale and start these bounds are the whole truth: a bias between them is right, any other is wrong. The
 * search is for a scale next to the slope, and a start, that leave room for a bias in f32.
 *
 * Two lines climb away from a centre in both directions, and the sign of n + start says which one holds:
 *
 *   u(n) = centre + trunc([[n + start]·scale + (n + start < 0 ? negativeBias : bias)])
 *
 * Where halves are rounded away from zero this is needed: the steps below zero lie further from a straight line
 * through those above than one bias allows. Elsewhere it helps: products are half as large and rounded half as
 * much, and each bias has half as many steps to be right on.
 */

const { fround } = Math;

/** How far the search goes: scales next to the slope, starts next to the first one tried. */
export const mostUlps = 4;
export const mostStarts = 24;

/** edges[k] = k − ε: the least real number that rounds to k or more in f32. */
export const edges = Float64Array.from({ length: 513 }, (_, k) =>
  k === 0 ? 0 : k - 2 ** (Math.ceil(Math.log2(k)) - 25),
);

/**
 * A monotone function u from the integers from…to to 0…most: all of its steps, or those that matter.
 *
 * One serves many channels, and its fields keep their representation (doubles in arrays, the others small
 * integers): that halves the time of a first call.
 */
export interface Staircase {
  /** at[i] is the least n with u(n) ≥ k[i]; both ascend. */
  readonly at: Float64Array; // (255)
  readonly k: Uint8Array; // (255)
  count: number;
  readonly ends: Float64Array; // from, to
  least: number; // u(from)
  last: number; // u(to)
  most: number;
  /** With start 0 and a scale that is tried here, a bias within low…high is right on the steps left out. */
  readonly free: Float64Array; // low, high
}

export function newStaircase(): Staircase {
  return {
    at: new Float64Array(255),
    k: new Uint8Array(255),
    count: 0,
    ends: new Float64Array(2),
    least: 0,
    last: 0,
    most: 0,
    free: Float64Array.of(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY),
  };
}

export interface Line {
  readonly scale: number;
  readonly bias: number;
  /** The bias below the centre; without one, the same number. */
  readonly negativeBias: number;
  readonly start: number;
}

export function constantLine(value: number): Line {
  return { scale: 0, bias: value, negativeBias: value, start: 0 };
}

/** One line, or null where the search finds none. */
export function fitLine(stairs: Staircase, slope: number, fused: boolean): Line | null {
  const { at, k, count, least, last } = stairs;
  for (let i = 0; i <= 2 * mostUlps; i++) {
    const scale = ulpsAway(fround(slope), aside(i));
    const bias = fitBias(stairs, scale, 0, fused, true);
    if (!Number.isNaN(bias)) return { scale, bias, negativeBias: bias, start: 0 };
  }
  if (count === 0) return null;
  // Products are rounded least around 0: there the middle of the stairs is brought.
  const middle = Math.round(at[0] + ((least + last) / 2 - k[0]) / slope);
  const scales = scalesThatFit(stairs, slope);
  for (let i = 0; i < mostStarts; i++) {
    const start = aside(i) - middle;
    for (const scale of scales) {
      const bias = fitBias(stairs, scale, start, fused, true);
      if (!Number.isNaN(bias)) return { scale, bias, negativeBias: bias, start };
    }
  }
  return null;
}

/** Two lines, the sign changing somewhere in left…right, where u is 0 on both. */
export function fitTwoLines(
  up: Staircase,
  down: Staircase,
  left: number,
  right: number,
  slope: number,
  fused: boolean,
): Line | null {
  const from = -down.ends[1];
  const to = up.ends[1];
  const turn = left <= 0 && right >= 0 ? 0 : Math.floor((left + right) / 2);
  for (let i = 0; i < mostStarts; i++) {
    const start = aside(i) - turn;
    if (-start < left || -start > right) continue;
    up.ends[0] = Math.max(from, -start);
    down.ends[0] = Math.max(-to, start + 1);
    for (let j = 0; j <= 2 * mostUlps; j++) {
      const scale = ulpsAway(fround(slope), aside(j));
      const bias = fitBias(up, scale, start, fused, false);
      if (Number.isNaN(bias)) continue;
      const negativeBias = -fitBias(down, scale, -start, fused, false);
      if (!Number.isNaN(negativeBias)) return { scale, bias, negativeBias, start };
    }
  }
  return null;
}

/** The first and the last n that give `centre`, from a list of all steps. */
export function treadOf(stairs: Staircase, centre: number): [left: number, right: number] {
  const { at, k, count, ends } = stairs;
  const step = centre - k[0];
  const left = step < 0 ? ends[0] - mostStarts : step < count ? at[step] : ends[1] + 1;
  const right = step + 1 < 0 ? ends[0] : step + 1 < count ? at[step + 1] - 1 : ends[1] + mostStarts;
  return [left, Math.max(left, right)];
}

/** The stairs above `centre`, counted from it, and those below it turned round: n ↦ centre − u(−n). */
export function splitStairs(stairs: Staircase, centre: number, up: Staircase, down: Staircase): void {
  const { at, k, count, ends, least, last, most, free } = stairs;
  let below = 0; // steps up to the centre
  while (below < count && k[below] <= centre) below++;
  up.count = count - below;
  up.ends.set(ends);
  up.least = Math.max(0, least - centre);
  up.last = Math.max(0, last - centre);
  up.most = most - centre;
  up.free[0] = free[0] - centre;
  up.free[1] = free[1] - centre;
  for (let i = below; i < count; i++) {
    up.at[i - below] = at[i];
    up.k[i - below] = k[i] - centre;
  }
  down.count = below;
  down.ends[0] = -ends[1];
  down.ends[1] = -ends[0];
  down.least = Math.max(0, centre - last);
  down.last = Math.max(0, centre - least);
  down.most = centre;
  down.free[0] = centre + 1 - free[1];
  down.free[1] = centre + 1 - free[0];
  for (let i = 0; i < below; i++) {
    down.at[i] = 1 - at[below - 1 - i];
    down.k[i] = centre + 1 - k[below - 1 - i];
  }
}

/**
 * A bias that makes `scale` and `start` right on every step, or NaN where there is none.
 * Where u is 0, y may be anything below 1 if `clamped`, and is 0 or more otherwise.
 */
export function fitBias(
  stairs: Staircase,
  scale: number,
  start: number,
  fused: boolean,
  clamped: boolean,
): number {
  const { at, k, count, ends, least, last, most, free } = stairs;
  if (ends[0] > ends[1]) return 0.5;
  if (ends[0] + start < -(2 ** 31) || ends[1] + start >= 2 ** 31) return Number.NaN;
  let low = free[0] - start * scale;
  let high = free[1] - start * scale;
  for (let i = 0; i < count; i++) {
    const edge = edges[k[i]];
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
  if (least > 0 || !clamped) {
    const product = fround(ends[0] + start) * scale;
    low = Math.max(low, edges[least] - fround(product));
    if (fused) low = Math.max(low, edges[least] - product);
  }
  if (last < most) {
    const product = fround(ends[1] + start) * scale;
    high = Math.min(high, edges[last + 1] - fround(product));
    if (fused) high = Math.min(high, edges[last + 1] - product);
  }
  if (low === Number.NEGATIVE_INFINITY) low = high - 1;
  if (high === Number.POSITIVE_INFINITY) high = low + 1;
  const bias = fround((low + high) / 2); // if this f32 is outside, every other one is
  const slack = (Math.abs(low) + Math.abs(high)) * 2 ** -51; // the differences above are rounded to doubles
  return bias >= low + slack && bias < high - slack ? bias : Number.NaN;
}

/** The f32 numbers beside the slope that fit if nothing but the result is rounded: nearest first. */
function scalesThatFit({ at, k, count }: Staircase, slope: number): number[] {
  const scales: number[] = [];
  for (let i = 0; i <= 2 * mostUlps; i++) {
    const scale = ulpsAway(fround(slope), aside(i));
    let low = Number.NEGATIVE_INFINITY;
    let high = Number.POSITIVE_INFINITY;
    for (let j = 0; j < count; j++) {
      const room = edges[k[j]] - at[j] * scale;
      low = Math.max(low, room);
      high = Math.min(high, room);
    }
    if (high + scale > low) scales.push(scale);
  }
  return scales;
}

/** 0, 1, −1, 2, −2, … */
function aside(i: number): number {
  return i % 2 === 1 ? (i + 1) / 2 : -i / 2;
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

export function ulpsAway(x: number, ulps: number): number {
  float[0] = x;
  bits[0] += ulps;
  return float[0];
}
