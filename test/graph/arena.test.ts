/** Placement of buffers, by a slow oracle: step after step, pair after pair. */
import { describe, expect, it } from 'vitest';
import { align, alignment, type Need, place } from '../../src/graph/plan/arena.ts';
import { integers, random } from '../kernels/run-call.ts';

/** The aligned bytes that each step needs, added up one by one. */
function peakOf(needs: readonly Need[]): number {
  const last = Math.max(-1, ...needs.map((need) => need.end));
  let peak = 0;
  for (let step = 0; step <= last; step++) {
    let live = 0;
    for (const { bytes, start, end } of needs)
      if (start <= step && step <= end) live += Math.ceil(bytes / alignment) * alignment;
    peak = Math.max(peak, live);
  }
  return peak;
}

function expectPlaced(needs: readonly Need[]): number {
  const { offsets, bytes, lowerBound } = place(needs);
  expect(offsets.length).toBe(needs.length);
  expect(lowerBound).toBe(peakOf(needs));
  expect(bytes).toBeGreaterThanOrEqual(lowerBound);
  let end = 0;
  needs.forEach((a, i) => {
    expect(offsets[i] % alignment).toBe(0);
    expect(offsets[i]).toBeGreaterThanOrEqual(0);
    end = Math.max(end, offsets[i] + align(a.bytes));
    needs.forEach((b, j) => {
      if (j <= i) return;
      for (let step = Math.max(a.start, b.start); step <= Math.min(a.end, b.end); step++) {
        const apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
        if (!apart && a.bytes > 0 && b.bytes > 0)
          expect.fail(`buffers ${i} and ${j} share bytes at step ${step}: ${JSON.stringify([a, b])}`);
      }
    });
  });
  expect(bytes).toBe(end);
  expect(place(needs)).toEqual({ offsets, bytes, lowerBound });
  return bytes;
}

const need = (bytes: number, start: number, end: number): Need => ({ bytes, start, end });

describe('place', () => {
  it.each([
    { label: 'nothing', needs: [], bytes: 0 },
    { label: 'one buffer of one byte', needs: [need(1, 0, 0)], bytes: 16 },
    { label: 'an empty buffer', needs: [need(0, 0, 3), need(20, 1, 2)], bytes: 32 },
    { label: 'two at once', needs: [need(16, 0, 1), need(17, 1, 2)], bytes: 48 },
    { label: 'two after each other', needs: [need(16, 0, 1), need(17, 2, 3)], bytes: 32 },
    {
      label: 'a chain',
      needs: Array.from({ length: 30 }, (_, i) => need(100 + ((i * 37) % 64), i, i + 1)),
      bytes: undefined,
    },
    {
      label: 'all at once',
      needs: Array.from({ length: 20 }, (_, i) => need(10 * i, 0, 9)),
      bytes: undefined,
    },
    {
      label: 'ever smaller, ever shorter',
      needs: Array.from({ length: 20 }, (_, i) => need(16 * (20 - i), i, 39 - i)),
      bytes: undefined,
    },
    {
      label: 'one for ever among many short ones',
      needs: [need(33, 0, 50), ...Array.from({ length: 50 }, (_, i) => need(1000 + i, i, i))],
      bytes: undefined,
    },
  ])('$label', ({ needs, bytes }) => {
    expect(expectPlaced(needs)).toBe(bytes ?? peakOf(needs));
  });

  it('stairs, three at a time, within a third of the bound', () => {
    for (const sizes of [
      [64, 48],
      [16, 32, 64],
      [48, 16, 80, 32, 64],
    ]) {
      const needs = Array.from({ length: 24 }, (_, i) => need(sizes[i % sizes.length], i, i + 2));
      expect(expectPlaced(needs)).toBeLessThanOrEqual(1.34 * peakOf(needs));
    }
  });

  it('300 random sets', () => {
    const next = random(3);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    let above = 0;
    for (let i = 0; i < 300; i++) {
      const steps = between(1, 40);
      const needs = Array.from({ length: between(1, 40) }, () => {
        const start = between(0, steps);
        const length = between(0, 3) === 0 ? between(0, steps) : between(0, 3);
        return need(between(0, 9) === 0 ? between(0, 5000) : between(1, 300), start, start + length);
      });
      if (expectPlaced(needs) > 1.05 * peakOf(needs)) above++;
    }
    expect(above).toBeLessThan(30);
  });

  it('3,000 buffers in seconds', () => {
    const next = random(4);
    const needs = Array.from({ length: 3000 }, (_, i) => {
      const start = Math.floor(i / 2);
      return need(1 + Math.floor(next() * 4096), start, start + Math.floor(next() * 8));
    });
    const start = performance.now();
    const { bytes, lowerBound } = place(needs);
    expect(performance.now() - start).toBeLessThan(5000);
    expect(bytes / lowerBound).toBeLessThan(1.5);
  });
});
