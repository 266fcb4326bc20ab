/**
 * A laptop's battery as a meter: the power of the whole machine, screen and all, while it runs from the battery.
 *
 *   ROOT/class/power_supply/BAT0/type          Battery
 *   ROOT/class/power_supply/BAT0/status        Discharging
 *   ROOT/class/power_supply/BAT0/power_now     µW, or current_now (µA) and voltage_now (µV)
 *
 * Firmware refreshes these every second or slower, so only long runs mean anything.
 * Source: Linux, Documentation/ABI/testing/sysfs-class-power.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { VireoError } from '../../errors.ts';
import { type Clock, Cumulative, type Meter } from './meter.ts';
import { readText } from './powercap.ts';

export function openBattery(root: string, clock: Clock): Meter {
  const folder = join(root, 'class/power_supply');
  const batteries = (existsSync(folder) ? readdirSync(folder) : [])
    .map((name) => join(folder, name))
    .filter((path) => existsSync(join(path, 'type')) && readText(join(path, 'type')) === 'Battery')
    .filter((path) => !existsSync(join(path, 'scope')) || readText(join(path, 'scope')) !== 'Device');
  if (batteries.length === 0) throw new VireoError('io', `${folder}: no battery of this machine is there`);
  for (const path of batteries) {
    const status = readText(join(path, 'status'));
    if (status !== 'Discharging')
      throw new VireoError(
        'io',
        `${path}: expected a battery that is discharging, its status is "${status}": pull the plug`,
      );
  }
  const watts = (): number => batteries.reduce((sum, path) => sum + wattsOf(path), 0);
  const joules = new Cumulative();
  let lastMs = clock.now();
  let last = watts();
  joules.add(lastMs, 0);
  return {
    name: 'battery',
    about: `power of the whole machine from ${batteries.length === 1 ? 'its battery' : `${batteries.length} batteries`}`,
    method: 'measured',
    hasIdle: true,
    poll: () => {
      const nowMs = clock.now();
      const now = watts();
      joules.add(nowMs, (((last + now) / 2) * (nowMs - lastMs)) / 1000);
      last = now;
      lastMs = nowMs;
    },
    joulesBetween: (startMs, endMs) => joules.between(startMs, endMs),
  };
}

function wattsOf(path: string): number {
  const read = (name: string): number => {
    const text = readText(join(path, name));
    const value = Number(text);
    if (text === '' || !Number.isFinite(value))
      throw new VireoError('io', `${join(path, name)}: expected a number, got ${JSON.stringify(text)}`);
    return Math.abs(value);
  };
  if (existsSync(join(path, 'power_now'))) return read('power_now') / 1e6;
  return (read('current_now') * read('voltage_now')) / 1e12;
}
