/**
 * Measuring a float network: the range of every value, and what the layers' weights are multiplied with.
 *
 *   graph + samples  →  Calibration, plain data that `quantize` takes
 */
import { VireoError } from '../errors.ts';
import type { Graph, Value, ValueId } from '../graph/ir.ts';
import { compile } from '../graph/run/compile.ts';
import type { Session } from '../graph/run/session.ts';
import type { KernelSet } from '../kernels/call.ts';
import { quantize as quantizeNumber, rangeOf } from '../kernels/requantize.ts';
import { elementCount, type NumberData, type TensorData } from '../tensor.ts';
import { type InputObserver, type InputStatistics, inputObserver } from './gram.ts';
import { isLayer, layerMatrix } from './layer-matrix.ts';
import { type Observer, observer, type RangeMethod } from './observers.ts';
import { withOutputs } from './outputs.ts';
import type { Range } from './range.ts';

export interface CalibrateOptions {
  /** How the range of a result is found from the numbers seen; inputs keep all. Default 'mse'. */
  readonly method?: RangeMethod;
  /** The share of the numbers that method 'percentile' keeps. Default 0.9999. */
  readonly kept?: number;
  /**
   * What is kept of the inputs of each layer of products: nothing, their means, or also the Gram matrix that learned
   * rounding takes (K² numbers for a layer of K taps). Default 'gram'.
   */
  readonly inputs?: 'none' | 'means' | 'gram';
  /** Layers with more taps than this get no Gram matrix. Default 2048 (32 MiB). */
  readonly mostTaps?: number;
  /** Positions of a layer that are drawn of each sample. Default 32. */
  readonly positions?: number;
  /** Seed of that draw. Default 1. */
  readonly seed?: number;
  /** The name of the one layer whose inputs are kept, and no range. */
  readonly only?: string;
  readonly kernels?: readonly KernelSet[];
}

export interface Calibration {
  readonly samples: number;
  readonly method: RangeMethod;
  /** By the value's name: of every f32 input and every f32 result of a node. */
  readonly ranges: Readonly<Record<string, Range>>;
  /** By the layer's name. */
  readonly inputs: Readonly<Record<string, InputStatistics>>;
}

/** One array for each input of the graph. */
export type Sample = readonly TensorData[];

export interface Calibrator {
  /** Runs the network once. Throws 'bad-input' where numbers are not finite or do not fit. */
  readonly add: (sample: Sample) => void;
  /** Throws 'bad-input' if there was no sample. */
  readonly finish: () => Calibration;
}

/** `graph`: float, as `prepare` gives it. */
export function calibrate(
  graph: Graph,
  samples: Iterable<Sample>,
  options: CalibrateOptions = {},
): Calibration {
  const { add, finish } = calibrator(graph, options);
  for (const sample of samples) add(sample);
  return finish();
}

/** The same, sample by sample as they come. */
export function calibrator(graph: Graph, options: CalibrateOptions = {}): Calibrator {
  const { method = 'mse', inputs = 'gram', mostTaps = 2048, positions = 32, seed = 1 } = options;
  const made = graph.nodes.map(({ output }) => output);
  const { only } = options;
  const watched =
    only === undefined ? [...graph.inputs, ...made].filter((id) => graph.values[id].dtype === 'f32') : [];
  const layers = graph.nodes.filter(
    (node) =>
      inputs !== 'none' &&
      (only ?? node.name) === node.name &&
      isLayer(node, graph.values) &&
      layerMatrix(node, graph.values).positions > 0,
  );
  const read = [...new Set([...watched, ...layers.map((node) => node.inputs[0])])];
  const outputs = read.filter((id) => !graph.inputs.includes(id));
  const session = compile(
    withOutputs(graph, outputs.length > 0 ? outputs : graph.outputs),
    options.kernels ? { kernels: options.kernels } : {},
  );
  const numbersOf = reader(graph, session, read);
  // What goes in comes from a front-end, which has no outliers: all of it counts.
  const ranges = new Map<ValueId, Observer>(
    watched.map((id) => [id, observer(graph.inputs.includes(id) ? 'minmax' : method, options.kept)]),
  );
  const statistics = new Map<string, { from: ValueId; observer: InputObserver }>();
  layers.forEach((node, i) => {
    const gram = inputs === 'gram' && layerMatrix(node, graph.values).k <= mostTaps;
    const of = inputObserver(graph, node, { gram, most: positions, seed: seed + i });
    statistics.set(node.name, { from: node.inputs[0], observer: of });
  });
  let samples = 0;
  return {
    add: (sample) => {
      feedAll(session, sample, `calibration sample ${samples}`);
      session.run();
      for (const [id, of] of ranges) {
        const numbers = numbersOf(id);
        checkFinite(numbers, graph, id, samples);
        of.add(numbers);
      }
      for (const { from, observer: of } of statistics.values()) of.add(numbersOf(from));
      samples++;
    },
    finish: () => {
      if (samples === 0) throw new VireoError('bad-input', 'calibration needs at least one sample, got none');
      return {
        samples,
        method,
        ranges: Object.fromEntries([...ranges].map(([id, of]) => [graph.values[id].name, of.range()])),
        inputs: Object.fromEntries(
          [...statistics].map(([name, { observer: of }]) => [name, of.statistics()]),
        ),
      };
    },
  };
}

