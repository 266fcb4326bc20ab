/**
 * vireo beside other engines on the same networks and inputs: one thread, batch 1, typed array in to typed array out.
 *
 *   npm ci --prefix bench/peers               # after `npm run build` in the project's root
 *   node bench/peers/peers.mjs [--filter ic] [--peers ort-node,litert] [--rounds 15] [--kernels js] [--save]
 *   node bench/peers/peers.mjs --startup
 *
 * Every engine has a process of its own for every network, all on the same core where `taskset` is there. They take
 * turns: a round gives each a slice of time in which it runs as often as it can; the next round goes the other way
 * round. Outputs are compared with vireo's reference kernels before anything is timed. `--kernels` (or
 * VIREO_KERNELS) names vireo's kernel set, `--save` writes bench/results/peers-[KERNELS-]nodeXX, flags of this Node hold for all processes.
 */
import { writeFileSync } from 'node:fs';
import { countOption, readOptions } from '../support/options.mjs';
import { report, reportText } from '../support/report.mjs';
import { engines } from './engines.mjs';
import { latencyReport } from './latency.mjs';
import { startupReport } from './startup.mjs';

const usage =
  'node bench/peers/peers.mjs [--filter TEXT] [--peers A,B] [--rounds N] [--slice MS] [--kernels NAME] [--startup] [--save] [--json | --markdown]';
const options = readOptions(usage, {
  peers: { type: 'string' },
  rounds: { type: 'string' },
  slice: { type: 'string' },
  kernels: { type: 'string' },
  startup: { type: 'boolean' },
  save: { type: 'boolean' },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const kernels = options.kernels ?? process.env.VIREO_KERNELS ?? '';
const isSame = kernels === 'js'; // then vireo is vireo-js
const chosen = options.peers?.split(',') ?? engines.filter((name) => name !== 'vireo-js' || !isSame);
const unknown = chosen.filter((name) => !engines.includes(name));
if (unknown.length > 0) {
  console.error(`no peer is called ${unknown.join(', ')}; there are ${engines.join(', ')}`);
  process.exit(2);
}
const peers = ['vireo', ...chosen.filter((name) => name !== 'vireo')];

const { filter } = options;
const result = options.startup
  ? startupReport(peers, { processes: countOption(options.rounds, 5), kernels, filter })
  : await latencyReport(peers, {
      rounds: countOption(options.rounds, 15),
      sliceMs: countOption(options.slice, 150),
      kernels,
      filter,
    });
report(options, result);
if (options.save) {
  const what = options.startup ? 'startup' : 'peers';
  const stem = [what, ...(kernels ? [kernels] : []), `node${process.versions.node.split('.')[0]}`].join('-');
  const file = (suffix) => new URL(`../results/${stem}.${suffix}`, import.meta.url);
  writeFileSync(file('json'), reportText({ json: true }, result));
  writeFileSync(file('md'), reportText({ markdown: true }, result));
}
