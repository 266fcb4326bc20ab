/**
 * Tier cpu: vector operations, and bytes through the caches of a described processor (docs/energy.md, eq. 11 to 14).
 *
 *   vector operations   MACs · max(16, b_w, b_a) / simdBits       8-bit integers are multiplied as 16-bit pairs
 *   through L1          MACs·b_w/8/tileRows + MACs·b_a/8/tileColumns + outputs          (register tile of the kernel)
 *   through level k     max(bytes of the operand, MACs·(b/8)·√((b/8)/S)), S the bytes of level k − 1, if it does not
 *                       lie nearer than k: weights lie in the first level that holds the whole network, inputs and
 *                       outputs in the first that holds the layer
 *
 * Dense kernels skip no zeros, so zero weights save nothing here. The square root is half, for each operand, of the
 * least traffic of a matrix product through a memory of S words, 2·MACs/√S: Hong and Kung 1981, STOC; the factor by
 * Smith et al. 2017, arXiv:1702.02017.
 * Waiting and idle power are in no term; a fit to measurements puts them into those that go along with time.
 */
import type { Charge, ConstantSpec, TierModel } from './tiers.ts';

const perByte = (about: string): ConstantSpec => ({ kind: 'cost', unit: 'pJ per byte', about });
const bytes = (about: string): ConstantSpec => ({ kind: 'size', unit: 'bytes', about });

const levels = ['l2', 'l3', 'dram'] as const;

export const tierCpu: TierModel = {
  about: 'vector operations and bytes through the caches of a processor',
  constants: {
    vectorOperation: { kind: 'cost', unit: 'pJ', about: 'one multiply-add of a whole vector' },
    operation: { kind: 'cost', unit: 'pJ', about: 'one operation that is no multiply-add' },
    l1: perByte('between registers and the first cache'),
    l2: perByte('between first and second cache'),
    l3: perByte('between second and third cache'),
    dram: perByte('between third cache and memory'),
    layer: { kind: 'cost', unit: 'pJ', about: 'starting a layer' },
    simdBits: { kind: 'size', unit: 'bits', about: 'width of a vector' },
    tileRows: { kind: 'size', unit: 'positions', about: 'positions of a register tile' },
    tileColumns: { kind: 'size', unit: 'channels', about: 'output channels of a register tile' },
    l1Bytes: bytes('first cache'),
    l2Bytes: bytes('second cache'),
    l3Bytes: bytes('third cache'),
  },
  outside: { cost: 'dram', bytes: 1 },
  skipsZeros: false,
  charge: (layer, network, value) => {
    if (layer.kind === 'reshape') return [];
    const { macs, weights, bias, inputs, outputs } = layer;
    const constants = weights.bytes + bias.bytes;
    const lane = Math.max(16, weights.bits, inputs.bits);
    const charges: Charge[] = [
      { part: 'compute', cost: 'layer', amount: 1 },
      { part: 'compute', cost: 'vectorOperation', amount: (macs * lane) / value('simdBits') },
      { part: 'compute', cost: 'operation', amount: layer.operations },
    ];
    const loads = (bits: number, reuse: number): number => (macs * (bits / 8)) / reuse;
    charges.push(
      { part: 'weights', cost: 'l1', amount: loads(weights.bits, value('tileRows')) || constants },
      { part: 'inputs', cost: 'l1', amount: loads(inputs.bits, value('tileColumns')) || inputs.bytes },
      { part: 'outputs', cost: 'l1', amount: outputs.bytes },
    );
    const sizes = [value('l1Bytes'), value('l2Bytes'), value('l3Bytes')];
    const wholeNetwork = network.weightBytes + network.activationBytes;
    const wholeLayer = constants + inputs.bytes + outputs.bytes;
    levels.forEach((cost, k) => {
      const least = (bits: number): number => macs * (bits / 8) * Math.sqrt(bits / 8 / sizes[k]);
      const isBeyond = (set: number): boolean => sizes.slice(0, k + 1).every((size) => set > size);
      if (isBeyond(wholeNetwork))
        charges.push({
          part: 'weights',
          cost,
          amount: beyond(constants, least(weights.bits), wholeLayer, sizes[k]),
        });
      if (isBeyond(wholeLayer))
        charges.push(
          { part: 'inputs', cost, amount: beyond(inputs.bytes, least(inputs.bits), wholeLayer, sizes[k]) },
          { part: 'outputs', cost, amount: outputs.bytes },
        );
    });
    return charges;
  },
};

/** Each byte once, and more often where the layer does not fit. */
const beyond = (once: number, least: number, layer: number, size: number): number =>
  layer > size ? Math.max(once, least) : once;
