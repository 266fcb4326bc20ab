/**
 * A hardware profile: what one operation and one access cost on some machine, as plain data with a source and a year
 * on every number. `readProfile` checks one that a user brings; the format is in docs/energy.md, section 7.
 */
import { VireoError } from '../../errors.ts';
import { type ConstantSpec, isTier, type Tier, tierNames, tiers } from './tiers.ts';

export interface Constant {
  readonly value: number;
  readonly unit: string;
  /** Where the number is from: author, publication, figure; or how it was fitted. */
  readonly source: string;
  readonly year: number;
  /** Nobody published or measured this number for this purpose: figures that rest on it are `assumed`. */
  readonly assumed?: boolean;
}

export interface HardwareProfile {
  readonly name: string;
  readonly tier: Tier;
  readonly about: string;
  /** What energies come out in: picojoules, or multiples of one 16-bit multiply-accumulate. */
  readonly unit: EnergyUnit;
  readonly constants: Readonly<Record<string, Constant>>;
}

export type EnergyUnit = 'pJ' | 'MAC';

/** The value of one of the constants that the profile's tier names. */
export const valueIn =
  ({ constants }: HardwareProfile) =>
  (name: string): number =>
    constants[name].value;

/** The profile in a JSON text, or an error that says what is wrong with it; `where` names the file. */
export function readProfile(text: string, where: string): HardwareProfile {
  const fail = (what: string): never => {
    throw new VireoError('bad-input', `profile ${where}: ${what}`);
  };
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    return fail(`expected JSON, got ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(given)) return fail(`expected an object, got ${show(given)}`);
  const fields = ['name', 'tier', 'about', 'unit', 'constants'];
  for (const key of Object.keys(given))
    if (!fields.includes(key)) fail(`unknown field "${key}"; expected ${fields.join(', ')}`);
  const text1 = (key: string): string => {
    const value = given[key];
    return typeof value === 'string' && value !== ''
      ? value
      : fail(`"${key}" expects a text, got ${show(value)}`);
  };
  const { tier, unit, constants } = given;
  if (!isTier(tier)) return fail(`"tier" expects ${tierNames.join(', ')}, got ${show(tier)}`);
  if (unit !== 'pJ' && unit !== 'MAC') return fail(`"unit" expects "pJ" or "MAC", got ${show(unit)}`);
  if (!isObject(constants)) return fail(`"constants" expects an object, got ${show(constants)}`);
  const specs = tiers[tier].constants;
  const missing = Object.keys(specs).filter((name) => !(name in constants));
  if (missing.length > 0) fail(`tier ${tier} also needs the constants ${missing.join(', ')}`);
  const unknown = Object.keys(constants).filter((name) => !(name in specs));
  if (unknown.length > 0)
    fail(
      `tier ${tier} has no constants ${unknown.join(', ')}; its constants are ${Object.keys(specs).join(', ')}`,
    );
  return {
    name: text1('name'),
    tier,
    about: text1('about'),
    unit,
    constants: Object.fromEntries(
      Object.entries(specs).map(([name, spec]) => [
        name,
        readConstant(constants[name], spec, (what) => fail(`constant "${name}": ${what}`)),
      ]),
    ),
  };
}

function readConstant(given: unknown, spec: ConstantSpec, fail: (what: string) => never): Constant {
  if (!isObject(given)) return fail(`expects { value, unit, source, year }, got ${show(given)}`);
  const { value, unit, source, year, assumed } = given;
  for (const key of Object.keys(given))
    if (!['value', 'unit', 'source', 'year', 'assumed'].includes(key)) fail(`has an unknown field "${key}"`);
  if (typeof value !== 'number' || !Number.isFinite(value))
    return fail(`"value" expects a number, got ${show(value)}`);
  if (value < 0) fail(`"value" expects a number of at least 0, got ${value}`);
  if (spec.kind === 'size' && value === 0) fail('"value" expects a number above 0, got 0');
  if (typeof unit !== 'string' || unit === '') return fail(`"unit" expects a text, got ${show(unit)}`);
  if (typeof source !== 'string' || source === '')
    return fail(`"source" expects where the number is from, got ${show(source)}`);
  if (typeof year !== 'number' || !Number.isInteger(year) || year < 1900 || year > 2200)
    return fail(`"year" expects a year, got ${show(year)}`);
  if (assumed !== undefined && typeof assumed !== 'boolean')
    return fail(`"assumed" expects true or false, got ${show(assumed)}`);
  return { value, unit, source, year, ...(assumed ? { assumed } : {}) };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
