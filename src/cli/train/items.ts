/** The three parts of a training's data: trained on, kept apart to judge epochs by, and for the end. */
import { VireoError } from '../../errors.ts';
import { planSamples } from '../../io/datasets/samples.ts';
import type { DataPart, Recipe } from '../../io/recipes/recipe.ts';
import { randomStream, shuffled } from '../../random.ts';
import { type Held, holdData } from './held.ts';
import { type Prepared, prepareItems } from './judge.ts';
import { purpose } from './lane.ts';

export interface Items {
  readonly held: Held;
  /** Which of them are trained on. */
  readonly chosen: Uint32Array;
  readonly validation: Prepared | null;
  readonly test: Prepared | null;
}

export async function gatherItems(recipe: Recipe, recipePath: string, classes: number): Promise<Items> {
  const { validation, test, batch, seed } = recipe;
  const plan = planSamples(recipe);
  const held = await holdData(recipe.train, recipePath, plan, classes);
  const count = held.labels.length;
  const apart = typeof validation === 'number' ? Math.round(validation * count) : 0;
  const order = shuffled(count, randomStream(purpose.validation, seed));
  const chosen = new Uint32Array(new SharedArrayBuffer(4 * (count - apart)));
  chosen.set(order.subarray(apart));
  if (chosen.length < batch)
    throw new VireoError(
      'bad-input',
      `${recipePath}: ${chosen.length} items do not fill a batch of ${batch}`,
    );

  const allOf = async (parts: readonly DataPart[]): Promise<Prepared> => {
    const other = await holdData(parts, recipePath, plan, classes);
    return prepareItems(recipe, plan, other, Uint32Array.from(other.labels.keys()));
  };
  const ownPart = apart === 0 ? null : prepareItems(recipe, plan, held, order.subarray(0, apart));
  return {
    held,
    chosen,
    validation: validation === null || typeof validation === 'number' ? ownPart : await allOf(validation),
    test: test.length === 0 ? null : await allOf(test),
  };
}
