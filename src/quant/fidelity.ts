/**
 * How near a quantised network comes to the float one, layer by layer.
 *
 *   weight SNR    10·log₁₀(Σ w² / Σ (w − ŵ)²)
 *   output SNR    10·log₁₀(Σ y² / Σ (y − ŷ)²), ŷ the layer's output in the quantised network    (docs/quantization.md, eq. 16)
 *   sensitivity   the same of the network's own outputs where this layer alone is quantised
 *
 * The first says where errors are by then, the second who makes them. A softmax at the end is left out: it hides what it
 * gets.
 */
import type { Graph, Node, ValueId } from '../graph/ir.ts';
import { producersOf } from '../graph/rewrite.ts';
import { compile } from '../graph/run/compile.ts';
import { type Calibration, feedAll, realReader, type Sample, storedSample } from './calibrate.ts';
import { layerMatrix, rowOf } from './layer-matrix.ts';
import { withOutputs } from './outputs.ts';
import { type QuantizeOptions, quantize } from './quantize.ts';
import type { QuantizeReport } from './report.ts';
import { decibels } from './weights.ts';

/** dB by the layer's name; ∞ where nothing differs. */
export type Fidelity = Readonly<Record<string, number>>;

/** Weight SNR of every layer that has weights, `float`'s against those that `quantized` ended with. */
export function weightFidelity(
  float: Graph,
  quantized: { readonly graph: Graph; readonly report: QuantizeReport },
): Fidelity {
  const before = new Map(float.nodes.map((node) => [node.name, node]));
  const after = new Map(quantized.graph.nodes.map((node) => [node.name, node]));
  const found: Record<string, number> = {};
  for (const { name, output, weightSnr } of quantized.report.layers) {
    if (weightSnr === null) continue;
    const [was, now] = [before.get(name)!, after.get(output)!];
    const matrix = layerMatrix(was, float.values);
    const w = float.values[was.inputs[1]].data as Float32Array; // a float layer's
    const { data, quantization } = quantized.graph.values[now.inputs[1]];
    const { scale } = quantization!;
    let [signal, noise] = [0, 0];
    for (let r = 0; r < matrix.rows; r++) {
      const q = rowOf(matrix, data as Int8Array, r);
      rowOf(matrix, w, r).forEach((v, k) => {
        signal += v * v;
        noise += (v - scale[scale.length === 1 ? 0 : r] * q[k]) ** 2;
      });
    }
    found[name] = decibels(signal, noise);
  }
  return found;
}

/** Output SNR of every layer in the report. */
export function outputFidelity(
  float: Graph,
  quantized: { readonly graph: Graph; readonly report: QuantizeReport },
  samples: Iterable<Sample>,
): Fidelity {
  const { layers } = quantized.report;
  const outputsOf = (graph: Graph): Map<string, ValueId> =>
    new Map(graph.nodes.map(({ name, output }) => [name, output]));
  const [before, after] = [outputsOf(float), outputsOf(quantized.graph)];
  const compared = layers.filter((layer) => float.values[before.get(layer.name)!].dtype === 'f32');
  const ratios = compare(
    { graph: float, ids: compared.map(({ name }) => before.get(name)!) },
    { graph: quantized.graph, ids: compared.map(({ output }) => after.get(output)!) },
    samples,
  );
  return Object.fromEntries(compared.map(({ name }, i) => [name, ratios[i]]));
}

/** Sensitivity of every layer with weights; `each` hears of progress. */
export function sensitivities(
  float: Graph,
  calibration: Calibration,
  layers: readonly string[],
  samples: readonly Sample[],
  options: QuantizeOptions = {},
  each: (done: number) => void = () => {},
): Fidelity {
  const probed = withOutputs(float, probesOf(float));
  const found: Record<string, number> = {};
  layers.forEach((name, i) => {
    const keep = (node: Node): boolean => node.name !== name;
    const { graph } = quantize(probed, calibration, { ...options, keep, io: 'float' });
    const ratios = compare({ graph: probed, ids: probed.outputs }, { graph, ids: graph.outputs }, samples);
    found[name] = Math.min(...ratios);
    each(i + 1);
  });
  return found;
}

/** The outputs, but what goes into a softmax instead of what comes out. */
function probesOf(graph: Graph): ValueId[] {
  const producers = producersOf(graph);
  const probes = graph.outputs.map((id) => {
    const node = producers[id];
    return node?.op.kind === 'softmax' ? node.inputs[0] : id;
  });
  return [...new Set(probes)].filter((id) => graph.values[id].dtype === 'f32');
}

interface Watched {
  readonly graph: Graph;
  readonly ids: readonly ValueId[];
}

/** SNR of each value of `after` against the one at the same place of `before`. */
function compare(before: Watched, after: Watched, samples: Iterable<Sample>): number[] {
  const [a, b] = [watch(before), watch(after)];
  const signal = new Float64Array(before.ids.length);
  const noise = new Float64Array(before.ids.length);
  for (const sample of samples) {
    a.run(sample);
    b.run(sample);
    for (let i = 0; i < signal.length; i++) {
      const [y, z] = [a.read(i), b.read(i)];
      for (let j = 0; j < y.length; j++) {
        signal[i] += y[j] * y[j];
        noise[i] += (y[j] - z[j]) ** 2;
      }
    }
  }
  return Array.from(signal, (s, i) => decibels(s, noise[i]));
}

function watch({ graph, ids }: Watched) {
  const session = compile(withOutputs(graph, ids));
  const readers = ids.map((id, i) => realReader(graph.values[id], session.output(i)));
  return {
    run: (sample: Sample) => {
      feedAll(session, storedSample(graph, sample), 'sample');
      session.run();
    },
    read: (i: number) => readers[i](),
  };
}
