/**
 * One kernel at a time, over the shapes of real networks (bench/shapes/*.txt), in float and int8.
 *
 *   node bench/kernels.mjs [--kernels wasm|js] [--filter TEXT] [--quick] [--json | --markdown]
 *
 * Each kernel is first compared with the reference (integers to the bit, floats within the bound), then timed:
 *
 *   warm      the same operands every time
 *   cold      copies of all operands, together larger than the caches, in turn
 *
 * Then pairs, in turns: the same numbers with one optimisation on and off, or one decision taken otherwise.
 *
 * `--filter` looks in "network kernel shape"; `--quick` keeps to the MLPerf Tiny networks and times less.
 */
import { Bench } from 'tinybench';
import {
  additionBehind,
  expectedOf,
  fused,
  makeCall,
  numbersFor,
  operandBytes,
} from './support/kernel-calls.mjs';
import { kernelsOption, readOptions } from './support/options.mjs';
import { placeCalls } from './support/place-calls.mjs';
import { progress, report, table } from './support/report.mjs';
import { openRoofline } from './support/roofline.mjs';
import { median, medianRatio, spread, timeInTurns, warmUp } from './support/rounds.mjs';
import { readShapes } from './support/shapes.mjs';
import { js, opMacs, wasm, wasmKernels } from './support/source.mjs';

const usage = 'node bench/kernels.mjs [--kernels wasm|js] [--filter TEXT] [--quick] [--json | --markdown]';
const options = readOptions(usage, { quick: { type: 'boolean' }, kernels: { type: 'string' } });
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const kernels = kernelsOption(options.kernels);
const sets = kernels.name === 'wasm' ? [wasm, js] : [js];
const withoutRelaxed = wasmKernels({ relaxed: false });
const quickNetworks = ['ic', 'kws', 'vww', 'ad'];
const timeMs = options.quick ? 40 : 80;
/** Short turns: what else the machine does then disturbs few of them. */
const turns = { rounds: options.quick ? 31 : 61, batchMs: 0.4, warmupMs: options.quick ? 30 : 60 };
/** A sample is at least this long: the clock and the call into the kernel cost little beside it. */
const sampleNs = 20_000;
/** Larger than the last level of cache of the machines this is run on. */
const coldBytes = 96 * 2 ** 20;
const mostCopies = 12_000;
/** Of the tiles that a kernel offers besides its own, so many are tried. */
const mostTiles = 6;

const roofline = openRoofline();
const rows = [];
const pairs = [];
const shapes = readShapes().filter(({ network }) => !options.quick || quickNetworks.includes(network));
for (const shape of shapes)
  for (const dtype of ['f32', 'i8']) {
    const call = makeCall(shape, dtype);
    const set = sets.find((one) => one.offer(call) !== null);
    if (!set) continue; // left to the reference
    const { kernel } = set.offer(call);
    if (!`${shape.network} ${kernel} ${shape.line}`.includes(options.filter ?? '')) continue;
    progress(`${kernel} ${shape.line}`);
    const about = { kernel, network: shape.network, shape: shape.line, dtype };
    const expected = expectedOf([call]);
    rows.push({ ...about, ...measure(set, call, expected, shape) });
    pairs.push(...comparePairs(set, call, expected, shape).map((pair) => ({ ...about, ...pair })));
  }
progress('');
if (rows.length === 0) throw new Error(`no kernel or shape has "${options.filter}"`);

/** Warm and cold times of one kernel, and their shares of the limit. */
function measure(set, call, expected, { op, y }) {
  const warm = checked(expected, set, [call]);
  const bytes = operandBytes(call);
  const copies = Math.ceil(coldBytes / bytes);
  const cold = copies <= mostCopies ? checked(expected, set, [call], { copies }) : null;
  const times = time({ warm, ...(cold && { cold }) });
  const work = { isFloat: call.output.dtype === 'f32', macs: opMacs(op, call.inputs, y), bytes };
  return {
    macs: work.macs,
    bytes,
    copies: cold ? copies : 0,
    warm: { ...times.warm, ofLimit: roofline.leastNs(work) / times.warm.ns },
    cold: cold && { ...times.cold, ofLimit: roofline.leastNs(work, 'read DRAM') / times.cold.ns },
  };
}

