/**
 * What one core can do at best: vector arithmetic, reads from each level of memory, a call into WebAssembly
 * (src/cli/limits.ts). Another benchmark's figure over one of these is its share of the limit.
 *
 *   node bench/limits.mjs [--filter TEXT] [--json | --markdown]
 */
import { readOptions } from './support/options.mjs';
import { report, table } from './support/report.mjs';
import { limitNames, measureLimits } from './support/source.mjs';

const usage = 'node bench/limits.mjs [--filter TEXT] [--json | --markdown]';
const options = readOptions(usage);
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const chosen = limitNames.filter((name) => name.includes(options.filter ?? ''));
if (chosen.length === 0)
  throw new Error(`no limit is called "${options.filter}"; there are ${limitNames.join(', ')}`);
const limits = measureLimits(chosen, 300);
const rows = Object.entries(limits).map(([name, limit]) => ({ name, ...limit }));
report(options, {
  title: 'Limits of one core',
  tables: {
    limits: table(
      {
        limit: (row) => row.name,
        'best>': (row) => row.value?.toFixed(row.value < 10 ? 2 : 1) ?? '–',
        unit: (row) => row.unit,
      },
      rows,
    ),
  },
  notes: [
    'The best of many samples. A multiply and an add count as two FLOP, or as one MAC. –: the engine does not know the instruction.',
  ],
  data: { limits },
});
