/**
 * Counts of real numbers in bins of one width w, a power of two that doubles when a number falls outside:
 *
 *   bin i  ↔  [(i − N)·w, (i − N + 1)·w),  0 ≤ i < 2N
 *
 * Bins of width w are exactly halves of bins of width 2w, so nothing is lost but resolution and one pass over the data
 * is enough. Zeros are counted apart: every int8 scheme here stores them without error.
 */

/** Bins on each side of 0; the widest side fills at least half of its bins, 8 for each int8 step. */
const N = 4096;

export class Histogram {
  /** Counts of numbers other than 0. */
  counts = new Float64Array(2 * N);
  /** 0 until a number other than 0 has come. */
  width = 0;
  zeros = 0;
  min = 0;
  max = 0;

  /** Finite numbers only. */
  add(data: ArrayLike<number>): void {
    let min = this.min;
    let max = this.max;
    for (let i = 0; i < data.length; i++) {
      const x = data[i];
      if (x < min) min = x;
      if (x > max) max = x;
    }
    this.min = min;
    this.max = max;
    const most = Math.max(max, -min);
    if (most === 0) {
      this.zeros += data.length;
      return;
    }
    if (this.width === 0) this.width = 2 ** Math.max(Math.floor(Math.log2(most / N)), -1000);
    while (max >= N * this.width || min < -N * this.width) this.#double();
    const { counts } = this;
    const perWidth = 1 / this.width;
    let zeros = 0;
    for (let i = 0; i < data.length; i++) {
      const x = data[i];
      if (x === 0) zeros++;
      else counts[Math.floor(x * perWidth) + N]++;
    }
    this.zeros += zeros;
  }

  get total(): number {
    return this.counts.reduce((sum, n) => sum + n, this.zeros);
  }

  /** The bins that hold anything, from low to high: the number in their middle, and how many. */
  bins(): { readonly centres: Float64Array; readonly counts: Float64Array } {
    const centres: number[] = [];
    const filled: number[] = [];
    this.counts.forEach((n, i) => {
      if (n === 0) return;
      const centre = (i - N + 0.5) * this.width;
      centres.push(Math.min(Math.max(centre, this.min), this.max));
      filled.push(n);
    });
    return { centres: Float64Array.from(centres), counts: Float64Array.from(filled) };
  }

  #double(): void {
    const wider = new Float64Array(2 * N);
    for (let i = 0; i < 2 * N; i++) wider[((i - N) >> 1) + N] += this.counts[i];
    this.counts = wider;
    this.width *= 2;
  }
}
