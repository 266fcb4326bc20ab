/**
 * Time of one inference, engine by engine.
 *
 *   for each network    a process for each engine and kind (f32, int): load, compare, warm up
 *   round 1             vireo f32, ort-node f32, … vireo int, ort-node int, …    each for one slice
 *   round 2             the same from the end
 *
 * A slice's figure is the median of its inferences, an engine's the median over rounds, and its ratio to vireo the
 * median of the ratios round by round.
 */
import { loadavg } from 'node:os';
import { compile, reference } from '../../dist/index.js';
import { chooseNetworks } from '../support/networks.mjs';
import { progress, table } from '../support/report.mjs';
import { median, medianRatio, spread } from '../support/rounds.mjs';
import { compare, showDifference } from './compare.mjs';
import { floatOnly } from './engines.mjs';
import { modelFor, openKind, peerNetworks } from './networks.mjs';
import { isPinned, startChild } from './process.mjs';

/** So many inputs of each network are compared. */
const compared = 2;

export async function latencyReport(peers, { rounds, sliceMs, kernels, filter }) {
  const rows = [];
  const versions = {};
  const load = [loadavg()[0]];
  for (const network of chooseNetworks(filter, peerNetworks)) {
    const contenders = [];
    for (const kind of ['f32', 'int']) {
      if (kind === 'int' && !network.int) continue;
      const opened = openKind(network, kind);
      progress(`${network.name} ${kind}: reference`);
      const wanted = referenceOutputs(opened.graph, opened.inputs);
      for (const peer of peers) {
        if (kind === 'int' && floatOnly.includes(peer)) continue;
        progress(`${network.name} ${kind}: ${peer}`);
        const set = peer === 'vireo' ? kernels : '';
        contenders.push(await openContender({ peer, kernels: set, network, kind, opened, wanted }));
      }
    }
    const running = contenders.filter(({ child }) => child);
    for (let round = 0; round < rounds; round++) {
      progress(`${network.name}: round ${round + 1} of ${rounds}`);
      for (const { child, times, counts } of round % 2 === 0 ? running : running.toReversed()) {
        const { ns, count } = await child.ask({ call: 'time', ms: sliceMs });
        times.push(ns);
        counts.push(count);
      }
    }
    for (const { child } of running) child.end();
    for (const { peer, version } of contenders) versions[peer] ??= version;
    rows.push(rowOf(network, contenders));
  }
  progress('');
  load.push(loadavg()[0]);
  return describe(rows, { peers, kernels, versions, rounds, sliceMs, load });
}

async function openContender({ peer, kernels, network, kind, opened, wanted }) {
  const contender = { peer, kind, child: null, version: undefined, verdict: null, times: [], counts: [] };
  const child = startChild(peer);
  try {
    const { format } = await child.ready;
    const { model, inputs, twin } = modelFor(format, network, kind, opened);
    const load = { call: 'load', model: { kernels, ...model }, inputs, compared };
    const loaded = await child.ask(load);
    contender.version = loaded.version;
    contender.verdict = compare(
      loaded.outputs,
      twin ? inOrderOf(wanted, referenceOutputs(twin, inputs)) : wanted,
      kind,
    );
    if (contender.verdict.wrong) child.end();
    else {
      await warmUp(child);
      contender.child = child;
    }
  } catch (error) {
    child.end();
    contender.verdict = { failed: error.message };
    console.error(`${network.name} ${kind}, ${peer}: ${error.message}`);
  }
  return contender;
}

/**
 * Runs for more than a second, and until it gets no faster: V8 replaces a program's first code bit by bit, in the
 * background, and on a busy machine late.
 */
async function warmUp(child) {
  let best = Number.POSITIVE_INFINITY;
  for (let slice = 0, steady = 0; slice < 6 || (slice < 20 && steady < 3); slice++) {
    const { ns } = await child.ask({ call: 'time', ms: 200 });
    steady = ns > 0.97 * best ? steady + 1 : 0;
    best = Math.min(best, ns);
  }
}

