/**
 * Reading a card's JSON, one value at a time, so that a mistake is reported with its place in the file:
 * `cards/kws.card.json: inputs[0].rounding: expected nearest or truncate, got "down"`.
 */

import { VireoError } from '../../errors.ts';

/** A JSON value and where it stands, for messages. */
export interface Place {
  readonly value: unknown;
  /** File and path: `net.card.json: inputs[0].mean`. */
  readonly path: string;
}

export function parseJson(text: string, file: string): Place {
  try {
    return { value: JSON.parse(text), path: file };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VireoError('bad-file', `${file}: not JSON: ${reason}`);
  }
}

export function mistake(place: Place, expected: string): VireoError {
  const shown = place.value === undefined ? 'nothing' : JSON.stringify(place.value);
  const short = shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
  return new VireoError('bad-file', `${place.path}: expected ${expected}, got ${short}`);
}

/** An object's fields by name; a name that is not among `known` is a mistake (it is usually misspelt). */
export function fieldsOf<K extends string>(place: Place, known: readonly K[]): Record<K, Place> {
  const { value, path } = place;
  if (!isObject(value)) throw mistake(place, 'an object');
  const separator = path.includes(': ') ? '.' : ': ';
  for (const key of Object.keys(value)) {
    if (!known.some((name) => name === key)) {
      throw new VireoError('bad-file', `${path}${separator}${key}: unknown; known are ${known.join(', ')}`);
    }
  }
  const at = (key: K): Place => ({ value: value[key], path: `${path}${separator}${key}` });
  return Object.fromEntries(known.map((key) => [key, at(key)])) as Record<K, Place>; // the keys are exactly K
}

/** The elements of a list; `least` of them or more. */
export function itemsOf(place: Place, least = 0): Place[] {
  if (!Array.isArray(place.value) || place.value.length < least) {
    throw mistake(place, least > 0 ? `a list of ${least} or more` : 'a list');
  }
  return place.value.map((value: unknown, i) => ({ value, path: `${place.path}[${i}]` }));
}

export function isGiven(place: Place): boolean {
  return place.value !== undefined;
}

export function textOf(place: Place): string {
  if (typeof place.value !== 'string') throw mistake(place, 'a text');
  return place.value;
}

export function numberOf(place: Place): number {
  if (typeof place.value !== 'number' || !Number.isFinite(place.value)) throw mistake(place, 'a number');
  return place.value;
}

export function wholeOf(place: Place, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = place.value;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
    throw mistake(place, `a whole number, ${range}`);
  }
  return value;
}

export function oneOf<W extends string>(place: Place, words: readonly W[]): W {
  const found = words.find((word) => word === place.value);
  if (found === undefined) throw mistake(place, words.map((word) => JSON.stringify(word)).join(' or '));
  return found;
}

export function textsOf(place: Place, least = 0): string[] {
  return itemsOf(place, least).map(textOf);
}

export function numbersOf(place: Place, least = 0): number[] {
  return itemsOf(place, least).map(numberOf);
}

export function recordOf(place: Place): Readonly<Record<string, unknown>> {
  if (!isObject(place.value)) throw mistake(place, 'an object');
  return place.value;
}

/** A regular expression in JavaScript's syntax. */
export function patternOf(place: Place): RegExp {
  const source = textOf(place);
  try {
    return new RegExp(source, 'u');
  } catch (error) {
    throw mistake(place, `a regular expression (${error instanceof Error ? error.message : String(error)})`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
