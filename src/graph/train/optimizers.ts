/**
 * What a parameter w with gradient g becomes, as nodes of the step. The learning rate is an input, `learningRate`;
 * averages of gradients are states beside their parameter.
 *
 *   sgd    v ← μ·v + g + λ·w              w ← w − rate·v
 *   adam   m ← m + (1 − β₁)·(g − m)       s ← s + (1 − β₂)·(g² − s)
 *          w ← w − rate·(m/(1 − β₁ᵗ) / (√(s/(1 − β₂ᵗ)) + ε) + λ·w)
 *
 * Source: Sutskever et al. 2013, §2 (momentum); Kingma and Ba 2015, arXiv:1412.6980, alg. 1; Loshchilov and Hutter
 * 2019, arXiv:1711.05101, alg. 2 (decay apart from the averages).
 */
import type { Graph, ValueId } from '../ir.ts';
import { TrainingBuilder } from './builder.ts';
import { differentiate, type Gradient } from './differentiate.ts';
import { Emitter } from './emit.ts';

export interface Decay {
  /** λ. Default 0. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default: those of two axes or more, so neither biases nor scales. */
  readonly decays?: (name: string, shape: readonly number[]) => boolean;
}

/** Adds the update of one parameter, and says what it becomes. */
export type Optimizer = (
  e: Emitter<TrainingBuilder>,
  rate: ValueId,
) => (name: string, w: ValueId, g: ValueId) => ValueId;

export function sgd({ momentum = 0, ...decay }: { readonly momentum?: number } & Decay = {}): Optimizer {
  return (e, rate) => (name, w, g) => {
    const factor = decayOf(decay, name, e.shape(w));
    let step = factor === 0 ? g : e.add(e.times(w, factor), g);
    if (momentum !== 0) {
      const velocity = stateBeside(e, `${name}/velocity`, w);
      step = e.add(e.times(velocity, momentum), step);
      e.builder.update(velocity, step);
    }
    return e.sub(w, e.mul(step, rate));
  };
}

export function adam({
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
  ...decay
}: { readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number } & Decay = {}): Optimizer {
  return (e, rate) => {
    const rest = (name: string, beta: number): ValueId => {
      const power = e.builder.state(`adam/${name}`, [1], Float32Array.of(1)); // βᵗ
      const next = e.times(power, beta);
      e.builder.update(power, next);
      return e.sub(e.filled([1], 1), next);
    };
    const rest1 = rest('power1', beta1);
    const rest2 = rest('power2', beta2);
    return (name, w, g) => {
      const mean = stateBeside(e, `${name}/mean`, w);
      const square = stateBeside(e, `${name}/square`, w);
      const nextMean = e.add(e.times(e.sub(g, mean), 1 - beta1), mean);
      const nextSquare = e.add(e.times(e.sub(e.unary('square', g), square), 1 - beta2), square);
      e.builder.update(mean, nextMean);
      e.builder.update(square, nextSquare);
      const size = e.plus(e.unary('sqrt', e.div(nextSquare, rest2)), epsilon);
      const step = e.div(e.div(nextMean, rest1), size);
      const factor = decayOf(decay, name, e.shape(w));
      return e.sub(w, e.mul(factor === 0 ? step : e.add(e.times(w, factor), step), rate));
    };
  };
}

/** A graph whose every run is one step of training: forward, backward and the updates. */
export function trainingStep(graph: Graph, loss: ValueId, optimizer: Optimizer): Graph {
  const { graph: differentiated, report } = differentiate(graph, loss);
  return withUpdates(differentiated, report, optimizer);
}

/** The gradients are no outputs any more: parameters are updated by them. */
export function withUpdates(graph: Graph, gradients: readonly Gradient[], optimizer: Optimizer): Graph {
  const builder = new TrainingBuilder(graph.name);
  const { ids, outputs } = builder.copy(graph);
  const e = new Emitter(builder);
  e.prefix = 'update/';
  const next = optimizer(e, builder.input('learningRate', 'f32', [1]));
  for (const { state, gradient } of gradients) {
    const { name } = graph.values[state]!;
    e.prefix = `${name}/update/`;
    builder.update(ids[state]!, next(name, ids[state]!, ids[gradient]!));
  }
  return builder.finish(outputs.slice(0, outputs.length - gradients.length));
}

function stateBeside(e: Emitter<TrainingBuilder>, name: string, w: ValueId): ValueId {
  const shape = e.shape(w);
  return e.builder.state(name, shape, new Float32Array(shape.reduce((count, extent) => count * extent, 1)));
}

function decayOf({ weightDecay = 0, decays }: Decay, name: string, shape: readonly number[]): number {
  return (decays?.(name, shape) ?? shape.length >= 2) ? weightDecay : 0;
}
