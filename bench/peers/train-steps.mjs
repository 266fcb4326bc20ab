/**
 * Time of one step of training, engine by engine.
 *
 *   for each network    a process for each engine: load, compare, warm up
 *   round 1             vireo, tfjs-wasm, …    each for one slice, at least one step, from the first weights
 *   round 2             the same from the end
 */

import { graphMacs } from '../../dist/index.js';
import { progress } from '../support/report.mjs';
import { median, medianRatio, spread } from '../support/rounds.mjs';
import { startChild } from './process.mjs';
import { batchesOf, trainingGraph } from './train-networks.mjs';

/** With `+`, gradients of filters are computed otherwise than by the backend's own kernel (train-filter-gradient.mjs). */
export const trainingEngines = ['vireo', 'tfjs-wasm', 'tfjs-wasm+', 'tfjs-cpu', 'tfjs-cpu+'];

/** So many steps are compared: the first loss is the forward pass alone, the second has seen one update. */
const compared = 6;

/** Differences of losses, and of the first update over the largest change in the same array (it is the last digits of a weight that change). */
const tolerance = { loss: 1e-4, update: 1e-2 };

const momentum = 0.9;

/** Whose compared steps take as long as this is warm, and takes part in the first rounds alone. */
const slowMs = 60_000;
const slowRounds = 3;

/** `{ name, macs, engines: { name: { version, difference, failed, ns, … } } }` */
export async function timeTraining(network, engines, { batch, rounds, sliceMs }) {
  const net = trainingGraph(network, batch);
  const task = { ...net, rate: network.rate, momentum };
  const load = { call: 'load', task, batches: batchesOf(network, batch, compared), compared };
  progress(`${network.name}: reference`);
  const wanted = await referenceSteps(load);
  const contenders = [];
  const hasFilters = net.graph.nodes.some(({ op }) => op.kind === 'conv2d');
  for (const engine of engines.filter((name) => hasFilters || !name.endsWith('+'))) {
    progress(`${network.name}: ${engine}`);
    contenders.push(await openContender(engine, load, wanted));
  }
  const running = contenders.filter(({ child }) => child);
  for (let round = 0; round < rounds; round++) {
    for (const { engine, child, times, counts, isSlow } of round % 2 === 0 ? running : running.toReversed()) {
      if (isSlow && round >= slowRounds) continue;
      progress(`${network.name}: round ${round + 1} of ${rounds}, ${engine}`);
      const { ns, count } = await child.ask({ call: 'time', ms: sliceMs });
      times.push(ns);
      counts.push(count);
    }
  }
  for (const { child } of running) child.end();
  progress('');
  const own = contenders.find(({ engine }) => engine === 'vireo').times;
  return {
    name: network.name,
    macs: graphMacs(net.graph),
    rate: network.rate,
    engines: Object.fromEntries(contenders.map((contender) => [contender.engine, figuresOf(contender, own)])),
  };
}

async function referenceSteps(load) {
  const child = startChild('vireo', 'train-child.mjs');
  await child.ready;
  const steps = await child.ask({ ...load, task: { ...load.task, kernels: 'reference' } });
  child.end();
  return steps;
}

async function openContender(engine, load, wanted) {
  const contender = { engine, child: null, times: [], counts: [] };
  const child = startChild(engine, 'train-child.mjs');
  try {
    await child.ready;
    const start = performance.now();
    const loaded = await child.ask(load);
    contender.isSlow = performance.now() - start > slowMs;
    contender.version = loaded.version;
    contender.difference = differenceOf(loaded, wanted, load.task.graph);
    if (contender.difference.isWrong) child.end();
    else {
      if (!contender.isSlow) await warmUp(child);
      contender.child = child;
    }
  } catch (error) {
    child.end();
    contender.failed = error.message;
    if (engine === 'vireo') throw error;
  }
  return contender;
}

/** Until it gets no faster, or for six seconds. */
async function warmUp(child) {
  const end = performance.now() + 6000;
  let best = Number.POSITIVE_INFINITY;
  for (let slice = 0, steady = 0; (slice < 6 || steady < 3) && performance.now() < end; slice++) {
    const { ns } = await child.ask({ call: 'time', ms: 200 });
    steady = ns > 0.97 * best ? steady + 1 : 0;
    best = Math.min(best, ns);
  }
}

/** Of the losses, before any update, after one, and the largest of all; of what the first update changed. */
function differenceOf({ losses, states }, wanted, graph) {
  const relative = losses.map((loss, i) => Math.abs(loss - wanted.losses[i]) / Math.abs(wanted.losses[i]));
  const updates = graph.states.map(({ input, data }) => {
    const { name } = graph.values[graph.inputs[input]];
    return updateDifference(data, states.get(name), wanted.states.get(name));
  });
  const most = largest(relative);
  const update = largest(updates);
  return {
    forward: relative[0],
    afterOne: relative[1],
    most,
    update,
    isWrong: !(most <= tolerance.loss && update <= tolerance.update),
  };
}

function updateDifference(first, states, wanted) {
  if (states?.length !== wanted.length) return Number.NaN;
  let difference = 0;
  let change = 0;
  for (let i = 0; i < wanted.length; i++) {
    difference = largest([difference, Math.abs(states[i] - wanted[i])]);
    change = Math.max(change, Math.abs(wanted[i] - first[i]));
  }
  return difference === 0 ? 0 : difference / change;
}

/** NaN if one of them is. */
const largest = (values) => values.reduce((most, value) => (value <= most ? most : value), 0);

function figuresOf({ version, difference, failed, times, counts }, own) {
  return {
    ...(version && { version }),
    ...(failed && { failed }),
    ...(difference && { difference }),
    ...(times.length > 0 && {
      ns: median(times),
      spreadNs: spread(times),
      leastNs: Math.min(...times),
      rounds: times.length,
      steps: counts.reduce((sum, count) => sum + count, 0),
      ...(own.length > 0 && { overVireo: medianRatio(times, own) }),
    }),
  };
}
