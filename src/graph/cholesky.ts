/**
 * H = Uᵀ·U with U upper triangular, for a symmetric positive definite H; in f64, by blocks of rows so that what is read
 * again is still in the cache.
 *
 *   U[i, j] = (H[i, j] − Σ_{m<i} U[m, i]·U[m, j]) / U[i, i],  U[i, i] = √(H[i, i] − Σ_{m<i} U[m, i]²)
 *
 * Source: Golub and Van Loan, Matrix Computations, §4.2.
 */
import { VireoError } from '../errors.ts';

const block = 32;

/** Row-major (n, n); what lies below the diagonal of the result is 0. Throws where H is not positive definite. */
export function choleskyUpper(h: Float64Array, n: number): Float64Array {
  const u = h.slice();
  for (let first = 0; first < n; first += block) {
    const end = Math.min(first + block, n);
    // The rows of this block by themselves …
    for (let i = first; i < end; i++) {
      const pivot = u[i * n + i];
      if (!(pivot > 0))
        throw new VireoError('bad-input', `matrix of order ${n} is not positive definite at row ${i}`);
      const scale = 1 / Math.sqrt(pivot);
      for (let j = i; j < n; j++) u[i * n + j] *= scale;
      for (let m = i + 1; m < end; m++) subtract(u, n, i, m);
    }
    // … then all rows after it.
    for (let m = end; m < n; m++) for (let i = first; i < end; i++) subtract(u, n, i, m);
  }
  for (let i = 0; i < n; i++) u.fill(0, i * n, i * n + i);
  return u;
}

/** Row m −= U[i, m]·row i, from the diagonal on. */
function subtract(u: Float64Array, n: number, i: number, m: number): void {
  const factor = u[i * n + m];
  if (factor === 0) return;
  const [from, to] = [i * n, m * n];
  for (let j = m; j < n; j++) u[to + j] -= factor * u[from + j];
}