/** The calls in place, after one run of every copy has been found equal to the reference. */
function checked({ expected, boundOf }, set, calls, how = {}) {
  const placed = placeCalls(set, calls, { numbersFor, ...how });
  if (placed === null) return null;
  for (const { run } of placed.passes) run();
  for (const copy of how.copies > 1 ? [0, how.copies - 1] : [0]) {
    const result = placed.result(copy);
    for (let i = 0; i < expected.length; i++)
      if (!(Math.abs(result[i] - expected[i]) <= boundOf(placed.kernel, i)))
        throw new Error(
          `${placed.kernel} [${calls[0].output.shape}]: output ${i} is ${result[i]}, reference has ${expected[i]}`,
        );
  }
  return placed;
}

/** name → calls in place; returns name → median and spread of one run in ns. */
function time(placedOf) {
  const bench = new Bench({
    time: timeMs,
    warmupTime: timeMs / 3,
    iterations: 16,
    warmupIterations: 8,
    timestampProvider: 'hrtimeNow',
    subtractTimerOverhead: true,
    throws: true,
  });
  const coarse = new Set();
  bench.addEventListener('warning', ({ task }) => coarse.add(task.name));
  const runsOf = {};
  for (const [name, { passes }] of Object.entries(placedOf)) {
    let next = 0;
    const pass = () => {
      passes[next].run();
      next = next + 1 === passes.length ? 0 : next + 1;
    };
    const batch = Math.ceil(sampleNs / warmUp(pass, timeMs));
    // All passes but the last have as many copies.
    runsOf[name] = batch * passes[0].count;
    const sample = () => {
      for (let i = 0; i < batch; i++) pass();
    };
    bench.add(name, sample, { async: false });
  }
  bench.runSync();
  return Object.fromEntries(
    bench.tasks.map(({ name, result: { latency } }) => [
      name,
      {
        ns: (latency.p50 * 1e6) / runsOf[name],
        spreadNs: (latency.mad * 1e6) / runsOf[name],
        samples: latency.samplesCount,
        coarse: coarse.has(name),
      },
    ]),
  );
}

/**
 * Every optimisation that this kernel has, on and off, all timed in turns: `{ what, off, onNs, offNs, ratio }`, the
 * ratio a median of those round by round.
 */
function comparePairs(set, call, expected, shape) {
  const place = (how, from = set) => checked(expected, from, [call], how);
  const usual = place({});
  const { offer } = usual;
  const found = [];
  const add = (what, on, off, label = off.kernel) => {
    if (!isSameCode(on, off)) found.push({ what, on, off, label });
  };
  if (offer.border) add('border in memory', usual, place({ border: false }), 'copied first');
  if (offer.encoding) add('encoded int8', usual, place({ encoding: false }), 'as stored');
  if (kernels.name === 'wasm') {
    const plain = place({}, withoutRelaxed);
    if (plain) add('relaxed SIMD', usual, plain);
    addChoices(offer, usual, place, add);
    addFused(set, call, add);
  } else {
    const wide = makeCall(shape, call.output.dtype, { wideBias: true });
    const isOther = set.offer(wide).kernel !== offer.kernel;
    if (isOther && offer.kernel.startsWith('conv2d-i8'))
      add('two weights to a double', usual, checked(expectedOf([wide]), set, [wide]));
  }
  if (found.length === 0) return [];
  const runs = {};
  const nameOf = new Map();
  for (const placed of found.flatMap(({ on, off }) => [on, off])) {
    if (nameOf.has(placed)) continue;
    const name = `${nameOf.size} ${placed.kernel}`;
    nameOf.set(placed, name);
    runs[name] = placed.passes[0].run;
  }
  const times = timeInTurns(runs, turns);
  const timed = found.map(({ what, on, off, label }) => {
    const [onTimes, offTimes] = [on, off].map((placed) => times[nameOf.get(placed)]);
    return {
      what,
      on: on.kernel,
      off: label,
      onNs: median(onTimes),
      onSpreadNs: spread(onTimes),
      offNs: median(offTimes),
      offSpreadNs: spread(offTimes),
      ratio: medianRatio(offTimes, onTimes),
    };
  });
  return bestTileOnly(timed);
}

function isSameCode(a, b) {
  return a.module !== null && b.module !== null && Buffer.compare(a.module, b.module) === 0;
}

/** What the kernel's own estimate has decided, against what it says would do as well. */
function addChoices({ choices = [] }, usual, place, add) {
  const isWinograd = usual.kernel.includes('winograd');
  if (isWinograd) add('Winograd', usual, place({ choice: choices[0] }));
  if (choices.includes('winograd')) add('Winograd', place({ choice: 'winograd' }), usual);
  for (const choice of choices.filter((name) => name.includes('-')))
    add('order: pixels outermost', usual, place({ choice }), choice);
  if (isWinograd) return; // its other choices are direct
  const tiles = choices.filter((name) => name !== 'winograd' && !name.includes('-'));
  const others = tiles.filter((name) => !usual.kernel.includes(`-${name}-`)).slice(0, mostTiles);
  for (const choice of others) add('tile by estimate', usual, place({ choice }));
}

