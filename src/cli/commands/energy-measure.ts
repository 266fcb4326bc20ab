/** `vireo energy measure`: joules of one inference from a meter, or, where there is none, what a model says. */
import { resolve } from 'node:path';
import { VireoError } from '../../errors.ts';
import { countNetwork } from '../../graph/cost/counts.ts';
import { energyOf } from '../../graph/cost/energy.ts';
import { profileOf } from '../../graph/cost/profiles.ts';
import { openBattery } from '../energy/battery.ts';
import {
  defaultProtocol,
  evaluate,
  type Measurement,
  runSchedule,
  type Schedule,
} from '../energy/measure.ts';
import { type Clock, type Meter, systemClock, timeMeter } from '../energy/meter.ts';
import { openPowerLog } from '../energy/power-log.ts';
import { openPowercap } from '../energy/powercap.ts';
import { reportAsJson, showEnergy } from '../energy/show.ts';
import { readFile, readNetwork, writeWhole } from '../files.ts';
import { openNetwork } from '../network.ts';
import {
  type Command,
  type Given,
  jsonOption,
  kernelsOption,
  operandsOf,
  shapeOption,
  shapesOf,
} from '../options.ts';
import { table } from '../terminal.ts';
import { feedNoise } from '../timing.ts';

const meters = ['auto', 'powercap', 'battery', 'csv', 'time'] as const;
type MeterName = (typeof meters)[number];

export const energyMeasure: Command = {
  name: 'energy measure',
  operands: 'MODEL',
  about:
    'Measures the joules of one inference: an idle stretch, then five inputs of at least 10 s and 10 iterations each, and their median.',
  options: [
    {
      name: 'meter',
      value: meters.join('|'),
      about: 'auto: powercap (RAPL), else the battery, else what a model says',
    },
    { name: 'root', value: 'FOLDER', about: 'where sysfs lies (default /sys)' },
    { name: 'log', value: 'FILE', about: 'for csv: columns seconds or milliseconds since 1970, and watts' },
    { name: 'watts', value: 'N', about: 'for time: the power that is taken to be constant' },
    {
      name: 'seconds',
      value: 'N',
      about: `of each run and of the idle stretch (default ${defaultProtocol.seconds})`,
    },
    {
      name: 'save-schedule',
      value: 'FILE',
      about: 'write when what ran, for --schedule; without --meter and --log nothing else is done',
    },
    {
      name: 'schedule',
      value: 'FILE',
      about: 'do not run; take the times of an earlier run, and the log of its meter',
    },
    { name: 'samples', value: 'FILE', about: 'add the figure to a CSV for `vireo energy fit`' },
    kernelsOption,
    shapeOption,
    jsonOption,
  ],
  example: 'vireo energy measure net.tflite --samples joules.csv',
  run: async (given) => {
    const [path] = operandsOf(energyMeasure, given, 1, 1);
    const saved = given.text('save-schedule');
    if (saved !== undefined && given.text('log') === undefined && given.text('meter') === undefined) {
      write(saved, `${JSON.stringify(await run(path, given, unreadMeter), null, 2)}\n`);
      console.log(`${saved}: when what ran; --schedule ${saved} --log FILE says what it took`);
      return 0;
    }
    const found = findMeter(given, systemClock);
    if ('reasons' in found) return modelled(path, given, found.reasons);
    const { meter } = found;
    const earlier = given.text('schedule');
    if (earlier !== undefined && meter.name !== 'csv')
      throw new VireoError(
        'usage',
        `--schedule needs --meter csv and its --log, got the meter ${meter.name}`,
      );
    const schedule = earlier === undefined ? await run(path, given, meter) : readSchedule(earlier);
    if (saved !== undefined) write(saved, `${JSON.stringify(schedule, null, 2)}\n`);
    const measurement = evaluate(schedule, meter);
    const samples = given.text('samples');
    if (samples !== undefined && measurement.net > 0) addSample(samples, path, measurement);
    else if (samples !== undefined)
      console.error(`note: no more than at rest, so ${samples} is left as it is`);
    console.log(given.flag('json') ? JSON.stringify(measurement, null, 2) : showMeasurement(measurement));
    return 0;
  },
};

/** Of a meter that is read later: the machine rests and runs, and no figure is asked for. */
const unreadMeter: Meter = {
  name: 'none',
  about: 'read later',
  method: 'measured',
  hasIdle: true,
  poll: () => {},
  joulesBetween: () => Number.NaN,
};

async function run(path: string, given: Given, meter: Meter): Promise<Schedule> {
  const { session, kernels, notes } = openNetwork(path, given);
  for (const note of notes) console.error(`note: ${note}`);
  const seconds = given.count('seconds') ?? defaultProtocol.seconds;
  if (seconds < defaultProtocol.seconds)
    console.error(
      `note: runs of ${seconds} s; figures to be shown to others take at least ${defaultProtocol.seconds} s`,
    );
  const workload = {
    model: path,
    kernels,
    feed: (input: number) => feedNoise(session, input + 1),
    run: session.run,
  };
  return runSchedule(workload, meter, systemClock, { ...defaultProtocol, seconds });
}

