/** What observers say of distributions whose answer is known. */
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/quant/histogram.ts';
import {
  entropyRange,
  mseRange,
  observer,
  percentileRange,
  rangeMethods,
} from '../../src/quant/observers.ts';
import type { Range } from '../../src/quant/range.ts';
import { randomStream } from '../../src/random.ts';

const random = randomStream(7);
const draw = (count: number, next: () => number): Float32Array => Float32Array.from({ length: count }, next);
const normal = draw(200_000, () => random.normal());
const uniform = draw(100_000, () => 6 * random.uniform() - 2);
const rectified = normal.map((x) => Math.max(x, 0));
/** One in 10,000 is a hundred times as large. */
const withOutliers = normal.map((x, i) => (i % 10_000 === 0 ? 100 * Math.sign(x) : x));

function histogramOf(...samples: readonly Float32Array[]): Histogram {
  const histogram = new Histogram();
  for (const sample of samples) histogram.add(sample);
  return histogram;
}

/** Mean squared error of 256 numbers over the range, from the numbers themselves. */
function errorOf(numbers: Float32Array, { min, max }: Range): number {
  const scale = (max - min) / 255;
  const zero = Math.round(-min / scale);
  let sum = 0;
  for (const x of numbers) {
    const q = Math.min(Math.max(Math.round(x / scale) + zero, 0), 255);
    sum += (x - scale * (q - zero)) ** 2;
  }
  return sum / numbers.length;
}

describe('Histogram', () => {
  it('counts the same, in whatever order the width has to double', () => {
    const small = draw(1000, () => 0.01 * random.normal());
    const large = draw(1000, () => 100 * random.normal());
    const [up, down] = [histogramOf(small, large), histogramOf(large, small)];
    expect(up.width).toBe(down.width);
    expect(up.counts).toEqual(down.counts);
    expect(up.total).toBe(2000);
  });

  it('counts zeros apart', () => {
    const histogram = histogramOf(Float32Array.of(0, 0, 1, -1));
    expect(histogram.zeros).toBe(2);
    expect(histogram.bins().counts).toEqual(Float64Array.of(1, 1));
  });

  it('holds a number at the very end of its bins', () => {
    const histogram = histogramOf(Float32Array.of(1), Float32Array.of(4096, -4096));
    expect(histogram.total).toBe(3);
    expect([histogram.min, histogram.max]).toEqual([-4096, 4096]);
  });
});

describe('observers', () => {
  it.each(rangeMethods)('%s: 0 is in the range, and never more than was seen', (method) => {
    for (const numbers of [normal, uniform, rectified, draw(100, () => 3 + random.uniform())]) {
      const of = observer(method);
      of.add(numbers);
      const { min, max } = of.range();
      expect(min).toBeLessThanOrEqual(0);
      expect(max).toBeGreaterThanOrEqual(0);
      expect(min).toBeGreaterThanOrEqual(Math.min(0, least(numbers)));
      expect(max).toBeLessThanOrEqual(Math.max(0, greatest(numbers)));
    }
  });

  it.each(rangeMethods)('%s: nothing but zeros', (method) => {
    const of = observer(method);
    of.add(new Float32Array(10));
    expect(of.range()).toEqual({ min: 0, max: 0 });
  });

  it('minmax: the extremes of all samples', () => {
    const of = observer('minmax');
    for (const sample of [[-1, 2], [5], [-3, 0]]) of.add(sample);
    expect(of.range()).toEqual({ min: -3, max: 5 });
  });

  it('moving: a hundredth of each new sample', () => {
    const of = observer('moving');
    of.add([-1, 1]);
    of.add([-2, 1]);
    expect(of.range().min).toBeCloseTo(-1.01, 12);
    expect(of.range().max).toBe(1);
  });

  it('percentile: 99 % of a normal distribution lies within 2.576 σ', () => {
    const { min, max } = percentileRange(histogramOf(normal), 0.99);
    expect(max).toBeCloseTo(2.576, 1);
    expect(min).toBeCloseTo(-2.576, 1);
  });

  it('percentile: cuts outliers off', () => {
    expect(percentileRange(histogramOf(withOutliers), 0.999).max).toBeLessThan(5);
  });

  it('mse: of uniform numbers all are kept', () => {
    const { min, max } = mseRange(histogramOf(uniform));
    expect(min).toBeCloseTo(-2, 1);
    expect(max).toBeCloseTo(4, 1);
  });

  it('mse: no range of a grid of 40 × 40 is better by more than 2 %', () => {
    for (const numbers of [
      normal.subarray(0, 3000),
      rectified.subarray(0, 3000),
      withOutliers.subarray(0, 3000),
    ]) {
      const found = errorOf(numbers, mseRange(histogramOf(numbers)));
      const [low, high] = [Math.min(0, least(numbers)), greatest(numbers)];
      let best = Number.POSITIVE_INFINITY;
      for (let i = 0; i <= 40; i++)
        for (let j = 1; j <= 40; j++)
          best = Math.min(best, errorOf(numbers, { min: (low * i) / 40, max: (high * j) / 40 }));
      expect(found).toBeLessThan(1.02 * best);
    }
  }, 60_000);

  it('entropy: gives up outliers, not the bulk', () => {
    const { min, max } = entropyRange(histogramOf(withOutliers));
    expect(max).toBeLessThan(20);
    expect(max).toBeGreaterThan(3);
    expect(min).toBeLessThan(-3);
  });
});

const least = (numbers: Float32Array): number => numbers.reduce((a, b) => Math.min(a, b));
const greatest = (numbers: Float32Array): number => numbers.reduce((a, b) => Math.max(a, b));
