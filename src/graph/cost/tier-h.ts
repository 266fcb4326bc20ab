/**
 * Tier H: energy of every operation and of every byte, no dataflow (docs/energy.md, eq. 2 and 3).
 *
 *   E = Σ operations·e_op + Σ_level passes·(bytes/4)·e_level
 *
 * Zero weights are neither multiplied, nor stored, nor moved. Absolute picojoules at 45 nm; every operand goes
 * through each memory as often as the profile's passes say, which is where its limits lie.
 * Source: Horowitz, "Computing's energy problem", ISSCC 2014, fig. 1.1.9; memories as in Han et al. 2015,
 * arXiv:1506.02626, fig. 1.
 */
import type { LayerCounts } from './counts.ts';
import type { Charge, ConstantSpec, Part, TierModel } from './tiers.ts';

const cost = (unit: string, about: string): ConstantSpec => ({ kind: 'cost', unit, about });
const passes = (about: string): ConstantSpec => ({ kind: 'count', unit: 'passes', about });

export const tierH: TierModel = {
  about: 'picojoules of each operation and of each access (Horowitz)',
  constants: {
    int8Multiply: cost('pJ', 'an 8-bit integer product'),
    int32Multiply: cost('pJ', 'a 32-bit integer product; widths between follow their square'),
    int32Add: cost('pJ', 'an addition into a 32-bit sum'),
    float16Multiply: cost('pJ', 'a half-precision product'),
    float32Multiply: cost('pJ', 'a single-precision product'),
    float16Add: cost('pJ', 'a half-precision addition'),
    float32Add: cost('pJ', 'a single-precision addition'),
    sram: cost('pJ per 32 bits', 'one access to the memory on the chip'),
    dram: cost('pJ per 32 bits', 'one access to the memory outside'),
    weightSramPasses: passes('how often each weight goes through the memory on the chip'),
    inputSramPasses: passes('the same for inputs'),
    outputSramPasses: passes('the same for outputs'),
    weightDramPasses: passes('how often each weight comes from outside'),
    inputDramPasses: passes('the same for inputs; 0 where they stay on the chip'),
    outputDramPasses: passes('the same for outputs'),
  },
  outside: { cost: 'dram', bytes: 4 },
  skipsZeros: true,
  charge: (layer, _, value) => {
    if (layer.kind === 'reshape') return [];
    const share = layer.weights.elements > 0 ? 1 - layer.weights.zeros / layer.weights.elements : 1;
    const words: Readonly<Record<Exclude<Part, 'compute'>, number>> = {
      weights: (layer.weights.bytes * share + layer.bias.bytes) / 4,
      inputs: layer.inputs.bytes / 4,
      outputs: layer.outputs.bytes / 4,
    };
    const move = (part: Exclude<Part, 'compute'>, name: string): Charge[] => [
      { part, cost: 'sram', amount: words[part] * value(`${name}SramPasses`) },
      { part, cost: 'dram', amount: words[part] * value(`${name}DramPasses`) },
    ];
    return [
      ...products(layer),
      ...additions(layer.operations, layer.outputs.bits, layer.outputs.float),
      ...move('weights', 'weight'),
      ...move('inputs', 'input'),
      ...move('outputs', 'output'),
    ];
  },
};

/** A product of b_w × b_a bits counts as one of √(b_w·b_a) bits. */
function products({ nonZeroMacs, weights, inputs }: LayerCounts): Charge[] {
  const square = weights.bits * inputs.bits;
  const float = weights.float || inputs.float;
  const [low, high, lowCost, highCost] = float
    ? [16, 32, 'float16Multiply', 'float32Multiply']
    : [8, 32, 'int8Multiply', 'int32Multiply'];
  return [
    ...between(nonZeroMacs, square, low * low, high * high, lowCost, highCost),
    ...additions(nonZeroMacs, Math.sqrt(square), float),
  ];
}

function additions(count: number, bits: number, float: boolean): Charge[] {
  if (!float) return [{ part: 'compute', cost: 'int32Add', amount: count * Math.max(1, bits / 32) }];
  return between(count, bits, 16, 32, 'float16Add', 'float32Add');
}

/** Between two published widths on a straight line in `size`; beyond them in proportion. */
function between(
  count: number,
  size: number,
  low: number,
  high: number,
  lowCost: string,
  highCost: string,
): Charge[] {
  const charge = (cost: string, amount: number): Charge => ({
    part: 'compute',
    cost,
    amount: count * amount,
  });
  if (size <= low) return [charge(lowCost, size / low)];
  if (size >= high) return [charge(highCost, size / high)];
  const t = (size - low) / (high - low);
  return [charge(lowCost, 1 - t), charge(highCost, t)];
}
