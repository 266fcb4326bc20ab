/** What every meter can say: the joules that a machine took between two moments. */
export interface Meter {
  readonly name: string;
  /** What it counts, for the reader of the figure. */
  readonly about: string;
  readonly method: 'measured' | 'assumed';
  /** false: what it says at rest means nothing, so no baseline is taken. */
  readonly hasIdle: boolean;
  /** Called at the ends of every stretch of time that is asked for, and at least once a second in between. */
  readonly poll: () => void;
  /** Milliseconds since 1970. */
  readonly joulesBetween: (startMs: number, endMs: number) => number;
}

export interface Clock {
  /** Milliseconds since 1970; never runs back. */
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  wait: (ms) => new Promise((done) => setTimeout(done, ms)),
};

/** Sums that only grow, looked up between the moments at which they were read. */
export class Cumulative {
  readonly #times: number[] = [];
  readonly #sums: number[] = [];

  /** `joules` since the last call. */
  add(timeMs: number, joules: number): void {
    this.#times.push(timeMs);
    this.#sums.push((this.#sums[this.#sums.length - 1] ?? 0) + joules);
  }

  between(startMs: number, endMs: number): number {
    return this.#at(endMs) - this.#at(startMs);
  }

  #at(timeMs: number): number {
    const times = this.#times;
    let after = times.findIndex((time) => time >= timeMs);
    if (after === -1) after = times.length - 1;
    if (after === 0 || times[after] === timeMs) return this.#sums[after];
    const t = Math.min(1, (timeMs - times[after - 1]) / (times[after] - times[after - 1]));
    return this.#sums[after - 1] + t * (this.#sums[after] - this.#sums[after - 1]);
  }
}

/** Joules as a constant power times wall-clock time: an assumption, not a measurement. */
export function timeMeter(watts: number): Meter {
  return {
    name: 'time',
    about: `${watts} W, taken to be constant, times wall-clock time`,
    method: 'assumed',
    hasIdle: false,
    poll: () => {},
    joulesBetween: (startMs, endMs) => (watts * (endMs - startMs)) / 1000,
  };
}