/** An addition computed before the convolution's result is stored, against one that reads it again. */
function addFused(set, call, add) {
  const { arithmetic: op, output } = call;
  if (op.kind !== 'conv2d' || output.shape[1] === 1 || Number.isFinite(op.clamp.min)) return;
  const addition = additionBehind(call);
  const expected = expectedOf([call, addition]);
  const both = checked(expected, set, [fused(call, addition)]);
  if (both) add('addition fused', both, checked(expected, set, [call, addition]));
}

/** Of the other tiles only the fastest. */
function bestTileOnly(timed) {
  const tiles = timed.filter(({ what }) => what === 'tile by estimate');
  if (tiles.length < 2) return timed;
  const best = tiles.reduce((least, pair) => (pair.ratio < least.ratio ? pair : least));
  const shown = { ...best, off: `${best.off}, best of ${tiles.length}`, tried: tiles };
  return [...timed.filter((pair) => !tiles.includes(pair)), shown];
}

const us = (time) =>
  time
    ? `${(time.ns / 1000).toFixed(2)} ±${(time.spreadNs / 1000).toFixed(2)}${time.coarse ? ' (timer)' : ''}`
    : '–';
const rate = ({ macs, bytes }, time) => {
  if (!time) return '–';
  return macs > 0 ? `${(macs / time.ns).toFixed(2)} GMAC/s` : `${(bytes / time.ns).toFixed(2)} GB/s`;
};
const percent = (time) => (time ? `${(100 * time.ofLimit).toFixed(0)} %` : '–');
const pairUs = (ns, spreadNs) => `${(ns / 1000).toFixed(2)} ±${(spreadNs / 1000).toFixed(2)}`;

const whats = [...new Set(pairs.map(({ what }) => what))].map((what) => {
  const ratios = pairs.filter((pair) => pair.what === what).map(({ ratio }) => ratio);
  return {
    what,
    ratios,
    mean: Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length),
    losses: ratios.filter((ratio) => ratio < 1).length,
  };
});
report(options, {
  title: `Kernels one at a time, ${kernels.title}, one thread`,
  tables: {
    kernels: table(
      {
        kernel: (row) => row.kernel,
        shape: (row) => row.shape,
        'warm µs>': (row) => us(row.warm),
        'rate>': (row) => rate(row, row.warm),
        'of limit>': (row) => percent(row.warm),
        'cold µs>': (row) => us(row.cold),
        'cold rate>': (row) => rate(row, row.cold),
        'cold, of limit>': (row) => percent(row.cold),
        check: () => '= reference',
      },
      rows,
    ),
    ...(pairs.length > 0 && {
      'what each optimisation brings': table(
        {
          on: (row) => row.what,
          'shapes>': (row) => row.ratios.length,
          'off / on, geometric mean>': (row) => row.mean.toFixed(2),
          'least>': (row) => Math.min(...row.ratios).toFixed(2),
          'most>': (row) => Math.max(...row.ratios).toFixed(2),
          'losses>': (row) => row.losses,
        },
        whats,
      ),
      'one optimisation off': table(
        {
          on: (pair) => pair.what,
          kernel: (pair) => pair.on,
          off: (pair) => pair.off,
          shape: (pair) => pair.shape,
          'on µs>': (pair) => pairUs(pair.onNs, pair.onSpreadNs),
          'off µs>': (pair) => pairUs(pair.offNs, pair.offSpreadNs),
          'off / on>': (pair) => pair.ratio.toFixed(2),
        },
        pairs,
      ),
    }),
  },
  notes: [
    'Medians ± the median distance from them. `= reference`: integers to the bit, floats within the bound that each kernel states.',
    'Pairs are timed in turns, warm; their ratio is the median of the ratios round by round. A loss is a ratio below 1: what is switched on takes longer here.',
    `${roofline.note} Above 100 %: Winograd takes fewer products than are counted here, and writes go beside the reads that the limit is of.`,
    ...(rows.some(({ warm }) => warm.coarse) ? ['(timer): the clock is too coarse for this one.'] : []),
  ],
  data: { kernels: rows, pairs, limits: roofline.limits },
});
