/** Which items of a data set are calibrated on, and the rest of them. */
import type { DataItem, DataSet } from '../data-set.ts';

export interface Chosen {
  readonly item: DataItem;
  /** Whether it is one of those that are calibrated on. */
  readonly chosen: boolean;
}

/** `count` items spread evenly over the set; the first ones where only reading will tell how many there are. */
export async function* spread(set: DataSet, count: number): AsyncGenerator<Chosen> {
  const total = set.count;
  let at = 0;
  for await (const item of set.items()) {
    // The k-th chosen one is the first at or behind k·total/count.
    const chosen =
      total === undefined || total <= count
        ? at < count
        : Math.ceil(((at + 1) * count) / total) > Math.ceil((at * count) / total);
    at++;
    yield { item, chosen };
  }
}
