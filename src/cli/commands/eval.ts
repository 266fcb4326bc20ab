/** `vireo eval`: accuracy on a data set. */
import { resolve } from 'node:path';
import { VireoError } from '../../errors.ts';
import { planInput } from '../../io/cards/index.ts';
import { openDataSet } from '../data-set.ts';
import { dataFolder } from '../files.ts';
import { feed, openNetwork, read } from '../network.ts';
import { type Command, cardOption, jsonOption, kernelsOption, operandsOf, shapeOption } from '../options.ts';
import { largest, wilson } from '../scores.ts';
import { percent, progress } from '../terminal.ts';

export const evaluate: Command = {
  name: 'eval',
  operands: 'MODEL --data CARD',
  about: 'Counts the right answers of a classifier on a data set: top-1 with its 95 % interval.',
  options: [
    { name: 'data', value: 'CARD', about: 'the data card (docs/data.md); weights/cards/data has some' },
    { name: 'limit', value: 'N', about: 'only the first N items' },
    shapeOption,
    kernelsOption,
    cardOption,
    jsonOption,
  ],
  example: 'vireo eval net.tflite --data weights/cards/data/cifar10-test.json --limit 500',
  run: async (given) => {
    const [model] = operandsOf(evaluate, given, 1, 1);
    const cardPath = given.text('data');
    if (cardPath === undefined) throw new VireoError('usage', 'vireo eval expects --data CARD');
    const { session, kernels, inputCards, notes } = openNetwork(model, given);
    const set = await openDataSet(resolve(cardPath), { dataFolder });
    const limit = given.count('limit') ?? Number.POSITIVE_INFINITY;
    const input = planInput(inputCards[0], session.inputs[0]);
    const total = set.count === undefined ? undefined : Math.min(set.count, limit);
    const bar = progress(total);
    const started = performance.now();
    let count = 0;
    let correct = 0;
    for await (const { name, label, source } of set.items()) {
      if (label === undefined) throw new VireoError('bad-input', `${cardPath}: item ${name} has no label`);
      feed(session, 0, input.prepare(source));
      session.run();
      if (largest(read(session, 0)) === label) correct++;
      count++;
      bar.update(count, `top-1 ${percent(correct / count)}`);
      if (count >= limit) break;
    }
    bar.end();
    if (count === 0) throw new VireoError('bad-input', `${cardPath}: has no items`);
    const seconds = (performance.now() - started) / 1000;
    const [low, high] = wilson(correct, count);
    const top1 = correct / count;
    if (given.flag('json'))
      console.log(JSON.stringify({ count, correct, top1, interval: [low, high], kernels, seconds }, null, 2));
    else {
      for (const note of notes) console.error(`note: ${note}`);
      console.log(
        `${set.name}\n  ${correct} of ${count} right: top-1 ${percent(top1)}, 95 % interval ${percent(low)} to ${percent(high)}`,
      );
      console.log(`  ${(count / seconds).toFixed(0)} a second with ${kernels} kernels`);
    }
    return 0;
  },
};