/** The meter asked for, or the first that works; `reasons`: why none does. */
export function findMeter(
  given: Pick<Given, 'text'>,
  clock: Clock,
): { readonly meter: Meter } | { readonly reasons: readonly string[] } {
  const root = given.text('root') ?? '/sys';
  const log = given.text('log');
  const asked = given.text('meter') ?? (log === undefined ? 'auto' : 'csv');
  const name = meters.find((meter) => meter === asked);
  if (!name)
    throw new VireoError('usage', `--meter expects ${meters.join(', ')}, got ${JSON.stringify(asked)}`);
  const open: Readonly<Record<Exclude<MeterName, 'auto'>, () => Meter>> = {
    powercap: () => openPowercap(root, clock),
    battery: () => openBattery(root, clock),
    csv: () => {
      if (log === undefined) throw new VireoError('usage', '--meter csv expects --log FILE');
      return openPowerLog(log);
    },
    time: () => {
      const watts = Number(given.text('watts') ?? Number.NaN);
      if (!(watts > 0) || !Number.isFinite(watts))
        throw new VireoError(
          'usage',
          `--meter time expects --watts with a number above 0, got ${given.text('watts')}`,
        );
      return timeMeter(watts);
    },
  };
  if (name !== 'auto') return { meter: open[name]() };
  const reasons: string[] = [];
  for (const choice of ['powercap', 'battery'] as const)
    try {
      return { meter: open[choice]() };
    } catch (error) {
      if (!(error instanceof VireoError)) throw error;
      reasons.push(error.message);
    }
  return { reasons };
}

function modelled(path: string, given: Given, reasons: readonly string[]): number {
  for (const reason of reasons) console.error(`note: ${reason}`);
  const report = energyOf(countNetwork(readNetwork(path, shapesOf(given)).graph), profileOf.cpu);
  console.error(
    `note: nothing is measured; the figure is ${report.method}, by profile ${report.profile}. \`--meter time --watts N\` takes time for energy`,
  );
  console.log(
    given.flag('json')
      ? JSON.stringify(reportAsJson(report), null, 2)
      : `${path}: ${showEnergy(report.total, report.unit)} an inference (${report.method} by profile ${report.profile}, tier ${report.tier})`,
  );
  return 0;
}

function readSchedule(path: string): Schedule {
  const fail = (): never => {
    throw new VireoError('bad-input', `${path}: expected what --save-schedule wrote`);
  };
  const isStretch = (given: unknown): boolean => {
    const { startMs, endMs } = (given ?? {}) as { startMs?: unknown; endMs?: unknown };
    return typeof startMs === 'number' && typeof endMs === 'number' && startMs < endMs;
  };
  let given: Partial<Schedule> | null;
  try {
    given = JSON.parse(new TextDecoder().decode(readFile(path)));
  } catch (error) {
    if (error instanceof VireoError) throw error;
    return fail();
  }
  const { model, kernels, idle, runs } = given ?? {};
  if (typeof model !== 'string' || typeof kernels !== 'string' || !Array.isArray(runs) || runs.length === 0)
    return fail();
  if (idle !== null && !isStretch(idle)) fail();
  for (const one of runs) if (!isStretch(one) || !(Number(one.iterations) >= 1)) fail();
  return { model, kernels, idle: idle ?? null, runs };
}

/** Net joules, with the model's whole path; the file is begun with its column names. */
function addSample(path: string, model: string, { net, method }: Measurement): void {
  let before = 'model,joules,method\n';
  try {
    before = new TextDecoder().decode(readFile(path));
  } catch (error) {
    if (!(error instanceof VireoError) || !error.message.includes('ENOENT')) throw error;
  }
  const name = resolve(model).replaceAll('"', '""');
  write(path, `${before}"${name}",${net},${method}\n`);
}

function showMeasurement({ method, about, model, kernels, idle, runs, gross, net }: Measurement): string {
  const joules = (value: number): string =>
    value < 0 ? `−${showEnergy(-value * 1e12, 'pJ')}` : showEnergy(value * 1e12, 'pJ');
  return [
    `${model}: ${joules(net)} an inference (${method}; median of ${runs.length} inputs, ${kernels} kernels)`,
    table([
      ['  meter', about],
      [
        '  at rest',
        idle
          ? `${idle.watts.toFixed(2)} W over ${idle.seconds.toFixed(1)} s, taken off`
          : 'not taken off: this meter says nothing of it',
      ],
      ['  with rest', joules(gross)],
    ]),
    '',
    table(
      [
        ['input', 'iterations', 'seconds', 'joules', 'W', 'gross', 'net'],
        ...runs.map(({ iterations, seconds, joules: sum, gross: all, net: own }, i) => [
          String(i + 1),
          String(iterations),
          seconds.toFixed(2),
          sum.toFixed(2),
          (sum / seconds).toFixed(2),
          joules(all),
          joules(own),
        ]),
      ],
      [1, 2, 3, 4, 5, 6],
    ),
    ...(net <= 0
      ? ['', 'note: no more than at rest: the runs are too short, or something else was running']
      : []),
  ].join('\n');
}

function write(path: string, text: string): void {
  writeWhole(path, new TextEncoder().encode(text));
}
