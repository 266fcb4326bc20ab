/** Learned rounding against slower ways to the same numbers. */
import { describe, expect, it } from 'vitest';
import { choleskyUpper } from '../../src/graph/cholesky.ts';
import {
  descend,
  type InputForm,
  inputForm,
  nearestPlane,
  roundLearned,
  roundNearest,
  rowError,
} from '../../src/quant/rounding.ts';
import { randomStream } from '../../src/random.ts';

/** Inputs that are correlated, as neighbouring pixels are. */
function randomForm(k: number, seed: number): InputForm {
  const random = randomStream(seed, k);
  const gram = new Float64Array(k * k);
  const mean = new Float64Array(k);
  const patches = 4 * k;
  for (let p = 0; p < patches; p++) {
    let last = 0;
    const x = Float64Array.from({ length: k }, () => {
      last = 0.8 * last + random.normal();
      return Math.max(last + 0.3, 0);
    });
    for (let i = 0; i < k; i++) {
      mean[i] += x[i] / patches;
      for (let j = 0; j < k; j++) gram[i * k + j] += (x[i] * x[j]) / patches;
    }
  }
  return inputForm(gram, mean, k, 0);
}

const randomRow = (k: number, seed: number): Float64Array => {
  const random = randomStream(seed, 99);
  return Float64Array.from({ length: k }, () => random.normal());
};

const largest = (w: Float64Array): number => w.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

describe('choleskyUpper', () => {
  it.each([1, 2, 31, 32, 33, 70])('UᵀU = H, order %i', (n) => {
    const { h } = randomForm(n, n);
    const u = choleskyUpper(h, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let m = 0; m < n; m++) sum += u[m * n + i] * u[m * n + j];
        expect(sum).toBeCloseTo(h[i * n + j], 9);
        if (j < i) expect(u[i * n + j]).toBe(0);
      }
  });

  it('refuses a matrix that is not positive definite', () => {
    expect(() => choleskyUpper(Float64Array.of(1, 2, 2, 1), 2)).toThrow('not positive definite at row 1');
  });
});

describe('nearestPlane', () => {
  it('gives the integers of OBQ: round a weight, then move the others by the inverse of H', () => {
    for (let seed = 0; seed < 20; seed++) {
      const k = 12;
      const form = randomForm(k, seed);
      const w = randomRow(k, seed);
      const scale = largest(w) / 7;
      expect([...nearestPlane(w, scale, 7, form)]).toEqual(obq(w, scale, 7, form).map((q) => q + 0));
    }
  });
});

/**
 * Frantar and Alistarh 2022, arXiv:2208.11580: with F the inverse of H over the weights still free, rounding weight p
 * moves the others by −e_p·F[·, p]/F[p, p]; then p leaves F.
 */
function obq(row: Float64Array, scale: number, limit: number, { k, h, order }: InputForm): number[] {
  const w = row.slice();
  const q = new Array<number>(k).fill(0);
  const free = [...order];
  while (free.length > 0) {
    const p = free[free.length - 1];
    const n = free.length;
    const inverse = inverseOf(free.map((i) => free.map((j) => h[i * k + j])));
    q[p] = Math.max(-limit, Math.min(limit, Math.round(w[p] / scale)));
    const error = w[p] - scale * q[p];
    free.forEach((i, at) => {
      w[i] -= (error * inverse[at][n - 1]) / inverse[n - 1][n - 1];
    });
    free.pop();
  }
  return q;
}

/** Gauss and Jordan. */
function inverseOf(matrix: readonly number[][]): number[][] {
  const n = matrix.length;
  const a = matrix.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))]);
  for (let i = 0; i < n; i++) {
    const pivot = a[i][i];
    for (let j = 0; j < 2 * n; j++) a[i][j] /= pivot;
    for (let m = 0; m < n; m++) {
      const factor = a[m][i];
      if (m !== i) for (let j = 0; j < 2 * n; j++) a[m][j] -= factor * a[i][j];
    }
  }
  return a.map((row) => row.slice(n));
}

describe('descend', () => {
  it('never makes the error larger, and ends where no single step helps', () => {
    for (let seed = 0; seed < 20; seed++) {
      const form = randomForm(16, seed);
      const w = randomRow(16, seed);
      const scale = largest(w) / 7;
      const q = roundNearest(w, scale, 7);
      const before = rowError(w, q, scale, form);
      descend(w, q, scale, 7, form);
      const after = rowError(w, q, scale, form);
      expect(after).toBeLessThanOrEqual(before);
      for (let i = 0; i < 16; i++)
        for (const step of [-1, 1]) {
          const other = q.slice();
          other[i] += step;
          if (Math.abs(other[i]) <= 7) expect(rowError(w, other, scale, form)).toBeGreaterThan(after - 1e-12);
        }
    }
  });
});

describe('roundLearned', () => {
  it('is within 20 % of the best of all roundings up and down, over 40 rows of 8 weights', () => {
    let [found, best, nearest] = [0, 0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const form = randomForm(8, seed);
      const w = randomRow(8, seed);
      const scale = largest(w) / 7;
      found += rowError(w, roundLearned(w, [scale], 7, form, false).q, scale, form);
      nearest += rowError(w, roundNearest(w, scale, 7), scale, form);
      let least = Number.POSITIVE_INFINITY;
      for (let bits = 0; bits < 256; bits++) {
        const q = Int32Array.from(w, (v, i) => Math.floor(v / scale) + ((bits >> i) & 1));
        least = Math.min(least, rowError(w, q, scale, form));
      }
      best += least;
    }
    expect(found).toBeLessThan(1.2 * best);
    expect(found).toBeLessThan(0.7 * nearest);
  });

  it('with a scale of its own is never worse than with the one given', () => {
    for (let seed = 0; seed < 20; seed++) {
      const form = randomForm(20, seed);
      const w = randomRow(20, seed);
      const scale = Math.fround(largest(w) / 7);
      const fixed = roundLearned(w, [scale], 7, form, false);
      const free = roundLearned(w, [scale], 7, form, true);
      expect(rowError(w, free.q, free.scale, form)).toBeLessThanOrEqual(
        rowError(w, fixed.q, fixed.scale, form),
      );
    }
  });

  it('weights that need no rounding stay', () => {
    const form = randomForm(6, 1);
    const w = Float64Array.of(7, -3, 0, 1, 2, -7).map((v) => v / 4);
    const { q, scale } = roundLearned(w, [0.25], 7, form, true);
    expect([...q]).toEqual([7, -3, 0, 1, 2, -7]);
    expect(scale).toBe(0.25);
  });
});
