/**
 * Whole networks on one thread, float and integer twins in turns: typed array in to typed array out, real inputs.
 *
 *   node bench/models.mjs [--filter ic] [--rounds 60] [--layers] [--json | --markdown]
 *
 * Every network is first compared with the reference kernels; an integer network that differs is an error.
 */
import {
  chooseNetworks,
  differenceFromReference,
  loadNetwork,
  networks,
  openRunner,
} from './support/networks.mjs';
import { countOption, readOptions } from './support/options.mjs';
import { progress, report, table } from './support/report.mjs';
import { median, medianRatio, spread, timeInTurns } from './support/rounds.mjs';

const usage = 'node bench/models.mjs [--filter TEXT] [--rounds N] [--layers] [--json | --markdown]';
const options = readOptions(usage, { rounds: { type: 'string' }, layers: { type: 'boolean' } });
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const rounds = countOption(options.rounds, 60);

const rows = [];
const layerTables = {};
for (const network of chooseNetworks(options.filter, networks)) {
  progress(`${network.name}: comparing with reference`);
  const { f32, int, f32Inputs, intInputs } = loadNetwork(network);
  const f32Error = differenceFromReference(f32, f32Inputs);
  if (int && differenceFromReference(int, intInputs) !== 0)
    throw new Error(`${network.name}: the integer network differs from reference`);
  progress(`${network.name}: timing`);
  const float = openRunner(f32, f32Inputs);
  const integer = int ? openRunner(int, intInputs) : null;
  const contenders = { f32: float.run, ...(integer && { int: integer.run }) };
  const times = timeInTurns(contenders, { rounds });
  rows.push({
    name: network.name,
    title: network.title,
    macs: float.session.macs,
    f32Ns: median(times.f32),
    f32SpreadNs: spread(times.f32),
    f32Error,
    f32Memory: float.session.memory,
    ...(integer && {
      intNs: median(times.int),
      intSpreadNs: spread(times.int),
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
function layerRows({ session, run }) {
  const { steps, plan, graph } = session;
  const times = steps.map(() => []);
  for (let i = 0; i < 20; i++) run();
  const start = performance.now();
  for (let round = 0; round < 20 * rounds && performance.now() - start < 3000; round++)
    for (let i = 0; i < steps.length; i++) {
      const before = process.hrtime.bigint();
      steps[i].run();
      times[i].push(Number(process.hrtime.bigint() - before));
    }
  const medians = times.map(median);
  const total = medians.reduce((sum, ns) => sum + ns, 0);
  const callOf = new Map(plan.steps.map(({ call }) => [call.node.name, call]));
  return steps.map(({ node, kernel }, i) => {
    const call = callOf.get(node);
    const shape = (id) => graph.values[id].shape.slice(1).join('×');
    const macs = kernel === 'border' ? 0 : layerMacs(call, graph);
    const ns = medians[i];
    return { kernel, shape: `${shape(call.inputs[0])} → ${shape(call.output)}`, ns, share: ns / total, macs };
  });
}

function layerMacs({ node, inputs, output }, graph) {
  const kind = node.op.kind;
  if (kind !== 'conv2d' && kind !== 'depthwiseConv2d' && kind !== 'dense') return 0;
  const size = (shape) => shape.reduce((product, extent) => product * extent, 1);
  const w = graph.values[inputs[1]].shape;
  const perOutput = kind === 'depthwiseConv2d' ? w[1] * w[2] : size(w) / w[0];
  return size(graph.values[output].shape) * perOutput;
}

const us = (ns, spreadNs) =>
  ns === undefined
    ? '–'
    : `${(ns / 1000).toFixed(ns < 1e6 ? 1 : 0)} ±${(spreadNs / 1000).toFixed(ns < 1e6 ? 1 : 0)}`;
const rate = (macs, ns) => (ns === undefined || macs === 0 ? '–' : (macs / ns).toFixed(2));
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
      'µs>': (layer) => (layer.ns / 1000).toFixed(1),
      'share>': (layer) => `${(100 * layer.share).toFixed(1)} %`,
      'GMAC/s>': (layer) => rate(layer.macs, layer.ns),
    },
    layers,
  );

report(options, {
  title: 'Whole networks, plain JavaScript kernels, one thread',
  tables,
  notes: [
    `Medians of ${rounds} rounds ± the median distance from them; the ratio is the median of the ratios round by round.`,
  ],
  data: { rounds, networks: rows, ...(options.layers && { layers: layerTables }) },
});
