/** Energy reports as text, and as the JSON that `--json` prints. */
import type { Agreement } from '../../graph/cost/agreement.ts';
import type { LayerCounts } from '../../graph/cost/counts.ts';
import {
  type EnergyReport,
  type LayerEnergy,
  mustBeComparable,
  type Provenance,
  showProvenance,
} from '../../graph/cost/energy.ts';
import type { EnergyUnit } from '../../graph/cost/profile.ts';
import { partNames } from '../../graph/cost/tiers.ts';
import { percent, showBytes, showCount, table } from '../terminal.ts';

/** 2.84e8 pJ → `284.1 µJ`; multiples of a multiply-accumulate → `283.30 M`. */
export function showEnergy(value: number, unit: EnergyUnit): string {
  if (unit === 'MAC' && value < 1000) return String(Number(value.toPrecision(3)));
  if (unit === 'MAC') return value < 1e9 ? showCount(Math.round(value)) : `${(value / 1e9).toFixed(2)} G`;
  for (const [name, size] of [
    ['J', 1e12],
    ['mJ', 1e9],
    ['µJ', 1e6],
    ['nJ', 1e3],
  ] as const)
    if (value >= size) return `${(value / size).toPrecision(4)} ${name}`;
  return `${value.toPrecision(4)} pJ`;
}

export const showUnit = (unit: EnergyUnit): string =>
  unit === 'MAC' ? 'in energies of one 16-bit multiply-accumulate' : 'in joules';

/** Bits of weights, inputs and outputs: `8·8→8`; of layers without weights `8→8`. */
export const showBits = ({ weights, inputs, outputs }: LayerCounts): string =>
  `${weights.elements > 0 ? `${weights.bits}·` : ''}${inputs.bits}→${outputs.bits}`;

export function showReport(report: EnergyReport): string {
  const { counts, layers, parts, total, unit, leftOut } = report;
  const head = ['layer', 'MACs', 'zeros', 'bits', ...partNames, 'total', 'share', 'node'];
  const energy = (value: number): string => (value > 0 ? showEnergy(value, unit) : '–');
  const rows = layers
    .filter(({ layer }) => layer.kind !== 'reshape')
    .map(({ layer, parts: own, total: sum, share, isModelled }) => [
      layer.kind,
      layer.macs > 0 ? showCount(Math.round(layer.macs)) : '',
      layer.weights.zeros > 0 ? percent(layer.weights.zeros / layer.weights.elements) : '',
      showBits(layer),
      ...(isModelled
        ? [...partNames.map((part) => energy(own[part])), energy(sum), percent(share)]
        : ['', '', '', '', 'left out', '']),
      short(layer.name),
    ]);
  const sums = partNames.map((part) => energy(parts[part]));
  const shares = partNames.map((part) => percent(total > 0 ? parts[part] / total : 0));
  return [
    `${report.network}: one inference, ${showProvenance(report)}, ${showUnit(unit)}`,
    '',
    table(
      [
        head,
        ...rows,
        ['all', showCount(Math.round(counts.macs)), '', '', ...sums, energy(total), '', ''],
        ['', '', '', '', ...shares, '', '', ''],
      ],
      [1, 2, 4, 5, 6, 7, 8, 9],
    ),
    '',
    table([
      ['  per MAC', `${showEnergy(total / counts.macs, unit)}`],
      [
        '  parameters',
        `${showCount(Math.round(counts.parameters))}, ${showBytes(Math.round(counts.weightBytes))}`,
      ],
      [
        '  zero weights',
        `${showCount(Math.round(counts.zeroWeights))} of ${showCount(Math.round(counts.weights))}`,
      ],
      ['  amounts', showAmounts(report)],
      ...(leftOut.length > 0
        ? [['  left out', `${leftOut.join(', ')}: tier ${report.tier} does not know them`]]
        : []),
      ['  note', 'counted after the rewrites: batch normalisation folded, clamps fused'],
    ]),
  ].join('\n');
}

const showAmounts = ({ amounts }: EnergyReport): string =>
  Object.entries(amounts)
    .filter(([, amount]) => amount > 0)
    .map(
      ([name, amount]) =>
        `${name} ${amount < 1e9 ? showCount(Math.round(amount)) : `${(amount / 1e9).toFixed(2)} G`}`,
    )
    .join(', ');

/** The end of a name is what tells it from others. */
export const short = (name: string): string => (name.length > 32 ? `…${name.slice(-31)}` : name);

