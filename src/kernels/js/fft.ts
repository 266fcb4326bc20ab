/**
 * Fast Fourier transforms of any length, complex and real, planned once and run without allocating.
 *
 *   X[k] = Σₙ x[n]·e^(−2πi·kn/N)                                                   (forward)
 *   x[n] = (1/N)·Σₖ X[k]·e^(+2πi·kn/N)                                             (inverse)
 *
 * A plan owns its buffers: write the input into them, run, read the result. All sums are f64.
 *
 *   N = 2ᵖ      Stockham's self-sorting radix-4 passes (one radix-2 pass when p is odd)
 *   other N     Bluestein: a convolution with a chirp, done by transforms of length 2ᵖ ≥ 2N−1
 *   real, even  one complex transform of N/2 points and a pass that untangles it
 *
 * Left out: batches, strides and several dimensions; run a plan for each line.
 *
 * Sources: Van Loan, "Computational Frameworks for the Fast Fourier Transform", SIAM 1992, §1.7 (Stockham),
 * §4.2 (chirp), §4.3 (real data).
 */

import { VireoError } from '../../errors.ts';

/** In place on `re` and `im`, each [size]. */
export interface ComplexFft {
  readonly size: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
  /** (re, im) ← their transform. */
  forward(): void;
  /** (re, im) ← their inverse transform, divided by `size`. */
  inverse(): void;
}

/** From `input` [size] to the half spectrum `re`, `im` [bins]; bin k stands for k·sampleRate/size. */
export interface RealFft {
  readonly size: number;
  /** ⌊size/2⌋ + 1; the others are X[size−k] = conj X[k]. */
  readonly bins: number;
  readonly input: Float64Array;
  readonly re: Float64Array;
  readonly im: Float64Array;
  /** (re, im) ← transform of `input`; `input` keeps its values. */
  forward(): void;
}

export function planComplexFft(size: number): ComplexFft {
  checkSize(size);
  return isPowerOfTwo(size) ? planStockham(size) : planBluestein(size);
}

export function planRealFft(size: number): RealFft {
  checkSize(size);
  return size % 2 === 0 ? planEvenReal(size) : planOddReal(size);
}

function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < 1 || size > 1 << 26) {
    throw new VireoError('usage', `fft: size must be a whole number from 1 to 2^26, got ${size}`);
  }
}

function isPowerOfTwo(size: number): boolean {
  return (size & (size - 1)) === 0;
}

/** cos and sin of 2πk/size for k < count, each computed on its own: a recurrence would add up its errors. */
function unitCircle(size: number, count: number): { cos: Float64Array; sin: Float64Array } {
  const cos = new Float64Array(count);
  const sin = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / size);
    sin[k] = Math.sin((2 * Math.PI * k) / size);
  }
  return { cos, sin };
}

/** A power of two. Each pass reads one pair of buffers and writes the other, in an order that needs no bit reversal. */
function planStockham(size: number): ComplexFft {
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  const spareRe = new Float64Array(size);
  const spareIm = new Float64Array(size);
  const { cos, sin } = unitCircle(size, size);

  /** (xRe, xIm) ← their forward transform; with the two exchanged, the inverse times `size`. */
  function transform(xRe: Float64Array, xIm: Float64Array): void {
    let fromRe: Float64Array = xRe;
    let fromIm: Float64Array = xIm;
    let toRe: Float64Array = spareRe;
    let toIm: Float64Array = spareIm;
    let stride = 1;
    for (let length = size; length > 1; ) {
      if (length >= 4) {
        radix4(fromRe, fromIm, toRe, toIm, length, stride, cos, sin);
        length /= 4;
        stride *= 4;
      } else {
        radix2(fromRe, fromIm, toRe, toIm, stride);
        length /= 2;
      }
      const heldRe = fromRe;
      const heldIm = fromIm;
      fromRe = toRe;
      fromIm = toIm;
      toRe = heldRe;
      toIm = heldIm;
    }
    if (fromRe !== xRe) {
      xRe.set(fromRe);
      xIm.set(fromIm);
    }
  }

  return {
    size,
    re,
    im,
    forward: () => transform(re, im),
    inverse: () => {
      transform(im, re); // conj(F(conj x)) with the conjugations done by exchanging the parts
      scale(re, im, 1 / size);
    },
  };
}

