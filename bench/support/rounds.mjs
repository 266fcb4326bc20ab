/**
 * Times several contenders in turns, so that what slows the machine down slows all of them.
 *
 *   round 1   A A A A  B B  C C C C C C      each batch long enough for the clock
 *   round 2   C …      B B  A …              the order turns round every time
 *
 * A round gives each contender one time per run; its figure is the median over the rounds, and a ratio of two
 * is the median of their ratios round by round.
 */

/** `contenders`: name → a function that does one run. Returns name → nanoseconds per run in each round. */
export function timeInTurns(contenders, { rounds, batchMs = 20, warmupMs = 300 }) {
  const names = Object.keys(contenders);
  const batch = {};
  const times = {};
  for (const name of names) {
    const ns = warmUp(contenders[name], warmupMs);
    batch[name] = Math.max(1, Math.round((1e6 * batchMs) / ns));
    times[name] = [];
  }
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const run = contenders[name];
      const count = batch[name];
      const start = process.hrtime.bigint();
      for (let i = 0; i < count; i++) run();
      times[name].push(Number(process.hrtime.bigint() - start) / count);
    }
  }
  return times;
}

/**
 * Runs for at least `ms`, and on until three slices in a row bring nothing (at most eight times as long): engines
 * replace a program's first code bit by bit, in the background, and on a busy machine late. Returns nanoseconds per run.
 */
export function warmUp(run, ms) {
  const sliceMs = ms / 6;
  let best = Number.POSITIVE_INFINITY;
  for (let slice = 0, steady = 0; slice < 6 || (slice < 48 && steady < 3); slice++) {
    let runs = 0;
    const start = process.hrtime.bigint();
    let ns = 0;
    do {
      run();
      runs++;
      ns = Number(process.hrtime.bigint() - start);
    } while (ns < 1e6 * sliceMs);
    steady = ns / runs > 0.97 * best ? steady + 1 : 0;
    best = Math.min(best, ns / runs);
  }
  return best;
}

export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Median distance from the median. */
export function spread(values) {
  const middle = median(values);
  return median(values.map((value) => Math.abs(value - middle)));
}

/** Median of a[i] / b[i]: both were measured side by side in round i. */
export function medianRatio(a, b) {
  return median(a.map((value, i) => value / b[i]));
}
