/**
 * Where in the arena each buffer goes: offset calculation by greedy placement.
 *
 *   bytes ↑  ┌────┐        two buffers may share bytes only when no step needs both
 *            │ a  ├───┐
 *            ├──┬─┘ c │    largest first, each at the lowest offset where it fits
 *            │b │     │
 *            └──┴─────┘→ step
 *
 * Greedy orders differ by network, so several are tried and the best is kept, each also from both ends of an
 * arena as large as the lower bound: in a chain every second buffer then lies at the top, and none between its
 * neighbours. Where nothing meets the bound, buffers that stick out are moved to the front of the order and the
 * placement is tried again.
 *
 * Source: Pisarchyk & Lee 2020, arXiv:2001.03288, §5 (greedy by size).
 */

/** A buffer and the first and last step that need it, both included. */
export interface Need {
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
}

export interface Placement {
  readonly offsets: readonly number[];
  readonly bytes: number;
  /** The most bytes that are needed at one step: no placement can be smaller. */
  readonly lowerBound: number;
}

/** Every buffer starts at a multiple of this, so that any typed array, and a SIMD lane, may start there. */
export const alignment = 16;

export const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

const sorted = (indices: readonly number[], compare: (a: number, b: number) => number): number[] =>
  [...indices].sort(compare);

export function place(needs: readonly Need[]): Placement {
  const sizes = needs.map((need) => align(need.bytes));
  const lowerBound = peak(needs, sizes);
  const length = (i: number): number => needs[i].end - needs[i].start;
  const indices = needs.map((_, i) => i);
  const orders = [
    sorted(indices, (a, b) => sizes[b] - sizes[a] || needs[a].start - needs[b].start),
    sorted(indices, (a, b) => length(b) - length(a) || sizes[b] - sizes[a]),
    sorted(indices, (a, b) => sizes[b] * (length(b) + 1) - sizes[a] * (length(a) + 1)),
    sorted(indices, (a, b) => needs[a].start - needs[b].start || sizes[b] - sizes[a]),
  ];
  let best = { offsets: [] as number[], bytes: Number.POSITIVE_INFINITY };
  let bestOrder = indices;
  const attempt = (order: number[], top = 0): void => {
    const result = greedy(needs, sizes, order, top);
    if (result.bytes < best.bytes) {
      best = result;
      bestOrder = order;
    }
  };
  for (const top of [0, lowerBound])
    for (const order of orders) if (best.bytes > lowerBound) attempt(order, top);
  // About a second at the most: one placement compares all pairs.
  const tries = Math.min(200, Math.ceil(1e7 / (needs.length * needs.length + 1)));
  for (let t = 0; t < tries && best.bytes > lowerBound; t++) {
    const highest = indices.filter((i) => best.offsets[i] + sizes[i] === best.bytes);
    const mover = t % 2 === 0 ? highest[(t >> 1) % highest.length] : bestOrder[(t * 7919) % bestOrder.length];
    const order = bestOrder.filter((i) => i !== mover);
    order.splice((t * 31) % (bestOrder.indexOf(mover) + 1), 0, mover);
    for (const top of [0, lowerBound]) attempt(order, top);
  }
  return { ...best, lowerBound };
}

function peak(needs: readonly Need[], sizes: readonly number[]): number {
  const change = new Map<number, number>();
  needs.forEach((need, i) => {
    change.set(need.start, (change.get(need.start) ?? 0) + sizes[i]);
    change.set(need.end + 1, (change.get(need.end + 1) ?? 0) - sizes[i]);
  });
  let live = 0;
  let most = 0;
  for (const step of [...change.keys()].sort((a, b) => a - b)) {
    live += change.get(step)!;
    most = Math.max(most, live);
  }
  return most;
}

/**
 * Each buffer at the lowest offset where it fits, or, where that is not 0, directly under `top` or under what
 * hangs from it, if there is room.
 */
function greedy(
  needs: readonly Need[],
  sizes: readonly number[],
  order: readonly number[],
  top: number,
): { offsets: number[]; bytes: number } {
  const offsets = new Array<number>(needs.length).fill(0);
  const placed: number[] = []; // by offset
  let bytes = 0;
  for (const i of order) {
    const need = needs[i];
    let at = 0;
    for (const j of placed) {
      const other = needs[j];
      if (other.end < need.start || other.start > need.end) continue;
      if (offsets[j] >= at + sizes[i]) break;
      at = Math.max(at, offsets[j] + sizes[j]);
    }
    if (at > 0 && at + sizes[i] <= top) at = underTop(needs, sizes, offsets, placed, i, top) ?? at;
    offsets[i] = at;
    bytes = Math.max(bytes, at + sizes[i]);
    let slot = placed.length;
    while (slot > 0 && offsets[placed[slot - 1]!] > at) slot--;
    placed.splice(slot, 0, i);
  }
  return { offsets, bytes };
}

/** The highest offset under `top` where buffer i fits, or null. */
function underTop(
  needs: readonly Need[],
  sizes: readonly number[],
  offsets: readonly number[],
  placed: readonly number[],
  i: number,
  top: number,
): number | null {
  const live = placed.filter((j) => needs[j].end >= needs[i].start && needs[j].start <= needs[i].end);
  let at = top - sizes[i];
  for (const j of live.sort((a, b) => offsets[b] + sizes[b] - offsets[a] - sizes[a])) {
    if (offsets[j] + sizes[j] <= at) break;
    at = Math.min(at, offsets[j] - sizes[i]);
  }
  return at >= 0 ? at : null;
}