export function showAgreement(agreements: readonly Agreement[]): string {
  const marked = (i: 0 | 1, { profiles, methods }: Agreement): string => `${profiles[i]} (${methods[i]})`;
  const rows = agreements.map((a) => [
    `  ${marked(0, a)}`,
    marked(1, a),
    Number.isNaN(a.tau) ? '–' : a.tau.toFixed(2),
  ]);
  const layers = agreements[0]?.layers ?? 0;
  return [
    `Do the models agree on which of the ${layers} layers with products are dear? Kendall's τ: 1 the same order, 0 none, −1 the reverse`,
    table(rows, [2]),
  ].join('\n');
}

/** Two networks by one profile, side by side. */
export function showComparison(a: EnergyReport, b: EnergyReport): string {
  mustBeComparable(a, b);
  const row = (
    name: string,
    of: (report: EnergyReport) => number,
    show: (value: number) => string,
  ): string[] => [`  ${name}`, show(of(a)), show(of(b)), of(b) > 0 ? `${(of(a) / of(b)).toFixed(2)}×` : ''];
  const energy = (value: number): string => showEnergy(value, a.unit);
  const count = (value: number): string => showCount(Math.round(value));
  const pairs = matchedLayers(a, b);
  const layers = pairs.map(([left, right]) => [
    `  ${left.layer.kind}`,
    energy(left.total),
    energy(right.total),
    right.total > 0 ? `${(left.total / right.total).toFixed(2)}×` : '',
    short(left.layer.name),
  ]);
  return [
    `One inference, ${showProvenance(a)}, ${showUnit(a.unit)}`,
    '',
    table(
      [
        ['', short(a.network), short(b.network), 'ratio'],
        row('total', (r) => r.total, energy),
        ...partNames.map((part) => row(part, (r) => r.parts[part], energy)),
        row('MACs', (r) => r.counts.macs, count),
        row('parameters', (r) => r.counts.parameters, count),
        row(
          'weight bytes',
          (r) => r.counts.weightBytes,
          (v) => showBytes(Math.round(v)),
        ),
        row('zero weights', (r) => r.counts.zeroWeights, count),
      ],
      [1, 2, 3],
    ),
    '',
    layers.length > 0
      ? table([['  layer', 'first', 'second', 'ratio', 'node of the first'], ...layers], [1, 2, 3])
      : '  the layers with products differ in number or in multiply-accumulates, so they are not paired',
  ].join('\n');
}

/** Layers with products in their order, where both networks have the same ones. */
function matchedLayers(a: EnergyReport, b: EnergyReport): (readonly [LayerEnergy, LayerEnergy])[] {
  const products = ({ layers }: EnergyReport): LayerEnergy[] => layers.filter(({ layer }) => layer.loops);
  const left = products(a);
  const right = products(b);
  const isSame = left.length === right.length && left.every((l, i) => l.layer.macs === right[i].layer.macs);
  return isSame ? left.map((l, i) => [l, right[i]]) : [];
}

/** Every figure with its method, profile and model. */
export function reportAsJson(report: EnergyReport) {
  const { method, profile, tier, unit, network, counts, layers, parts, total, amounts, leftOut } = report;
  const provenance: Provenance = { method, profile, tier, unit };
  return {
    network,
    ...provenance,
    countedAfter: 'optimize',
    total: { value: total, ...provenance },
    parts,
    amounts,
    leftOut,
    macs: counts.macs,
    parameters: counts.parameters,
    zeroWeights: counts.zeroWeights,
    weights: counts.weights,
    weightBytes: counts.weightBytes,
    activationBytes: counts.activationBytes,
    layers: layers.map(({ layer, isModelled, parts: own, total: sum, share }) => ({
      name: layer.name,
      kind: layer.kind,
      macs: layer.macs,
      nonZeroMacs: layer.nonZeroMacs,
      operations: layer.operations,
      parameters: layer.parameters,
      zeroWeights: layer.weights.zeros,
      bits: { weights: layer.weights.bits, inputs: layer.inputs.bits, outputs: layer.outputs.bits },
      bytes: {
        weights: layer.weights.bytes + layer.bias.bytes,
        inputs: layer.inputs.bytes,
        outputs: layer.outputs.bytes,
      },
      energy: isModelled ? { ...own, total: sum, share, ...provenance } : null,
    })),
  };
}
