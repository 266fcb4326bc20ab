/**
 * Energy of one inference by one hardware profile (docs/energy.md, eq. 1):
 *
 *   E = Σ_layers Σ_charges amount·cost
 *
 * Each report names its method, profile and model; figures of different methods, profiles or units are never added,
 * compared or ranked with each other.
 */
import { VireoError } from '../../errors.ts';
import type { LayerCounts, NetworkCounts } from './counts.ts';
import { type EnergyUnit, type HardwareProfile, valueIn } from './profile.ts';
import { type Charge, type Part, partNames, type Tier, tiers } from './tiers.ts';

/**
 * measured: read from a meter; modelled: by constants that somebody published or fitted to measurements;
 * assumed: by constants that nobody did.
 */
export type Method = 'measured' | 'modelled' | 'assumed';

/** What every figure carries. */
export interface Provenance {
  readonly method: Method;
  readonly profile: string;
  readonly tier: Tier;
  readonly unit: EnergyUnit;
}

export type Parts = Readonly<Record<Part, number>>;

export interface LayerEnergy {
  readonly layer: LayerCounts;
  /** false: the model says nothing of such a layer, and its energy is left out. */
  readonly isModelled: boolean;
  readonly parts: Parts;
  readonly total: number;
  /** Of the network's total. */
  readonly share: number;
}

export interface EnergyReport extends Provenance {
  readonly network: string;
  readonly counts: NetworkCounts;
  readonly layers: readonly LayerEnergy[];
  readonly parts: Parts;
  readonly total: number;
  /** How many of each operation and access, by the names of their costs. */
  readonly amounts: Readonly<Record<string, number>>;
  /** Kinds of layers that are left out. */
  readonly leftOut: readonly string[];
}

export function energyOf(counts: NetworkCounts, profile: HardwareProfile): EnergyReport {
  const value = valueIn(profile);
  const { constants, charge } = tiers[profile.tier];
  const amounts: Record<string, number> = {};
  for (const [name, { kind }] of Object.entries(constants)) if (kind === 'cost') amounts[name] = 0;
  const charged = counts.layers.map((layer) => charge(layer, counts, value));
  for (const { cost, amount } of charged.flatMap((charges) => charges ?? [])) amounts[cost] += amount;
  const layers = charged.map((charges, i) => {
    const parts = partsOf(charges ?? [], value);
    return { layer: counts.layers[i], isModelled: charges !== null, parts, total: sumOf(parts) };
  });
  const parts = addParts(layers.map((l) => l.parts));
  const total = sumOf(parts);
  const isAssumed = Object.keys(amounts).some((name) => amounts[name] > 0 && profile.constants[name].assumed);
  return {
    method: isAssumed ? 'assumed' : 'modelled',
    profile: profile.name,
    tier: profile.tier,
    unit: profile.unit,
    network: counts.name,
    counts,
    layers: layers.map((l) => ({ ...l, share: total > 0 ? l.total / total : 0 })),
    parts,
    total,
    amounts,
    leftOut: [...new Set(layers.filter((l) => !l.isModelled).map((l) => l.layer.kind))],
  };
}

function partsOf(charges: readonly Charge[], value: (name: string) => number): Parts {
  const parts = { compute: 0, weights: 0, inputs: 0, outputs: 0 };
  for (const { part, cost, amount } of charges) parts[part] += amount * value(cost);
  return parts;
}

function addParts(all: readonly Parts[]): Parts {
  const sums = { compute: 0, weights: 0, inputs: 0, outputs: 0 };
  for (const parts of all) for (const part of partNames) sums[part] += parts[part];
  return sums;
}

const sumOf = (parts: Parts): number => partNames.reduce((sum, part) => sum + parts[part], 0);

/** Layers from the dearest to the cheapest, of one report or of several that may be compared. */
export function rankLayers(...reports: readonly EnergyReport[]): LayerEnergy[] {
  reports.forEach((report) => {
    mustBeComparable(reports[0], report);
  });
  return reports
    .flatMap(({ layers }) => layers.filter((l) => l.isModelled))
    .sort((a, b) => b.total - a.total);
}

/** Throws unless the figures of both may be set against each other. */
export function mustBeComparable(a: Provenance, b: Provenance): void {
  if (a.method !== b.method || a.profile !== b.profile || a.tier !== b.tier || a.unit !== b.unit)
    throw new VireoError(
      'bad-input',
      `figures cannot be compared: ${showProvenance(a)}, and ${showProvenance(b)}`,
    );
}

export function showProvenance({ method, profile, tier }: Provenance): string {
  return `${method} by profile ${profile}, tier ${tier}`;
}
