/**
 * Fits the costs of a profile to measured energies by non-negative least squares, and says how far off it is on
 * networks that it has not seen: each sample is left out once (docs/energy.md, eq. 15).
 *
 *   min over e ≥ 0 of  Σ_samples ( Σ_costs amount·e / measured − 1 )²
 *
 * Relative errors, so a small network counts as much as a large one. What the profile says of the machine's sizes is
 * taken as given.
 */
import { VireoError } from '../../errors.ts';
import type { NetworkCounts } from './counts.ts';
import { energyOf, type Method } from './energy.ts';
import { nonNegativeLeastSquares } from './nnls.ts';
import type { HardwareProfile } from './profile.ts';
import { tiers } from './tiers.ts';

export interface Sample {
  readonly counts: NetworkCounts;
  /** Picojoules of one inference. */
  readonly energy: number;
}

/** Mean and largest of |predicted/measured − 1|. */
export interface RelativeError {
  readonly mean: number;
  readonly worst: number;
}

export interface Fit {
  readonly profile: HardwareProfile;
  /** On the samples themselves. */
  readonly fitted: RelativeError;
  /** Each sample by a fit to all others. */
  readonly crossValidated: RelativeError;
  /** Cross-validated error of a cost per multiply-accumulate alone: what the model must beat. */
  readonly byMacs: RelativeError;
  readonly samples: number;
}

export interface FitOptions {
  readonly name: string;
  /** Where the energies are from, for the fitted constants. */
  readonly source: string;
  readonly year: number;
  /** How the energies were had. A fit to assumed energies makes assumed costs. */
  readonly method: Method;
}

export const fewestSamples = 3;

export function fitProfile(samples: readonly Sample[], base: HardwareProfile, options: FitOptions): Fit {
  if (samples.length < fewestSamples)
    throw new VireoError('bad-input', `a fit needs at least ${fewestSamples} samples, got ${samples.length}`);
  for (const { counts, energy } of samples)
    if (!(energy > 0) || !Number.isFinite(energy))
      throw new VireoError('bad-input', `sample "${counts.name}": expected an energy above 0, got ${energy}`);
  const specs = Object.entries(tiers[base.tier].constants);
  const costs = specs.filter(([, { kind }]) => kind === 'cost').map(([name]) => name);
  const rows = samples.map(({ counts, energy }) => {
    const { amounts } = energyOf(counts, base);
    return costs.map((name) => amounts[name] / energy);
  });
  const ofMacs = samples.map(({ counts, energy }) => [counts.macs / energy]);
  const found = nonNegativeLeastSquares(rows, ones(rows));
  const { source, year, method } = options;
  return {
    profile: {
      ...base,
      unit: 'pJ',
      name: options.name,
      about: `${base.about}; costs fitted to ${samples.length} samples`,
      constants: {
        ...base.constants,
        ...Object.fromEntries(
          costs.map((name, j) => [
            name,
            {
              value: found[j],
              unit: base.constants[name].unit.replace('MAC', 'pJ'),
              source,
              year,
              ...(method === 'measured' ? {} : { assumed: true }),
            },
          ]),
        ),
      },
    },
    fitted: errorOf(rows.map((row) => predict(row, found))),
    crossValidated: leaveOneOut(rows),
    byMacs: leaveOneOut(ofMacs),
    samples: samples.length,
  };
}

const ones = (rows: readonly unknown[]): number[] => rows.map(() => 1);

/** Predicted over measured: rows are amounts over measured energy. */
const predict = (row: readonly number[], x: readonly number[]): number =>
  row.reduce((sum, amount, j) => sum + amount * x[j], 0);

function leaveOneOut(rows: readonly (readonly number[])[]): RelativeError {
  return errorOf(
    rows.map((row, i) => {
      const others = rows.filter((_, k) => k !== i);
      return predict(row, nonNegativeLeastSquares(others, ones(others)));
    }),
  );
}

function errorOf(ratios: readonly number[]): RelativeError {
  const off = ratios.map((ratio) => Math.abs(ratio - 1));
  return { mean: off.reduce((a, b) => a + b, 0) / off.length, worst: Math.max(...off) };
}
