/** `vireo demo`: an image network and a sound network in one process, on a few pictures and recordings. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VireoError } from '../../errors.ts';
import { dataFolder } from '../files.ts';
import { openNetwork } from '../network.ts';
import { type Command, kernelsOption, operandsOf } from '../options.ts';
import { percent, showBytes, showCount, table } from '../terminal.ts';
import { answerFor } from './run.ts';

const shows = [
  {
    what: 'Pictures',
    network: 'models/tflite/mobilenet_v2_1.0_224_quant.tflite',
    files: [
      'models/images/cat.png',
      'models/images/bird.png',
      'models/images/dragonfly.png',
      'models/images/grace_hopper.png',
    ],
  },
  {
    what: 'Recordings',
    network: 'mlperf-tiny/kws/kws_ref_model.tflite',
    files: ['models/audio/yes_1000ms.wav', 'models/audio/no_1000ms.wav', 'models/audio/silence_1000ms.wav'],
  },
] as const;

export const demo: Command = {
  name: 'demo',
  operands: '',
  about:
    'Runs an image network and a sound network in one process, on pictures and recordings of the data folder.',
  options: [kernelsOption],
  example: 'vireo demo',
  run: (given) => {
    operandsOf(demo, given, 0, 0);
    const missing = shows
      .flatMap(({ network, files }) => [network, ...files])
      .filter((path) => !existsSync(join(dataFolder, path)));
    if (missing.length > 0)
      throw new VireoError(
        'io',
        `the demo needs ${missing.length} files that are not in the data folder ${dataFolder}:\n  ${missing.join('\n  ')}\ndocs/data.md says where they come from; VIREO_DATA names another folder`,
      );
    const networks = shows.map(({ network }) => openNetwork(join(dataFolder, network), given));
    shows.forEach(({ what, files }, i) => {
      const network = networks[i];
      const { session } = network;
      console.log(
        `${what}: ${network.card?.name}\n  ${showCount(session.macs)} MACs, ${showBytes(session.memory.weights)} of weights, ${showBytes(session.memory.arena)} of activations\n`,
      );
      // The first runs compile the kernels; the times shown are of a warm engine.
      for (let warm = 0; warm < 5; warm++) answerFor(network, join(dataFolder, files[0]), 1);
      const rows = files.map((file) => {
        const { milliseconds, outputs } = answerFor(network, join(dataFolder, file), 3);
        const answers = outputs[0].top
          .map(({ label, confidence }) => `${label.split(',')[0]} ${percent(confidence)}`)
          .join(', ');
        return [`  ${file.slice(file.lastIndexOf('/') + 1)}`, `${milliseconds.toFixed(2)} ms`, answers];
      });
      console.log(`${table(rows, [1])}\n`);
    });
    return 0;
  },
};
