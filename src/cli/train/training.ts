/** A training from its recipe to its weights: epochs, checkpoints, validation, and going on where it stopped. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { VireoError } from '../../errors.ts';
import { adam, type Optimizer, sgd } from '../../graph/train/optimizers.ts';
import { rateAt } from '../../graph/train/schedule.ts';
import { firstWeights, flatLength, spansOf, Update } from '../../graph/train/shards.ts';
import { parseRecipe, type Recipe } from '../../io/recipes/recipe.ts';
import { readFile, sha256, writeWhole } from '../files.ts';
import { type Progress, percent, progress } from '../terminal.ts';
import { type Checkpoint, type Position, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { type Crew, hire } from './crew.ts';
import { type EpochRecord, learningCurve } from './curve.ts';
import { gatherItems, type Items } from './items.ts';
import { type Judgement, judge } from './judge.ts';
import { type Shared, trainingNet } from './lane.ts';
import { addToLog, openLog, showRecord } from './log.ts';

export interface TrainingOptions {
  /** Where the files go. */
  readonly folder: string;
  readonly threads: number;
  /** Go on from the checkpoint that is there. */
  readonly resume: boolean;
}

export interface Training {
  readonly recipe: Recipe;
  readonly recipeText: string;
  readonly files: TrainingFiles;
  readonly weights: Float32Array;
  readonly parameters: number;
  readonly classes: readonly string[];
  readonly epochs: number;
  readonly validation: Judgement | null;
  readonly test: Judgement | null;
  readonly seconds: number;
}

export interface TrainingFiles {
  readonly network: string;
  readonly card: string;
  readonly log: string;
  readonly curve: string;
  readonly checkpoint: string;
}

/** Thrown when a signal has ended the training early; the checkpoint is written. */
export class Interrupted extends Error {}

export async function train(recipePath: string, options: TrainingOptions): Promise<Training> {
  const started = performance.now();
  const recipeText = new TextDecoder().decode(readFile(recipePath));
  const recipe = parseRecipe(recipeText, recipePath);
  const files = filesOf(recipePath, options.folder);
  const recipeHash = sha256(new TextEncoder().encode(recipeText));
  const before = takeUp(files.checkpoint, recipeHash, options.resume);
  const net = trainingNet(recipe);
  const spans = spansOf(net.graph);
  const items = await gatherItems(recipe, recipePath, net.classes);
  const length = flatLength(spans);
  const weights = firstWeights(net.graph, sharedFloats(length));
  const update = new Update(net.graph, optimizerOf(recipe), weights);
  const shared: Shared = {
    held: items.held,
    chosen: items.chosen,
    weights,
    results: Array.from({ length: recipe.shards }, () => sharedFloats(length + 1)),
    right: new Int32Array(new SharedArrayBuffer(4 * recipe.shards)),
  };
  const crew = hire(recipe, { recipe: { text: recipeText, file: recipePath }, shared }, options.threads);
  const run = new Run({ recipe, recipeHash, files, items, shared, update, crew }, before);
  try {
    await run.toEnd();
  } finally {
    await crew.close();
  }
  const kept = run.position.best?.weights ?? weights;
  return {
    recipe,
    recipeText,
    files,
    weights: kept,
    parameters: spans.reduce((sum, { isParameter, begin, end }) => sum + (isParameter ? end - begin : 0), 0),
    classes: items.held.classes,
    epochs: run.position.epoch,
    validation: items.validation && judge(recipe, kept, items.validation),
    test: items.test && judge(recipe, kept, items.test),
    seconds: (performance.now() - started) / 1000,
  };
}

/** The files of a recipe, all in one folder. */
function filesOf(recipePath: string, folder: string): TrainingFiles {
  const stem = join(folder, basename(recipePath).replace(/\.json$/u, ''));
  return {
    network: `${stem}.vireo`,
    card: `${stem}.card.json`,
    log: `${stem}.log.jsonl`,
    curve: `${stem}.svg`,
    checkpoint: `${stem}.checkpoint`,
  };
}

/** The checkpoint to go on from; one that is in the way is an error. */
function takeUp(path: string, recipeHash: string, resume: boolean): Checkpoint | null {
  const exists = existsSync(path);
  if (!resume && exists)
    throw new VireoError('usage', `${path}: a training stopped here; --resume goes on, or delete the file`);
  if (!resume) return null;
  if (!exists) throw new VireoError('io', `${path}: no checkpoint to resume from`);
  const checkpoint = readCheckpoint(path);
  if (checkpoint.recipe !== recipeHash)
    throw new VireoError('bad-input', `${path}: made by another recipe, or by an older version of this one`);
  return checkpoint;
}

interface Workshop {
  readonly recipe: Recipe;
  readonly recipeHash: string;
  readonly files: TrainingFiles;
  readonly items: Items;
  readonly shared: Shared;
  readonly update: Update;
  readonly crew: Crew;
}

