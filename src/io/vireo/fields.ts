/** How attributes of operators become data, and what they may be when they come back. */
import { type Clamp, noClamp, noPad, type Pad, type Pair } from '../../kernels/call.ts';
import type { Data } from './cbor.ts';
import { mostAxes } from './container.ts';

/** Throws, naming the place, with what was expected. */
export type Fail = (expected: string) => never;

export interface Field<T> {
  readonly write: (value: T) => Data;
  readonly read: (data: Data, fail: Fail) => T;
  /** What is not written, as nothing (null) stands for it. */
  readonly usual?: T;
  /** The attribute may be missing. */
  readonly optional?: true;
}

export const usually = <T>(usual: T, field: Field<T>): Field<T> => ({ ...field, usual });

export const optional = <T>({ write, read }: Field<T>): Field<T> & { readonly optional: true } => ({
  write,
  read,
  optional: true,
});

export const whole = (least: number): Field<number> => ({
  write: (value) => value,
  read: (data, fail) => readWhole(data, least, fail),
});

function readWhole(data: Data | undefined, least: number, fail: Fail): number {
  return typeof data === 'number' && Number.isSafeInteger(data) && data >= least
    ? data
    : fail(`an integer${least > Number.MIN_SAFE_INTEGER ? ` of at least ${least}` : ''}`);
}

export const real: Field<number> = {
  write: (value) => value,
  read: (data, fail) => (typeof data === 'number' ? data : fail('a number')),
};

export const flag: Field<boolean> = {
  write: (value) => value,
  read: (data, fail) => (typeof data === 'boolean' ? data : fail('true or false')),
};

/** `names` has every name of the union as a key. */
export const oneOf = <T extends string>(names: Readonly<Record<T, 1>>): Field<T> => ({
  write: (value) => value,
  read: (data, fail) =>
    typeof data === 'string' && isKeyOf(names, data) ? data : fail(Object.keys(names).join(' | ')),
});

const isKeyOf = <T extends string>(names: Readonly<Record<T, 1>>, name: string): name is T =>
  Object.keys(names).includes(name);

/** One element an axis, each an integer of at least `least`. */
export const list = (least: number): Field<readonly number[]> => ({
  write: (value) => value,
  read: (data, fail) =>
    Array.isArray(data) && data.length <= mostAxes
      ? data.map((item: Data) => readWhole(item, least, fail))
      : fail(`a list of at most ${mostAxes} integers`),
});

export const pair = (least: number): Field<Pair> => ({
  write: (value) => value,
  read: (data, fail) => {
    const [h, w, ...more] = Array.isArray(data) ? data : [];
    return more.length === 0
      ? [readWhole(h, least, fail), readWhole(w, least, fail)]
      : fail('a pair of integers');
  },
});

export const pad: Field<Pad> = {
  write: ({ top, left, bottom, right }) => [top, left, bottom, right],
  read: (data, fail) => {
    const sides = list(0).read(data, fail);
    if (sides.length !== 4) return fail('top, left, bottom and right');
    const [top, left, bottom, right] = sides as [number, number, number, number];
    return { top, left, bottom, right };
  },
  usual: noPad,
};

export const clamp: Field<Clamp> = {
  write: ({ min, max }) => [min, max],
  read: (data, fail) => {
    const [min, max, ...more] = Array.isArray(data) ? data : [];
    return typeof min === 'number' && typeof max === 'number' && more.length === 0
      ? { min, max }
      : fail('[min, max]');
  },
  usual: noClamp,
};
