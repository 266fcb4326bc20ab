/** Times sessions, whole and step by step: medians of many short samples, contenders in turns. */
import type { Session } from '../graph/run/session.ts';
import { isBig } from '../tensor.ts';

/** Puts numbers of every size into the inputs, the same each time for each seed. */
export function feedNoise(session: Session, seed = 1): void {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  session.inputs.forEach(({ dtype }, index) => {
    const data = session.input(index, dtype);
    for (let i = 0; i < data.length; i++) {
      if (isBig(data)) data[i] = 0n;
      else data[i] = dtype === 'f32' || dtype === 'f64' ? 2 * next() - 1 : Math.floor(256 * next());
    }
  });
}

/** Nanoseconds of one call of each, in every round; each round takes every contender in turn. */
export function timeInTurns(contenders: readonly (() => void)[], seconds: number): number[][] {
  const sampleMs = 10;
  const batches = contenders.map((run) => {
    const warm = performance.now() + 200;
    let runs = 0;
    while (runs < 3 || performance.now() < warm) {
      run();
      runs++;
    }
    const before = performance.now();
    run();
    return Math.max(1, Math.round(sampleMs / Math.max(0.001, performance.now() - before)));
  });
  const times = contenders.map((): number[] => []);
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; round < 5 || performance.now() < end; round++)
    contenders.forEach((run, i) => {
      const before = performance.now();
      for (let k = 0; k < batches[i]; k++) run();
      times[i].push((1e6 * (performance.now() - before)) / batches[i]);
    });
  return times;
}

/**
 * Nanoseconds of each step of each session, within whole runs: what a layer costs in its place, with the caches as
 * its neighbours leave them. Medians; the clock's own time is taken off.
 */
export function timeSteps(sessions: readonly Session[], seconds: number): number[][] {
  const clock = medianOf(
    Array.from({ length: 1000 }, () => {
      const before = performance.now();
      return performance.now() - before;
    }),
  );
  const times = sessions.map(({ steps }) => steps.map((): number[] => []));
  for (const session of sessions) {
    const warm = performance.now() + 200;
    while (performance.now() < warm) session.run();
  }
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; round < 11 || performance.now() < end; round++)
    sessions.forEach(({ steps }, s) => {
      for (let i = 0; i < steps.length; i++) {
        const before = performance.now();
        steps[i].run();
        times[s][i].push(performance.now() - before);
      }
    });
  return times.map((of) => of.map((samples) => Math.max(0, 1e6 * (medianOf(samples) - clock))));
}

export function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Median distance from the median. */
export function spreadOf(values: readonly number[]): number {
  const middle = medianOf(values);
  return medianOf(values.map((value) => Math.abs(value - middle)));
}
