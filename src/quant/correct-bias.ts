/**
 * Bias correction from measured means: what the layers before have shifted is taken back too.
 *
 *   b′[r] = b[r] + Σ_k w[r, k]·μ[k] − Σ_k ŵ[r, k]·μ̂[k]                              (docs/quantization.md, eq. 14)
 *
 * μ are the mean inputs of the layer in the float network, μ̂ those in the quantised one, so that the mean of what each
 * layer adds up is what it was. `quantize` by itself knows μ only. Source: Nagel et al. 2019, arXiv:1906.04721, §4.2.
 */
import type { Graph, Node } from '../graph/ir.ts';
import { removeDead } from '../graph/rewrite.ts';
import { roundHalfAway } from '../kernels/requantize.ts';
import { calibrate, type Sample, storedSample } from './calibrate.ts';
import { layerMatrix, rowOf } from './layer-matrix.ts';
import { withOutputs } from './outputs.ts';
import type { QuantizeReport } from './report.ts';

/**
 * `float`: what `quantized` was made of; `samples`: real numbers for its inputs, kept for many passes. The report counts
 * the layers whose bias has changed. Layer after layer, because each correction moves the means behind it.
 */
export function correctBias(
  float: Graph,
  quantized: { readonly graph: Graph; readonly report: QuantizeReport },
  samples: readonly Sample[],
): { readonly graph: Graph; readonly report: number } {
  const before = new Map(float.nodes.map((node) => [node.name, node]));
  const means = calibrate(float, samples, measuring).inputs;
  const stored = samples.map((sample) => storedSample(quantized.graph, sample));
  let { graph } = quantized;
  let changed = 0;
  for (const { name, output, weightSnr } of quantized.report.layers) {
    const node = graph.nodes.find((one) => one.name === output);
    const was = before.get(name);
    if (weightSnr === null || !node || !was || !means[name] || node.inputs[2] === undefined) continue;
    const [bias] = node.inputs.slice(2);
    const upTo = removeDead(withOutputs(graph, [node.output])).graph;
    const now = calibrate(upTo, stored, { ...measuring, only: output }).inputs[output];
    const data = corrected(float, was, graph, node, means[name].mean, now.mean);
    const values = graph.values.map((value, id) => (id === bias ? { ...value, data } : value));
    graph = { ...graph, values };
    changed++;
  }
  return { graph, report: changed };
}

/** Means over every position. */
const measuring = { method: 'minmax', inputs: 'means', positions: Number.POSITIVE_INFINITY } as const;

function corrected(
  float: Graph,
  before: Node,
  graph: Graph,
  node: Node,
  means: Float64Array,
  meansNow: Float64Array,
): Int32Array {
  const matrix = layerMatrix(before, float.values);
  const now = layerMatrix(node, graph.values);
  const w = float.values[before.inputs[1]].data as Float32Array;
  const q = graph.values[node.inputs[1]];
  const { scale } = q.quantization!;
  const bias = before.inputs[2] === undefined ? null : (float.values[before.inputs[2]].data as Float32Array);
  const sx = graph.values[node.inputs[0]].quantization!.scale[0];
  const perGroup = matrix.rows / matrix.groups;
  return Int32Array.from({ length: matrix.rows }, (_, r) => {
    const at = Math.floor(r / perGroup) * matrix.k;
    const s = scale[scale.length === 1 ? 0 : r];
    const real = rowOf(matrix, w, r);
    const integers = rowOf(now, q.data as Int8Array, r);
    let sum = bias?.[r] ?? 0;
    for (let k = 0; k < matrix.k; k++) sum += real[k] * means[at + k] - s * integers[k] * meansNow[at + k];
    return roundHalfAway(sum / (sx * s));
  });
}
