/**
 * The four models. Each says what a layer is charged: so many of this operation, so many accesses of that memory.
 * Energy is the sum of amount × cost (docs/energy.md, eq. 1), so every model is linear in its costs, and costs can be
 * fitted to measurements.
 */
import type { LayerCounts, NetworkCounts } from './counts.ts';
import { tierCpu } from './tier-cpu.ts';
import { tierE } from './tier-e.ts';
import { tierH } from './tier-h.ts';
import { tierS } from './tier-s.ts';

export type Tier = 'H' | 'E' | 'S' | 'cpu';

/** What energy is spent on. `outputs` holds partial sums too. */
export type Part = 'compute' | 'weights' | 'inputs' | 'outputs';
export const partNames: readonly Part[] = ['compute', 'weights', 'inputs', 'outputs'];

export interface Charge {
  readonly part: Part;
  /** The constant that says what one of them costs. */
  readonly cost: string;
  readonly amount: number;
}

export interface ConstantSpec {
  /** cost: energy of one; size: above 0, describes the machine; count: at least 0. */
  readonly kind: 'cost' | 'size' | 'count';
  readonly unit: string;
  readonly about: string;
}

export interface TierModel {
  readonly about: string;
  readonly constants: Readonly<Record<string, ConstantSpec>>;
  /** The memory that lies outside of the chip, and the bytes of one access to it: the roof of a roofline. */
  readonly outside: { readonly cost: string; readonly bytes: number };
  /** Zero weights cost nothing. */
  readonly skipsZeros: boolean;
  /** `null`: a layer that this model does not know. */
  readonly charge: (
    layer: LayerCounts,
    network: NetworkCounts,
    value: (name: string) => number,
  ) => Charge[] | null;
}

export const tiers: Readonly<Record<Tier, TierModel>> = { H: tierH, E: tierE, S: tierS, cpu: tierCpu };
export const tierNames: readonly Tier[] = ['H', 'E', 'S', 'cpu'];
export const isTier = (value: unknown): value is Tier => tierNames.some((tier) => tier === value);