/** The steps of a training, one after another. */
class Run {
  /** Where it is: all that changes from step to step beside the weights and the optimiser's averages. */
  readonly position: Position;
  readonly #shop: Workshop;
  readonly #steps: number;
  readonly #records: EpochRecord[];
  #stopped = false;

  constructor(shop: Workshop, before: Checkpoint | null) {
    this.#shop = shop;
    this.#steps = Math.floor(shop.items.chosen.length / shop.recipe.batch);
    this.position = before?.position ?? { epoch: 0, step: 0, lossSum: 0, right: 0, best: null };
    this.#records = openLog(shop.files.log, this.position.epoch);
    if (!before) return;
    if (before.weights.length !== shop.shared.weights.length)
      throw new VireoError('bad-input', `${shop.files.checkpoint}: holds the weights of another network`);
    shop.shared.weights.set(before.weights);
    shop.update.restore(before.averages);
  }

  async toEnd(): Promise<void> {
    const { recipe } = this.#shop;
    const stop = (): void => {
      this.#stopped = true;
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    const { epoch, step } = this.position;
    const bar = progress(recipe.batch * ((recipe.epochs - epoch) * this.#steps - step));
    try {
      while (this.position.epoch < recipe.epochs && !this.#isStale()) {
        const started = performance.now();
        const rate = await this.#epoch(bar);
        const record = this.#endEpoch(rate, started);
        bar.say(showRecord(record, recipe.epochs));
      }
    } finally {
      bar.end();
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    }
  }

  /** The steps of an epoch that are left; the learning rate of the last. */
  async #epoch(bar: Progress): Promise<number> {
    const { recipe, files, shared, update, crew } = this.#shop;
    const { position } = this;
    const { batch, epochs, schedule } = recipe;
    let rate = 0;
    while (position.step < this.#steps) {
      const { epoch, step } = position;
      await crew.step(epoch, step);
      rate = rateAt(schedule, epoch * this.#steps + step, this.#steps, epochs * this.#steps);
      const loss = update.run(shared.results, rate);
      if (!Number.isFinite(loss)) throw diverged(epoch, step, rate, loss, files.checkpoint);
      position.step++;
      position.lossSum += loss;
      position.right += shared.right.reduce((sum, count) => sum + count, 0);
      const mean = (position.lossSum / position.step).toFixed(3);
      const share = percent(position.right / (position.step * batch));
      bar.add(batch, `epoch ${epoch + 1}/${epochs}  loss ${mean}  ${share}`);
      if (this.#stopped) {
        this.#save();
        throw new Interrupted();
      }
    }
    return rate;
  }

  #endEpoch(rate: number, started: number): EpochRecord {
    const { recipe, files, items, shared } = this.#shop;
    const { position } = this;
    const { epoch, lossSum, right, best } = position;
    const judgement = items.validation && judge(recipe, shared.weights, items.validation);
    const better =
      judgement &&
      (best === null ||
        judgement.right > best.right ||
        (judgement.right === best.right && judgement.loss < best.loss));
    if (better && recipe.patience !== null)
      position.best = {
        epoch,
        right: judgement.right,
        loss: judgement.loss,
        weights: shared.weights.slice(),
      };
    const record: EpochRecord = {
      epoch: epoch + 1,
      trainLoss: lossSum / this.#steps,
      trainAccuracy: right / (this.#steps * recipe.batch),
      validationLoss: judgement?.loss ?? null,
      validationAccuracy: judgement && judgement.right / judgement.count,
      rate,
      seconds: (performance.now() - started) / 1000,
    };
    this.#records.push(record);
    addToLog(files.log, record);
    Object.assign(position, { epoch: epoch + 1, step: 0, lossSum: 0, right: 0 });
    this.#save();
    writeWhole(files.curve, new TextEncoder().encode(learningCurve(this.#records, recipe.name)));
    return record;
  }

  #isStale(): boolean {
    const { epoch, best } = this.position;
    const { patience } = this.#shop.recipe;
    return patience !== null && best !== null && epoch - 1 - best.epoch >= patience;
  }

  #save(): void {
    const { recipeHash: recipe, files, shared, update } = this.#shop;
    const { position } = this;
    writeCheckpoint(files.checkpoint, {
      recipe,
      position,
      weights: shared.weights,
      averages: update.averages(),
    });
  }
}

function optimizerOf({ optimizer }: Recipe): Optimizer {
  const { kind, weightDecay } = optimizer;
  return kind === 'sgd' ? sgd({ momentum: optimizer.momentum, weightDecay }) : adam({ weightDecay });
}

function diverged(epoch: number, step: number, rate: number, loss: number, checkpoint: string): VireoError {
  const kept = existsSync(checkpoint) ? `; ${checkpoint} has the last good weights` : '';
  return new VireoError(
    'bad-input',
    `epoch ${epoch + 1}, step ${step + 1}: the loss is ${loss} at a learning rate of ${rate.toPrecision(3)}, so the training diverged; try a smaller rate or a longer warm-up${kept}`,
  );
}

const sharedFloats = (count: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * count));
