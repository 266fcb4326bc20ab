/** How good weights are: loss and right answers on items as they are, without augmentation. */

import type { Graph } from '../../graph/ir.ts';
import { optimize } from '../../graph/optimize.ts';
import { compile } from '../../graph/run/compile.ts';
import { classifier } from '../../graph/train/classifier.ts';
import { freeze } from '../../graph/train/freeze.ts';
import { spansOf } from '../../graph/train/shards.ts';
import type { SamplePlan } from '../../io/datasets/samples.ts';
import type { Recipe } from '../../io/recipes/recipe.ts';
import { elementCount } from '../../tensor.ts';
import { largest } from '../scores.ts';
import { type Held, itemOf } from './held.ts';

export interface Judgement {
  readonly count: number;
  readonly right: number;
  /** Mean cross-entropy, without label smoothing. */
  readonly loss: number;
}

/** Items as inputs of the network, one after another. */
export interface Prepared {
  readonly inputs: Float32Array;
  readonly labels: Int32Array;
}

export function prepareItems({ shape }: Recipe, plan: SamplePlan, held: Held, items: Uint32Array): Prepared {
  const length = elementCount(shape);
  const inputs = new Float32Array(items.length * length);
  items.forEach((item, i) => {
    plan.draw(itemOf(held, item), inputs.subarray(i * length, (i + 1) * length), null);
  });
  return { inputs, labels: Int32Array.from(items, (item) => held.labels[item]!) };
}

/** The network with these weights, for `batch` items at a time. */
export function networkOf(recipe: Recipe, weights: Float32Array, batch: number): Graph {
  const { name, shape, layers } = recipe;
  const { graph, logits } = classifier({ name, shape, layers, batch });
  const spans = new Map(spansOf(graph).map((span) => [span.name, span]));
  const frozen = freeze(graph, [logits], (state) => {
    const { begin, end } = spans.get(state)!; // the same layers, so the same states
    return weights.subarray(begin, end);
  });
  return optimize(frozen).graph;
}

const rows = 32;

export function judge(recipe: Recipe, weights: Float32Array, { inputs, labels }: Prepared): Judgement {
  const session = compile(networkOf(recipe, weights, rows));
  const input = session.input(0, 'f32');
  const scores = session.output(0, 'f32');
  const classes = scores.length / rows;
  const length = elementCount(recipe.shape);
  let right = 0;
  let loss = 0;
  for (let first = 0; first < labels.length; first += rows) {
    const count = Math.min(rows, labels.length - first);
    input.set(inputs.subarray(first * length, (first + count) * length));
    session.run();
    for (let row = 0; row < count; row++) {
      const label = labels[first + row]!;
      const own = scores.subarray(row * classes, (row + 1) * classes);
      const best = largest(own);
      if (best === label) right++;
      const top = own[best]!;
      let sum = 0;
      for (const score of own) sum += Math.exp(score - top);
      loss += Math.log(sum) + top - own[label]!;
    }
  }
  return { count: labels.length, right, loss: loss / labels.length };
}
