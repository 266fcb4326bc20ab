import { describe, expect, it } from 'vitest';
import { randomStream, shuffled } from '../src/random.ts';

const draw = (count: number, ...keys: number[]): number[] => {
  const { uniform } = randomStream(...keys);
  return Array.from({ length: count }, uniform);
};

describe('streams of numbers', () => {
  it('are the same for the same keys', () => expect(draw(100, 1, 2, 3)).toEqual(draw(100, 1, 2, 3)));
  it.each([
    ['another number', [1, 2], [1, 3]],
    ['another order', [1, 2], [2, 1]],
    ['one key more', [1], [1, 0]],
    ['no key', [], [0]],
  ])('have nothing in common: %s', (_, a, b) => {
    const other = new Set(draw(1000, ...b));
    expect(draw(1000, ...a).filter((x) => other.has(x)).length).toBeLessThan(5);
  });
  it('keep their numbers from release to release', () => {
    const { below } = randomStream(20_26, 11);
    expect(Array.from({ length: 8 }, () => below(1000))).toMatchInlineSnapshot(`
      [
        132,
        478,
        463,
        346,
        356,
        980,
        12,
        757,
      ]
    `);
  });
  it('are uniform: 16 bins of 160,000 numbers, χ² below its 99.99 % point', () => {
    const bins = new Float64Array(16);
    for (const x of draw(160_000, 5)) bins[Math.floor(16 * x)]!++;
    const chi2 = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chi2).toBeLessThan(44.3);
  });
  it('first numbers of neighbouring keys are uniform and uncorrelated', () => {
    const first = Array.from({ length: 20_000 }, (_, key) => draw(1, 9, key)[0]! - 0.5);
    const mean = first.reduce((sum, x) => sum + x, 0) / first.length;
    const lag = first.slice(1).reduce((sum, x, i) => sum + x * first[i]!, 0) / (first.length / 12);
    expect(Math.abs(mean)).toBeLessThan(4 * Math.sqrt(1 / 12 / 20_000));
    expect(Math.abs(lag)).toBeLessThan(4 / Math.sqrt(20_000));
  });
  it('normal numbers have mean 0, variance 1 and no skew', () => {
    const { normal } = randomStream(3);
    const x = Array.from({ length: 100_000 }, normal);
    const moment = (k: number): number => x.reduce((sum, v) => sum + v ** k, 0) / x.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.013);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(3))).toBeLessThan(0.05);
  });
});

describe('shuffling', () => {
  it.each([0, 1, 2, 100])('of %i gives each number once', (count) => {
    expect([...shuffled(count, randomStream(count))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: count }, (_, i) => i),
    );
  });
  it('puts every number at every place about as often', () => {
    const seen = new Float64Array(25);
    for (let key = 0; key < 5000; key++)
      shuffled(5, randomStream(key)).forEach((x, place) => {
        seen[5 * place + x]!++;
      });
    for (const count of seen) expect(Math.abs(count - 1000)).toBeLessThan(4.5 * Math.sqrt(800));
  });
});
