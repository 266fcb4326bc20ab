/** `vireo energy`, `energy fit` and `energy measure`: tables, JSON, files, and what is refused. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { htmlReport } from '../../src/cli/energy/html.ts';
import { showEnergy } from '../../src/cli/energy/show.ts';
import { profiles } from '../../src/energy.ts';
import { dataPath, itWithData } from '../data.ts';
import { lenet5 } from '../graph/reference-networks.ts';
import { vireo } from './command.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vireo-energy-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text?: string): string => {
  const path = join(folder, name);
  if (text !== undefined) writeFileSync(path, text);
  return path;
};

const float = 'mlperf-tiny/ic/pretrainedResnet.tflite';
const int8 = 'mlperf-tiny/ic/pretrainedResnet_quant.tflite';
const kws = 'mlperf-tiny/kws/kws_ref_model.tflite';
const ad = 'mlperf-tiny/ad/ad01_int8.tflite';

describe('energy', () => {
  itWithData(
    'prints a table with its method, profile and model, and whether the models agree',
    [int8],
    () => {
      const { status, stdout } = vireo('energy', dataPath(int8));
      expect(status).toBe(0);
      expect(stdout).toContain('modelled by profile horowitz-45nm, tier H, in joules');
      expect(stdout).toMatch(
        /layer\s+MACs\s+zeros\s+bits\s+compute\s+weights\s+inputs\s+outputs\s+total\s+share/u,
      );
      expect(stdout).toMatch(/zero weights\s+811 of 77\.4 k/u);
      expect(stdout).toMatch(/horowitz-45nm \(modelled\)\s+cpu-generic \(assumed\)\s+0\.\d\d/u);
    },
  );
  itWithData('its MACs are those of inspect', [kws], () => {
    const energy = JSON.parse(vireo('energy', dataPath(kws), '--json').stdout);
    const inspect = JSON.parse(vireo('inspect', dataPath(kws), '--json').stdout);
    expect(energy.macs).toBe(2_656_768);
    expect(energy.macs).toBe(inspect.macs);
  });
  itWithData('every figure in JSON carries method, profile, model and unit', [float], () => {
    const { stdout } = vireo('energy', dataPath(float), '--tier', 'S', '--bits', '16', '--json');
    const report = JSON.parse(stdout);
    const provenance = { method: 'modelled', profile: 'systolic-12x14', tier: 'S', unit: 'MAC' };
    expect(report).toMatchObject({ ...provenance, countedAfter: 'optimize', macs: 12_501_632 });
    expect(report.total).toMatchObject(provenance);
    expect(report.total.value).toBeCloseTo(199_629_584, 0);
    for (const { energy } of report.layers) if (energy) expect(energy).toMatchObject(provenance);
    expect(report.leftOut).toContain('softmax');
    expect(report.agreement.length).toBe(6);
  });
  itWithData('sets two networks side by side', [float, int8], () => {
    const { stdout } = vireo('energy', dataPath(float), '--compare', dataPath(int8));
    expect(stdout).toMatch(/total\s+284\.1 µJ\s+60\.39 µJ\s+4\.70×/u);
    const { networks } = JSON.parse(
      vireo('energy', dataPath(float), '--compare', dataPath(int8), '--json').stdout,
    );
    expect(networks.length).toBe(2);
  });
  itWithData('networks of other layers are compared as wholes', [float, kws], () => {
    expect(vireo('energy', dataPath(float), '--compare', dataPath(kws)).stdout).toContain(
      'so they are not paired',
    );
  });
  itWithData('a tensor of several profiles: a user’s own file', [kws], () => {
    const path = file('mine.json');
    expect(vireo('energy', '--tier', 'E', '--save-profile', path).status).toBe(0);
    const profile = JSON.parse(readFileSync(path, 'utf8'));
    profile.name = 'mine';
    profile.constants.dram.value = 400;
    writeFileSync(path, JSON.stringify(profile));
    const { stdout } = vireo('energy', dataPath(kws), '--profile', path);
    expect(stdout).toContain('modelled by profile mine, tier E');
    expect(stdout).toMatch(/mine \(modelled\)\s+horowitz-45nm \(modelled\)/u);
  });
  itWithData('exports 25 fields a layer', [kws], () => {
    const path = file('layers.txt');
    const { status, stderr } = vireo('energy', dataPath(kws), '--export-eyeriss', path);
    expect([status, stderr]).toEqual([
      0,
      `${path}: 10 layers; left out, as the tool does not know them: averagePool2d, softmax\n`,
    ]);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines[0]).toBe('1 49 10 1 1 0 8 10 4 1 64 23 8 25 5 64 1 0 8 2 2 4 5 1 1');
    expect(lines.every((line) => line.split(' ').length === 25)).toBe(true);
  });
  it.each([
    [
      'an unknown profile',
      ['net', '--profile', 'nowhere'],
      1,
      /no profile "nowhere": expected horowitz-45nm, eyeriss/u,
    ],
    ['an unknown tier', ['net', '--tier', 'Q'], 2, /--tier expects H, E, S, cpu, got "Q"/u],
    [
      'a profile of another tier',
      ['net', '--profile', 'eyeriss', '--tier', 'S'],
      2,
      /profile eyeriss is for tier E, --tier says S/u,
    ],
    ['bits beyond 64', ['net', '--bits', '65'], 2, /--bits expects 1 to 64, got 65/u],
    ['a file that is not there', ['nowhere.tflite'], 1, /nowhere\.tflite.*ENOENT/u],
  ])('%s is refused', (_, args, status, message) => {
    const outcome = vireo('energy', ...args);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toMatch(message);
  });
  itWithData(
    'a profile with a negative constant is refused by its name, and nothing is written',
    [kws],
    () => {
      const path = file('negative.json');
      vireo('energy', '--save-profile', path);
      writeFileSync(path, readFileSync(path, 'utf8').replace('"value": 640', '"value": -640'));
      const html = file('never.html');
      const { status, stderr } = vireo('energy', dataPath(kws), '--profile', path, '--html', html);
      expect(status).toBe(1);
      expect(stderr).toContain('constant "dram": "value" expects a number of at least 0, got -640');
      expect(existsSync(html)).toBe(false);
    },
  );
  it.each([
    [123.4, 'pJ', '123.4 pJ'],
    [284.1e6, 'pJ', '284.1 µJ'],
    [2e12, 'pJ', '2.000 J'],
    [15.97, 'MAC', '16'],
    [1.99e8, 'MAC', '199.00 M'],
    [1.196e9, 'MAC', '1.20 G'],
  ] as const)('%d %s is shown as %s', (value, unit, text) => {
    expect(showEnergy(value, unit)).toBe(text);
  });
});

describe('the HTML report', () => {
  it.each(profiles)('by $name: one file, no scripts, nothing from elsewhere, light and dark', (profile) => {
    const html = htmlReport('a<b>.tflite', lenet5(), profile, profiles, {});
    expect(html).toContain('a&#60;b&#62;.tflite');
    expect(html).not.toMatch(/<script|<link|<img|https?:|url\(|@import|javascript:|\son\w+=/iu);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).not.toMatch(/NaN|Infinity|undefined/u);
    expect(html.match(/<svg/gu)?.length).toBeGreaterThanOrEqual(3);
    for (const text of ['Layer by layer', 'What if', 'all int8', '50 % zeros', 'half width', profile.name])
      expect(html).toContain(text);
    const open = [...html.matchAll(/<(svg|g|table|figure|div|p|tr|td|th|span|dl|text|tspan)\b/gu)].map(
      ([, tag]) => tag,
    );
    const close = [...html.matchAll(/<\/(svg|g|table|figure|div|p|tr|td|th|span|dl|text|tspan)>/gu)].map(
      ([, tag]) => tag,
    );
    expect(close.sort()).toEqual(open.sort());
  });
  itWithData('is written whole', [int8], () => {
    const path = file('report.html');
    expect(vireo('energy', dataPath(int8), '--html', path).status).toBe(0);
    expect(readFileSync(path, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/u);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });
});

describe('energy fit', () => {
  const networks = [float, int8, kws, ad];
  itWithData('fits a profile, says how far off it is, and energy takes it', networks, () => {
    const costs = networks.map((path) =>
      JSON.parse(vireo('energy', dataPath(path), '--tier', 'E', '--json').stdout),
    );
    const rows = costs.map(({ total }, i) => `${dataPath(networks[i])},${3e-12 * total.value}`);
    const samples = file('joules.csv', `model,joules\n${rows.join('\n')}\n`);
    const out = file('fitted.json');
    const fit = JSON.parse(
      vireo('energy', 'fit', '--samples', samples, '--tier', 'E', '--out', out, '--json').stdout,
    );
    expect(fit.fitted.mean).toBeLessThan(1e-6);
    expect(fit.crossValidated.mean).toBeGreaterThan(fit.fitted.mean);
    expect(fit).toMatchObject({ method: 'measured', samples: 4 });
    const again = JSON.parse(vireo('energy', dataPath(float), '--profile', out, '--json').stdout);
    expect(again).toMatchObject({ method: 'modelled', profile: 'fitted-eyeriss', unit: 'pJ' });
    expect(again.total.value).toBeCloseTo(3 * costs[0].total.value, -3);
    expect(vireo('energy', 'fit', '--samples', samples).stdout).toContain(
      'each sample by a fit to the others',
    );
  });
  it.each([
    ['no samples', [], 2, /expects --samples FILE/u],
    ['a missing file', ['--samples', 'nowhere.csv'], 1, /nowhere\.csv.*ENOENT/u],
  ])('%s is refused', (_, args, status, message) => {
    const outcome = vireo('energy', 'fit', ...args);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toMatch(message);
  });
  const model = dataPath(kws);
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['a gap', `model,joules\n${model},1\n${model},\n`, /line 3: column "joules" is empty/u],
    ['a short line', `model,joules\n${model}\n`, /line 2: expected 2 cells, got 1/u],
    ['a negative energy', `model,joules\n${model},-1\n`, /line 2: joules expects a number above 0, got -1/u],
    ['too few samples', `model,joules\n${model},1\n`, /at least 3 samples, got 1/u],
    [
      'methods that are mixed',
      `model,joules,method\n${model},1,measured\n${model},1,assumed\n`,
      /line 3: methods are never mixed; the lines before are measured, this one is assumed/u,
    ],
    ['an unknown method', `model,joules,method\n${model},1,guessed\n`, /method expects measured or assumed/u],
    ['no column of joules', `model,watts\n${model},1\n`, /joules is not among model, watts/u],
  ];
  for (const [name, text, message] of refused)
    itWithData(`a CSV with ${name} is refused by its line`, [kws], () => {
      const { status, stderr } = vireo('energy', 'fit', '--samples', file(`${name}.csv`, text));
      expect(status).toBe(1);
      expect(stderr).toMatch(message);
    });
});

describe('energy measure', () => {
  itWithData('without a meter: why, and what a model says, by its method', [kws], () => {
    const { status, stdout, stderr } = vireo('energy', 'measure', dataPath(kws), '--root', folder);
    expect(status).toBe(0);
    expect(stderr).toMatch(/powercap is not there.*\n.*no battery.*\n.*nothing is measured/u);
    expect(stdout).toContain('assumed by profile cpu-generic, tier cpu');
  });
  itWithData('a meter that was asked for and is not there is an error', [kws], () => {
    const { status, stderr } = vireo(
      'energy',
      'measure',
      dataPath(kws),
      '--meter',
      'powercap',
      '--root',
      folder,
    );
    expect(status).toBe(1);
    expect(stderr).toContain('shows no energy counters');
  });
  itWithData('an earlier schedule and the log of an external meter', [kws], () => {
    const run = { startMs: 20_000, endMs: 30_000, iterations: 100 };
    const schedule = { model: 'net', kernels: 'js', idle: { startMs: 0, endMs: 10_000 }, runs: [run] };
    const log = ['seconds,watts', ...Array.from({ length: 41 }, (_, s) => `${s},${s < 15 ? 2 : 6}`)];
    const args = [
      ...['--schedule', file('schedule.json', JSON.stringify(schedule))],
      ...['--log', file('watts.csv', log.join('\n'))],
      ...['--samples', file('samples.csv')],
    ];
    rmSync(file('samples.csv'), { force: true });
    const first = vireo('energy', 'measure', dataPath(kws), ...args, '--json');
    expect(JSON.parse(first.stdout)).toMatchObject({ method: 'measured', meter: 'csv', unit: 'J' });
    expect(JSON.parse(first.stdout).net).toBeCloseTo(0.4, 9);
    expect(vireo('energy', 'measure', dataPath(kws), ...args).stdout).toContain(
      '2.00 W over 10.0 s, taken off',
    );
    const [head, ...rows] = readFileSync(file('samples.csv'), 'utf8').trimEnd().split('\n');
    expect([head, rows.length]).toEqual(['model,joules,method', 2]);
    expect(rows[0]).toMatch(/^".*kws_ref_model\.tflite",0\.4\d*,measured$/u);
  });
  itWithData('runs now for a log that comes later', [ad], () => {
    const path = file('later.json');
    const { status, stdout, stderr } = vireo(
      'energy',
      'measure',
      dataPath(ad),
      '--seconds',
      '1',
      '--save-schedule',
      path,
    );
    expect(status).toBe(0);
    expect(stdout).toContain('--log FILE says what it took');
    expect(stderr).toContain('figures to be shown to others take at least 10 s');
    const { idle, runs } = JSON.parse(readFileSync(path, 'utf8'));
    expect(idle.endMs - idle.startMs).toBeGreaterThanOrEqual(1000);
    expect(runs.length).toBe(5);
    const end = Math.ceil(runs[4].endMs / 1000) + 1;
    const start = Math.floor(idle.startMs / 1000) - 1;
    const log = ['seconds,watts', ...Array.from({ length: end - start + 1 }, (_, i) => `${start + i},5`)];
    const args = ['--schedule', path, '--log', file('constant.csv', log.join('\n')), '--json'];
    const measured = JSON.parse(vireo('energy', 'measure', dataPath(ad), ...args).stdout);
    expect(measured.idle.watts).toBeCloseTo(5, 9);
    expect(measured.net).toBeCloseTo(0, 9);
    expect(measured.gross).toBeGreaterThan(0);
  });
  itWithData('what is no schedule is refused', [kws], () => {
    const args = [
      '--log',
      file('w.csv', 'seconds,watts\n0,1\n1,1\n'),
      '--schedule',
      file('no.json', '{"runs":[]}'),
    ];
    expect(vireo('energy', 'measure', dataPath(kws), ...args).stderr).toContain(
      'expected what --save-schedule wrote',
    );
  });
});
