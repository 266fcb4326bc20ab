/**
 * The ratios of bench/peers on several engines side by side, from bench/results/peers-*.json.
 *
 *   node bench/peers/peers.mjs --save     # once with each engine
 *   node bench/ratios.mjs [--json | --markdown]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { readOptions } from './support/options.mjs';
import { report, table } from './support/report.mjs';

const usage = 'node bench/ratios.mjs [--json | --markdown]';
const options = readOptions(usage);
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const folder = new URL('results/', import.meta.url);
const files = readdirSync(folder).filter((name) => /^peers-.*\.json$/.test(name));
const runs = files.map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')));
if (runs.length === 0)
  throw new Error(`bench/results has no peers-*.json; first: node bench/peers/peers.mjs --save`);
runs.sort((a, b) => a.engine.localeCompare(b.engine, 'en', { numeric: true }));

/** What has to hold on every engine: [heading, ratio of a network, limit, in words]. */
const goals = [
  [
    'int8 / float',
    ({ intOverF32 }) => intOverF32,
    (ratio, name) => ratio <= (name === 'ic' ? 0.6 : 1),
    'ic at most 0.60, others below 1',
  ],
  [
    'tfjs cpu / vireo float',
    ({ kinds }) => kinds.f32['tfjs-cpu']?.overVireo,
    (ratio) => ratio >= 2.5,
    'at least 2.5',
  ],
];
const names = [...new Set(runs.flatMap(({ networks }) => networks.map(({ name }) => name)))];
const rows = goals
  .flatMap(([goal, ratioOf, holds, wanted]) =>
    names.map((name) => ({
      goal,
      name,
      wanted,
      ratios: runs.map(({ networks }) => {
        const network = networks.find((other) => other.name === name);
        return (network && ratioOf(network)) ?? null;
      }),
      holds: (ratio) => holds(ratio, name),
    })),
  )
  .filter(({ ratios }) => ratios.some((ratio) => ratio !== null)); // float-only networks have no int8 / float
const show = (ratio, holds) => (ratio === null ? '–' : `${ratio.toFixed(2)}${holds(ratio) ? '' : ' ✗'}`);
const ofEngine = ({ engine }, i) => [
  `${engine.split(' (')[0]}>`,
  ({ ratios, holds }) => show(ratios[i], holds),
];
report(options, {
  title: 'Ratios on several engines',
  tables: {
    ratios: table(
      {
        ratio: (row) => row.goal,
        network: (row) => row.name,
        ...Object.fromEntries(runs.map(ofEngine)),
        wanted: (row) => row.wanted,
      },
      rows,
    ),
  },
  notes: [
    `Measured: ${runs.map(({ engine, date, command }) => `${engine} on ${date}, ${command}`).join('; ')}.`,
  ],
  data: {
    rows: rows.map(({ goal, name, ratios }) => ({ goal, name, ratios })),
    engines: runs.map((r) => r.engine),
  },
});
