/** k-means over sub-vectors: by brute force on tiny cases, and by what must hold on any. */
import { describe, expect, it } from 'vitest';
import { clusterError, clusterSubVectors } from '../../../src/graph/merge/k-means.ts';
import { randomStream } from '../../../src/random.ts';

function normals(count: number, ...keys: number[]): Float32Array {
  const random = randomStream(...keys);
  return Float32Array.from({ length: count }, () => random.normal());
}

/** Σ x·xᵀ over `samples` inputs (samples, r). */
function gramOf(inputs: Float32Array, r: number): Float64Array {
  const gram = new Float64Array(r * r);
  for (let at = 0; at < inputs.length; at += r)
    for (let i = 0; i < r; i++)
      for (let j = 0; j < r; j++) gram[i * r + j] += inputs[at + i] * inputs[at + j];
  return gram;
}

/** The least error of all ways to put n scalars of a line or points into K sets. */
function bruteForce(vectors: Float32Array, r: number, K: number, weights: readonly number[]): number {
  const n = vectors.length / r;
  let least = Number.POSITIVE_INFINITY;
  for (let code = 0; code < K ** n; code++) {
    const owner = Array.from({ length: n }, (_, i) => Math.floor(code / K ** i) % K);
    let error = 0;
    for (let k = 0; k < K; k++) {
      const mine = owner.flatMap((o, i) => (o === k ? [i] : []));
      const mass = mine.reduce((sum, i) => sum + weights[i], 0);
      for (let c = 0; c < r; c++) {
        const mean = mine.reduce((sum, i) => sum + weights[i] * vectors[i * r + c], 0) / mass;
        for (const i of mine) error += weights[i] * (vectors[i * r + c] - mean) ** 2;
      }
    }
    least = Math.min(least, error);
  }
  return least;
}

describe('clusterSubVectors', () => {
  it.each([
    [5, 1, 2],
    [6, 2, 2],
    [6, 1, 3],
    [7, 3, 2],
  ])('finds the best of all clusterings of %i vectors of %i into %i from one of 20 seeds', (n, r, K) => {
    for (let trial = 0; trial < 5; trial++) {
      const vectors = normals(n * r, trial, n);
      const weights = Array.from({ length: n }, (_, i) => 1 + (i % 3));
      const best = bruteForce(vectors, r, K, weights);
      const errors = Array.from(
        { length: 20 },
        (_, seed) => clusterSubVectors(vectors, r, K, { weights, seed }).error,
      );
      expect(Math.min(...errors)).toBeCloseTo(best, 5);
      for (const error of errors) expect(error).toBeGreaterThan(best - 1e-5);
    }
  });

  it.each(['plain', 'gram'])('%s: the error never rises with iterations, and falls', (metric) => {
    for (let trial = 0; trial < 8; trial++) {
      const r = 1 + (trial % 5);
      const vectors = normals(200 * r, 3, trial);
      const gram = metric === 'gram' ? gramOf(normals(40 * r, 4, trial), r) : undefined;
      const errors = [0, 1, 2, 4, 8, 16, 32].map(
        (iterations) =>
          clusterSubVectors(vectors, r, 16, { seed: trial, iterations, ...(gram && { gram }) }).error,
      );
      errors.slice(1).forEach((error, i) => {
        expect(error).toBeLessThanOrEqual(errors[i] * (1 + 1e-6));
      });
      expect(errors[6]).toBeLessThan(0.95 * errors[0]);
    }
  });

  it.each(['plain', 'gram'])('%s: as many codewords as distinct vectors leave no error', (metric) => {
    const r = 3;
    const distinct = normals(10 * r, 5);
    const vectors = Float32Array.from({ length: 60 * r }, (_, i) => distinct[i % (10 * r)]);
    const gram = metric === 'gram' ? { gram: gramOf(normals(30 * r, 6), r) } : {};
    for (const K of [10, 11, 256]) {
      const { codewords, indices, error } = clusterSubVectors(vectors, r, K, gram);
      expect(error).toBe(0);
      expect(codewords.length).toBe(K * r);
      for (let i = 0; i < vectors.length; i++)
        expect(codewords[indices[Math.floor(i / r)] * r + (i % r)]).toBe(vectors[i]);
    }
    expect(clusterSubVectors(vectors, r, 9, gram).error).toBeGreaterThan(0);
  });

  it('with a Gram matrix the error is that of the outputs, and lower there than without', () => {
    const [r, n, samples, K] = [6, 150, 80, 12];
    const vectors = normals(n * r, 7);
    const inputs = normals(samples * r, 8).map((x, i) => x * [3, 1, 0.2, 0.05, 2, 0][i % r]); // the last is never used
    const gram = gramOf(inputs, r);
    const outputError = ({
      codewords,
      indices,
    }: {
      codewords: Float32Array;
      indices: Uint8Array;
    }): number => {
      let error = 0;
      for (let v = 0; v < n; v++)
        for (let s = 0; s < samples; s++) {
          let difference = 0;
          for (let i = 0; i < r; i++)
            difference += inputs[s * r + i] * (vectors[v * r + i] - codewords[indices[v] * r + i]);
          error += difference ** 2;
        }
      return error;
    };
    const weighted = clusterSubVectors(vectors, r, K, { gram });
    const plain = clusterSubVectors(vectors, r, K);
    expect(weighted.error / outputError(weighted)).toBeCloseTo(1, 6);
    expect(outputError(weighted)).toBeLessThan(0.8 * outputError(plain));
    expect(clusterError(vectors, r, plain.codewords, plain.indices)).toBe(plain.error);
    expect(plain.error).toBeLessThan(clusterError(vectors, r, weighted.codewords, weighted.indices));
  });

  it('is the same for the same seed, and counts weights as repetitions', () => {
    const vectors = normals(40, 9);
    expect(clusterSubVectors(vectors, 2, 4, { seed: 3 })).toEqual(
      clusterSubVectors(vectors, 2, 4, { seed: 3 }),
    );
    const heavy = clusterSubVectors(Float32Array.of(0, 1, 10), 1, 2, { weights: [3, 1, 1], seed: 1 });
    expect(heavy.error).toBeCloseTo(0.75, 6);
    expect(Math.min(...heavy.codewords)).toBeCloseTo(0.25, 6);
  });

  it('takes vectors that count nothing', () => {
    expect(clusterSubVectors(Float32Array.of(1, 2), 1, 2, { weights: [0, 0] }).error).toBe(0);
  });

  it.each<[string, () => unknown, string]>([
    ['no whole vectors', () => clusterSubVectors(new Float32Array(5), 2, 2), '5 numbers are no vectors of 2'],
    ['none at all', () => clusterSubVectors(new Float32Array(0), 2, 2), 'no vectors of 2'],
    ['257 codewords', () => clusterSubVectors(new Float32Array(4), 2, 257), '1 to 256 codewords, got 257'],
    [
      'too few weights',
      () => clusterSubVectors(new Float32Array(4), 2, 2, { weights: [1] }),
      'weights, got 1',
    ],
    [
      'a metric too small',
      () => clusterSubVectors(new Float32Array(4), 2, 2, { gram: [1] }),
      'expects 4 numbers',
    ],
    ['NaN', () => clusterSubVectors(Float32Array.of(1, Number.NaN), 1, 2), 'not finite'],
    [
      'a metric that is none',
      () => clusterSubVectors(new Float32Array(4), 2, 2, { gram: [1, 2, 2, 1] }),
      'positive semidefinite',
    ],
  ])('refuses %s', (_, run, message) => {
    expect(run).toThrow(message);
  });
});
