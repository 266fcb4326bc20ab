/** Counts right answers over a labelled set. */
import type { Session } from '../../src/graph/run/session.ts';

type Numbers = ArrayLike<number>;

/** The first of the largest. */
export function classOf(scores: Numbers): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i] > scores[best]) best = i;
  return best;
}

/** The classes from the highest score down; the first of equals first. */
export function topClasses(scores: Numbers, count: number): number[] {
  return Array.from(scores, (_, i) => i)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, count);
}

/** Runs items 0 … count − 1 and hands each output on. */
export function eachOutput(
  session: Session,
  count: number,
  feed: (input: Numbers & { [index: number]: number }, item: number) => void,
  take: (scores: Numbers, item: number) => void,
): void {
  const input = session.input(0);
  const output = session.output(0);
  for (let item = 0; item < count; item++) {
    feed(input, item);
    session.run();
    take(output, item);
  }
}

/** How outputs differ from stored ones of another implementation. */
export interface Agreement {
  /** The largest difference of two values. */
  readonly largest: number;
  /** Values that differ. */
  readonly different: number;
  /** Items with another class. */
  readonly otherClass: number;
}

export function compareAll(
  stored: Numbers & { subarray(from: number, to: number): Numbers },
  size: number,
): { take: (scores: Numbers, item: number) => void; agreement: () => Agreement } {
  let [largest, different, otherClass] = [0, 0, 0];
  return {
    take: (scores, item) => {
      const expected = stored.subarray(item * size, (item + 1) * size);
      for (let i = 0; i < size; i++) {
        const difference = Math.abs(scores[i] - expected[i]);
        if (difference > 0) different++;
        largest = Math.max(largest, difference);
      }
      if (classOf(scores) !== classOf(expected)) otherClass++;
    },
    agreement: () => ({ largest, different, otherClass }),
  };
}
