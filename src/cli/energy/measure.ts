/**
 * Joules of one inference from a meter: an idle stretch first, then one run for each input, each of at least so many
 * seconds and iterations; the figure is the median over the inputs.
 *
 *   gross = joules / iterations,   net = (joules − idle watts · seconds) / iterations
 */
import { medianOf } from '../timing.ts';
import type { Clock, Meter } from './meter.ts';

/** A stretch of time, in milliseconds since 1970. */
export interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
}

export interface Run extends Stretch {
  readonly iterations: number;
}

/** When what ran: enough to compute the figures later, from a log. */
export interface Schedule {
  readonly model: string;
  readonly kernels: string;
  readonly idle: Stretch | null;
  readonly runs: readonly Run[];
}

export interface Protocol {
  readonly seconds: number;
  readonly iterations: number;
  readonly inputs: number;
}

/** What the figures of this project are taken with. */
export const defaultProtocol: Protocol = { seconds: 10, iterations: 10, inputs: 5 };

const warmUpMs = 500;
const pollMs = 500;

export interface Workload {
  readonly model: string;
  readonly kernels: string;
  /** Puts the numbers of one of the inputs in place. */
  readonly feed: (input: number) => void;
  readonly run: () => void;
}

export async function runSchedule(
  { model, kernels, feed, run }: Workload,
  meter: Meter,
  clock: Clock,
  protocol: Protocol,
): Promise<Schedule> {
  const idle = meter.hasIdle ? await rest(meter, clock, protocol.seconds) : null;
  const runs: Run[] = [];
  for (let input = 0; input < protocol.inputs; input++) {
    feed(input);
    for (const warm = clock.now() + warmUpMs; clock.now() < warm; ) run();
    meter.poll();
    const startMs = clock.now();
    let iterations = 0;
    let nextPoll = startMs + pollMs;
    for (let now = startMs; now - startMs < 1000 * protocol.seconds || iterations < protocol.iterations; ) {
      run();
      iterations++;
      now = clock.now();
      if (now < nextPoll) continue;
      meter.poll();
      nextPoll = now + pollMs;
    }
    const endMs = clock.now();
    meter.poll();
    runs.push({ startMs, endMs, iterations });
  }
  return { model, kernels, idle, runs };
}

async function rest(meter: Meter, clock: Clock, seconds: number): Promise<Stretch> {
  meter.poll();
  const startMs = clock.now();
  while (clock.now() - startMs < 1000 * seconds) {
    await clock.wait(pollMs);
    meter.poll();
  }
  return { startMs, endMs: clock.now() };
}

export interface MeasuredRun {
  readonly iterations: number;
  readonly seconds: number;
  readonly joules: number;
  /** Of one inference, all that the meter counted. */
  readonly gross: number;
  /** Of one inference, without what the machine takes at rest. */
  readonly net: number;
}

export interface Measurement {
  readonly method: 'measured' | 'assumed';
  readonly meter: string;
  readonly about: string;
  readonly model: string;
  readonly kernels: string;
  readonly unit: 'J';
  readonly idle: { readonly seconds: number; readonly watts: number } | null;
  readonly runs: readonly MeasuredRun[];
  /** Medians over the runs. */
  readonly gross: number;
  readonly net: number;
}

export function evaluate({ model, kernels, idle, runs }: Schedule, meter: Meter): Measurement {
  const secondsOf = ({ startMs, endMs }: Stretch): number => (endMs - startMs) / 1000;
  const joulesOf = ({ startMs, endMs }: Stretch): number => meter.joulesBetween(startMs, endMs);
  const rest = idle && { seconds: secondsOf(idle), watts: joulesOf(idle) / secondsOf(idle) };
  const measured = runs.map((run): MeasuredRun => {
    const { iterations } = run;
    const seconds = secondsOf(run);
    const joules = joulesOf(run);
    const net = joules - (rest?.watts ?? 0) * seconds;
    return { iterations, seconds, joules, gross: joules / iterations, net: net / iterations };
  });
  return {
    method: meter.method,
    meter: meter.name,
    about: meter.about,
    model,
    kernels,
    unit: 'J',
    idle: rest,
    runs: measured,
    gross: medianOf(measured.map((run) => run.gross)),
    net: medianOf(measured.map((run) => run.net)),
  };
}
