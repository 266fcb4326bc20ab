/**
 * What a program pays before the first answer: import, create, first inference, in a process that has done nothing
 * else; and by how much resident memory has grown then.
 */
import { spawnSync } from 'node:child_process';
import { chooseNetworks } from '../support/networks.mjs';
import { progress, table } from '../support/report.mjs';
import { median, spread } from '../support/rounds.mjs';
import { floatOnly } from './engines.mjs';
import { modelFile, peerNetworks } from './networks.mjs';
import { nodeCommand } from './process.mjs';

export function startupReport(peers, { processes, kernels, filter }) {
  const tiny = peerNetworks.filter(({ name }) => ['kws', 'ic', 'vww'].includes(name));
  const names = peers.filter((peer) => !floatOnly.includes(peer));
  const rows = [];
  for (const network of chooseNetworks(filter, tiny)) {
    const measured = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < processes; round++)
      for (const name of names) {
        progress(`${network.name}: process ${round + 1} of ${processes}, ${name}`);
        const file = modelFile(network, name.startsWith('ort-') ? 'onnx' : 'tflite');
        measured[name].push(start(name, { ...file, kernels: name === 'vireo' ? kernels : '' }));
      }
    for (const name of names) {
      const of = (key) => measured[name].map((run) => run[key]);
      const figures = ['nodeMs', 'importMs', 'createMs', 'firstMs', 'totalMs', 'grownBytes'];
      rows.push({
        network: network.name,
        peer: name,
        ...Object.fromEntries(figures.map((key) => [key, median(of(key))])),
        totalSpreadMs: spread(of('totalMs')),
      });
    }
  }
  progress('');
  const ms = (value) => value.toFixed(1);
  return {
    title: 'From nothing to the first answer',
    tables: {
      'Milliseconds, int8': table(
        {
          network: (row) => row.network,
          engine: (row) => row.peer,
          'import>': (row) => ms(row.importMs),
          'create>': (row) => ms(row.createMs),
          'first inference>': (row) => ms(row.firstMs),
          'sum>': (row) => `${ms(row.totalMs)} ±${ms(row.totalSpreadMs)}`,
          'Node itself>': (row) => ms(row.nodeMs),
          'memory grown, MB>': (row) => (row.grownBytes / 2 ** 20).toFixed(1),
        },
        rows,
      ),
    },
    notes: [
      `Medians of ${processes} processes ± the median distance from them. The model's bytes are read before the clock starts; Node itself: from the start of the process to the first line of the script.`,
    ],
    data: { processes, rows },
  };
}

function start(engine, task) {
  const words = [engine, JSON.stringify(task)];
  const run = spawnSync(process.execPath, nodeCommand('startup-child.mjs', words), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (run.status !== 0) throw new Error(`${engine}: ${run.stderr}`);
  return JSON.parse(run.stdout.trim().split('\n').at(-1));
}
