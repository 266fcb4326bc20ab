/** A data set in memory, in buffers that threads share. */
import { dirname, resolve } from 'node:path';
import { VireoError } from '../../errors.ts';
import type { SamplePlan } from '../../io/datasets/samples.ts';
import type { DataPart } from '../../io/recipes/recipe.ts';
import { openDataSet } from '../data-set.ts';
import { dataFolder } from '../files.ts';
import { progress } from '../terminal.ts';

export interface Held {
  /** What a `SamplePlan` keeps of each item, one after another. */
  readonly values: Float32Array;
  /** Item i lies from starts[i] to starts[i + 1]. */
  readonly starts: Float64Array;
  readonly labels: Int32Array;
  /** Names of the classes, as the cards give them. */
  readonly classes: readonly string[];
}

const mostBytes = 2 ** 32;

export const itemOf = ({ values, starts }: Held, i: number): Float32Array =>
  values.subarray(starts[i], starts[i + 1]);

/** All items of some data cards; `recipe` is the path that theirs are relative to, `classes` how many there can be. */
export async function holdData(
  parts: readonly DataPart[],
  recipe: string,
  plan: SamplePlan,
  classes: number,
): Promise<Held> {
  const kept: Float32Array[] = [];
  const labels: number[] = [];
  let names: readonly string[] = [];
  let length = 0;
  for (const { card, names: wanted } of parts) {
    const set = await openDataSet(resolve(dirname(recipe), card), { dataFolder });
    names = set.classes.length > names.length ? set.classes : names;
    const bar = progress(set.count);
    let read = 0;
    for await (const { name, label, source } of set.items()) {
      bar.update(++read, set.name);
      if (wanted && !wanted.test(name)) continue;
      if (label === undefined || label >= classes)
        throw new VireoError(
          'bad-input',
          `${card}: item ${name} has ${label === undefined ? 'no label' : `label ${label}`}, the network tells ${classes} classes`,
        );
      const values = plan.keep(source);
      length += values.length;
      if (4 * length > mostBytes)
        throw new VireoError('too-large', `${card}: the items take more than ${mostBytes / 2 ** 30} GiB`);
      kept.push(values);
      labels.push(label);
    }
    bar.end();
  }
  if (kept.length === 0)
    throw new VireoError('bad-input', `${parts.map(({ card }) => card).join(', ')}: no items`);
  const values = new Float32Array(new SharedArrayBuffer(4 * length));
  const starts = new Float64Array(new SharedArrayBuffer(8 * (kept.length + 1)));
  kept.forEach((item, i) => {
    values.set(item, starts[i]);
    starts[i + 1] = starts[i]! + item.length;
  });
  const sharedLabels = new Int32Array(new SharedArrayBuffer(4 * labels.length));
  sharedLabels.set(labels);
  return { values, starts, labels: sharedLabels, classes: names };
}
