/**
 * The ratios of bench/peers on several engines side by side, from bench/results/peers-*.json.
 *
 *   node bench/peers/peers.mjs --save     # once with each engine; also with --kernels js
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

/** Time of one engine over that of another on the same network; both were timed in turns with vireo. */
const over = (cells, a, b) => cells?.[a]?.overVireo / (b === 'vireo' ? 1 : cells?.[b]?.overVireo);
const intOverF32 = ({ int, f32 } = {}, engine) => int?.[engine]?.ns / f32?.[engine]?.ns;

/** [heading, ratio of a network, what has to hold on every engine, in words]. */
const goals = [
  ['int8 / float', (network) => network.intOverF32, (ratio) => ratio < 1, 'below 1'],
  [
    'int8 / float, vireo-js',
    ({ kinds }) => intOverF32(kinds, 'vireo-js'),
    (ratio, name) => ratio <= (name === 'ic' ? 0.6 : 1),
    'ic at most 0.60, others below 1',
  ],
  [
    'tfjs-cpu / vireo-js, float',
    ({ kinds }) => over(kinds.f32, 'tfjs-cpu', 'vireo-js'),
    (ratio) => ratio >= 2.5,
    'at least 2.5',
  ],
  ...['f32', 'int'].flatMap((kind) =>
    ['tfjs-wasm', 'litert', 'ort-web'].map((peer) => [
      `${peer} / vireo, ${kind === 'f32' ? 'float' : 'int8'}`,
      ({ kinds }) => over(kinds[kind], peer, 'vireo'),
      (ratio) => ratio > 1,
      'above 1',
    ]),
  ),
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
        return (network && ratioOf(network)) || null; // NaN where one of the two is missing
      }),
      holds: (ratio) => holds(ratio, name),
    })),
  )
  .filter(({ ratios }) => ratios.some((ratio) => ratio !== null)); // float-only networks have no int8 / float
const show = (ratio, holds) => (ratio === null ? '–' : `${ratio.toFixed(2)}${holds(ratio) ? '' : ' ✗'}`);
const nameOf = ({ engine, kernels }) =>
  `${engine.split(' (')[0]}${kernels && kernels !== 'default' ? `, ${kernels}` : ''}`;
const ofEngine = (run, i) => [`${nameOf(run)}>`, ({ ratios, holds }) => show(ratios[i], holds)];
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
    engines: runs.map(nameOf),
  },
});
