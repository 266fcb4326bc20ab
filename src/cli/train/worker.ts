/** A thread that computes shards when told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { VireoError } from '../../errors.ts';
import { parseRecipe } from '../../io/recipes/recipe.ts';
import { Lane, type Shared } from './lane.ts';

export interface WorkerData {
  readonly recipe: { readonly text: string; readonly file: string };
  readonly shared: Shared;
}

export interface Order {
  readonly epoch: number;
  readonly step: number;
  readonly shards: readonly number[];
}

/** Nothing once it is done, or what went wrong. */
export type Answer = { readonly code: string; readonly message: string } | null;

const { recipe, shared }: WorkerData = workerData;
let lane: Lane | undefined;
parentPort?.on('message', ({ epoch, step, shards }: Order) => {
  let answer: Answer = null;
  try {
    lane ??= new Lane(parseRecipe(recipe.text, recipe.file), shared);
    for (const shard of shards) lane.run(epoch, step, shard);
  } catch (error) {
    if (!(error instanceof VireoError)) throw error;
    answer = { code: error.code, message: error.message };
  }
  parentPort?.postMessage(answer);
});
