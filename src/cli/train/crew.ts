/** The threads of a training. What they compute does not depend on how many there are. */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, VireoError } from '../../errors.ts';
import type { Recipe } from '../../io/recipes/recipe.ts';
import { Lane } from './lane.ts';
import type { Answer, WorkerData } from './worker.ts';

export interface Crew {
  /** All shards of a step: their results are in the shared memory then. */
  readonly step: (epoch: number, step: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export function hire(recipe: Recipe, data: WorkerData, threads: number): Crew {
  if (threads === 1) return alone(recipe, data);
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('../cli/train/worker.js', import.meta.url), { workerData: data }),
  );
  const shardsOf = (thread: number): number[] =>
    Array.from({ length: recipe.shards }, (_, shard) => shard).filter((shard) => shard % threads === thread);
  return {
    step: async (epoch, step) => {
      const answers = await Promise.all(
        workers.map((worker, thread) => {
          const answer = once(worker, 'message');
          worker.postMessage({ epoch, step, shards: shardsOf(thread) });
          return answer;
        }),
      );
      for (const [answer] of answers as [Answer][])
        if (answer) throw new VireoError(answer.code as ErrorCode, answer.message); // as the thread threw it
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function alone(recipe: Recipe, { shared }: WorkerData): Crew {
  const lane = new Lane(recipe, shared);
  return {
    step: async (epoch, step) => {
      for (let shard = 0; shard < recipe.shards; shard++) lane.run(epoch, step, shard);
      await setImmediate(); // signals are heard between steps
    },
    close: async () => {},
  };
}
