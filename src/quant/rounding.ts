/**
 * Real weights to integers, one row (output channel) at a time:
 *
 *   nearest   q = round(w/s)
 *   learned   the q for which the layer's own output is nearest to what it was
 *
 *   E(q) = (w − s·q)ᵀ·H·(w − s·q),  H = G − μμᵀ + λI                                (docs/quantization.md, eq. 9)
 *
 * With H = UᵀU, E is the squared distance of the point U·w from the lattice s·U·ℤ: a closest vector problem. Babai's
 * nearest plane decides one weight after another, each with what the earlier ones have left over (eq. 10); the same as
 * OBQ/GPTQ's updates without an inverse. Then single weights move as long as that makes E smaller (eq. 11), and s is
 * set to its least squares (eq. 12). No step makes E larger.
 *
 * Sources: Nagel et al. 2020, arXiv:2004.10568 (the objective); Frantar et al. 2022, arXiv:2210.17323; Babai 1986,
 * Combinatorica 6(1); Chen et al. 2025, arXiv:2507.18553 (that the two are one).
 */
import { choleskyUpper } from '../graph/cholesky.ts';

/** What the rounding of one group's rows needs of its inputs. */
export interface InputForm {
  readonly k: number;
  /** (K, K) */
  readonly h: Float64Array;
  /** (K, K), upper triangular, of H with rows and columns in the order `order`. */
  readonly u: Float64Array;
  /** Taps in the order of U; they are decided from the last to the first. */
  readonly order: Uint32Array;
}

/** Share of the mean diagonal that is added to H, so that taps which never saw an input stay near where they were. */
const damping = 0.01;

/** H and its factor from a group's part of (groups, K, K) and (groups, K). */
export function inputForm(gram: Float64Array, mean: Float64Array, k: number, group: number): InputForm {
  const h = new Float64Array(k * k);
  let trace = 0;
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < k; j++)
      h[i * k + j] = gram[(group * k + i) * k + j] - mean[group * k + i] * mean[group * k + j];
    trace += h[i * k + i];
  }
  const lambda = trace > 0 ? (damping * trace) / k : 1;
  for (let i = 0; i < k; i++) h[i * k + i] = Math.max(h[i * k + i], 0) + lambda;
  // The taps that matter most come last, so that they are decided first.
  const order = Uint32Array.from({ length: k }, (_, i) => i).sort((a, b) => h[a * k + a] - h[b * k + b]);
  const permuted = new Float64Array(k * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) permuted[i * k + j] = h[order[i] * k + order[j]];
  return { k, h, u: choleskyUpper(permuted, k), order };
}

export interface RoundedRow {
  readonly q: Int32Array;
  readonly scale: number;
}

/** Integers are −limit … limit. */
export function roundNearest(w: Float64Array, scale: number, limit: number): Int32Array {
  return Int32Array.from(w, (v) => Math.max(-limit, Math.min(limit, Math.round(v / scale))));
}

/** (w − s·q)ᵀ·H·(w − s·q) */
export function rowError(w: Float64Array, q: Int32Array, scale: number, { k, h }: InputForm): number {
  const e = w.map((v, i) => v - scale * q[i]);
  let sum = 0;
  for (let i = 0; i < k; i++) {
    if (e[i] === 0) continue;
    let dot = 0;
    for (let j = 0; j < k; j++) dot += h[i * k + j] * e[j];
    sum += e[i] * dot;
  }
  return sum;
}

/**
 * Nearest plane, then descent, from each of the scales in turn; of the best, with `refine`, scale and integers are made
 * better by turns.
 */
export function roundLearned(
  w: Float64Array,
  scales: readonly number[],
  limit: number,
  form: InputForm,
  refine: boolean,
): RoundedRow {
  let best: RoundedRow | null = null;
  let least = Number.POSITIVE_INFINITY;
  const keep = (q: Int32Array, scale: number): boolean => {
    const error = rowError(w, q, scale, form);
    if (!(error < least)) return false;
    least = error;
    best = { q: q.slice(), scale };
    return true;
  };
  for (const scale of scales) {
    const q = nearestPlane(w, scale, limit, form);
    descend(w, q, scale, limit, form);
    keep(q, scale);
  }
  for (let round = 0; refine && round < 4 && best; round++) {
    const { q, scale: old }: RoundedRow = best;
    const scale = leastSquaresScale(w, q, form, old);
    const next = q.slice();
    descend(w, next, scale, limit, form);
    if (!keep(next, scale)) break;
  }
  return best ?? { q: new Int32Array(w.length), scale: scales[0] };
}

/** Eq. 10: q_i = round((w_i + Σ_{j>i} U[i, j]·e_j / U[i, i]) / s), e_j = w_j − s·q_j, from the last tap to the first. */
export function nearestPlane(
  w: Float64Array,
  scale: number,
  limit: number,
  { k, u, order }: InputForm,
): Int32Array {
  const q = new Int32Array(k);
  const e = new Float64Array(k); // in U's order
  for (let i = k - 1; i >= 0; i--) {
    let left = 0;
    for (let j = i + 1; j < k; j++) left += u[i * k + j] * e[j];
    const tap = order[i];
    const aim = (w[tap] + left / u[i * k + i]) / scale;
    q[tap] = Math.max(-limit, Math.min(limit, Math.round(aim)));
    e[i] = w[tap] - scale * q[tap];
  }
  return q;
}

/** Eq. 11: q_i moves by round(g_i / (s·H[i, i])), g = H·(w − s·q), tap by tap until none moves. */
export function descend(w: Float64Array, q: Int32Array, scale: number, limit: number, form: InputForm): void {
  const { k, h } = form;
  const g = gradient(w, q, scale, form);
  for (let sweep = 0; sweep < 50; sweep++) {
    let moved = false;
    for (let i = 0; i < k; i++) {
      const step = Math.round(g[i] / (scale * h[i * k + i]));
      const next = Math.max(-limit, Math.min(limit, q[i] + step));
      const change = scale * (next - q[i]);
      if (change === 0) continue;
      // A tie would move to and fro for ever.
      if (!(g[i] * change - 0.5 * change * change * h[i * k + i] > 0)) continue;
      q[i] = next;
      moved = true;
      for (let j = 0; j < k; j++) g[j] -= h[i * k + j] * change;
    }
    if (!moved) return;
  }
}

/** g = H·(w − s·q) */
function gradient(w: Float64Array, q: Int32Array, scale: number, { k, h }: InputForm): Float64Array {
  const g = new Float64Array(k);
  for (let i = 0; i < k; i++) {
    const e = w[i] - scale * q[i];
    if (e !== 0) for (let j = 0; j < k; j++) g[j] += h[i * k + j] * e;
  }
  return g;
}

/** Eq. 12: s = qᵀHw / qᵀHq, rounded to f32. */
function leastSquaresScale(w: Float64Array, q: Int32Array, { k, h }: InputForm, otherwise: number): number {
  let above = 0;
  let below = 0;
  for (let i = 0; i < k; i++) {
    if (q[i] === 0) continue;
    let hw = 0;
    let hq = 0;
    for (let j = 0; j < k; j++) {
      hw += h[i * k + j] * w[j];
      hq += h[i * k + j] * q[j];
    }
    above += q[i] * hw;
    below += q[i] * hq;
  }
  const scale = Math.fround(above / below);
  return scale > 0 && Number.isFinite(scale) ? scale : otherwise;
}
