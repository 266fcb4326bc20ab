/** `vireo demo`: image and sound networks of the package in one process, on its own pictures and recordings. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDataSet } from '../data-set.ts';
import { dataFolder } from '../files.ts';
import { openNetwork } from '../network.ts';
import { type Command, kernelsOption, operandsOf } from '../options.ts';
import { percent, showBytes, showCount, table } from '../terminal.ts';
import { answerFor } from './run.ts';

/** Everything is in the package's folder `weights`. */
const weights = fileURLToPath(new URL('../../weights', import.meta.url));
const shows = [
  { network: 'written-digits.vireo', samples: 'samples-digits' },
  { network: 'spoken-digits.vireo', samples: 'samples-spoken' },
  { network: 'cifar10-resnet8.vireo', samples: 'samples-pictures' },
] as const;

export const demo: Command = {
  name: 'demo',
  operands: '',
  about: 'Runs image and sound networks of the package in one process, on its own pictures and recordings.',
  options: [kernelsOption],
  example: 'vireo demo',
  run: async (given) => {
    operandsOf(demo, given, 0, 0);
    const opened = shows.map(({ network, samples }) => ({
      network: openNetwork(join(weights, network), given),
      card: join(weights, 'cards/data', `${samples}.json`),
    }));
    for (const { network, card } of opened) {
      const { session } = network;
      const set = await openDataSet(card, { dataFolder });
      const { items } = set.card;
      if (items.kind !== 'folder') throw new Error(`${card}: the samples are files in a folder`);
      const folder = join(dirname(card), items.path);
      console.log(
        `${network.card?.name}\n  ${showCount(session.macs)} MACs, ${showBytes(session.memory.weights)} of weights, ${showBytes(session.memory.arena)} of activations, ${network.kernels} kernels`,
      );
      const rows: string[][] = [];
      let right = 0;
      for await (const { name, label } of set.items()) {
        // The first runs compile the kernels; the times shown are of a warm engine.
        for (let warm = 0; warm < 5; warm++) answerFor(network, join(folder, name), 1);
        const { milliseconds, outputs } = answerFor(network, join(folder, name), 1);
        const [best] = outputs[0].top;
        const expected = set.classes[label ?? -1];
        if (best.label === expected) right++;
        const mark = best.label === expected ? '' : `✗ it is ${expected}`;
        rows.push([`  ${name}`, `${milliseconds.toFixed(2)} ms`, best.label, percent(best.confidence), mark]);
      }
      console.log(`${table(rows, [1, 3])}\n  ${right} of ${rows.length} right\n`);
    }
    return 0;
  },
};
