/**
 * The door `vireo-nn/energy`: what a network does, and what that costs by a hardware profile. ECMAScript only.
 * Measuring is for the command line (`vireo energy measure`).
 */
export { type Agreement, agreementOf, kendallTau } from './graph/cost/agreement.ts';
export {
  type Assume,
  countGraph,
  countNetwork,
  type LayerCounts,
  type Loops,
  type NetworkCounts,
  type OperandCounts,
} from './graph/cost/counts.ts';
export {
  type EnergyReport,
  energyOf,
  type LayerEnergy,
  type Method,
  mustBeComparable,
  type Parts,
  type Provenance,
  rankLayers,
  showProvenance,
} from './graph/cost/energy.ts';
export { eyerissLayers } from './graph/cost/eyeriss-layers.ts';
export { type Fit, type FitOptions, fitProfile, type RelativeError, type Sample } from './graph/cost/fit.ts';
export { type Constant, type EnergyUnit, type HardwareProfile, readProfile } from './graph/cost/profile.ts';
export { profileOf, profiles } from './graph/cost/profiles.ts';
export {
  type Charge,
  type ConstantSpec,
  type Part,
  partNames,
  type Tier,
  type TierModel,
  tierNames,
  tiers,
} from './graph/cost/tiers.ts';
export { type Answer, type Question, questions, whatIf } from './graph/cost/what-if.ts';
