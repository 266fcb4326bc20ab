/**
 * The order in which a tensor of the file holds the axes of a value.
 *
 *   axis j of the value is axis perm[j] of the tensor          (n, h, w, c) held as (n, c, h, w): [0, 2, 3, 1]
 */
import type { Shape } from '../../../tensor.ts';

export type Perm = readonly number[];

/** The value's own order. */
export function straight(rank: number): Perm {
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** (n, …, c) held as (n, c, …). */
export function channelsFirst(rank: number): Perm {
  return Array.from({ length: rank }, (_, axis) => (axis === 0 ? 0 : axis === rank - 1 ? 1 : axis + 1));
}

export function isStraight(perm: Perm): boolean {
  return perm.every((axis, j) => axis === j);
}

export function samePerm(a: Perm, b: Perm): boolean {
  return a.length === b.length && a.every((axis, j) => axis === b[j]);
}

/** The tensor's extents, or whatever else a value has one of for each axis. */
export function inLayout<T>(list: readonly T[], perm: Perm): T[] {
  const result = new Array<T>(list.length);
  list.forEach((one, j) => {
    result[perm[j]!] = one;
  });
  return result;
}

/** The axes of the tensor, ascending. */
export function axesIn(axes: readonly number[], perm: Perm): number[] {
  return axes.map((axis) => perm[axis]!).sort((a, b) => a - b);
}

/** What ONNX Transpose calls `perm`: from a tensor in one layout to the same value's in another. */
export function turn(from: Perm, to: Perm): Perm {
  return inLayout(from, to);
}

/** Only axes of one element change places, so that the elements keep their order. */
export function keepsOrder(shape: Shape, transpose: Perm): boolean {
  const moving = transpose.filter((axis) => shape[axis] !== 1);
  return moving.every((axis, i) => i === 0 || axis > moving[i - 1]!);
}

/** The layout of a value that has lost an axis, in a tensor that has lost it too. */
export function without(perm: Perm, axis: number): Perm {
  const gone = perm[axis]!;
  return perm.filter((_, j) => j !== axis).map((at) => (at > gone ? at - 1 : at));
}
