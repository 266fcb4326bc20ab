/** Meters on made-up sysfs trees and logs: counters that begin again, what cannot be read, logs with holes. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { findMeter } from '../../src/cli/commands/energy-measure.ts';
import { openBattery } from '../../src/cli/energy/battery.ts';
import { readColumns } from '../../src/cli/energy/columns.ts';
import { evaluate, runSchedule } from '../../src/cli/energy/measure.ts';
import type { Clock, Meter } from '../../src/cli/energy/meter.ts';
import { openPowerLog } from '../../src/cli/energy/power-log.ts';
import { openPowercap, unreadable } from '../../src/cli/energy/powercap.ts';

const folders: string[] = [];
let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vireo-meter-'));
  folders.push(root);
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function put(path: string, text: string | number): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${text}\n`);
  return file;
}

/** Time that passes when the test says so. */
class Hands implements Clock {
  ms = 1_790_000_000_000;
  onWait: (ms: number) => void = () => {};
  now = (): number => this.ms;
  wait = (ms: number): Promise<void> => {
    this.pass(ms);
    return Promise.resolve();
  };
  pass(ms: number): void {
    this.ms += ms;
    this.onWait(ms);
  }
}

function zone(path: string, name: string, microjoules: number, range = 1_000_000): void {
  put(`class/powercap/${path}/name`, name);
  put(`class/powercap/${path}/energy_uj`, microjoules);
  put(`class/powercap/${path}/max_energy_range_uj`, range);
}

const count = (path: string, microjoules: number): string =>
  put(`class/powercap/${path}/energy_uj`, microjoules);

describe('powercap', () => {
  it('adds packages and their DRAM; cores, graphics and the second view of a package are not added again', () => {
    zone('intel-rapl:0', 'package-0', 100);
    zone('intel-rapl:0:0', 'core', 100);
    zone('intel-rapl:0:1', 'dram', 200);
    zone('intel-rapl:1', 'package-1', 300);
    zone('intel-rapl-mmio:0', 'package-0', 100);
    zone('intel-rapl:2', 'psys', 100);
    const clock = new Hands();
    const meter = openPowercap(root, clock);
    expect(meter).toMatchObject({
      about: 'RAPL counters of package-0, package-0 dram, package-1',
      method: 'measured',
    });
    const startMs = clock.ms;
    clock.pass(1000);
    for (const path of ['intel-rapl:0', 'intel-rapl:0:0', 'intel-rapl:0:1', 'intel-rapl:1', 'intel-rapl:2'])
      count(path, 500_000);
    count('intel-rapl-mmio:0', 500_000);
    meter.poll();
    expect(meter.joulesBetween(startMs, clock.ms)).toBeCloseTo((499_900 + 499_800 + 499_700) / 1e6, 9);
  });

  it('a counter that begins again at 0 has gone on by its range', () => {
    zone('intel-rapl:0', 'package-0', 900_000, 1_000_000);
    const clock = new Hands();
    const meter = openPowercap(root, clock);
    const startMs = clock.ms;
    for (const value of [990_000, 50_000, 999_999, 3]) {
      clock.pass(500);
      count('intel-rapl:0', value);
      meter.poll();
    }
    // 90,000 + 60,000 + 949,999 + 4
    expect(meter.joulesBetween(startMs, clock.ms)).toBeCloseTo(1.100003, 9);
    expect(meter.joulesBetween(startMs, startMs + 500)).toBeCloseTo(0.09, 9);
    expect(meter.joulesBetween(startMs + 500, startMs + 1000)).toBeCloseTo(0.06, 9);
  });

  it('a machine without counters says what that usually means', () => {
    expect(() => openPowercap(root, new Hands())).toThrow(/class\/powercap is not there.*virtual machines/u);
  });
  it('zones of other kinds only', () => {
    zone('intel-rapl:0', 'psys', 1);
    expect(() => openPowercap(root, new Hands())).toThrow('expected zones named package-… or dram, got psys');
  });
  it('a counter that is no number', () => {
    zone('intel-rapl:0', 'package-0', 1);
    put('class/powercap/intel-rapl:0/energy_uj', 'n/a');
    expect(() => openPowercap(root, new Hands())).toThrow(
      'energy_uj: expected a whole number of microjoules, got "n/a"',
    );
  });
  it('a counter without its range', () => {
    zone('intel-rapl:0', 'package-0', 1);
    rmSync(join(root, 'class/powercap/intel-rapl:0/max_energy_range_uj'));
    expect(() => openPowercap(root, new Hands())).toThrow(/max_energy_range_uj: ENOENT/u);
  });
  const message = /no permission.*CVE-2020-8694.*sudo chmod a\+r/u;
  // Root may read everything, whatever a file's mode says.
  it.skipIf(process.getuid?.() === 0)(
    'a counter that only root may read: the error says how to allow it',
    () => {
      zone('intel-rapl:0', 'package-0', 1);
      chmodSync(join(root, 'class/powercap/intel-rapl:0/energy_uj'), 0);
      expect(() => openPowercap(root, new Hands())).toThrow(message);
    },
  );
  it('what the system says when permission lacks is explained', () => {
    const refused = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    expect(unreadable('energy_uj', refused).message).toMatch(message);
  });
});

