/**
 * k-means over sub-vectors of weights: the codebook of one sub-space.
 *
 *   error = Σₙ weightₙ·(vₙ − c)ᵀ·G·(vₙ − c)          c the codeword of vector n
 *
 *   G   identity: the error of the weights
 *   G   Σ x·xᵀ of the inputs that the sub-vectors are multiplied by: the error of the outputs, Σ (xᵀv − xᵀc)²
 *
 * With G = L·Lᵀ the error is Σ weight·|Lᵀv − Lᵀc|², so Lᵀv are clustered and the codewords taken back by L⁻ᵀ.
 * Where there are more codewords than distinct vectors, each vector is its own codeword, exactly.
 *
 * Sources: Lloyd 1982, IEEE Transactions on Information Theory 28(2); seeding: Arthur and Vassilvitskii 2007,
 * "k-means++: the advantages of careful seeding", SODA.
 */
import { VireoError } from '../../errors.ts';
import { type Random, randomStream } from '../../random.ts';
import { choleskyUpper } from '../cholesky.ts';

export interface ClusterOptions {
  /** (n): how often each vector counts; default 1. At least 0. */
  readonly weights?: ArrayLike<number>;
  /** (r, r), symmetric, positive semidefinite; default the identity. */
  readonly gram?: ArrayLike<number>;
  /** Default 0. */
  readonly seed?: number;
  /** At most so many rounds of assignment and means; default 30. */
  readonly iterations?: number;
}

export interface Clustering {
  /** (K, r); rows beyond the distinct vectors are 0 and not named. */
  readonly codewords: Float32Array;
  /** (n), below K. */
  readonly indices: Uint8Array;
  /** Of the codewords as they are stored. */
  readonly error: number;
}

/**
 * `vectors`: (n, r). K: 1 … 256. The same arguments give the same result. Throws `VireoError('bad-input')` for
 * operands that do not fit each other or numbers that are not finite.
 */
export function clusterSubVectors(
  vectors: Float32Array,
  r: number,
  K: number,
  options: ClusterOptions = {},
): Clustering {
  const n = vectors.length / r;
  const { gram, seed = 0, iterations = 30 } = options;
  const weights = Float64Array.from(options.weights ?? new Float64Array(n).fill(1));
  check(vectors, r, K, weights, gram);
  const upper = gram && factorOf(gram, r);
  const points = upper ? transformed(vectors, r, upper) : Float64Array.from(vectors);
  const centres = new Float64Array(K * r);
  const owner = new Uint8Array(n);
  const distance = new Float64Array(n);

  const found = seedCentres(points, weights, r, K, centres, distance, randomStream(seed, n, r, K));
  // Codewords that are vectors stay as they are written, not as they come back from the transformation.
  const codewords = new Float32Array(K * r);
  for (let k = 0; k < found.length; k++)
    codewords.set(vectors.subarray(found[k] * r, (found[k] + 1) * r), k * r);
  assign(points, r, found.length, centres, owner, distance);
  let best = total(weights, distance);
  for (let round = 0; round < iterations && best > 0; round++) {
    const before = owner.slice();
    const kept = centres.slice();
    moveCentres(points, weights, r, found.length, centres, owner, distance);
    assign(points, r, found.length, centres, owner, distance);
    const error = total(weights, distance);
    if (!(error < best)) {
      centres.set(kept);
      owner.set(before);
      break;
    }
    best = error;
    codewords.set(upper ? restored(centres, r, upper) : Float32Array.from(centres));
  }
  return { codewords, indices: owner, error: clusterError(vectors, r, codewords, owner, options) };
}

/** Σ weight·(v − c)ᵀ·G·(v − c), directly. */
export function clusterError(
  vectors: Float32Array,
  r: number,
  codewords: Float32Array,
  indices: Uint8Array,
  { weights, gram }: Pick<ClusterOptions, 'weights' | 'gram'> = {},
): number {
  const d = new Float64Array(r);
  let error = 0;
  for (let n = 0; n < indices.length; n++) {
    for (let i = 0; i < r; i++) d[i] = vectors[n * r + i] - codewords[indices[n] * r + i];
    let square = 0;
    for (let i = 0; i < r; i++) {
      if (!gram) square += d[i] * d[i];
      else for (let j = 0; j < r; j++) square += d[i] * gram[i * r + j] * d[j];
    }
    error += (weights ? weights[n] : 1) * square;
  }
  return error;
}

function check(
  vectors: Float32Array,
  r: number,
  K: number,
  weights: Float64Array,
  gram: ArrayLike<number> | undefined,
): void {
  const fail = (message: string): never => {
    throw new VireoError('bad-input', `clusterSubVectors: ${message}`);
  };
  const n = vectors.length / r;
  if (!Number.isInteger(r) || r < 1 || !Number.isInteger(n) || n < 1)
    fail(`${vectors.length} numbers are no vectors of ${r}`);
  if (!Number.isInteger(K) || K < 1 || K > 256) fail(`expected 1 to 256 codewords, got ${K}`);
  if (weights.length !== n) fail(`${n} vectors expect as many weights, got ${weights.length}`);
  if (gram && gram.length !== r * r)
    fail(`a metric of ${r}×${r} expects ${r * r} numbers, got ${gram.length}`);
  if (!vectors.every(Number.isFinite) || !weights.every((w) => w >= 0 && w < Number.POSITIVE_INFINITY))
    fail('a number is not finite, or a weight below 0');
}

