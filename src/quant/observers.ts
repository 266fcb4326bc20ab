/**
 * Observers: what a value's int8 range should be, from the numbers that it took.
 *
 *   minmax      all that was seen
 *   moving      averages of each sample's least and greatest number, m ← m + 0.01·(x − m)
 *   percentile  a share of the numbers is cut off, half of it at each end
 *   mse         the range whose int8 numbers are nearest to what was seen, in the square     (docs/quantization.md, eq. 5)
 *   entropy     the range that keeps the distribution's shape best                          (eq. 6)
 *
 * A range always holds 0. Sources: Jacob et al. 2018, arXiv:1712.05877, §3.1 (moving); Migacz 2017, 8-bit Inference
 * with TensorRT (entropy); Nagel et al. 2021, arXiv:2106.08295, §2.3 (mse).
 */
import { Histogram } from './histogram.ts';
import type { Range } from './range.ts';

export type RangeMethod = 'minmax' | 'moving' | 'percentile' | 'mse' | 'entropy';
export const rangeMethods: readonly RangeMethod[] = ['minmax', 'moving', 'percentile', 'mse', 'entropy'];

export interface Observer {
  /** The numbers of one sample, all finite. */
  readonly add: (data: ArrayLike<number>) => void;
  readonly range: () => Range;
}

/** `kept`: the share of the numbers that 'percentile' leaves inside. */
export function observer(method: RangeMethod, kept = 0.9999): Observer {
  if (method === 'minmax' || method === 'moving') return extremes(method === 'moving' ? 0.01 : null);
  const histogram = new Histogram();
  const range = { percentile: () => percentileRange(histogram, kept), mse: mseRange, entropy: entropyRange };
  return { add: (data) => histogram.add(data), range: () => range[method](histogram) };
}

function extremes(momentum: number | null): Observer {
  let range: Range | null = null;
  return {
    add: (data) => {
      let min = 0;
      let max = 0;
      for (let i = 0; i < data.length; i++) {
        const x = data[i];
        if (x < min) min = x;
        if (x > max) max = x;
      }
      if (range === null) range = { min, max };
      else if (momentum === null) range = { min: Math.min(range.min, min), max: Math.max(range.max, max) };
      else
        range = {
          min: range.min + momentum * (min - range.min),
          max: range.max + momentum * (max - range.max),
        };
    },
    range: () => range ?? { min: 0, max: 0 },
  };
}

/** Cuts off (1 − kept)/2 of the numbers at each end, to the bin; never 0. */
export function percentileRange(histogram: Histogram, kept: number): Range {
  const { centres, counts } = histogram.bins();
  const most = (histogram.total * (1 - kept)) / 2;
  const end = (from: number, step: 1 | -1, sign: 1 | -1): number => {
    let cut = 0;
    for (let i = from; i >= 0 && i < counts.length && sign * centres[i] > 0; i += step) {
      cut += counts[i];
      if (cut > most) return centres[i] + (sign * histogram.width) / 2;
    }
    return 0;
  };
  return {
    min: Math.max(end(0, 1, -1), histogram.min),
    max: Math.min(end(counts.length - 1, -1, 1), histogram.max),
  };
}

const levels = 255;

/** Σ n·(x − x̂)² over the bins, x̂ the nearest of 256 numbers over the range. */
function squaredError({ centres, counts }: ReturnType<Histogram['bins']>, { min, max }: Range): number {
  const scale = (max - min) / levels;
  if (scale === 0) return Number.POSITIVE_INFINITY;
  const zero = Math.round(-min / scale);
  let sum = 0;
  for (let i = 0; i < centres.length; i++) {
    const q = Math.round(centres[i] / scale) + zero;
    const error = centres[i] - scale * (Math.min(Math.max(q, 0), levels) - zero);
    sum += counts[i] * error * error;
  }
  return sum;
}

/** Both ends shrunk alike, then each by itself: a search by halves of hundredths. */
export function mseRange(histogram: Histogram): Range {
  const { min, max } = histogram;
  if (min === max) return { min, max };
  const bins = histogram.bins();
  let best: Range = { min, max };
  let least = squaredError(bins, best);
  const trial = (range: Range): void => {
    const error = squaredError(bins, range);
    if (error < least) {
      least = error;
      best = range;
    }
  };
  for (let k = 99; k >= 10; k--) trial({ min: (min * k) / 100, max: (max * k) / 100 });
  for (let round = 0; round < 2; round++) {
    const { min: low, max: high } = best;
    for (let k = 60; k <= 140; k++) trial({ min: Math.max((low * k) / 100, min), max: high });
    const { min: lower } = best;
    for (let k = 60; k <= 140; k++) trial({ min: lower, max: Math.min((high * k) / 100, max) });
  }
  return best;
}

/**
 * KL(P‖Q) of the distribution with what lies outside moved to the ends (P) from the same as int8 tells it: each of 256
 * levels spread evenly over its bins that are not empty (Q).
 */
export function entropyRange(histogram: Histogram): Range {
  const { min, max } = histogram;
  if (min === max) return { min, max };
  const bins = histogram.bins();
  let best: Range = { min, max };
  let least = Number.POSITIVE_INFINITY;
  for (let k = 128; k >= 8; k--) {
    const range = { min: (min * k) / 128, max: (max * k) / 128 };
    const distance = divergence(bins, range);
    if (distance < least - 1e-12) {
      least = distance;
      best = range;
    }
  }
  return best;
}

function divergence({ centres, counts }: ReturnType<Histogram['bins']>, { min, max }: Range): number {
  const inside = (x: number): boolean => x >= min && x <= max;
  let below = 0;
  let above = 0;
  const p: number[] = [];
  const level: number[] = [];
  const scale = (max - min) / (levels + 1);
  for (let i = 0; i < centres.length; i++) {
    if (inside(centres[i])) {
      p.push(counts[i]);
      level.push(Math.min(Math.floor((centres[i] - min) / scale), levels));
    } else if (centres[i] < min) below += counts[i];
    else above += counts[i];
  }
  if (p.length === 0) return Number.POSITIVE_INFINITY;
  // Q is made of what int8 keeps, without the outliers.
  const sums = new Float64Array(levels + 1);
  const cells = new Float64Array(levels + 1);
  p.forEach((n, i) => {
    sums[level[i]] += n;
    cells[level[i]]++;
  });
  p[0] += below;
  p[p.length - 1] += above;
  const all = p.reduce((sum, n) => sum + n, 0);
  const kept = all - below - above;
  if (kept === 0) return Number.POSITIVE_INFINITY;
  let sum = 0;
  p.forEach((n, i) => {
    const q = sums[level[i]] / cells[level[i]] / kept;
    sum += (n / all) * Math.log(n / all / q);
  });
  return sum;
}