describe('battery', () => {
  const battery = (status: string, more: Record<string, number>): void => {
    put('class/power_supply/BAT0/type', 'Battery');
    put('class/power_supply/BAT0/status', status);
    for (const [name, value] of Object.entries(more)) put(`class/power_supply/BAT0/${name}`, value);
  };
  it('adds up power over time', () => {
    battery('Discharging', { power_now: 10_000_000 });
    put('class/power_supply/AC/type', 'Mains');
    const clock = new Hands();
    const meter = openBattery(root, clock);
    const startMs = clock.ms;
    clock.pass(2000);
    battery('Discharging', { power_now: 14_000_000 });
    meter.poll();
    expect(meter.joulesBetween(startMs, clock.ms)).toBeCloseTo(24, 9);
  });
  it('takes current times voltage where there is no power', () => {
    battery('Discharging', { current_now: -1_000_000, voltage_now: 12_000_000 });
    const clock = new Hands();
    const meter = openBattery(root, clock);
    clock.pass(1000);
    meter.poll();
    expect(meter.joulesBetween(clock.ms - 1000, clock.ms)).toBeCloseTo(12, 9);
  });
  it.each([
    ['a battery that is charging', () => battery('Charging', { power_now: 1 }), 'pull the plug'],
    ['no battery', () => {}, 'no battery of this machine'],
    ['neither power nor current', () => battery('Discharging', {}), /current_now: ENOENT/u],
  ])('%s is refused', (_, make, message) => {
    make();
    expect(() => openBattery(root, new Hands())).toThrow(message);
  });
  it('the battery of a mouse is none of the machine', () => {
    battery('Discharging', { power_now: 1 });
    put('class/power_supply/BAT0/scope', 'Device');
    expect(() => openBattery(root, new Hands())).toThrow('no battery of this machine');
  });
});

describe('a log of watts', () => {
  const log = (lines: readonly string[]): Meter => openPowerLog(put('log.csv', lines.join('\n')));
  it('is integrated along straight lines, also from between two samples', () => {
    const meter = log(['seconds,watts', '10,2', '11,4', '12,4', '13,0']);
    expect(meter.joulesBetween(10_000, 12_000)).toBeCloseTo(7, 9);
    expect(meter.joulesBetween(10_500, 12_500)).toBeCloseTo(1.75 + 4 + 1.5, 9);
  });
  it.each<[string, string[], RegExp]>([
    [
      'with a hole in the run',
      ['milliseconds,watts', '0,1', '500,1', '1000,1', '4000,1', '4500,1', '5000,1', '5500,1'],
      /no samples for 3\.0 s from 1970-01-01T00:00:01\.000Z.*at most 2\.5 s/u,
    ],
    ['that ends too early', ['seconds,watts', '0,1', '1,1'], /do not cover the run/u],
    ['whose time runs back', ['seconds,watts', '0,1', '2,1', '1,1'], /line 4: time does not go on; it is 1/u],
    ['with an empty cell', ['seconds,watts', '0,1', '1,', '9,1'], /line 3: column "watts" is empty/u],
    [
      'with a word for a number',
      ['seconds,watts', '0,1', '1,low'],
      /line 3: column "watts" expects a number, got "low"/u,
    ],
    [
      'without a column of watts',
      ['seconds,volts', '0,1'],
      /line 1: expected the columns watts; watts is not among seconds, volts/u,
    ],
    [
      'without a column of time',
      ['hours,watts', '0,1'],
      /expected a column seconds or milliseconds, got hours, watts/u,
    ],
    ['of one sample', ['seconds,watts', '0,1'], /at least two samples, got 1/u],
    ['that is empty', [''], /got an empty file/u],
  ])('%s is refused', (_, lines, message) => {
    expect(() => log(lines).joulesBetween(0, 5000)).toThrow(message);
  });
  it('a hole outside of the run is nobody’s business', () => {
    const meter = log(['seconds,watts', '0,1', '1,1', '2,1', '60,1', '61,1', '62,1']);
    expect(meter.joulesBetween(60_000, 62_000)).toBeCloseTo(2, 9);
  });
  it('cells may be quoted, and lines commented out', () => {
    const path = put('quoted.csv', '# a comment\nmodel,joules\n\n"a, ""b"".tflite",1e-3');
    const { rows } = readColumns(path, ['model']);
    expect([rows[0].line, rows[0].text('model'), rows[0].number('joules')]).toEqual([
      4,
      'a, "b".tflite',
      0.001,
    ]);
  });
});

