/**
 * Data-parallel training that gives the same bytes on any number of threads: a batch is cut into shards, always as
 * many, and who computes a shard does not matter.
 *
 *   weights ─┬→ Shard 0: forward, backward → result 0 ─┐
 *            └→ Shard 1: forward, backward → result 1 ─┴→ Update: mean in the order of the shards, optimiser ─→ weights
 *
 * `weights` and `result` are flat arrays with every state of the network at the same place: a parameter, or a running
 * average; in a result the parameter's gradient, or the average after the shard. Behind the states a result has the
 * loss. Batch normalisation is by the statistics of a shard (Hoffer et al. 2017, arXiv:1705.08741, §4).
 */
import { VireoError } from '../../errors.ts';
import { elementCount } from '../../tensor.ts';
import type { Graph } from '../ir.ts';
import { compileTraining } from '../run/compile-training.ts';
import type { Session } from '../run/session.ts';
import { TrainingBuilder } from './builder.ts';
import type { Classifier } from './classifier.ts';
import { differentiate } from './differentiate.ts';
import { type Optimizer, withUpdates } from './optimizers.ts';

/** Where a state lies in `weights` and in results. */
export interface Span {
  readonly name: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** A parameter has a gradient; a running average says itself what it becomes. */
  readonly isParameter: boolean;
}

export function spansOf(graph: Graph): readonly Span[] {
  let end = 0;
  return (graph.states ?? []).map(({ input, output }): Span => {
    const { name, shape } = graph.values[graph.inputs[input]!]!;
    const begin = end;
    end += elementCount(shape);
    return { name, shape, begin, end, isParameter: output === null };
  });
}

/** Elements of `weights`; a result has one more, the loss. */
export const flatLength = (spans: readonly Span[]): number => spans[spans.length - 1]?.end ?? 0;

/** What the states hold at first. */
export function firstWeights(
  graph: Graph,
  weights: Float32Array = new Float32Array(flatLength(spansOf(graph))),
): Float32Array {
  let at = 0;
  for (const { data } of graph.states ?? []) {
    weights.set(data as Float32Array, at); // states of networks in training are f32
    at += data.length;
  }
  return weights;
}

/** Forward and backward through one shard. */
export class Shard {
  /** (n, h, w, c) and (n, classes): to be filled before `run`. */
  readonly input: Float32Array;
  readonly targets: Float32Array;
  /** (n, classes), after `run`. */
  readonly logits: Float32Array;
  readonly #session: Session;
  readonly #states: readonly {
    readonly span: Span;
    readonly live: Float32Array;
    readonly result: Float32Array;
  }[];
  readonly #loss: Float32Array;

  constructor({ graph, loss }: Classifier) {
    const { graph: differentiated } = differentiate(graph, loss);
    const session = compileTraining(differentiated);
    this.#session = session;
    this.input = session.input('input', 'f32');
    this.targets = session.input('targets', 'f32');
    this.#loss = session.output(0, 'f32');
    this.logits = session.output(1, 'f32');
    let gradient = 2; // behind the loss and the scores
    this.#states = spansOf(graph).map((span) => {
      const live = session.state(span.name) as Float32Array;
      return { span, live, result: span.isParameter ? session.output(gradient++, 'f32') : live };
    });
  }

  run(weights: Float32Array, result: Float32Array): void {
    for (const { span, live } of this.#states) live.set(weights.subarray(span.begin, span.end));
    this.#session.run();
    for (const { span, result: own } of this.#states) result.set(own, span.begin);
    result[result.length - 1] = this.#loss[0]!;
  }
}

/** The optimiser's step: from the shards' results to new weights. */
export class Update {
  readonly #session: Session;
  readonly #weights: Float32Array;
  readonly #rate: Float32Array;
  readonly #spans: readonly {
    readonly span: Span;
    readonly mean: Float32Array;
    readonly live: Float32Array;
  }[];

  /** `weights` is read now and written by every step. */
  constructor(graph: Graph, optimizer: Optimizer, weights: Float32Array) {
    const spans = spansOf(graph);
    const builder = new TrainingBuilder(`${graph.name}/update`);
    const gradients = spans
      .filter(({ isParameter }) => isParameter)
      .map(({ name, shape, begin, end }) => ({
        state: builder.state(name, shape, weights.slice(begin, end)),
        gradient: builder.input(`${name}/gradient`, 'f32', shape),
      }));
    const ids = gradients.map(({ gradient }) => gradient);
    this.#session = compileTraining(withUpdates(builder.finish(ids), gradients, optimizer));
    this.#weights = weights;
    this.#rate = this.#session.input('learningRate', 'f32');
    this.#spans = spans.map((span) => {
      const { name, begin, end, isParameter } = span;
      const own = weights.subarray(begin, end);
      return {
        span,
        mean: isParameter ? this.#session.input(`${name}/gradient`, 'f32') : own,
        live: isParameter ? (this.#session.state(name) as Float32Array) : own,
      };
    });
  }

  /** The mean of the shards' losses. */
  run(results: readonly Float32Array[], rate: number): number {
    const share = 1 / results.length;
    for (const { span, mean } of this.#spans)
      for (let i = 0, at = span.begin; at < span.end; i++, at++) {
        let sum = 0;
        for (const result of results) sum += result[at]!;
        mean[i] = sum * share;
      }
    this.#rate[0] = rate;
    this.#session.run();
    for (const { span, live } of this.#spans) if (span.isParameter) this.#weights.set(live, span.begin);
    return results.reduce((sum, result) => sum + result[result.length - 1]!, 0) * share;
  }

  /** Averages of the optimiser, by name: with `weights` all that a checkpoint needs. Live arrays. */
  averages(): ReadonlyMap<string, Float32Array> {
    const parameters = new Set(this.#spans.map(({ span }) => span.name));
    return new Map(
      this.#session.states
        .filter(({ name }) => !parameters.has(name))
        .map(({ name }) => [name, this.#session.state(name) as Float32Array]),
    );
  }

  /** Goes on from a checkpoint: the optimiser's averages as `averages` gave them, and `weights` as they are now. */
  restore(averages: ReadonlyMap<string, Float32Array>): void {
    for (const [name, live] of this.averages()) {
      const data = averages.get(name);
      if (data?.length !== live.length)
        throw new VireoError('bad-input', `checkpoint: expected ${live.length} numbers of "${name}"`);
      live.set(data);
    }
    for (const { span, live } of this.#spans)
      if (span.isParameter) live.set(this.#weights.subarray(span.begin, span.end));
  }
}
