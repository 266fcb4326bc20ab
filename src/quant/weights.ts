/**
 * The weights of one layer as integers, and what that does to its output.
 *
 *   ŵ[r, k] = s[r]·q[r, k],  |q| ≤ 127 for 8 bits, 7 for 4                       (docs/quantization.md, eq. 7)
 *
 * q and s are chosen row by row (rounding.ts). Weights that lie on a grid of at most 8 bits already, as those of a
 * dequantised network do, keep that grid and lose nothing.
 */
import type { Node, Value } from '../graph/ir.ts';
import type { Quantization } from '../tensor.ts';
import type { InputStatistics } from './gram.ts';
import { layerMatrix, rowOf } from './layer-matrix.ts';
import { type InputForm, inputForm, roundLearned, roundNearest } from './rounding.ts';

export type Rounding = 'nearest' | 'learned';
export type WeightBits = 4 | 8;

export interface WeightOptions {
  readonly bits: WeightBits;
  /** One scale for each output channel, or one for all. */
  readonly perChannel: boolean;
  readonly rounding: Rounding;
  /** No scale is smaller (rows): the bias must fit 32 bits. */
  readonly leastScale: Float64Array;
}

export interface QuantizedWeights {
  readonly data: Int8Array;
  readonly quantization: Quantization;
  /** 10·log₁₀(Σw² / Σ(w − ŵ)²) */
  readonly snr: number;
  /** 'nearest' also where there was nothing to learn from. */
  readonly rounding: Rounding;
}

const limitOf = (bits: WeightBits): number => (bits === 8 ? 127 : 7);

/** `statistics`: of the layer's inputs; null where they are not known. */
export function quantizeWeights(
  node: Node,
  values: readonly Value[],
  statistics: InputStatistics | null,
  options: WeightOptions,
): QuantizedWeights {
  const matrix = layerMatrix(node, values);
  const weights = values[node.inputs[1]].data as Float32Array; // a float layer's
  const limit = limitOf(options.bits);
  const gram = options.rounding === 'learned' ? (statistics?.gram ?? null) : null;
  const whole = options.perChannel ? null : { most: largestOf(weights), grid: gridOf(weights) };
  const rows = Array.from({ length: matrix.rows }, (_, r) => rowOf(matrix, weights, r));
  const perGroup = matrix.rows / matrix.groups;
  const data = new Int8Array(weights.length);
  const scales = new Float64Array(matrix.rows);
  let [signal, noise] = [0, 0];
  let form: InputForm | null = null;
  rows.forEach((w, r) => {
    const group = Math.floor(r / perGroup);
    if (gram && r % perGroup === 0) form = inputForm(gram, statistics!.mean, matrix.k, group);
    const { most, grid } = whole ?? { most: largestOf(w), grid: gridOf(w) };
    const least = options.leastScale[options.perChannel ? r : 0];
    const { q, scale } = quantizeRow(w, { most, grid, limit, least }, form, options.perChannel);
    scales[r] = scale;
    for (let k = 0; k < matrix.k; k++) {
      data[r * matrix.rowStep + k * matrix.tapStep] = q[k];
      const error = w[k] - scale * q[k];
      signal += w[k] * w[k];
      noise += error * error;
    }
  });
  const shared = !options.perChannel;
  const scale = shared ? [scales[0]] : Array.from(scales);
  const axis = shared ? 0 : node.op.kind === 'depthwiseConv2d' ? 3 : 0;
  return {
    data,
    quantization: { scale, zeroPoint: scale.map(() => 0), axis },
    snr: decibels(signal, noise),
    rounding: gram ? 'learned' : 'nearest',
  };
}

/** Σ_k (w[r, k] − ŵ[r, k])·μ[g(r), k] for each row r: what its mean output has lost (eq. 13). */
export function meanLoss(
  node: Node,
  values: readonly Value[],
  { data, quantization: { scale } }: Pick<QuantizedWeights, 'data' | 'quantization'>,
  { mean }: InputStatistics,
): Float64Array {
  const matrix = layerMatrix(node, values);
  const weights = values[node.inputs[1]].data as Float32Array; // a float layer's
  return Float64Array.from({ length: matrix.rows }, (_, r) => {
    const w = rowOf(matrix, weights, r);
    const q = rowOf(matrix, data, r);
    const s = scale[scale.length === 1 ? 0 : r];
    const at = Math.floor((r * matrix.groups) / matrix.rows) * matrix.k;
    let sum = 0;
    for (let k = 0; k < matrix.k; k++) sum += (w[k] - s * q[k]) * mean[at + k];
    return sum;
  });
}

export const decibels = (signal: number, noise: number): number =>
  noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);

interface RowLimits {
  /** The largest |w| that the scale is for. */
  readonly most: number;
  readonly grid: number | null;
  readonly limit: number;
  readonly least: number;
}

function quantizeRow(
  w: Float64Array,
  { most, grid, limit, least }: RowLimits,
  form: InputForm | null,
  perChannel: boolean,
): { readonly q: Int32Array; readonly scale: number } {
  const full = Math.fround(most / limit);
  if (!(full > least)) return { q: roundNearest(w, least, limit), scale: least };
  if (grid !== null && grid > least && most / grid < limit + 0.5)
    return { q: roundNearest(w, grid, limit), scale: grid };
  if (!form) return { q: roundNearest(w, full, limit), scale: full };
  const scales = perChannel ? scalesToTry(full, limit).filter((s) => s > least) : [full];
  return roundLearned(w, scales, limit, form, perChannel);
}

/** Coarser integers gain from cutting off the largest weights. */
function scalesToTry(full: number, limit: number): number[] {
  const shares = limit > 7 ? [1, 0.95, 0.9] : [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];
  return shares.map((share) => Math.fround(full * share));
}

function largestOf(w: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < w.length; i++) most = Math.max(most, Math.abs(w[i]));
  return most;
}

/** The step of which all weights are whole multiples, to f32, if the largest is at most 255 of them. */
export function gridOf(weights: ArrayLike<number>): number | null {
  const most = largestOf(weights);
  if (most === 0) return null;
  for (let steps = 1; steps <= 255; steps++) {
    const step = most / steps;
    let i = 0;
    for (; i < weights.length; i++) {
      const at = weights[i] / step;
      if (Math.abs(at - Math.round(at)) > 2 ** -14) break;
    }
    if (i === weights.length) return Math.fround(step);
  }
  return null;
}
