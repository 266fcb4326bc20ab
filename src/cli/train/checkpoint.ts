/** All that a training has come to between two steps; going on from it gives the same bytes as not having stopped. */
import { VireoError } from '../../errors.ts';
import { fieldsOf, numberOf, type Place, textOf, wholeOf } from '../../io/cards/json.ts';
import { type Container, readContainer, writeContainer } from '../../io/vireo/container.ts';
import type { Tensor } from '../../tensor.ts';
import { readFile, writeWhole } from '../files.ts';

export interface Position {
  /** The step that comes next: its epoch, from 0, and its number in it. */
  epoch: number;
  step: number;
  /** Of the epoch so far: the sum of the steps' losses, and the right answers. */
  lossSum: number;
  right: number;
  /** The weights to keep, where the recipe wants the best and not the last. */
  best: Best | null;
}

/** The best so far by the validation: more right answers, or as many with a smaller loss. */
export interface Best {
  readonly epoch: number;
  readonly right: number;
  readonly loss: number;
  readonly weights: Float32Array;
}

export interface Checkpoint {
  /** SHA-256 of the recipe's text. */
  readonly recipe: string;
  readonly position: Position;
  readonly weights: Float32Array;
  /** Of the optimiser. */
  readonly averages: ReadonlyMap<string, Float32Array>;
}

const kind = 'training';

export function writeCheckpoint(path: string, { recipe, position, weights, averages }: Checkpoint): void {
  const { best, ...rest } = position;
  const tensors = new Map<string, Tensor>([['weights', flat(weights)]]);
  for (const [name, data] of averages) tensors.set(`average:${name}`, flat(data));
  if (best) tensors.set('best', flat(best.weights));
  const bestMeta = best && { epoch: best.epoch, right: best.right, loss: best.loss };
  writeWhole(path, writeContainer({ kind, meta: { recipe, ...rest, best: bestMeta }, tensors }));
}

export function readCheckpoint(path: string): Checkpoint {
  const container = containerOf(path);
  if (container.kind !== kind)
    throw new VireoError('bad-file', `${path}: holds a ${container.kind}, expected a ${kind}`);
  const place: Place = { value: container.meta, path };
  const meta = fieldsOf(place, ['recipe', 'epoch', 'step', 'lossSum', 'right', 'best']);
  const tensor = (name: string): Float32Array => {
    const found = container.tensors.get(name);
    if (found?.dtype !== 'f32') throw new VireoError('bad-file', `${path}: holds no f32 tensor "${name}"`);
    return found.data;
  };
  const best = meta.best.value === null ? null : fieldsOf(meta.best, ['epoch', 'right', 'loss']);
  const averages = [...container.tensors.keys()].filter((name) => name.startsWith('average:'));
  return {
    recipe: textOf(meta.recipe),
    position: {
      epoch: wholeOf(meta.epoch, 0),
      step: wholeOf(meta.step, 0),
      lossSum: numberOf(meta.lossSum),
      right: wholeOf(meta.right, 0),
      best: best && {
        epoch: wholeOf(best.epoch, 0),
        right: wholeOf(best.right, 0),
        loss: numberOf(best.loss),
        weights: tensor('best'),
      },
    },
    weights: tensor('weights'),
    averages: new Map(averages.map((name) => [name.slice('average:'.length), tensor(name)])),
  };
}

function containerOf(path: string): Container {
  try {
    return readContainer(readFile(path));
  } catch (error) {
    if (error instanceof VireoError && error.code === 'bad-file')
      throw new VireoError(error.code, `${path}: no checkpoint: ${error.message}`);
    throw error;
  }
}

const flat = (data: Float32Array): Tensor => ({ dtype: 'f32', shape: [data.length], data });