/**
 * One decimation-in-frequency pass; `length`·`stride` = N, w = e^(−2πi/length), a…d a quarter of `length` apart:
 *
 *   y[4p]   = (a+c) + (b+d)              y[4p+1] = wᵖ·((a−c) − i(b−d))
 *   y[4p+2] = w²ᵖ·((a+c) − (b+d))        y[4p+3] = w³ᵖ·((a−c) + i(b−d))
 */
function radix4(
  xRe: Float64Array,
  xIm: Float64Array,
  yRe: Float64Array,
  yIm: Float64Array,
  length: number,
  stride: number,
  cos: Float64Array,
  sin: Float64Array,
): void {
  const quarter = (length >> 2) * stride;
  for (let p = 0; p < length >> 2; p++) {
    const c1 = cos[p * stride];
    const s1 = sin[p * stride];
    const c2 = cos[2 * p * stride];
    const s2 = sin[2 * p * stride];
    const c3 = cos[3 * p * stride];
    const s3 = sin[3 * p * stride];
    for (let q = 0; q < stride; q++) {
      const i = q + stride * p;
      const aRe = xRe[i];
      const aIm = xIm[i];
      const bRe = xRe[i + quarter];
      const bIm = xIm[i + quarter];
      const cRe = xRe[i + 2 * quarter];
      const cIm = xIm[i + 2 * quarter];
      const dRe = xRe[i + 3 * quarter];
      const dIm = xIm[i + 3 * quarter];
      const sumAcRe = aRe + cRe;
      const sumAcIm = aIm + cIm;
      const difAcRe = aRe - cRe;
      const difAcIm = aIm - cIm;
      const sumBdRe = bRe + dRe;
      const sumBdIm = bIm + dIm;
      const difBdRe = bRe - dRe;
      const difBdIm = bIm - dIm;
      const o = q + stride * 4 * p;
      yRe[o] = sumAcRe + sumBdRe;
      yIm[o] = sumAcIm + sumBdIm;
      const uRe = difAcRe + difBdIm;
      const uIm = difAcIm - difBdRe;
      yRe[o + stride] = uRe * c1 + uIm * s1;
      yIm[o + stride] = uIm * c1 - uRe * s1;
      const vRe = sumAcRe - sumBdRe;
      const vIm = sumAcIm - sumBdIm;
      yRe[o + 2 * stride] = vRe * c2 + vIm * s2;
      yIm[o + 2 * stride] = vIm * c2 - vRe * s2;
      const tRe = difAcRe - difBdIm;
      const tIm = difAcIm + difBdRe;
      yRe[o + 3 * stride] = tRe * c3 + tIm * s3;
      yIm[o + 3 * stride] = tIm * c3 - tRe * s3;
    }
  }
}

/** The last pass of an odd power of two: y = a + b, a − b with b half of N after a. */
function radix2(
  xRe: Float64Array,
  xIm: Float64Array,
  yRe: Float64Array,
  yIm: Float64Array,
  stride: number,
): void {
  for (let q = 0; q < stride; q++) {
    const aRe = xRe[q];
    const aIm = xIm[q];
    const bRe = xRe[q + stride];
    const bIm = xIm[q + stride];
    yRe[q] = aRe + bRe;
    yIm[q] = aIm + bIm;
    yRe[q + stride] = aRe - bRe;
    yIm[q + stride] = aIm - bIm;
  }
}

/**
 * Any length. With kn = (k² + n² − (k−n)²)/2 and the chirp c[n] = e^(−πi·n²/N):
 *
 *   X[k] = c[k]·Σₙ (x[n]·c[n])·conj c[k−n]
 *
 * The sum is a circular convolution of M ≥ 2N−1 points, hence two transforms of M = 2ᵖ points.
 */
