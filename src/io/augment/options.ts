/** Reading the options of augmentations from a recipe's JSON: what is not given is nothing to do. */

import type { Random } from '../../random.ts';
import type { Place } from '../cards/json.ts';
import { isGiven, mistake, numberOf, wholeOf } from '../cards/json.ts';

/** A number from 0 to `most`; 0 when not given. */
export function amountOf(place: Place, most: number): number {
  return isGiven(place) ? numberFrom(place, 0, most) : 0;
}

/** A whole number from 0 to `most`; 0 when not given. */
export function countOf(place: Place, most: number): number {
  return isGiven(place) ? wholeOf(place, 0, most) : 0;
}

export function numberFrom(place: Place, least: number, most: number): number {
  const value = numberOf(place);
  if (value < least || value > most) throw mistake(place, `a number from ${least} to ${most}`);
  return value;
}

/** true or false; false when not given. */
export function flagOf(place: Place): boolean {
  if (isGiven(place) && typeof place.value !== 'boolean') throw mistake(place, 'true or false');
  return place.value === true;
}

/** Uniform in [−most, most); one draw. */
export function spread(random: Random, most: number): number {
  return (2 * random.uniform() - 1) * most;
}
