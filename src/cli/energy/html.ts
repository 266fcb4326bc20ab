/** The energy report as one HTML file: pictures inline, no scripts, nothing loaded, light and dark. */
import { agreementOf } from '../../graph/cost/agreement.ts';
import { type Assume, countNetwork } from '../../graph/cost/counts.ts';
import { type EnergyReport, energyOf, showProvenance } from '../../graph/cost/energy.ts';
import type { HardwareProfile } from '../../graph/cost/profile.ts';
import { partNames } from '../../graph/cost/tiers.ts';
import { whatIf } from '../../graph/cost/what-if.ts';
import type { Graph } from '../../graph/ir.ts';
import { percent, showBytes, showCount } from '../terminal.ts';
import { escapeHtml as e, layerBars, roofline, totalBar } from './charts.ts';
import { showBits, showEnergy, showUnit } from './show.ts';

const style = `
:root { color-scheme: light dark; --page: #ffffff; --ink: #1d2530; --soft: #66717f; --line: #dde2e8; --card: #f5f7f9;
  --compute: #2f6fb0; --weights: #e0912f; --inputs: #2d9a78; --outputs: #b065a8; }
@media (prefers-color-scheme: dark) { :root { --page: #12161b; --ink: #e4e9ef; --soft: #95a1ae; --line: #2c343d; --card: #1a2027;
  --compute: #5b9bd8; --weights: #e8a94f; --inputs: #4cb894; --outputs: #c98ac2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1000px; padding: 28px 30px 48px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 34px 0 10px; }
p { margin: 6px 0; } .soft, figcaption { color: var(--soft); }
.badge { display: inline-block; padding: 0 9px; border: 1px solid var(--line); border-radius: 10px; background: var(--card); font-size: 13px; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 20px 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 9px 13px; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 0; font-size: 19px; font-variant-numeric: tabular-nums; }
dd small { display: block; color: var(--soft); font-size: 12px; }
figure { margin: 0; } .wide { overflow-x: auto; } .wide > svg { min-width: 640px; } svg { display: block; width: 100%; height: auto; } figcaption { font-size: 13px; margin-top: 6px; }
svg text { font-size: 12.5px; fill: var(--ink); } svg .soft { fill: var(--soft); } svg .tag { font-size: 11px; }
svg .on { font-size: 14px; font-weight: 600; fill: #ffffff; }
@media (prefers-color-scheme: dark) { svg .on { fill: #10151a; } }
.compute { fill: var(--compute); } .weights { fill: var(--weights); } .inputs { fill: var(--inputs); } .outputs { fill: var(--outputs); }
.grid { stroke: var(--line); stroke-width: 1; } .roof { fill: none; stroke: var(--ink); stroke-width: 1.6; }
.key { margin: 8px 0; } .key svg, figcaption svg { display: inline-block; width: 11px; height: 11px; margin: 0 5px 0 0; } .key span { margin-right: 18px; white-space: nowrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 7px; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: top; }
th:first-child, td:first-child, th.left, td.left { text-align: left; } th { color: var(--soft); font-weight: 500; }
td.wrap { white-space: normal; } td small { color: var(--soft); }
@media print { body { max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
`;

