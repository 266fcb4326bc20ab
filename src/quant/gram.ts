/**
 * What is kept of a layer's inputs: their mean, and the Gram matrix of their patches.
 *
 *   μ = (1/P)·Σₚ x[p],   G = (1/P)·Σₚ x[p]·x[p]ᵀ                                   (docs/quantization.md, eq. 8)
 *
 * One mean and one matrix for each group of input channels. Of large pictures, `most` positions a sample are drawn.
 */
import type { Graph, Node } from '../graph/ir.ts';
import { randomStream, shuffled } from '../random.ts';
import { layerMatrix, patchReader } from './layer-matrix.ts';

export interface InputStatistics {
  /** Patches that were counted. */
  readonly patches: number;
  readonly k: number;
  /** (groups, K) */
  readonly mean: Float64Array;
  /** (groups, K, K), symmetric; null where only means were asked for. */
  readonly gram: Float64Array | null;
}

/** As if one observer had seen the inputs of all; null where the first has none, or where they are read in other ways. */
export function uniteStatistics(all: readonly (InputStatistics | undefined)[]): InputStatistics | null {
  const [first] = all;
  if (!first || all.length === 1) return first ?? null;
  const known = all.filter((one) => one !== undefined);
  if (known.some(({ mean }) => mean.length !== first.mean.length)) return null;
  const patches = known.reduce((sum, one) => sum + one.patches, 0);
  const average = (of: (one: InputStatistics) => Float64Array): Float64Array =>
    of(first).map((_, i) => known.reduce((sum, one) => sum + (one.patches / patches) * of(one)[i], 0));
  const hasGrams = known.every(({ gram }) => gram !== null);
  return {
    patches,
    k: first.k,
    mean: average(({ mean }) => mean),
    gram: hasGrams ? average(({ gram }) => gram!) : null,
  };
}

/** Patches gathered before they are multiplied. */
const panelRows = 64;

export interface InputObserver {
  /** The layer's input in one sample. */
  readonly add: (x: ArrayLike<number>) => void;
  readonly statistics: () => InputStatistics;
}

export function inputObserver(
  graph: Graph,
  node: Node,
  options: { readonly gram: boolean; readonly most: number; readonly seed: number },
): InputObserver {
  const { k, groups, positions } = layerMatrix(node, graph.values);
  const read = patchReader(graph, node);
  const sums = new Float64Array(groups * k);
  const gram = options.gram ? new Float64Array(groups * k * k) : null;
  const panel = new Float64Array(k * panelRows); // (K, patch): dot products run along patches
  const count = Math.min(options.most, positions);
  let patches = 0;
  let samples = 0;
  const add = (x: ArrayLike<number>): void => {
    const drawn = count < positions ? shuffled(positions, randomStream(options.seed, samples)) : null;
    samples++;
    for (let g = 0; g < groups; g++)
      for (let first = 0; first < count; first += panelRows) {
        const rows = Math.min(panelRows, count - first);
        for (let i = 0; i < rows; i++) read(x, drawn ? drawn[first + i] : first + i, g, panel, i, panelRows);
        addMeans(panel, rows, k, sums, g * k);
        if (gram) addProducts(panel, rows, k, gram, g * k * k);
      }
    patches += count;
  };
  const statistics = (): InputStatistics => {
    const per = 1 / Math.max(patches, 1);
    return {
      patches,
      k,
      mean: sums.map((sum) => sum * per),
      gram: gram && symmetric(gram, groups, k).map((sum) => sum * per),
    };
  };
  return { add, statistics };
}

function addMeans(panel: Float64Array, rows: number, k: number, sums: Float64Array, at: number): void {
  for (let i = 0; i < k; i++) {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += panel[i * panelRows + r];
    sums[at + i] += sum;
  }
}

/** G[i, j] += Σ_r panel[i, r]·panel[j, r] for j ≤ i, in tiles of 2 × 4. */
function addProducts(panel: Float64Array, rows: number, k: number, gram: Float64Array, at: number): void {
  for (let i = 0; i < k; i += 2) {
    const a0 = i * panelRows;
    const a1 = Math.min(i + 1, k - 1) * panelRows;
    for (let j = 0; j <= i + 1 && j < k; j += 4) {
      const b0 = j * panelRows;
      const b1 = Math.min(j + 1, k - 1) * panelRows;
      const b2 = Math.min(j + 2, k - 1) * panelRows;
      const b3 = Math.min(j + 3, k - 1) * panelRows;
      let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let r = 0; r < rows; r++) {
        const x0 = panel[a0 + r];
        const x1 = panel[a1 + r];
        const y0 = panel[b0 + r];
        const y1 = panel[b1 + r];
        const y2 = panel[b2 + r];
        const y3 = panel[b3 + r];
        s00 += x0 * y0;
        s01 += x0 * y1;
        s02 += x0 * y2;
        s03 += x0 * y3;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s12 += x1 * y2;
        s13 += x1 * y3;
      }
      const row0 = at + i * k + j;
      gram[row0] += s00;
      if (j + 1 < k) gram[row0 + 1] += s01;
      if (j + 2 < k) gram[row0 + 2] += s02;
      if (j + 3 < k) gram[row0 + 3] += s03;
      if (i + 1 >= k) continue;
      const row1 = row0 + k;
      gram[row1] += s10;
      if (j + 1 < k) gram[row1 + 1] += s11;
      if (j + 2 < k) gram[row1 + 2] += s12;
      if (j + 3 < k) gram[row1 + 3] += s13;
    }
  }
}

/** The lower triangles copied over what the tiles left above the diagonals. */
function symmetric(gram: Float64Array, groups: number, k: number): Float64Array {
  const full = gram.slice();
  for (let g = 0; g < groups; g++) {
    const at = g * k * k;
    for (let i = 0; i < k; i++) for (let j = 0; j < i; j++) full[at + j * k + i] = full[at + i * k + j];
  }
  return full;
}