/** Outputs of the first inputs; as many as are compared. */
function referenceOutputs(graph, inputs) {
  const session = compile(graph, { kernels: [reference] });
  return inputs.slice(0, compared).map((x) => {
    session.input(0).set(x);
    session.run();
    return session.outputs.map((_, i) => session.output(i).slice());
  });
}

/** Another file's outputs in the order of ours: no two of one network have the same number of values. */
function inOrderOf(wanted, others) {
  return wanted.map((arrays, i) =>
    arrays.map(({ length }) => others[i].find((other) => other.length === length)),
  );
}

function rowOf(network, contenders) {
  const kinds = {};
  for (const { peer, kind, verdict, times, counts } of contenders) {
    const own = contenders.find((other) => other.peer === 'vireo' && other.kind === kind);
    kinds[kind] ??= {};
    kinds[kind][peer] = {
      ...verdict,
      ...(times.length > 0 && {
        ns: median(times),
        spreadNs: spread(times),
        leastNs: Math.min(...times),
        inferences: counts.reduce((sum, count) => sum + count, 0),
        ...(own.times.length > 0 && { overVireo: medianRatio(times, own.times) }),
      }),
    };
  }
  const timesOf = (kind) =>
    contenders.find(({ peer, kind: k }) => peer === 'vireo' && k === kind)?.times ?? [];
  const [f32, int] = [timesOf('f32'), timesOf('int')];
  return {
    name: network.name,
    ...(f32.length > 0 && int.length > 0 && { intOverF32: medianRatio(int, f32) }),
    kinds,
  };
}

function describe(networks, { peers, kernels, versions, rounds, sliceMs, load }) {
  const rows = networks.flatMap(({ name, kinds }) =>
    Object.entries(kinds).map(([kind, cells]) => ({ name: `${name} ${kind}`, kind, cells })),
  );
  const columns = (show) => ({
    network: ({ name }) => name,
    ...Object.fromEntries(peers.map((peer) => [`${peer}>`, ({ cells, kind }) => show(cells[peer], kind)])),
  });
  const shown = (show) => (cell) => {
    if (!cell) return '–';
    if (cell.failed) return 'failed';
    return cell.wrong ? 'wrong' : show(cell);
  };
  const digits = (us) => us.toFixed(us < 100 ? 1 : 0);
  const time = shown(({ ns, spreadNs }) => `${digits(ns / 1000)} ±${digits(spreadNs / 1000)}`);
  const least = shown(({ leastNs }) => digits(leastNs / 1000));
  const ratio = shown(({ overVireo }) => overVireo?.toFixed(overVireo < 0.1 ? 3 : 2) ?? '–');
  const difference = (cell, kind) => {
    if (!cell || cell.failed) return cell ? 'failed' : '–';
    return showDifference(cell, kind);
  };
  return {
    title: 'Beside other engines, one thread',
    tables: {
      'Time of one inference, µs': table(columns(time), rows),
      'Time over that of vireo (above 1: vireo is faster)': table(
        Object.fromEntries(Object.entries(columns(ratio)).filter(([heading]) => heading !== 'vireo>')),
        rows,
      ),
      "Best slice, µs: least disturbed by the machine's other work": table(columns(least), rows),
      'Against the reference kernels': table(columns(difference), rows),
    },
    notes: [
      `${[...new Set(Object.values(versions))].filter(Boolean).join('; ')}.`,
      `Medians of ${rounds} rounds of ${sliceMs} ms ± the median distance from them; ratios are medians of the ratios round by round. ${isPinned ? 'All main threads on one core.' : 'Not pinned to a core.'} Load average before and after: ${load.map((value) => value.toFixed(1)).join(', ')} (undisturbed: at most about 1).`,
      'Differences: float relative to the largest value; integers as number of differing values, largest step.',
    ],
    data: { kernels: kernels || 'default', versions, rounds, sliceMs, isPinned, load, networks },
  };
}