/** The live numbers of inputs and outputs of the session by the graph's ids. */
function reader(graph: Graph, session: Session, ids: readonly ValueId[]): (id: ValueId) => ArrayLike<number> {
  const outputs = ids.filter((id) => !graph.inputs.includes(id));
  const readers = new Map<ValueId, () => ArrayLike<number>>();
  for (const id of ids) {
    const input = graph.inputs.indexOf(id);
    const live = input >= 0 ? session.input(input) : session.output(outputs.indexOf(id));
    readers.set(id, realReader(graph.values[id], live));
  }
  return (id) => readers.get(id)!();
}

/** Reads live numbers, dequantised where they are integers with a scale. What it gives is overwritten by the next read. */
export function realReader({ quantization: q, shape }: Value, live: NumberData): () => ArrayLike<number> {
  if (!q) return () => live;
  const real = new Float32Array(elementCount(shape));
  const [s, z] = [q.scale[0], q.zeroPoint[0]];
  return () => {
    for (let i = 0; i < real.length; i++) real[i] = s * (live[i] - z);
    return real;
  };
}

/** A sample of real numbers as the inputs of a quantised network store it; what is stored so already stays. */
export function storedSample(graph: Graph, sample: Sample): Sample {
  return sample.map((data, i) => {
    const value = graph.values[graph.inputs[i]];
    const { dtype, quantization: q } = value ?? {};
    if (!(data instanceof Float32Array) || dtype !== 'i8' || !q) return data;
    const range = rangeOf('i8');
    return Int8Array.from(data, (x) => quantizeNumber(x, q.scale[0], q.zeroPoint[0], range));
  });
}

/** Puts a sample in place. `where` names it in errors. */
export function feedAll(session: Session, sample: Sample, where: string): void {
  if (sample.length !== session.inputs.length)
    throw new VireoError(
      'bad-input',
      `${where}: the network has ${session.inputs.length} inputs, got ${sample.length} arrays`,
    );
  sample.forEach((data, i) => {
    const { name, dtype } = session.inputs[i];
    const input = session.input(i, dtype);
    if (data.length !== input.length || data.constructor !== input.constructor)
      throw new VireoError(
        'bad-input',
        `${where}: input "${name}" takes ${input.length} ${dtype} numbers, got ${data.length} in ${data.constructor.name}`,
      );
    input.set(data as never); // of one class: just checked
  });
}

function checkFinite(numbers: ArrayLike<number>, graph: Graph, id: ValueId, sample: number): void {
  for (let i = 0; i < numbers.length; i++) {
    if (Number.isFinite(numbers[i])) continue;
    const what = graph.inputs.includes(id) ? 'input' : 'value';
    throw new VireoError(
      'bad-input',
      `calibration sample ${sample}: ${what} "${graph.values[id].name}" holds ${numbers[i]} at element ${i}; ranges take finite numbers`,
    );
  }
}
