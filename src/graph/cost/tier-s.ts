/**
 * Tier S: a systolic array in closed form, in units of one 16-bit multiply-accumulate (docs/energy.md, eq. 7 to 10).
 *
 *   E_C = (e_MAC + 2·e_RF)·MACs
 *   E_W = e_mem·(⌈h′w′/m⌉·max(0, |W|−s₂) + min(s₂, |W|)) + e_cache·⌈h′w′/m⌉·|W| + e_RF·h′w′·|W|
 *   E_X = e_mem·(|X| + again + h′w′·d) + e_cache·|U|·⌈(d/g)/n⌉ + e_RF·|U|·⌈d/g⌉
 *
 * and for one row of a dense layer
 *
 *   E_W = (e_mem + e_cache + e_RF)·|W|
 *   E_X = e_mem·(⌈d/n⌉·max(0, |X|−s₁) + min(|X|, s₁) + d) + e_cache·⌈d/n⌉·|X| + e_RF·d·|X|
 *
 * d outputs in g groups, h′w′ positions; |W| counts weights that are not zero, |X| inputs, |U| inputs as the positions
 * see them, padding included. Rows that two loads of the cache share are read `again`:
 * (span − stride)·(words of a row)·(loads − 1), loads = ⌈rows / (⌊s₁/row⌋ − span + stride)⌉.
 *
 * The original counts 16-bit words. Here a tensor of b bits has b/16 words for each element, and a product costs
 * b_w·b_a/16² of e_MAC. Layers without products are not charged; a batch is so many single inferences.
 * Source: Yang, Zhu, Liu, "Energy-Constrained Compression", ICLR 2019, and their published code.
 */
import type { LayerCounts, Loops } from './counts.ts';
import type { Charge, ConstantSpec, Part, TierModel } from './tiers.ts';

const access = (about: string): ConstantSpec => ({ kind: 'cost', unit: 'MAC per 16 bits', about });
const size = (unit: string, about: string): ConstantSpec => ({ kind: 'size', unit, about });
const charge = (part: Part, cost: string, amount: number): Charge => ({ part, cost, amount });

export const tierS: TierModel = {
  about: 'systolic array in closed form, in units of one 16-bit multiply-accumulate (Yang, Zhu, Liu)',
  constants: {
    mac: { kind: 'cost', unit: 'MAC', about: 'one 16-bit multiply-accumulate' },
    registerFile: access('an access to registers'),
    cache: access('an access to a cache of the array'),
    memory: access('an access to the memory outside'),
    arrayRows: size('elements', 'm: positions worked on at once'),
    arrayColumns: size('elements', 'n: filters worked on at once'),
    inputCache: size('16-bit words', 's₁'),
    weightCache: size('16-bit words', 's₂'),
  },
  outside: { cost: 'memory', bytes: 2 },
  skipsZeros: true,
  charge: (layer, _, value) => {
    const { loops, macs, nonZeroMacs, weights, inputs, outputs } = layer;
    if (!loops || macs === 0) return null;
    const compute = [
      charge('compute', 'mac', nonZeroMacs * (weights.bits / 16) * (inputs.bits / 16)),
      charge('compute', 'registerFile', 2 * nonZeroMacs * (outputs.bits / 16)),
    ];
    const { kH, kW, inC, outC, groups } = loops;
    const W = kH * kW * (inC / groups) * outC * (nonZeroMacs / macs) * (weights.bits / 16);
    return [...compute, ...(loops.dense ? denseCharges : convCharges)(layer, loops, W, value)];
  },
};

type Charges = (layer: LayerCounts, loops: Loops, W: number, value: (name: string) => number) => Charge[];

const convCharges: Charges = ({ inputs, outputs }, loops, W, value) => {
  const { batch, groups, inC, outC, kH, kW, outH, outW } = loops;
  const positions = outH * outW;
  const turns = Math.ceil(positions / value('arrayRows'));
  const s2 = value('weightCache');
  const word = inputs.bits / 16;
  const X = inputs.elements * word;
  const U = batch * positions * kH * kW * inC * word;
  const filters = outC / groups;
  const again = batch * rereadWords(loops, inputs.elements / batch, word, value('inputCache'));
  return [
    charge('weights', 'memory', batch * (turns * Math.max(0, W - s2) + Math.min(s2, W))),
    charge('weights', 'cache', batch * turns * W),
    charge('weights', 'registerFile', batch * positions * W),
    charge('inputs', 'memory', X + again),
    charge('inputs', 'cache', U * Math.ceil(filters / value('arrayColumns'))),
    charge('inputs', 'registerFile', U * Math.ceil(filters)),
    charge('outputs', 'memory', batch * positions * outC * (outputs.bits / 16)),
  ];
};

const denseCharges: Charges = ({ inputs, outputs }, { batch, outC }, W, value) => {
  const turns = Math.ceil(outC / value('arrayColumns'));
  const s1 = value('inputCache');
  const X = (inputs.elements / batch) * (inputs.bits / 16);
  return [
    ...['memory', 'cache', 'registerFile'].map((cost) => charge('weights', cost, batch * W)),
    charge('inputs', 'memory', batch * (turns * Math.max(0, X - s1) + Math.min(X, s1))),
    charge('inputs', 'cache', batch * turns * X),
    charge('inputs', 'registerFile', batch * outC * X),
    charge('outputs', 'memory', batch * outC * (outputs.bits / 16)),
  ];
};

/** A cache that holds fewer rows than a kernel spans is taken to hold just these. */
function rereadWords({ inH, spanH, strideH }: Loops, elements: number, word: number, s1: number): number {
  if (elements * word <= s1 || spanH <= strideH) return 0;
  const row = (elements / inH) * word;
  const fit = Math.max(spanH, Math.floor(s1 / row));
  const loads = Math.ceil(inH / (fit - spanH + strideH));
  return (spanH - strideH) * row * Math.max(0, loads - 1);
}
