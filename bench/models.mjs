/**
 * Whole networks on one thread, float and integer twins in turns: typed array in to typed array out, real inputs.
 *
 *   node bench/models.mjs [--kernels wasm|js] [--filter ic] [--rounds 60] [--layers] [--json | --markdown]
 *
 * Every network is first compared with the reference kernels; an integer network that differs is an error.
 */
import { opMacs } from '../dist/index.js';
import {
  chooseNetworks,
  differenceFromReference,
  loadNetwork,
  networks,
  openRunner,
} from './support/networks.mjs';
import { countOption, kernelsOption, readOptions } from './support/options.mjs';
import { progress, report, table } from './support/report.mjs';
import { openRoofline } from './support/roofline.mjs';
import { median, medianRatio, spread, timeInTurns } from './support/rounds.mjs';
import { byteLength, timeSteps } from './support/source.mjs';

const usage =
  'node bench/models.mjs [--kernels wasm|js] [--filter TEXT] [--rounds N] [--layers] [--json | --markdown]';
const options = readOptions(usage, {
  kernels: { type: 'string' },
  rounds: { type: 'string' },
  layers: { type: 'boolean' },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const kernels = kernelsOption(options.kernels);
const rounds = countOption(options.rounds, 60);
const layerSeconds = rounds / 30;

const roofline = openRoofline();
const rows = [];
const layerTables = {};
for (const network of chooseNetworks(options.filter, networks)) {
  progress(`${network.name}: comparing with reference`);
  const { f32, int, f32Inputs, intInputs } = loadNetwork(network);
  const f32Error = differenceFromReference(f32, f32Inputs, kernels.name);
  if (int && differenceFromReference(int, intInputs, kernels.name) !== 0)
    throw new Error(`${network.name}: the integer network differs from reference`);
  progress(`${network.name}: timing`);
  const float = openRunner(f32, f32Inputs, kernels.name);
  const integer = int ? openRunner(int, intInputs, kernels.name) : null;
  const contenders = { f32: float.run, ...(integer && { int: integer.run }) };
  const times = timeInTurns(contenders, { rounds });
  rows.push({
    name: network.name,
    title: network.title,
    macs: float.session.macs,
    f32Ns: median(times.f32),
    f32SpreadNs: spread(times.f32),
    f32OfLimit: limitNs(float) / median(times.f32),
    f32Error,
    f32Memory: float.session.memory,
    ...(integer && {
      intNs: median(times.int),
      intSpreadNs: spread(times.int),
      intOfLimit: limitNs(integer) / median(times.int),
      ratio: medianRatio(times.int, times.f32),
      intMemory: integer.session.memory,
    }),
  });
  if (options.layers) {
    layerTables[`${network.name}, float`] = layerRows(float);
    if (integer) layerTables[`${network.name}, integer`] = layerRows(integer);
  }
}
progress('');

/** Time of each step within whole runs: what a layer costs in its place, with the caches as its neighbours leave them. */
function layerRows({ session }) {
  const [times] = timeSteps([session], layerSeconds);
  const total = times.reduce((sum, ns) => sum + ns, 0);
  return worksOf(session).map(({ step, work, does, shape }, i) => {
    const { node, kernel, set, reason } = step;
    const ns = times[i];
    const share = { ns, share: ns / total, ofLimit: work && ns > 0 ? roofline.leastNs(work) / ns : null };
    return { node, kernel, set, reason, does, shape, macs: work?.macs ?? 0, ...share };
  });
}

/** What each step of a session computes: operators, shapes, products and bytes; a border's step has no work of its own. */
function worksOf({ steps, plan, graph }) {
  const calls = plan.steps.map(({ call }) => call);
  let next = 0;
  return steps.map((step) => {
    if (step.kernel === 'border') return { step, work: null, does: [], shape: '' };
    const call = calls[next++];
    const nodes = [...call.before, call.node];
    const values = [...call.inputs, call.output].map((id) => graph.values[id]);
    const [x, y] = [values[0], values.at(-1)];
    const work = {
      isFloat: x.dtype === 'f32',
      macs: nodes.reduce((sum, node) => sum + nodeMacs(node, graph), 0),
      bytes: values.reduce((sum, { dtype, shape }) => sum + byteLength(dtype, shape), 0),
    };
    const shape = `${x.shape.slice(1).join('×')} → ${y.shape.slice(1).join('×')}`;
    return { step, work, does: nodes.map(({ op }) => op.fn ?? op.kind), shape };
  });
}

/** The least time of a network is that of its steps, one after the other. */
function limitNs({ session }) {
  return worksOf(session).reduce((sum, { work }) => sum + (work ? roofline.leastNs(work) : 0), 0);
}

function nodeMacs({ op, inputs, output }, graph) {
  const shaped = inputs.map((id) => graph.values[id]);
  return opMacs(op, shaped, graph.values[output].shape);
}

const us = (ns, spreadNs) =>
  ns === undefined
    ? '–'
    : `${(ns / 1000).toFixed(ns < 1e6 ? 1 : 0)} ±${(spreadNs / 1000).toFixed(ns < 1e6 ? 1 : 0)}`;
const rate = (macs, ns) => (!ns || macs === 0 ? '–' : (macs / ns).toFixed(2));
const percent = (share) => (share === undefined || share === null ? '–' : `${(100 * share).toFixed(0)} %`);
const about = ({ does, set, reason }) =>
  [
    ...(does.length > 1 ? [does.join(' + ')] : []),
    ...(set === kernels.name ? [] : [`set ${set}`]),
    ...(reason ? [reason] : []),
  ].join('; ');
const kb = (memory, key) => (memory ? (memory[key] / 1024).toFixed(0) : '–');

const summary = table(
  {
    network: (row) => row.name,
    'MMAC>': (row) => (row.macs / 1e6).toFixed(2),
    'f32 µs>': (row) => us(row.f32Ns, row.f32SpreadNs),
    'int µs>': (row) => us(row.intNs, row.intSpreadNs),
    'int/f32>': (row) => row.ratio?.toFixed(2) ?? '–',
    'f32 GMAC/s>': (row) => rate(row.macs, row.f32Ns),
    'int GMAC/s>': (row) => rate(row.macs, row.intNs),
    'of limit f32, int>': (row) => `${percent(row.f32OfLimit)}, ${percent(row.intOfLimit)}`,
    'arena f32, int KB>': (row) => `${kb(row.f32Memory, 'arena')}, ${kb(row.intMemory, 'arena')}`,
    'packed f32, int KB>': (row) => `${kb(row.f32Memory, 'packed')}, ${kb(row.intMemory, 'packed')}`,
    'against reference': (row) => `${row.intNs ? 'int =, ' : ''}f32 ±${row.f32Error.toExponential(0)}`,
  },
  rows,
);
const tables = { networks: summary };
for (const [name, layers] of Object.entries(layerTables))
  tables[name] = table(
    {
      kernel: (layer) => layer.kernel,
      shape: (layer) => layer.shape,
      'µs>': (layer) => (layer.ns / 1000).toFixed(2),
      'share>': (layer) => `${(100 * layer.share).toFixed(1)} %`,
      'GMAC/s>': (layer) => rate(layer.macs, layer.ns),
      'of limit>': (layer) => percent(layer.ofLimit),
      about,
    },
    layers,
  );

report(options, {
  title: `Whole networks, kernels: ${kernels.title}, one thread`,
  tables,
  notes: [
    `Medians of ${rounds} rounds ± the median distance from them; the ratio is the median of the ratios round by round.`,
    `${roofline.note} That of a network is the sum of its layers'. Above 100 %: Winograd takes fewer products than are counted here.`,
  ],
  data: {
    rounds,
    kernels: kernels.name,
    limits: roofline.limits,
    networks: rows,
    ...(options.layers && { layers: layerTables }),
  },
});
