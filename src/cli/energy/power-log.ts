/**
 * What an external meter wrote: a CSV file of moments and watts, integrated as straight lines between samples.
 *
 *   milliseconds,watts          or  seconds,watts: since 1970, by a clock that agrees with this machine's
 *   1790000000000,12.4
 *
 * A stretch that the samples do not cover, or with a hole in it, is refused rather than guessed.
 */
import { VireoError } from '../../errors.ts';
import { medianOf } from '../timing.ts';
import { readColumns } from './columns.ts';
import type { Meter } from './meter.ts';

/** A hole: over five times as long as samples are usually apart, and over a second. */
const usualSpacings = 5;
const leastHoleMs = 1000;

/** The file is read when the first figure is asked for, so that a logger may write it while the network runs. */
export function openPowerLog(path: string): Meter {
  let log: Log | undefined;
  return {
    name: 'csv',
    about: `watts logged in ${path}`,
    method: 'measured',
    hasIdle: true,
    poll: () => {},
    joulesBetween: (startMs, endMs) => {
      log ??= readLog(path);
      return integrate(log, startMs, endMs, path);
    },
  };
}

interface Log {
  readonly times: readonly number[];
  readonly watts: readonly number[];
}

function readLog(path: string): Log {
  const { names, rows } = readColumns(path, ['watts']);
  const column = names.find((name) => name === 'milliseconds' || name === 'seconds');
  if (!column)
    throw new VireoError(
      'bad-input',
      `${path}: expected a column seconds or milliseconds, got ${names.join(', ')}`,
    );
  const times: number[] = [];
  const watts: number[] = [];
  for (const row of rows) {
    const time = row.number(column) * (column === 'seconds' ? 1000 : 1);
    if (times.length > 0 && time <= times[times.length - 1])
      throw new VireoError(
        'bad-input',
        `${path}, line ${row.line}: time does not go on; it is ${row.text(column)}`,
      );
    times.push(time);
    watts.push(row.number('watts'));
  }
  if (times.length < 2)
    throw new VireoError('bad-input', `${path}: expected at least two samples, got ${times.length}`);
  return { times, watts };
}

function integrate({ times, watts }: Log, startMs: number, endMs: number, path: string): number {
  const first = times[0];
  const last = times[times.length - 1];
  if (startMs < first || endMs > last)
    throw new VireoError(
      'bad-input',
      `${path}: samples from ${show(first)} to ${show(last)} do not cover the run from ${show(startMs)} to ${show(endMs)}`,
    );
  const hole = Math.max(
    leastHoleMs,
    usualSpacings * medianOf(times.slice(1).map((time, i) => time - times[i])),
  );
  let joules = 0;
  for (let i = 1; i < times.length; i++) {
    const from = Math.max(startMs, times[i - 1]);
    const to = Math.min(endMs, times[i]);
    if (to <= from) continue;
    const spacing = times[i] - times[i - 1];
    if (spacing > hole)
      throw new VireoError(
        'bad-input',
        `${path}: no samples for ${(spacing / 1000).toFixed(1)} s from ${show(times[i - 1])}, in the middle of a run; at most ${(hole / 1000).toFixed(1)} s are bridged`,
      );
    const at = (time: number): number =>
      watts[i - 1] + ((watts[i] - watts[i - 1]) * (time - times[i - 1])) / spacing;
    joules += (((at(from) + at(to)) / 2) * (to - from)) / 1000;
  }
  return joules;
}

const show = (timeMs: number): string => new Date(timeMs).toISOString();
