/**
 * A line for any function from integers to 8 bits that climbs evenly: averages, means, requantised copies.
 *
 *   linear   q = lo   + clamp(trunc([n + start]·scale + bias), 0, hi − lo)
 *   signed   q = clamp(base + trunc([n + start]·scale + (n + start < 0 ? negativeBias : bias)), lo, hi)
 *
 * as in requantize-f32.ts, and proven as there: every step is looked at.
 */

import { clampTo, type Range } from '../requantize.ts';
import {
  constantLine,
  fitLine,
  fitTwoLines,
  type Line,
  newStaircase,
  type Staircase,
  splitStairs,
  treadOf,
} from './fit-line.ts';

export interface ProvenLine extends Line {
  readonly form: 'linear' | 'signed';
  /** What the result is counted from: lo, or the centre. */
  readonly base: number;
}

/**
 * `exact` is monotone over from…to, and `slope` about its rise per unit. `centre` is the output from which halves
 * are rounded away, if any are. Null where no line is found.
 */
export function proveStaircase(
  exact: (n: number) => number,
  from: number,
  to: number,
  slope: number,
  { lo, hi }: Range,
  centre: number,
  fused: boolean,
): ProvenLine | null {
  const stairs = newStaircase();
  findSteps(stairs, (n) => clampTo({ lo, hi }, exact(n)) - lo, from, to, slope, hi - lo);
  if (stairs.count === 0) return { form: 'linear', base: lo, ...constantLine(stairs.least) };
  const line = fitLine(stairs, slope, fused);
  if (line) return { form: 'linear', base: lo, ...line };
  const base = clampTo({ lo, hi }, centre);
  const up = newStaircase();
  const down = newStaircase();
  const [left, right] = treadOf(stairs, base - lo);
  splitStairs(stairs, base - lo, up, down);
  const lines = fitTwoLines(up, down, left, right, slope, fused);
  return lines && { form: 'signed', base, ...lines };
}

/** From each step, the next one is guessed by the slope and looked for around there. */
function findSteps(
  stairs: Staircase,
  u: (n: number) => number,
  from: number,
  to: number,
  slope: number,
  most: number,
): void {
  const { at, k, ends } = stairs;
  ends[0] = from;
  ends[1] = to;
  stairs.least = u(from);
  stairs.last = u(to);
  stairs.most = most;
  stairs.count = stairs.last - stairs.least;
  for (let i = 0, n = from; i < stairs.count; i++) {
    const step = stairs.least + 1 + i;
    const before = n; // the last step, or `from`
    if (i > 0) n = Math.min(n + Math.floor(1 / slope), to);
    while (u(n) < step) n++;
    while (n > before && u(n - 1) >= step) n--;
    at[i] = n;
    k[i] = step;
  }
}
