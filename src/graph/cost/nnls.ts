/**
 * Non-negative least squares: the x ≥ 0 that makes ‖A·x − b‖ least.
 *
 * The active-set method: variables enter one by one where the error falls fastest, an unconstrained problem is solved
 * over those inside, and one that would become negative leaves on the way there. Columns are scaled to length 1, so
 * picojoules of a byte and of a layer count alike.
 * Source: Lawson, Hanson 1974, Solving Least Squares Problems, ch. 23, algorithm NNLS.
 */

/** A: rows of equal length; b: one number a row. */
export function nonNegativeLeastSquares(A: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = A[0]?.length ?? 0;
  const columns = Array.from({ length: n }, (_, j) => A.map((row) => row[j]));
  const lengths = columns.map((column) => Math.sqrt(dot(column, column)));
  const unit = columns.map((column, j) => (lengths[j] > 0 ? column.map((v) => v / lengths[j]) : column));
  const size = Math.sqrt(dot(b, b));
  const tolerance = 1e-12 * Math.max(size, Number.MIN_VALUE);

  const x = new Array<number>(n).fill(0);
  const inside: number[] = [];
  const refused = new Set<number>();
  for (let round = 0; round < 10 * n + 10; round++) {
    const residual = b.map((value, i) => value - unit.reduce((sum, column, j) => sum + column[i] * x[j], 0));
    let best = -1;
    let gain = tolerance;
    for (let j = 0; j < n; j++) {
      if (inside.includes(j) || refused.has(j) || lengths[j] === 0) continue;
      const slope = dot(unit[j], residual);
      if (slope > gain) {
        gain = slope;
        best = j;
      }
    }
    if (best < 0) break;
    inside.push(best);
    let solution = solve(unit, inside, b);
    // A column that the others can replace adds nothing.
    if (!solution || solution[inside.length - 1] <= 0) {
      inside.pop();
      refused.add(best);
      continue;
    }
    refused.clear();
    while (solution.some((value) => value <= 0)) {
      let step = 1;
      solution.forEach((value, k) => {
        const from = x[inside[k]];
        if (value <= 0) step = Math.min(step, from / (from - value));
      });
      solution.forEach((value, k) => {
        x[inside[k]] += step * (value - x[inside[k]]);
      });
      for (let k = inside.length - 1; k >= 0; k--)
        if (x[inside[k]] <= 1e-15 * size) {
          x[inside[k]] = 0;
          inside.splice(k, 1);
        }
      const next = solve(unit, inside, b);
      if (!next) break;
      solution = next;
    }
    inside.forEach((j, k) => {
      x[j] = Math.max(0, solution[k]);
    });
  }
  return x.map((value, j) => (lengths[j] > 0 ? value / lengths[j] : 0));
}

/** Least squares over some columns by Householder reflections; `null` where they depend on each other. */
function solve(
  columns: readonly (readonly number[])[],
  of: readonly number[],
  b: readonly number[],
): number[] | null {
  const m = b.length;
  const n = of.length;
  if (n > m) return null;
  const Q = of.map((j) => Float64Array.from(columns[j])); // columns, turned into R above the diagonal
  const y = Float64Array.from(b);
  for (let k = 0; k < n; k++) {
    let norm = 0;
    for (let i = k; i < m; i++) norm += Q[k][i] ** 2;
    norm = Math.sqrt(norm);
    if (norm < 1e-10) return null;
    const alpha = Q[k][k] > 0 ? -norm : norm;
    const v = Float64Array.from({ length: m - k }, (_, i) => Q[k][k + i] - (i === 0 ? alpha : 0));
    const vv = dot(v, v);
    const reflect = (column: Float64Array): void => {
      let projection = 0;
      for (let i = k; i < m; i++) projection += v[i - k] * column[i];
      for (let i = k; i < m; i++) column[i] -= (2 * projection * v[i - k]) / vv;
    };
    for (let j = k; j < n; j++) reflect(Q[j]);
    reflect(y);
  }
  const x = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let sum = y[k];
    for (let j = k + 1; j < n; j++) sum -= Q[j][k] * x[j];
    x[k] = sum / Q[k][k];
  }
  return x;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
