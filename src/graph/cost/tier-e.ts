/**
 * Tier E: row-stationary dataflow on an array of processing elements, in units of one 16-bit multiply-accumulate
 * (docs/energy.md, eq. 4 to 6).
 *
 * A kernel of S rows takes S rows of the array, so rep = ⌊rows/S⌋ of them fit; an output of E rows takes its columns
 * in fold = ⌈E/columns⌉ turns. With C inputs and M outputs a group, H padded input rows:
 *
 *               DRAM    buffer                array                              register file
 *   weights     S²CM    S²CM                  E·S²CM    (rep < fold: rep·14·S²CM)  S²E²CM
 *   inputs      H²C     H²C (… : H²CM)        min(⌊rep/fold⌋, M)·SEHC (… : SEHCM)  SEHCM
 *   sums        E²M     2E²(C−1)M             (S−1)E²CM                            2(S−1)S·E²CM
 *
 * Each square is the product of its two extents here. Data cost in proportion to their bits (b/16), products to
 * b_w·b_a/16²; zero weights cost nothing. The minimum with M is this project's: no input is sent to more kernels than
 * there are. A batch is charged as so many single inferences; layers without products are not charged.
 * Source: the counts are a public restatement of Chen, Emer, Sze, "Eyeriss", ISCA 2016, section V; they were not
 * compared with the authors' own tool.
 */
import type { Charge, ConstantSpec, Part, TierModel } from './tiers.ts';

const access = (about: string): ConstantSpec => ({ kind: 'cost', unit: 'MAC per 16 bits', about });

export const tierE: TierModel = {
  about: 'row-stationary dataflow, in units of one 16-bit multiply-accumulate (Eyeriss)',
  constants: {
    mac: { kind: 'cost', unit: 'MAC', about: 'one 16-bit multiply-accumulate' },
    registerFile: access('an access to the registers of a processing element'),
    array: access('from one processing element to another'),
    buffer: access('an access to the global buffer'),
    dram: access('an access to the memory outside'),
    arrayRows: { kind: 'size', unit: 'elements', about: 'rows of the array' },
    arrayColumns: { kind: 'size', unit: 'elements', about: 'columns of the array' },
  },
  outside: { cost: 'dram', bytes: 2 },
  skipsZeros: true,
  charge: ({ loops, weights, inputs, outputs, macs, nonZeroMacs }, _, value) => {
    if (!loops || macs === 0) return null;
    const { batch, groups, kH, kW, inH, inW, outH, outW } = loops;
    const C = loops.inC / groups;
    const M = loops.outC / groups;
    const rep = Math.max(1, Math.floor(value('arrayRows') / kH));
    const fold = Math.ceil(outH / value('arrayColumns'));
    const isFolded = rep < fold;
    const share = nonZeroMacs / macs;
    const all = batch * groups;

    const weightWords = all * kH * kW * C * M * share * (weights.bits / 16);
    const inputWords = all * inH * inW * C * (inputs.bits / 16);
    const rowWords = all * kH * outH * inW * C * (inputs.bits / 16);
    const sums = all * outH * outW * M * (outputs.bits / 16);
    const charge = (part: Part, cost: string, amount: number): Charge => ({ part, cost, amount });
    return [
      charge('compute', 'mac', nonZeroMacs * (weights.bits / 16) * (inputs.bits / 16)),
      charge('weights', 'dram', weightWords),
      charge('weights', 'buffer', weightWords),
      charge('weights', 'array', weightWords * (isFolded ? rep * value('arrayColumns') : outH)),
      charge('weights', 'registerFile', weightWords * outH * outW),
      charge('inputs', 'dram', inputWords),
      charge('inputs', 'buffer', inputWords * (isFolded ? M : 1)),
      charge('inputs', 'array', rowWords * (isFolded ? M : Math.min(Math.floor(rep / fold), M))),
      charge('inputs', 'registerFile', rowWords * M),
      charge('outputs', 'dram', sums),
      charge('outputs', 'buffer', sums * 2 * Math.max(0, C - 1)),
      charge('outputs', 'array', sums * (kH - 1) * C),
      charge('outputs', 'registerFile', sums * 2 * (kW - 1) * kH * C),
    ];
  },
};