function planBluestein(size: number): ComplexFft {
  let padded = 1;
  while (padded < 2 * size - 1) padded *= 2;
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  const work = planStockham(padded);

  const chirpRe = new Float64Array(size); // c[n]
  const chirpIm = new Float64Array(size);
  for (let n = 0; n < size; n++) {
    const angle = (Math.PI * ((n * n) % (2 * size))) / size; // n² mod 2N keeps the angle small and exact
    chirpRe[n] = Math.cos(angle);
    chirpIm[n] = -Math.sin(angle);
  }
  work.re[0] = chirpRe[0];
  work.im[0] = -chirpIm[0];
  for (let n = 1; n < size; n++) {
    work.re[n] = work.re[padded - n] = chirpRe[n];
    work.im[n] = work.im[padded - n] = -chirpIm[n];
  }
  work.forward();
  const filterRe = work.re.slice(); // transform of conj c, (padded)
  const filterIm = work.im.slice();

  function transform(xRe: Float64Array, xIm: Float64Array): void {
    const wRe = work.re;
    const wIm = work.im;
    for (let n = 0; n < size; n++) {
      wRe[n] = xRe[n] * chirpRe[n] - xIm[n] * chirpIm[n];
      wIm[n] = xRe[n] * chirpIm[n] + xIm[n] * chirpRe[n];
    }
    wRe.fill(0, size);
    wIm.fill(0, size);
    work.forward();
    for (let k = 0; k < padded; k++) {
      const valueRe = wRe[k] * filterRe[k] - wIm[k] * filterIm[k];
      wIm[k] = wRe[k] * filterIm[k] + wIm[k] * filterRe[k];
      wRe[k] = valueRe;
    }
    work.inverse();
    for (let k = 0; k < size; k++) {
      xRe[k] = wRe[k] * chirpRe[k] - wIm[k] * chirpIm[k];
      xIm[k] = wRe[k] * chirpIm[k] + wIm[k] * chirpRe[k];
    }
  }

  return {
    size,
    re,
    im,
    forward: () => transform(re, im),
    inverse: () => {
      transform(im, re);
      scale(re, im, 1 / size);
    },
  };
}

/**
 * z[n] = x[2n] + i·x[2n+1] has Z = E + i·O, with E and O the transforms of the even and the odd samples, so
 *
 *   X[k] = (Z[k] + conj Z[H−k])/2 − (i/2)·e^(−2πi·k/N)·(Z[k] − conj Z[H−k]),   H = N/2, Z[H] = Z[0]
 */
function planEvenReal(size: number): RealFft {
  const half = size / 2;
  const bins = half + 1;
  const input = new Float64Array(size);
  const re = new Float64Array(bins);
  const im = new Float64Array(bins);
  const work = planComplexFft(half);
  const { cos, sin } = unitCircle(size, bins);

  return {
    size,
    bins,
    input,
    re,
    im,
    forward: () => {
      const zRe = work.re;
      const zIm = work.im;
      for (let n = 0; n < half; n++) {
        zRe[n] = input[2 * n];
        zIm[n] = input[2 * n + 1];
      }
      work.forward();
      for (let k = 0; k < bins; k++) {
        const i = k === half ? 0 : k;
        const j = k === 0 ? 0 : half - k;
        const evenRe = (zRe[i] + zRe[j]) / 2;
        const evenIm = (zIm[i] - zIm[j]) / 2;
        const oddRe = (zIm[i] + zIm[j]) / 2; // −i/2·(Z − conj Z′)
        const oddIm = (zRe[j] - zRe[i]) / 2;
        re[k] = evenRe + oddRe * cos[k] + oddIm * sin[k];
        im[k] = evenIm + oddIm * cos[k] - oddRe * sin[k];
      }
    },
  };
}

function planOddReal(size: number): RealFft {
  const bins = (size + 1) / 2;
  const input = new Float64Array(size);
  const work = planComplexFft(size);
  const re = work.re.subarray(0, bins);
  const im = work.im.subarray(0, bins);
  return {
    size,
    bins,
    input,
    re,
    im,
    forward: () => {
      work.re.set(input);
      work.im.fill(0);
      work.forward();
    },
  };
}

function scale(re: Float64Array, im: Float64Array, factor: number): void {
  for (let i = 0; i < re.length; i++) {
    re[i] *= factor;
    im[i] *= factor;
  }
}
