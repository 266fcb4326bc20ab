/**
 * One step of training, vireo beside TensorFlow.js: forward, backward, SGD with momentum; one thread, a batch in as
 * typed arrays, its loss out.
 *
 *   npm ci --prefix bench/peers               # after `npm run build` in the project's root
 *   node bench/peers/train.mjs [--filter resnet] [--peers tfjs-wasm] [--batch 32] [--rounds 7] [--slice 400] [--save]
 *
 * Networks are those of vireo's tests, with their first weights; batches are real pictures. Every engine has a process
 * of its own for every network, and a slice of time in every round, as in peers.mjs. Before that, the losses of six
 * steps and the first update are compared with vireo's reference kernels; an engine that differs is not timed.
 *
 * `--save` writes bench/results/train-nodeXX.json, and train.md from all of these.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { countOption, readOptions } from '../support/options.mjs';
import { report, reportText, table } from '../support/report.mjs';
import { isPinned } from './process.mjs';
import { chooseTrainingNetworks } from './train-networks.mjs';
import { timeTraining, trainingEngines } from './train-steps.mjs';

const usage =
  'node bench/peers/train.mjs [--filter TEXT] [--peers A,B] [--batch N] [--rounds N] [--slice MS] [--save] [--json | --markdown]';
const options = readOptions(usage, {
  peers: { type: 'string' },
  batch: { type: 'string' },
  rounds: { type: 'string' },
  slice: { type: 'string' },
  save: { type: 'boolean' },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const chosen = options.peers?.split(',') ?? trainingEngines;
const unknown = chosen.filter((name) => !trainingEngines.includes(name));
if (unknown.length > 0) {
  console.error(
    `no peer that trains is called ${unknown.join(', ')}; there are ${trainingEngines.join(', ')}`,
  );
  process.exit(2);
}
const engines = ['vireo', ...chosen.filter((name) => name !== 'vireo')];
const settings = {
  batch: countOption(options.batch, 32),
  rounds: countOption(options.rounds, 7),
  sliceMs: countOption(options.slice, 400),
};

const title = 'One step of training, one thread';
const load = [loadavg()[0]];
const networks = [];
for (const network of chooseTrainingNetworks(options.filter))
  networks.push(await timeTraining(network, engines, settings));
load.push(loadavg()[0]);
const data = { ...settings, isPinned, load, networks };
const result = { title, tables: { [title]: stepsTable(data) }, notes: notesOf(data), data };
report(options, result);
if (options.save) save();

function stepsTable({ batch, networks }) {
  const rows = networks.flatMap(({ name, macs, engines }) =>
    Object.entries(engines).map(([engine, cell]) => ({ name, macs, engine, ...cell })),
  );
  const timed = (show) => (row) => (row.ns ? show(row) : '–');
  const three = (value) => (value < 1000 ? String(Number(value.toPrecision(3))) : value.toFixed(0));
  const differs =
    (key) =>
    ({ difference }) =>
      difference?.[key].toExponential(0) ?? '–';
  return table(
    {
      network: ({ name }) => `${name} ×${batch}`,
      engine: ({ engine }) => engine,
      'ms a step>': (row) => {
        if (row.failed) return 'cannot';
        if (row.difference.isWrong) return 'wrong';
        return `${three(row.ns / 1e6)} ±${three(row.spreadNs / 1e6)}`;
      },
      'best slice>': timed(({ leastNs }) => three(leastNs / 1e6)),
      'images/s>': timed(({ ns }) => three((batch * 1e9) / ns)),
      'GMAC/s>': timed(({ macs, ns }) => three((3 * macs) / ns)),
      'over vireo>': timed(({ overVireo }) => three(overVireo)),
      'loss, forward>': differs('forward'),
      'after 1 step>': differs('afterOne'),
      'most in 6>': differs('most'),
      'first update>': differs('update'),
    },
    rows,
  );
}

function notesOf({ rounds, sliceMs, isPinned, load, networks }) {
  const cells = networks.flatMap(({ name, engines }) =>
    Object.entries(engines).map(([engine, cell]) => ({ name, engine, ...cell })),
  );
  const versions = [...new Set(cells.map(({ version }) => version).filter(Boolean))];
  return [
    ...cells
      .filter(({ failed }) => failed)
      .map(({ name, engine, failed }) => `${engine}, ${name}: ${failed}.`),
    "+: with TensorFlow.js' kernel for gradients of filters, Conv2DBackpropFilter, put together from its convolution (bench/peers/train-filter-gradient.mjs). The wasm backend lacks this kernel; the cpu backend's own takes most of a step.",
    `${versions.join('; ')}.`,
    `SGD with momentum 0.9. GMAC/s count three times the forward pass. Medians of ${rounds} rounds of ${sliceMs} ms, or one step, ± the median distance from them (engines slower than ten seconds a step: 3 rounds); best slice: in ms, least disturbed by the machine's other work; over vireo: time over that of vireo, median of the ratios round by round. ${isPinned ? 'All main threads on one core.' : 'Not pinned to a core.'} Load average before and after: ${load.map((value) => value.toFixed(1)).join(', ')} (undisturbed: at most about 1).`,
    "Differences from vireo's reference kernels: of the loss before any update, after one, the largest in six steps, each over the loss; of what the first update changes, over the largest change in the same array.",
  ];
}

/** A section for each Node that has been measured. */
function save() {
  const folder = new URL('../results/', import.meta.url);
  const major = process.versions.node.split('.')[0];
  writeFileSync(new URL(`train-node${major}.json`, folder), reportText({ json: true }, result));
  const lines = [`# ${title}`];
  for (const file of readdirSync(folder)
    .filter((name) => /^train-node\d+\.json$/.test(name))
    .sort()) {
    const saved = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    lines.push('', `## ${saved.engine}`, '', stepsTable(saved));
    for (const note of notesOf(saved)) lines.push('', note);
    lines.push('', `cpu      ${saved.cpu}  `, `date     ${saved.date}  `, `command  \`${saved.command}\``);
  }
  writeFileSync(new URL('train.md', folder), `${lines.join('\n')}\n`);
}
