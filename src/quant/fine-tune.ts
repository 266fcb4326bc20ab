/**
 * Weights that go on learning as integers, with the float network as their teacher: the last resort, where rounding alone
 * loses too much.
 *
 *   ŵ = s·clip(round(w/s))          forward and backward pass see ŵ                  (docs/quantization.md, eq. 17)
 *   w ← w − rate·s·m/RMS(m)         m a moving mean of s·∂L/∂ŵ: the gradient goes straight through the rounding
 *
 * L compares the outputs with the float network's, by distillation before a softmax, else by squared error, so no labels are
 * needed. Scales and biases stay;
 * activations are not rounded in training, only weights are. What comes out is a float network whose weights lie on their
 * grid: calibrated and quantised again, it keeps them to the bit.
 * Sources: Bengio et al. 2013, arXiv:1308.3432 (straight through); Hinton et al. 2015, arXiv:1503.02531 (distillation).
 */
import { VireoError } from '../errors.ts';
import type { Graph, Node, ValueId } from '../graph/ir.ts';
import { producersOf } from '../graph/rewrite.ts';
import { compile } from '../graph/run/compile.ts';
import { compileTraining } from '../graph/run/compile-training.ts';
import { TrainingBuilder } from '../graph/train/builder.ts';
import { differentiate } from '../graph/train/differentiate.ts';
import { trainable } from '../graph/train/freeze.ts';
import { distillation, meanSquaredError } from '../graph/train/losses.ts';
import { randomStream, shuffled } from '../random.ts';
import { feedAll, type Sample } from './calibrate.ts';
import { withOutputs } from './outputs.ts';
import type { QuantizeReport } from './report.ts';

export interface FineTuneOptions {
  /** Passes over the samples. Default 10. */
  readonly epochs?: number;
  /** Samples whose gradients are averaged. Default 32. */
  readonly batch?: number;
  /**
   * How far a batch moves a weight, in steps of its scale, where the gradient is as large as its layer's are on average;
   * rises over a tenth of the batches, then falls to 0 by a cosine. Default 0.01.
   */
  readonly rate?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Hears of every batch. */
  readonly each?: (done: number, batches: number, loss: number) => void;
}

export interface FineTuneReport {
  /** Mean over the samples. What would be worse than before is not taken. */
  readonly losses: readonly [before: number, after: number];
  /** Integers that are others than before, and of how many. */
  readonly moved: number;
  readonly weights: number;
}

/** The integer weights of one layer while they learn. */
interface Layer {
  readonly name: string;
  readonly weights: ValueId;
  /** Of each element. */
  readonly scale: Float32Array;
  readonly limit: number;
  /** What the integers are rounded from. */
  readonly master: Float32Array;
  readonly start: Int8Array;
  readonly gradient: Float32Array;
  readonly mean: Float32Array;
  square: number;
}

/**
 * `float`: as `prepare` gives it, with one output; `quantized`: what `quantize` made of it; `samples`: real numbers for its
 * inputs. Throws 'unsupported' where an operator on the way has no gradient.
 */
export function fineTune(
  float: Graph,
  quantized: { readonly graph: Graph; readonly report: QuantizeReport },
  samples: readonly Sample[],
  options: FineTuneOptions = {},
): { readonly graph: Graph; readonly report: FineTuneReport } {
  const { epochs = 10, batch = 32, rate = 0.01, seed = 1, each = () => {} } = options;
  const probe = probeOf(float);
  const isClassifier = probe !== float.outputs[0];
  const teacher = compile(withOutputs(float, [probe]));
  const layers = layersOf(float, quantized);
  // What rounding took from the means is in the biases already.
  const corrected = withBiases(float, quantized);
  const student = lossGraph(
    withOutputs(corrected, [probe]),
    new Set(layers.map(({ name }) => name)),
    isClassifier,
  );
  const session = compileTraining(student.graph);
  const gradients = layers.map(({ name }) => {
    const index = student.parameters.indexOf(name);
    if (index < 0)
      throw new VireoError('unsupported', `"${name}" is no weight of its own; it cannot be fine-tuned`);
    return session.output(1 + index) as Float32Array;
  });
  const states = layers.map(({ name }) => session.state(name));
  const round = (): void =>
    layers.forEach((layer, l) => {
      roundInto(states[l], layer);
    });
  const loss = (sample: Sample): number => {
    feedAll(teacher, sample, 'sample');
    teacher.run();
    feedAll(session, [...sample, new Float32Array(teacher.output(0))], 'sample');
    session.run();
    return session.output(0)[0];
  };
  const meanLoss = (): number => samples.reduce((sum, sample) => sum + loss(sample), 0) / samples.length;
  round();
  const before = meanLoss();
  const batches = epochs * Math.ceil(samples.length / batch);
  for (let epoch = 0, step = 0; epoch < epochs; epoch++) {
    const order = shuffled(samples.length, randomStream(seed, epoch));
    for (let first = 0; first < samples.length; first += batch, step++) {
      const count = Math.min(batch, samples.length - first);
      let sum = 0;
      for (let i = 0; i < count; i++) {
        sum += loss(samples[order[first + i]]);
        layers.forEach(({ gradient }, l) => {
          for (let k = 0; k < gradient.length; k++) gradient[k] += gradients[l][k] / count;
        });
      }
      const share = step / batches;
      const now = rate * Math.min(1, 10 * share) * 0.5 * (1 + Math.cos(Math.PI * share));
      for (const layer of layers) momentumStep(layer, now, step + 1);
      round();
      each(step + 1, batches, sum / count);
    }
  }
  let after = meanLoss();
  if (!(after < before)) {
    for (const { master, scale, start } of layers)
      master.forEach((_, i) => {
        master[i] = scale[i] * start[i];
      });
    after = before;
  }
  const values = [...corrected.values];
  let moved = 0;
  let weights = 0;
  for (const layer of layers) {
    const data = new Float32Array(layer.master.length);
    moved += roundInto(data, layer);
    weights += data.length;
    values[layer.weights] = { ...values[layer.weights], data };
  }
  return {
    graph: { ...corrected, values },
    report: { losses: [before, after], moved, weights },
  };
}