/** `profiles` has the one that the report is by, and those it is compared with. */
export function htmlReport(
  path: string,
  graph: Graph,
  profile: HardwareProfile,
  profiles: readonly HardwareProfile[],
  assume: Assume,
): string {
  const report = energyOf(countNetwork(graph, assume), profile);
  const reports = profiles.map((one) => energyOf(report.counts, one));
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<title>Energy of ${e(name)}</title><style>${style}</style></head><body>`,
    `<h1>Energy of one inference of ${e(name)}</h1>`,
    `<p><span class="badge">${report.method}</span> <span class="soft">by profile ${e(profile.name)}, tier ${profile.tier}: ${e(profile.about)}.${assume.bits ? ` As if everything had ${assume.bits} bits.` : ''}</span></p>`,
    tiles(report),
    section('Where it goes', `${key()}<figure>${totalBar(report)}</figure>`),
    section(
      'Layer by layer',
      `<figure><div class="wide">${layerBars(report)}</div>${leftOut(report)}</figure>`,
    ),
    section('How near to the roof', rooflineFigure(report, profile)),
    section('What if', whatIfTable(graph, profiles, profile, assume)),
    section('Do the models agree?', agreementTable(reports)),
    section('All figures', layerTable(report)),
    section('What these numbers rest on', constantsTable(profile)),
    section(
      'What these numbers are not',
      `<p>Nothing here was measured. A model of some hardware says what counted operations and accesses would take there; no figure holds for the machine that wrote this file, and only ratios within one profile mean anything. Zeros save energy on hardware that skips them, which this runtime does not.</p>`,
    ),
    '</body></html>\n',
  ].join('\n');
}

const section = (title: string, content: string): string => `<h2>${title}</h2>\n${content}`;

function tiles({ counts, total, unit }: EnergyReport): string {
  const figures = [
    ['an inference', showEnergy(total, unit), showUnit(unit)],
    [
      'for each multiply-accumulate',
      showEnergy(total / counts.macs, unit),
      `${showCount(Math.round(counts.macs))} of them`,
    ],
    ['parameters', showCount(Math.round(counts.parameters)), showBytes(Math.round(counts.weightBytes))],
    [
      'weights that are zero',
      percent(counts.weights > 0 ? counts.zeroWeights / counts.weights : 0),
      `${showCount(Math.round(counts.zeroWeights))} of ${showCount(Math.round(counts.weights))}`,
    ],
  ];
  return `<dl>${figures.map(([name, value, note]) => `<div><dt>${name}</dt><dd>${value}<small>${note}</small></dd></div>`).join('')}</dl>`;
}

const swatch = (part: string): string =>
  `<svg viewBox="0 0 10 10"><rect class="${part}" width="10" height="10" rx="2"/></svg>`;

const key = (): string =>
  `<p class="key">${partNames.map((part) => `<span>${swatch(part)}${part}</span>`).join('')}</p>`;

const leftOut = ({ leftOut: kinds, tier }: EnergyReport): string =>
  kinds.length === 0
    ? ''
    : `<figcaption>Left out, as tier ${tier} does not know them: ${kinds.join(', ')}.</figcaption>`;

function rooflineFigure(report: EnergyReport, profile: HardwareProfile): string {
  const drawn = roofline(report, profile);
  if (drawn === '') return '<p>No layer has products.</p>';
  const above = profile.tier === 'cpu' ? ' Layers above it find their operands in a cache.' : '';
  return `<figure><div class="wide">${drawn}</div><figcaption>The line: what a layer could reach if every byte came from outside of the chip once, and nothing else cost anything but the cheapest computation of this network.${above} Numbers are those of the bars; ${swatch('weights')} weights cost more than inputs and outputs, ${swatch('inputs')} less.</figcaption></figure>`;
}

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<div class="scroll"><table><thead><tr>${head.map((cell) => (cell.startsWith('<th') ? cell : `<th>${cell}</th>`)).join('')}</tr></thead><tbody>${rows
    .map(
      (row) => `<tr>${row.map((cell) => (cell.startsWith('<td') ? cell : `<td>${cell}</td>`)).join('')}</tr>`,
    )
    .join('')}</tbody></table></div>`;

function whatIfTable(
  graph: Graph,
  profiles: readonly HardwareProfile[],
  own: HardwareProfile,
  assume: Assume,
): string {
  const answers = whatIf(graph, profiles, assume);
  const index = profiles.findIndex(({ name }) => name === own.name);
  const ratio = (now: EnergyReport, before: EnergyReport): string =>
    `${((100 * now.total) / before.total).toFixed(0)} %`;
  const head = ['', `energy by ${e(own.name)}`, ...profiles.map(({ name }) => e(name))];
  const rows = answers.map(({ name, about, reports }) => [
    `${name}${about ? `<br><small>${about}</small>` : ''}`,
    showEnergy(reports[index].total, own.unit),
    ...reports.map((report, i) => ratio(report, answers[0].reports[i])),
  ]);
  return `${tableOf(head, rows)}<p class="soft">Shares are of the network as it is, by each profile. Energy only: what a change would do to the answers is not asked here. A processor that runs dense kernels gains nothing from zeros.</p>`;
}

function agreementTable(reports: readonly EnergyReport[]): string {
  const pairs = agreementOf(reports);
  const tau = (a: number, b: number): string => {
    if (a === b) return '1';
    const [first, second] = a < b ? [a, b] : [b, a];
    const found = pairs.find(
      ({ profiles }) => profiles[0] === reports[first].profile && profiles[1] === reports[second].profile,
    );
    return found && !Number.isNaN(found.tau) ? found.tau.toFixed(2) : '–';
  };
  const rows = reports.map((report, i) => [
    `${e(report.profile)} <small>${report.method}</small>`,
    ...reports.map((_, k) => tau(i, k)),
  ]);
  return `<p>Kendall’s τ of the order in which the ${pairs[0]?.layers ?? 0} layers with products stand, from the dearest to the cheapest: 1 the same order, 0 none, −1 the reverse. Where τ is low, which layer to work on depends on the hardware.</p>${tableOf(['', ...reports.map((r) => e(r.profile))], rows)}`;
}

function layerTable(report: EnergyReport): string {
  const { layers, unit } = report;
  const energy = (value: number): string => (value > 0 ? showEnergy(value, unit) : '–');
  let number = 0;
  const rows = layers
    .filter(({ layer }) => layer.kind !== 'reshape')
    .map(({ layer, parts, total, share, isModelled }) => [
      isModelled && total > 0 ? String(++number) : '',
      `<td class="left">${layer.kind}<br><small>${e(layer.name.length > 34 ? `…${layer.name.slice(-33)}` : layer.name)}</small></td>`,
      layer.macs > 0 ? showCount(Math.round(layer.macs)) : '',
      layer.weights.zeros > 0 ? percent(layer.weights.zeros / layer.weights.elements) : '',
      showBits(layer),
      ...(isModelled
        ? [...partNames.map((part) => energy(parts[part])), energy(total), percent(share)]
        : ['', '', '', '', 'left out', '']),
    ]);
  return `<p class="soft">${e(showProvenance(report))}, ${showUnit(unit)}; counted after the rewrites, batch normalisation folded.</p>${tableOf(['', '<th class="left">layer</th>', 'MACs', 'zeros', 'bits', ...partNames, 'total', 'share'], rows)}`;
}

function constantsTable({ constants }: HardwareProfile): string {
  const rows = Object.entries(constants).map(([name, { value, unit, source, year, assumed }]) => [
    name,
    `${Number(value.toPrecision(6))}`,
    `<td class="left">${e(unit)}</td>`,
    `<td class="left wrap">${e(source)}${assumed ? ' <span class="badge">assumed</span>' : ''}</td>`,
    String(year),
  ]);
  return tableOf(
    ['constant', 'value', '<th class="left">unit</th>', '<th class="left">source</th>', 'year'],
    rows,
  );
}
