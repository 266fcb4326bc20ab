/** Energy never rises when a weight becomes zero or a tensor gets fewer bits: random networks, every profile. */
import { describe, expect, it } from 'vitest';
import {
  profiles as builtIn,
  countGraph,
  countNetwork,
  energyOf,
  type HardwareProfile,
  profileOf,
} from '../../src/energy.ts';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { optimize } from '../../src/graph/optimize.ts';
import { bytesPerElement, isBig } from '../../src/tensor.ts';
import { seeded } from '../data.ts';
import { type NetworkType, randomGraph } from './random-graph.ts';

const seeds = Array.from({ length: 60 }, (_, seed) => seed);
const dtypes: readonly NetworkType[] = ['f32', 'i8', 'u8'];

/** A profile with other constants. */
function changed(
  profile: HardwareProfile,
  name: string,
  values: Readonly<Record<string, number>>,
): HardwareProfile {
  const constants = Object.entries(values).map(([key, value]) => [key, { ...profile.constants[key], value }]);
  return { ...profile, name, constants: { ...profile.constants, ...Object.fromEntries(constants) } };
}

/** Small networks fit into every cache and are ruled by DRAM: here they do not, and it costs nothing. */
const profiles: readonly HardwareProfile[] = [
  ...builtIn,
  changed(profileOf.H, 'H, compute only', { sram: 0, dram: 0 }),
  changed(profileOf.E, 'E, 3 × 2 elements', { arrayRows: 3, arrayColumns: 2 }),
  changed(profileOf.S, 'S, tiny caches', { inputCache: 40, weightCache: 12 }),
  changed(profileOf.cpu, 'cpu, tiny caches', { l1Bytes: 96, l2Bytes: 300, l3Bytes: 900 }),
  changed(profileOf.cpu, 'cpu, tiny caches, loads only', {
    ...{ vectorOperation: 0, operation: 0, l1: 0 },
    ...{ l1Bytes: 200, l2Bytes: 500, l3Bytes: 2000 },
  }),
];

const totals = (graph: Graph): number[] =>
  profiles.map((profile) => energyOf(countNetwork(graph), profile).total);

/** Larger by more than rounding. */
const rises = (after: number, before: number): boolean => after > before * (1 + 1e-12);

describe.each(dtypes)('random networks of %s', (dtype) => {
  it.each(seeds)('weights that become zero, seed %i', (seed) => {
    let { graph } = optimize(randomGraph(seed, dtype));
    const random = seeded(seed);
    let before = totals(graph);
    for (const { op, inputs } of graph.nodes) {
      const id = inputs[1];
      if (!['conv2d', 'depthwiseConv2d', 'dense'].includes(op.kind) || !graph.values[id].data) continue;
      graph = withZeros(graph, id, 1 + random(4), random);
      const after = totals(graph);
      after.forEach((total, i) => {
        expect(rises(total, before[i]), `${profiles[i].name}: ${before[i]} → ${total}`).toBe(false);
      });
      before = after;
    }
  });

  it.each(seeds)('tensors with fewer bits, seed %i', (seed) => {
    const { graph } = optimize(randomGraph(seed, dtype));
    const random = seeded(seed + 1000);
    const bits = graph.values.map(({ dtype: of }) => 8 * bytesPerElement[of]);
    const energies = (): number[] =>
      profiles.map((profile) => energyOf(countGraph(graph, { bitsOf: (id) => bits[id] }), profile).total);
    let before = energies();
    for (let step = 0; step < 12; step++) {
      const id = random(bits.length);
      bits[id] = 1 + random(bits[id]);
      const after = energies();
      after.forEach((total, i) => {
        expect(rises(total, before[i]), `${profiles[i].name}: ${before[i]} → ${total}`).toBe(false);
      });
      before = after;
    }
  });
});

it('the whole network in fewer bits, weights and all', () => {
  for (const seed of seeds) {
    const graph = randomGraph(seed, 'f32');
    let before = profiles.map(() => Number.POSITIVE_INFINITY);
    for (const bits of [32, 24, 16, 12, 8, 4, 1]) {
      const after = profiles.map((profile) => energyOf(countNetwork(graph, { bits }), profile).total);
      after.forEach((total, i) => {
        expect(rises(total, before[i])).toBe(false);
      });
      before = after;
    }
  }
});

/** Some weights of one constant become its zero point. */
function withZeros(graph: Graph, id: ValueId, count: number, random: (limit: number) => number): Graph {
  const value = graph.values[id];
  const data = value.data!.slice();
  if (isBig(data)) throw new Error('weights are no big integers');
  for (let i = 0; i < count; i++) data[random(data.length)] = value.quantization?.zeroPoint[0] ?? 0;
  return { ...graph, values: graph.values.map((v, k) => (k === id ? { ...v, data } : v)) };
}