/** What is compared with the teacher's: the one output, before its softmax. */
function probeOf(graph: Graph): ValueId {
  if (graph.outputs.length !== 1)
    throw new VireoError(
      'unsupported',
      `graph "${graph.name}": fine-tuning takes one output, not ${graph.outputs.length}`,
    );
  const [id] = graph.outputs;
  const node = producersOf(graph)[id];
  return node?.op.kind === 'softmax' ? node.inputs[0] : id;
}

/** The loss and its gradients by the weights, as a graph of outputs [loss, …gradients]. */
function lossGraph(
  float: Graph,
  wanted: ReadonlySet<string>,
  isClassifier: boolean,
): { readonly graph: Graph; readonly parameters: readonly string[] } {
  const { graph: stateful } = trainable(float, (name) => wanted.has(name));
  const builder = new TrainingBuilder(float.name);
  const { outputs } = builder.copy(stateful);
  const [y] = outputs;
  const { shape } = builder.value(y);
  const target = builder.input('teacher', 'f32', shape);
  const loss = isClassifier ? distillation(builder, y, target) : meanSquaredError(builder, y, target);
  const withLoss = builder.finish([loss]);
  const { graph, report } = differentiate(withLoss, loss);
  return { graph, parameters: report.map(({ state }) => graph.values[state].name) };
}

function layersOf(
  float: Graph,
  { graph, report }: { readonly graph: Graph; readonly report: QuantizeReport },
): Layer[] {
  const nodes = new Map(float.nodes.map((node) => [node.name, node]));
  const made = new Map(graph.nodes.map((node) => [node.name, node]));
  const found = new Set<ValueId>(); // weights that several layers share are one
  return report.layers
    .filter(({ weightSnr }) => weightSnr !== null)
    .flatMap(({ name, output, precision }): Layer[] => {
      const [before, after] = [nodes.get(name) as Node, made.get(output) as Node]; // the report names both
      const weights = before.inputs[1];
      if (found.has(weights)) return [];
      found.add(weights);
      const value = graph.values[after.inputs[1]];
      const q = value.data as Int8Array;
      const scale = elementScales(value.shape, value.quantization!, q.length);
      const layer: Layer = {
        name: float.values[weights].name,
        weights,
        scale,
        limit: precision === 'int4' ? 7 : 127,
        // In the middle of its step: only what the gradient keeps asking for moves on.
        master: Float32Array.from(q, (v, i) => scale[i] * v),
        start: q.slice(),
        gradient: new Float32Array(q.length),
        mean: new Float32Array(q.length),
        square: 0,
      };
      return [layer];
    });
}

/** The float network with the biases of the quantised one: b·sₓ·s. */
function withBiases(
  float: Graph,
  { graph, report }: { readonly graph: Graph; readonly report: QuantizeReport },
): Graph {
  const values = [...float.values];
  const made = new Map(graph.nodes.map((node) => [node.name, node]));
  const layers = new Map(report.layers.map((layer) => [layer.name, layer]));
  for (const { name, inputs } of float.nodes) {
    const layer = layers.get(name);
    const after = layer && made.get(layer.output);
    if (layer?.weightSnr == null || !after || inputs[2] === undefined) continue;
    const [x, w, b] = after.inputs.map((id) => graph.values[id]);
    const sx = x.quantization!.scale[0];
    const { scale } = w.quantization!;
    const data = Float32Array.from(
      b.data as Int32Array,
      (v, r) => v * sx * scale[scale.length === 1 ? 0 : r],
    );
    values[inputs[2]] = { ...values[inputs[2]], data };
  }
  return { ...float, values };
}

function elementScales(
  shape: readonly number[],
  { scale, axis }: { readonly scale: readonly number[]; readonly axis: number },
  count: number,
): Float32Array {
  const inner = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1);
  return Float32Array.from({ length: count }, (_, i) =>
    scale.length === 1 ? scale[0] : scale[Math.floor(i / inner) % scale.length],
  );
}

/** Puts s·clip(round(w/s)) in place; how many integers are not what they were at the start. */
function roundInto(into: { [index: number]: number }, { scale, limit, master, start }: Layer): number {
  let moved = 0;
  for (let i = 0; i < master.length; i++) {
    const q = Math.max(-limit, Math.min(limit, Math.round(master[i] / scale[i])));
    into[i] = scale[i] * q;
    if (q !== start[i]) moved++;
  }
  return moved;
}

/** A step in units of the scale, as large as the gradient is in units of its layer's own. */
function momentumStep(layer: Layer, rate: number, step: number): void {
  const { gradient, mean, master, scale, limit } = layer;
  const [beta1, beta2] = [0.9, 0.99];
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += (gradient[i] * scale[i]) ** 2;
  layer.square += (1 - beta2) * (sum / gradient.length - layer.square);
  const size = Math.sqrt(layer.square / (1 - beta2 ** step)) * (1 - beta1 ** step) + 1e-30;
  for (let i = 0; i < master.length; i++) {
    mean[i] += (1 - beta1) * (gradient[i] * scale[i] - mean[i]);
    gradient[i] = 0;
    const most = (limit + 0.49) * scale[i];
    master[i] = Math.max(-most, Math.min(most, master[i] - (rate * scale[i] * mean[i]) / size));
  }
}
