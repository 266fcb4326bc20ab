/** `vireo energy`: where the energy of an inference goes, by a stated method. */
import { VireoError } from '../../errors.ts';
import { agreementOf } from '../../graph/cost/agreement.ts';
import { type Assume, countNetwork } from '../../graph/cost/counts.ts';
import { energyOf } from '../../graph/cost/energy.ts';
import { eyerissLayers } from '../../graph/cost/eyeriss-layers.ts';
import type { HardwareProfile } from '../../graph/cost/profile.ts';
import { profileOf, profiles } from '../../graph/cost/profiles.ts';
import type { Graph } from '../../graph/ir.ts';
import { htmlReport } from '../energy/html.ts';
import { chosenProfile, profileOption, tierOption } from '../energy/profiles.ts';
import { reportAsJson, showAgreement, showComparison, showReport } from '../energy/show.ts';
import { readNetwork, writeWhole } from '../files.ts';
import { type Command, type Given, jsonOption, operandsOf, shapeOption, shapesOf } from '../options.ts';

export const energy: Command = {
  name: 'energy',
  operands: 'MODEL',
  about:
    'Says where the energy of one inference goes, layer by layer, by a hardware profile (docs/energy.md).',
  options: [
    profileOption,
    tierOption,
    { name: 'bits', value: 'N', about: 'as if every activation and weight had N bits' },
    { name: 'compare', value: 'OTHER', about: 'another network beside it, by the same profile' },
    {
      name: 'html',
      value: 'FILE',
      about: 'write a report with pictures: one file, nothing loaded from elsewhere',
    },
    {
      name: 'export-eyeriss',
      value: 'FILE',
      about: 'write the layers as the public Eyeriss energy tool reads them',
    },
    {
      name: 'save-profile',
      value: 'FILE',
      about: 'write the profile as JSON, to be changed; needs no MODEL',
    },
    shapeOption,
    jsonOption,
  ],
  example: 'vireo energy net.tflite --profile eyeriss --html report.html',
  run: (given) => {
    const profile = chosenProfile(given, profileOf.H);
    const saved = given.text('save-profile');
    if (saved !== undefined) write(saved, `${JSON.stringify(profile, null, 2)}\n`);
    const [path] = operandsOf(energy, given, saved === undefined ? 1 : 0, 1);
    if (path === undefined) return 0;
    const assume = assumed(given);
    const { graph } = readNetwork(path, shapesOf(given));
    const report = energyOf(countNetwork(graph, assume), profile);
    const others = everyProfile(profile).map((one) => energyOf(report.counts, one));
    const agreement = agreementOf(others);

    const other = given.text('compare');
    const compared =
      other === undefined ? undefined : energyOf(countNetwork(readNetwork(other).graph, assume), profile);
    // Two files of one network often bear the same name.
    const left = compared ? { ...report, network: path } : report;
    const right = compared && other !== undefined ? { ...compared, network: other } : undefined;

    const html = given.text('html');
    if (html !== undefined) write(html, htmlReport(path, graph, profile, everyProfile(profile), assume));
    const layers = given.text('export-eyeriss');
    if (layers !== undefined) exportEyeriss(layers, graph);

    if (given.flag('json')) {
      const first = reportAsJson(left);
      console.log(
        JSON.stringify(right ? { networks: [first, reportAsJson(right)] } : { ...first, agreement }, null, 2),
      );
    } else
      console.log(
        right ? showComparison(left, right) : `${showReport(report)}\n\n${showAgreement(agreement)}`,
      );
    return 0;
  },
};

/** The built-in profiles, and a user's own. */
const everyProfile = (profile: HardwareProfile): HardwareProfile[] =>
  profiles.some(({ name }) => name === profile.name) ? [...profiles] : [profile, ...profiles];

function assumed(given: Given): Assume {
  const bits = given.count('bits');
  if (bits !== undefined && bits > 64) throw new VireoError('usage', `--bits expects 1 to 64, got ${bits}`);
  return bits === undefined ? {} : { bits };
}

function exportEyeriss(path: string, graph: Graph): void {
  const { lines, leftOut } = eyerissLayers(graph);
  if (lines.length === 0)
    throw new VireoError('unsupported', `${graph.name}: has no convolution and no dense layer to export`);
  write(path, `${lines.join('\n')}\n`);
  const without =
    leftOut.length > 0 ? `; left out, as the tool does not know them: ${leftOut.join(', ')}` : '';
  console.error(`${path}: ${lines.length} layers${without}`);
}

function write(path: string, text: string): void {
  writeWhole(path, new TextEncoder().encode(text));
}