describe('the protocol', () => {
  it('rests first, then runs each input long enough, and takes medians', async () => {
    zone('intel-rapl:0', 'package-0', 0, 2 ** 40);
    const clock = new Hands();
    let microjoules = 0;
    let watts = 2;
    clock.onWait = (ms) => {
      microjoules += watts * ms * 1000;
      count('intel-rapl:0', microjoules);
    };
    const meter = openPowercap(root, clock);
    const fed: number[] = [];
    const workload = {
      model: 'net',
      kernels: 'js',
      // One input of the five costs twice as much.
      feed: (input: number) => {
        fed.push(input);
        watts = input === 3 ? 12 : 7;
      },
      run: () => clock.pass(100),
    };
    const schedule = await runSchedule(workload, meter, clock, { seconds: 10, iterations: 10, inputs: 5 });
    const measurement = evaluate(schedule, meter);
    expect(fed).toEqual([0, 1, 2, 3, 4]);
    expect(measurement.idle?.watts).toBeCloseTo(2, 6);
    expect(measurement.idle?.seconds).toBeGreaterThanOrEqual(10);
    for (const run of measurement.runs) {
      expect(run.seconds).toBeGreaterThanOrEqual(10);
      expect(run.iterations).toBeGreaterThanOrEqual(10);
    }
    expect(measurement.gross).toBeCloseTo(0.7, 6);
    expect(measurement.net).toBeCloseTo(0.5, 6);
    expect(measurement.runs[3].net).toBeCloseTo(1, 6);
  });
  it('slow networks run ten times, however long that takes', async () => {
    const clock = new Hands();
    const found = findMeter({ text: (name) => ({ meter: 'time', watts: '3' })[name] }, clock);
    if (!('meter' in found)) throw new Error('no meter');
    const workload = { model: 'net', kernels: 'js', feed: () => {}, run: () => clock.pass(5000) };
    const schedule = await runSchedule(workload, found.meter, clock, {
      seconds: 10,
      iterations: 10,
      inputs: 2,
    });
    const measurement = evaluate(schedule, found.meter);
    expect(schedule.runs.map(({ iterations }) => iterations)).toEqual([10, 10]);
    expect(measurement).toMatchObject({ method: 'assumed', idle: null });
    expect(measurement.net).toBeCloseTo(15, 9);
  });
  it('without any meter the reasons are given', () => {
    const found = findMeter({ text: (name) => (name === 'root' ? root : undefined) }, new Hands());
    expect('reasons' in found && found.reasons.length).toBe(2);
  });
  it.each([
    ['an unknown meter', { meter: 'sun' }, 'expects auto, powercap, battery, csv, time, got "sun"'],
    ['csv without a log', { meter: 'csv' }, '--meter csv expects --log FILE'],
    ['time without watts', { meter: 'time' }, '--meter time expects --watts'],
    ['negative watts', { meter: 'time', watts: '-3' }, 'got -3'],
  ])('%s is refused', (_, given: Record<string, string>, message) => {
    expect(() => findMeter({ text: (name) => given[name] }, new Hands())).toThrow(message);
  });
});
