/**
 * vireo (float and int8) beside other engines on the same networks and inputs, in turns in one process, on one
 * thread, typed array in to typed array out.
 *
 *   npm ci                                    # in this folder; `npm run build` in the one above
 *   node bench/peers/peers.mjs [--filter ic] [--rounds 40] [--json | --markdown]
 *
 * Outputs are compared before anything is timed; a peer that computes something else stops the run.
 */
import { optimize } from '../../dist/index.js';
import { chooseNetworks, loadNetwork, maxDifference, networks, openRunner } from '../support/networks.mjs';
import { countOption, readOptions } from '../support/options.mjs';
import { progress, report, table } from '../support/report.mjs';
import { median, medianRatio, spread, timeInTurns } from '../support/rounds.mjs';
import { tfjsRunner, version } from './tfjs-cpu.mjs';

const usage = 'node bench/peers/peers.mjs [--filter TEXT] [--rounds N] [--json | --markdown]';
const options = readOptions(usage, { rounds: { type: 'string' } });
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const rounds = countOption(options.rounds, 40);

/** Probabilities of float networks may differ by this much: the sums are taken in another order. */
const tolerance = 1e-5;

const rows = [];
const tiny = networks.filter(({ name }) => ['ic', 'kws', 'vww'].includes(name));
for (const network of chooseNetworks(options.filter, tiny)) {
  const { f32, int, f32Inputs, intInputs } = loadNetwork(network);
  const float = openRunner(f32, f32Inputs);
  const integer = openRunner(int, intInputs);
  const tfjs = tfjsRunner(optimize(f32).graph);

  progress(`${network.name}: comparing`);
  let difference = 0;
  for (const input of f32Inputs) {
    float.run(); // takes the inputs in the same order
    tfjs(input).forEach((output, i) => {
      difference = Math.max(difference, maxDifference(output, float.results[i]));
    });
  }
  if (!(difference <= tolerance)) throw new Error(`${network.name}: tfjs differs by ${difference}`);

  progress(`${network.name}: timing`);
  let next = 0;
  let consumed = 0;
  const runTfjs = () => {
    const outputs = tfjs(f32Inputs[next]);
    next = (next + 1) % f32Inputs.length;
    consumed += outputs[0][0];
  };
  const times = timeInTurns({ f32: float.run, int: integer.run, tfjs: runTfjs }, { rounds });
  if (!Number.isFinite(consumed)) throw new Error(`${network.name}: tfjs gave ${consumed}`);
  rows.push({
    name: network.name,
    difference,
    f32Ns: median(times.f32),
    f32SpreadNs: spread(times.f32),
    intNs: median(times.int),
    intSpreadNs: spread(times.int),
    tfjsNs: median(times.tfjs),
    tfjsSpreadNs: spread(times.tfjs),
    intOverF32: medianRatio(times.int, times.f32),
    tfjsOverF32: medianRatio(times.tfjs, times.f32),
    tfjsOverInt: medianRatio(times.tfjs, times.int),
  });
}
progress('');

const us = (ns, spreadNs) => `${(ns / 1000).toFixed(0)} ±${(spreadNs / 1000).toFixed(0)}`;
report(options, {
  title: 'Beside other engines, one thread',
  tables: {
    networks: table(
      {
        network: (row) => row.name,
        'vireo f32 µs>': (row) => us(row.f32Ns, row.f32SpreadNs),
        'vireo int8 µs>': (row) => us(row.intNs, row.intSpreadNs),
        'tfjs cpu f32 µs>': (row) => us(row.tfjsNs, row.tfjsSpreadNs),
        'tfjs / vireo f32>': (row) => row.tfjsOverF32.toFixed(2),
        'tfjs / vireo int8>': (row) => row.tfjsOverInt.toFixed(2),
        'int8 / f32>': (row) => row.intOverF32.toFixed(2),
        'largest difference>': (row) => row.difference.toExponential(1),
      },
      rows,
    ),
  },
  notes: [
    `${version}. Medians of ${rounds} rounds ± the median distance from them; ratios are medians of the ratios round by round.`,
  ],
  data: { peer: version, rounds, networks: rows },
});
