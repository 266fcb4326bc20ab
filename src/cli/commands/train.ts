/** `vireo train`: from a recipe and data to a network. */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { graphMacs } from '../../graph/cost/macs.ts';
import { networkCardVersion } from '../../io/cards/index.ts';
import { writeVireo } from '../../io/vireo/index.ts';
import { makeFolder, sha256, writeWhole } from '../files.ts';
import { type Command, jsonOption, operandsOf } from '../options.ts';
import { wilson } from '../scores.ts';
import { percent, showBytes, showCount, showTime } from '../terminal.ts';
import { type Judgement, networkOf } from '../train/judge.ts';
import { Interrupted, type Training, train as trained } from '../train/training.ts';
import { version } from '../version.ts';

export const train: Command = {
  name: 'train',
  operands: 'RECIPE.json',
  about:
    'Trains a network as a recipe says (docs/training.md) and writes it, its card, a learning curve and a log.',
  options: [
    { name: 'out', value: 'FOLDER', about: 'where the files go (default: the folder one is in)' },
    { name: 'threads', value: 'N', about: 'threads to compute with; the network is the same for any number' },
    { name: 'resume', about: 'go on from the checkpoint of a training that was interrupted' },
    jsonOption,
  ],
  example: 'vireo train weights/recipes/written-digits.json --out trained',
  run: async (given) => {
    const [recipePath] = operandsOf(train, given, 1, 1);
    const folder = given.text('out') ?? '.';
    makeFolder(folder);
    const threads = given.count('threads') ?? availableParallelism();
    const resume = given.flag('resume');
    try {
      const training = await trained(resolve(recipePath!), { folder, threads, resume });
      const result = write(training);
      console.log(given.flag('json') ? JSON.stringify(result, null, 2) : shown(training, result.bytes));
      return 0;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      console.error('stopped; the checkpoint is kept, and --resume goes on from it');
      return 1;
    }
  },
};

/** The network and its card; what the training came to, for programs. */
function write(training: Training) {
  const { recipe, recipeText, files, weights, parameters, classes, epochs, validation, test, seconds } =
    training;
  const graph = networkOf(recipe, weights, 1);
  const accuracy = test && `${test.right} of ${test.count}`;
  const metadata = {
    producer: `vireo-nn ${version()}`,
    recipe: sha256(new TextEncoder().encode(recipeText)),
    epochs: String(epochs),
    ...(accuracy !== null && { test: accuracy }),
  };
  const bytes = writeVireo(graph, { metadata });
  const hash = sha256(bytes);
  const card = {
    vireo: networkCardVersion,
    name: recipe.name,
    about: recipe.about,
    sha256: [hash],
    inputs: [(JSON.parse(recipeText) as { readonly input: unknown }).input], // parseRecipe has read it
    outputs: [{ kind: 'classification', scores: 'logits', ...(classes.length > 0 && { labels: classes }) }],
  };
  writeWhole(files.network, bytes);
  writeWhole(files.card, new TextEncoder().encode(`${JSON.stringify(card, null, 2)}\n`));
  rmSync(files.checkpoint, { force: true });
  return {
    network: files.network,
    sha256: hash,
    bytes: bytes.length,
    parameters,
    macs: graphMacs(graph),
    epochs,
    seconds,
    validation: judged(validation),
    test: judged(test),
  };
}

function judged(judgement: Judgement | null) {
  if (judgement === null) return null;
  const { count, right, loss } = judgement;
  return { count, right, accuracy: right / count, interval: wilson(right, count), loss };
}

function shown(training: Training, bytes: number): string {
  const { recipe, files, parameters, epochs, validation, test, seconds } = training;
  const line = (what: string, judgement: Judgement | null): string[] => {
    if (judgement === null) return [];
    const { right, count } = judgement;
    const [low, high] = wilson(right, count);
    return [
      `  ${what} ${right} of ${count} right: ${percent(right / count)}, 95 % interval ${percent(low)} to ${percent(high)}`,
    ];
  };
  return [
    recipe.name,
    `  ${showCount(parameters)} parameters, ${epochs} epochs in ${showTime(seconds)}`,
    ...line('validation', validation),
    ...line('test      ', test),
    `  ${files.network} (${showBytes(bytes)}), ${files.curve}, ${files.log}`,
  ].join('\n');
}
