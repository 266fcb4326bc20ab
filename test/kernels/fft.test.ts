/** The fast transforms against the sum that defines them, in f64. */
import { describe, expect, it } from 'vitest';
import { planComplexFft, planRealFft } from '../../src/kernels/js/fft.ts';

/** X[k] = Σₙ x[n]·e^(−2πi·kn/N), term by term. */
function textbookDft(re: Float64Array, im: Float64Array): { re: Float64Array; im: Float64Array } {
  const size = re.length;
  const outRe = new Float64Array(size);
  const outIm = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    for (let n = 0; n < size; n++) {
      const angle = (-2 * Math.PI * ((k * n) % size)) / size;
      outRe[k] += re[n] * Math.cos(angle) - im[n] * Math.sin(angle);
      outIm[k] += re[n] * Math.sin(angle) + im[n] * Math.cos(angle);
    }
  }
  return { re: outRe, im: outIm };
}

function noise(length: number, seed: number): Float64Array {
  let state = seed >>> 0;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function largestGap(a: Float64Array, b: Float64Array): number {
  expect(a.length).toBe(b.length);
  let gap = 0;
  for (let i = 0; i < a.length; i++) gap = Math.max(gap, Math.abs(a[i] - b[i]));
  return gap;
}

const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 17, 25, 30, 31, 32, 49, 60, 64, 97, 100, 127, 128];
const large = [240, 256, 320, 400, 480, 512, 639, 640, 1000, 1021, 1024, 2048];

describe('complex fft', () => {
  it.each([...sizes, ...large])('N = %i equals the definition, and back', (size) => {
    const plan = planComplexFft(size);
    const re = noise(size, 1 + size);
    const im = noise(size, 1000 + size);
    const expected = textbookDft(re, im);
    const bound = 1e-14 * size + 1e-13;
    for (let repeat = 0; repeat < 2; repeat++) {
      plan.re.set(re);
      plan.im.set(im);
      plan.forward();
      expect(largestGap(plan.re, expected.re)).toBeLessThan(bound);
      expect(largestGap(plan.im, expected.im)).toBeLessThan(bound);
      plan.inverse();
      expect(largestGap(plan.re, re)).toBeLessThan(1e-13);
      expect(largestGap(plan.im, im)).toBeLessThan(1e-13);
    }
  });

  it('an impulse at 1 turns once around the circle', () => {
    const plan = planComplexFft(8);
    plan.re[1] = 1;
    plan.forward();
    expect(plan.im[2]).toBeCloseTo(-1, 15); // e^(−iπ/2): the sign of the exponent
    expect(plan.re[4]).toBeCloseTo(-1, 15);
  });
});

describe('real fft', () => {
  it.each([...sizes, ...large])('N = %i equals the definition', (size) => {
    const plan = planRealFft(size);
    const input = noise(size, 7 + size);
    const expected = textbookDft(input, new Float64Array(size));
    expect(plan.bins).toBe(Math.floor(size / 2) + 1);
    const bound = 1e-14 * size + 1e-13;
    plan.input.set(input);
    for (let repeat = 0; repeat < 2; repeat++) {
      plan.forward();
      expect(largestGap(plan.re, expected.re.subarray(0, plan.bins))).toBeLessThan(bound);
      expect(largestGap(plan.im, expected.im.subarray(0, plan.bins))).toBeLessThan(bound);
      expect(largestGap(plan.input, input)).toBe(0);
    }
  });

  it.each([0, -4, 1.5, Number.NaN])('refuses size %d', (size) => {
    expect(() => planRealFft(size)).toThrow(/size must be a whole number/);
    expect(() => planComplexFft(size)).toThrow(/size must be a whole number/);
  });
});