/**
 * G + ε·I = Uᵀ·U, U upper. ε = 10⁻⁷ of the mean diagonal: inputs that are never anything but 0 leave G singular,
 * and among codewords that are equally good for the outputs the nearest is taken.
 */
function factorOf(gram: ArrayLike<number>, r: number): Float64Array {
  const ridged = Float64Array.from(gram);
  let trace = 0;
  for (let i = 0; i < r; i++) trace += ridged[i * r + i];
  const ridge = (1e-7 * trace) / r || 1;
  for (let i = 0; i < r; i++) ridged[i * r + i] += ridge;
  try {
    return choleskyUpper(ridged, r);
  } catch {
    throw new VireoError('bad-input', 'clusterSubVectors: the metric is not positive semidefinite');
  }
}

/** U·v for each vector. */
function transformed(vectors: Float32Array, r: number, upper: Float64Array): Float64Array {
  const points = new Float64Array(vectors.length);
  for (let at = 0; at < vectors.length; at += r)
    for (let i = 0; i < r; i++) {
      let sum = 0;
      for (let j = i; j < r; j++) sum += upper[i * r + j] * vectors[at + j];
      points[at + i] = sum;
    }
  return points;
}

/** U⁻¹·c for each centre, by back substitution. */
function restored(centres: Float64Array, r: number, upper: Float64Array): Float32Array {
  const words = Float64Array.from(centres);
  for (let at = 0; at < words.length; at += r)
    for (let i = r - 1; i >= 0; i--) {
      let sum = words[at + i];
      for (let j = i + 1; j < r; j++) sum -= upper[i * r + j] * words[at + j];
      words[at + i] = sum / upper[i * r + i];
    }
  return Float32Array.from(words);
}

/**
 * k-means++: each next centre is a vector drawn in proportion to what it costs now. Returns which vectors, fewer
 * than K where nothing costs anything any more.
 */
function seedCentres(
  points: Float64Array,
  weights: Float64Array,
  r: number,
  K: number,
  centres: Float64Array,
  distance: Float64Array,
  random: Random,
): number[] {
  const n = weights.length;
  const found: number[] = [];
  distance.fill(Number.POSITIVE_INFINITY);
  const cost = Float64Array.from(weights);
  while (found.length < K) {
    const chosen = draw(cost, random);
    if (chosen === -1) {
      if (found.length > 0) break;
      found.push(0); // all weights are 0
      centres.set(points.subarray(0, r));
      break;
    }
    centres.set(points.subarray(chosen * r, (chosen + 1) * r), found.length * r);
    for (let i = 0; i < n; i++) {
      distance[i] = Math.min(distance[i], squaredDistance(points, i * r, centres, found.length * r, r));
      cost[i] = weights[i] * distance[i];
    }
    found.push(chosen);
  }
  return found;
}

/** An index with a chance in proportion to its cost; −1 where all are 0. */
function draw(cost: Float64Array, random: Random): number {
  let sum = 0;
  for (let i = 0; i < cost.length; i++) sum += cost[i];
  let left = random.uniform() * sum;
  let last = -1;
  for (let i = 0; i < cost.length; i++) {
    if (cost[i] === 0) continue;
    last = i;
    left -= cost[i];
    if (left < 0) break;
  }
  return last;
}

/** Each point to its nearest centre, the first of equals. */
function assign(
  points: Float64Array,
  r: number,
  K: number,
  centres: Float64Array,
  owner: Uint8Array,
  distance: Float64Array,
): void {
  for (let n = 0; n < owner.length; n++) {
    let best = Number.POSITIVE_INFINITY;
    for (let k = 0; k < K; k++) {
      const d = squaredDistance(points, n * r, centres, k * r, r);
      if (d < best) {
        best = d;
        owner[n] = k;
      }
    }
    distance[n] = best;
  }
}

/** Each centre to the mean of its points; one without points to the point that costs the most. */
function moveCentres(
  points: Float64Array,
  weights: Float64Array,
  r: number,
  K: number,
  centres: Float64Array,
  owner: Uint8Array,
  distance: Float64Array,
): void {
  const mass = new Float64Array(K);
  const sums = new Float64Array(K * r);
  for (let n = 0; n < owner.length; n++) {
    const k = owner[n];
    mass[k] += weights[n];
    for (let i = 0; i < r; i++) sums[k * r + i] += weights[n] * points[n * r + i];
  }
  for (let k = 0; k < K; k++) {
    if (mass[k] > 0) {
      for (let i = 0; i < r; i++) centres[k * r + i] = sums[k * r + i] / mass[k];
      continue;
    }
    let worst = 0;
    for (let n = 1; n < owner.length; n++)
      if (weights[n] * distance[n] > weights[worst] * distance[worst]) worst = n;
    centres.set(points.subarray(worst * r, (worst + 1) * r), k * r);
    distance[worst] = 0;
  }
}

function squaredDistance(a: Float64Array, at: number, b: Float64Array, bt: number, r: number): number {
  let sum = 0;
  for (let i = 0; i < r; i++) {
    const d = a[at + i] - b[bt + i];
    sum += d * d;
  }
  return sum;
}

function total(weights: Float64Array, distance: Float64Array): number {
  let sum = 0;
  for (let n = 0; n < distance.length; n++) sum += weights[n] * distance[n];
  return sum;
}
