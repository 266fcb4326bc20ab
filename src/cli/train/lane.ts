/** What one thread does: draws the samples of a shard and takes them forward and backward. */
import { classifier } from '../../graph/train/classifier.ts';
import { Shard } from '../../graph/train/shards.ts';
import { planSamples, type SamplePlan } from '../../io/datasets/samples.ts';
import type { Recipe } from '../../io/recipes/recipe.ts';
import { randomStream, shuffled } from '../../random.ts';
import { elementCount } from '../../tensor.ts';
import { largest } from '../scores.ts';
import { type Held, itemOf } from './held.ts';

/** Memory that all threads see. */
export interface Shared {
  readonly held: Held;
  /** Which items are trained on. */
  readonly chosen: Uint32Array;
  readonly weights: Float32Array;
  /** One for each shard. */
  readonly results: readonly Float32Array[];
  /** Right answers in each shard. */
  readonly right: Int32Array;
}

/** First key of the streams that are drawn from: what is drawn for one purpose is apart from all others. */
export const purpose = { weights: 0, order: 1, augmentation: 2, validation: 3 } as const;

export class Lane {
  readonly #recipe: Recipe;
  readonly #shared: Shared;
  readonly #plan: SamplePlan;
  readonly #shard: Shard;
  readonly #classes: number;
  #epoch = -1;
  #order: Uint32Array = new Uint32Array(0);

  constructor(recipe: Recipe, shared: Shared) {
    this.#recipe = recipe;
    this.#shared = shared;
    this.#plan = planSamples(recipe);
    const net = trainingNet(recipe);
    this.#classes = net.classes;
    this.#shard = new Shard(net);
  }

  run(epoch: number, step: number, shard: number): void {
    const { seed, batch, shards, shape } = this.#recipe;
    const { held, chosen, weights, results, right } = this.#shared;
    if (epoch !== this.#epoch) {
      this.#order = shuffled(chosen.length, randomStream(purpose.order, seed, epoch));
      this.#epoch = epoch;
    }
    const rows = batch / shards;
    const length = elementCount(shape);
    const { input, targets, logits } = this.#shard;
    const labels = Array.from({ length: rows }, (_, row) => {
      const item = chosen[this.#order[step * batch + shard * rows + row]!]!;
      const random = randomStream(purpose.augmentation, seed, epoch, item);
      this.#plan.draw(itemOf(held, item), input.subarray(row * length, (row + 1) * length), random);
      return held.labels[item]!;
    });
    targets.fill(0);
    labels.forEach((label, row) => {
      targets[row * this.#classes + label] = 1;
    });
    this.#shard.run(weights, results[shard]!);
    const scores = (row: number): Float32Array =>
      logits.subarray(row * this.#classes, (row + 1) * this.#classes);
    right[shard] = labels.filter((label, row) => largest(scores(row)) === label).length;
  }
}

/** The network with as many rows as a shard has. */
export function trainingNet({ name, shape, layers, batch, shards, seed, smoothing }: Recipe) {
  return classifier({ name, shape, layers, batch: batch / shards, seed, smoothing });
}
