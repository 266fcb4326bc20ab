/**
 * The energy counters that Linux shows of processors with RAPL (Intel, and AMD since Zen): packages, and DRAM beside
 * them. Each counts microjoules up to `max_energy_range_uj` and begins again at 0.
 *
 *   ROOT/class/powercap/intel-rapl:0/name                  package-0
 *   ROOT/class/powercap/intel-rapl:0/energy_uj             counter
 *   ROOT/class/powercap/intel-rapl:0/max_energy_range_uj   its largest value
 *   ROOT/class/powercap/intel-rapl:0:2/name                dram
 *
 * A package holds its cores and graphics, so these are not added again; `intel-rapl-mmio` counts the same packages
 * another way and is passed over. A counter that goes round twice between two reads cannot be seen to: at 300 W and
 * 65 kJ that takes over three minutes, and it is read every second.
 * Source: Linux, Documentation/power/powercap/powercap.rst. Reading was limited to root after CVE-2020-8694.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VireoError } from '../../errors.ts';
import { type Clock, Cumulative, type Meter } from './meter.ts';

interface Counter {
  readonly name: string;
  readonly file: string;
  readonly range: number;
  last: number;
}

export function openPowercap(root: string, clock: Clock): Meter {
  const folder = join(root, 'class/powercap');
  if (!existsSync(folder))
    throw new VireoError(
      'io',
      `${folder} is not there: this machine shows no energy counters (virtual machines, containers and processors without RAPL have none)`,
    );
  const zones = readdirSync(folder).filter((name) => /^intel-rapl:\d+(?::\d+)?$/u.test(name));
  const named = zones.map((zone) => ({ zone, name: readText(join(folder, zone, 'name')) }));
  const nameOf = new Map(named.map(({ zone, name }) => [zone, name]));
  const counters = named
    .filter(({ name }) => name.startsWith('package') || name === 'dram')
    .map(({ zone, name }): Counter => {
      const parent = nameOf.get(zone.replace(/:\d+$/u, ''));
      const file = join(folder, zone, 'energy_uj');
      return {
        name: name === 'dram' && parent ? `${parent} dram` : name,
        file,
        range: readCounter(join(folder, zone, 'max_energy_range_uj')),
        last: readCounter(file),
      };
    });
  if (counters.length === 0)
    throw new VireoError(
      'io',
      `${folder}: expected zones named package-… or dram, got ${named.map(({ name }) => name).join(', ') || 'none'}`,
    );
  const joules = new Cumulative();
  joules.add(clock.now(), 0);
  return {
    name: 'powercap',
    about: `RAPL counters of ${counters.map(({ name }) => name).join(', ')}`,
    method: 'measured',
    hasIdle: true,
    poll: () => {
      let microjoules = 0;
      for (const counter of counters) {
        const value = readCounter(counter.file);
        microjoules += value >= counter.last ? value - counter.last : value - counter.last + counter.range;
        counter.last = value;
      }
      joules.add(clock.now(), microjoules / 1e6);
    },
    joulesBetween: (startMs, endMs) => joules.between(startMs, endMs),
  };
}

function readCounter(file: string): number {
  const text = readText(file);
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < 0)
    throw new VireoError(
      'io',
      `${file}: expected a whole number of microjoules, got ${JSON.stringify(text)}`,
    );
  return value;
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw unreadable(file, error);
  }
}

export function unreadable(file: string, error: unknown): VireoError {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EACCES' || code === 'EPERM')
    return new VireoError(
      'io',
      `${file}: no permission. Since 2020 Linux lets only root read energy counters (CVE-2020-8694). Run as root, or allow it until the next start: sudo chmod a+r ${file}`,
    );
  return new VireoError('io', `${file}: ${error instanceof Error ? error.message : error}`);
}
