/** `vireo energy fit`: a hardware profile from measured joules. */
import { dirname, resolve } from 'node:path';
import { VireoError } from '../../errors.ts';
import { countNetwork, type NetworkCounts } from '../../graph/cost/counts.ts';
import type { Method } from '../../graph/cost/energy.ts';
import { type Fit, fitProfile, type RelativeError, type Sample } from '../../graph/cost/fit.ts';
import { profileOf } from '../../graph/cost/profiles.ts';
import { tiers } from '../../graph/cost/tiers.ts';
import { readColumns } from '../energy/columns.ts';
import { chosenProfile, profileOption, tierOption } from '../energy/profiles.ts';
import { readNetwork, writeWhole } from '../files.ts';
import { type Command, jsonOption, operandsOf } from '../options.ts';
import { percent, table } from '../terminal.ts';

export const energyFit: Command = {
  name: 'energy fit',
  operands: '',
  about:
    'Fits the costs of a profile to measured joules, by non-negative least squares (docs/energy.md, section 6).',
  options: [
    {
      name: 'samples',
      value: 'FILE',
      about:
        'CSV with the columns model (a path from the CSV) and joules of one inference; method, if not measured',
    },
    {
      ...profileOption,
      about: 'the profile whose costs are fitted and whose sizes are kept (default cpu-generic)',
    },
    tierOption,
    { name: 'out', value: 'FILE', about: 'write the fitted profile' },
    { name: 'name', value: 'NAME', about: 'its name (default fitted-PROFILE)' },
    jsonOption,
  ],
  example: 'vireo energy fit --samples joules.csv --out laptop.json',
  run: (given) => {
    operandsOf(energyFit, given, 0, 0);
    const path = given.text('samples');
    if (path === undefined) throw new VireoError('usage', 'vireo energy fit expects --samples FILE');
    const base = chosenProfile(given, profileOf.cpu);
    const { samples, method } = readSamples(path);
    const fit = fitProfile(samples, base, {
      name: given.text('name') ?? `fitted-${base.name}`,
      source: `vireo energy fit: ${samples.length} samples, ${method}`,
      year: new Date().getFullYear(),
      method,
    });
    const out = given.text('out');
    if (out !== undefined)
      writeWhole(out, new TextEncoder().encode(`${JSON.stringify(fit.profile, null, 2)}\n`));
    const { profile, ...errors } = fit;
    console.log(
      given.flag('json') ? JSON.stringify({ method, ...errors, profile }, null, 2) : showFit(fit, method),
    );
    if (out !== undefined) console.error(`${out}: profile ${profile.name}`);
    return 0;
  },
};

function readSamples(path: string): { samples: Sample[]; method: Method } {
  const { names, rows } = readColumns(path, ['model', 'joules']);
  let method: Method | undefined;
  const known = new Map<string, NetworkCounts>();
  const samples = rows.map((row): Sample => {
    const of = names.includes('method') ? row.text('method') : 'measured';
    if (of !== 'measured' && of !== 'assumed')
      throw new VireoError(
        'bad-input',
        `${path}, line ${row.line}: method expects measured or assumed, got ${JSON.stringify(of)}`,
      );
    if (method !== undefined && of !== method)
      throw new VireoError(
        'bad-input',
        `${path}, line ${row.line}: methods are never mixed; the lines before are ${method}, this one is ${of}`,
      );
    method = of;
    const joules = row.number('joules');
    if (!(joules > 0))
      throw new VireoError(
        'bad-input',
        `${path}, line ${row.line}: joules expects a number above 0, got ${joules}`,
      );
    const model = resolve(dirname(path), row.text('model'));
    const counts = known.get(model) ?? countNetwork(readNetwork(model).graph);
    known.set(model, counts);
    return { counts, energy: joules * 1e12 };
  });
  return { samples, method: method ?? 'measured' };
}

function showFit({ profile, fitted, crossValidated, byMacs, samples }: Fit, method: Method): string {
  const error = ({ mean, worst }: RelativeError): string => `${percent(mean)}, at worst ${percent(worst)}`;
  const costs = Object.entries(tiers[profile.tier].constants).filter(([, { kind }]) => kind === 'cost');
  return [
    `Profile ${profile.name}, tier ${profile.tier}, fitted to ${samples} samples (${method})`,
    table([
      ...costs.map(([name, { about }]) => {
        const { value, unit } = profile.constants[name];
        return [`  ${name}`, value.toPrecision(4), unit, about];
      }),
    ]),
    '',
    'Relative error of one inference:',
    table([
      ['  on the samples themselves', error(fitted)],
      ['  each sample by a fit to the others', error(crossValidated)],
      ['  the same by multiply-accumulates alone', error(byMacs)],
    ]),
  ].join('\n');
}
