/**
 * One kernel at a time, over the shapes of real networks (bench/shapes/*.txt).
 *
 *   node bench/kernels.mjs [--filter TEXT] [--quick] [--json | --markdown]
 *
 * Each js kernel is first compared with the reference (integers to the bit, floats within the bound), then timed:
 *
 *   warm      the same operands every time
 *   cold      copies of all operands, together larger than the caches, in turn
 *   off       the same numbers with one optimisation switched off: no border in memory, or one weight to a double
 *
 * `--filter` looks in "network kernel shape"; `--quick` keeps to the MLPerf Tiny networks and times less.
 */
import { Bench } from 'tinybench';
import { js, opMacs, reference } from '../dist/index.js';
import { bind, copyCall, inputOf, makeCall, operandBytes, sumsOfProducts } from './support/kernel-calls.mjs';
import { readOptions } from './support/options.mjs';
import { progress, report, table } from './support/report.mjs';
import { readShapes } from './support/shapes.mjs';

const usage = 'node bench/kernels.mjs [--filter TEXT] [--quick] [--json | --markdown]';
const options = readOptions(usage, { quick: { type: 'boolean' } });
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const quickNetworks = ['ic', 'kws', 'vww', 'ad'];
const timeMs = options.quick ? 40 : 80;
/** Larger than the last level of cache of the machines this is run on. */
const coldBytes = 96 * 2 ** 20;
const mostCopies = 6000;

const rows = [];
const pairs = [];
const shapes = readShapes().filter(({ network }) => !options.quick || quickNetworks.includes(network));
for (const shape of shapes)
  for (const dtype of ['f32', 'i8']) {
    const call = makeCall(shape, dtype);
    const offer = js.offer(call);
    if (!`${shape.network} ${offer.kernel} ${shape.line}`.includes(options.filter ?? '')) continue;
    progress(`${offer.kernel} ${shape.line}`);
    const macs = opMacs(shape.op, call.inputs, shape.y);
    const steps = { warm: [checked(call, offer, true)] };
    if (offer.border) steps['border off'] = [checked(call, offer, false)];
    if (offer.kernel.startsWith('conv2d-i8')) {
      const wide = makeCall(shape, dtype, { wideBias: true });
      const oneLane = js.offer(wide);
      if (oneLane.kernel !== offer.kernel) steps['lanes off'] = [checked(wide, oneLane, true)];
    }
    const input = inputOf(call);
    const copies = Math.ceil(coldBytes / operandBytes(call, offer));
    if (copies <= mostCopies)
      steps.cold = Array.from({ length: copies }, () => {
        const copy = copyCall(call);
        return bind(copy, js.offer(copy), true, input).step;
      });
    const times = time(steps);
    const row = { kernel: offer.kernel, network: shape.network, shape: shape.line, macs, warm: times.warm };
    rows.push({ ...row, cold: times.cold ?? null });
    for (const what of ['border', 'lanes']) {
      const off = times[`${what} off`];
      if (off) pairs.push({ what, ...row, off, ratio: off.ns / times.warm.ns });
    }
  }
progress('');
if (rows.length === 0) throw new Error(`no kernel or shape has "${options.filter}"`);

/** The bound kernel, after one run of it has been found equal to the reference. */
function checked(call, offer, borderGranted) {
  const fast = bind(call, offer, borderGranted);
  const slow = bind(call, reference.offer(call), false);
  fast.step();
  slow.step();
  const bound = call.output.dtype === 'f32' ? sumsOfProducts(call) : null;
  for (let i = 0; i < slow.y.length; i++) {
    const difference = Math.abs(fast.y[i] - slow.y[i]);
    if (!(difference <= (bound ? bound.perProduct * bound.sums[i] : 0)))
      throw new Error(`${offer.kernel}: output ${i} is ${fast.y[i]}, reference has ${slow.y[i]}`);
  }
  return fast.step;
}

/** name → steps to take in turn; returns name → median and spread in ns. */
function time(stepsOf) {
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
  for (const [name, steps] of Object.entries(stepsOf)) {
    let next = 0;
    const only = steps[0];
    const inTurn = () => {
      steps[next]();
      next = next + 1 === steps.length ? 0 : next + 1;
    };
    bench.add(name, steps.length === 1 ? () => only() : inTurn, { async: false });
  }
  bench.runSync();
  return Object.fromEntries(
    bench.tasks.map(({ name, result: { latency } }) => [
      name,
      {
        ns: latency.p50 * 1e6,
        spreadNs: latency.mad * 1e6,
        samples: latency.samplesCount,
        coarse: coarse.has(name),
      },
    ]),
  );
}

const us = (time) =>
  time
    ? `${(time.ns / 1000).toFixed(2)} ±${(time.spreadNs / 1000).toFixed(2)}${time.coarse ? ' (timer)' : ''}`
    : '–';
const rate = (macs, time) => (time ? (macs / time.ns).toFixed(2) : '–');
report(options, {
  title: 'Kernels one at a time, plain JavaScript, one thread',
  tables: {
    kernels: table(
      {
        kernel: (row) => row.kernel,
        shape: (row) => row.shape,
        'warm µs>': (row) => us(row.warm),
        'GMAC/s>': (row) => rate(row.macs, row.warm),
        'cold µs>': (row) => us(row.cold),
        'cold GMAC/s>': (row) => rate(row.macs, row.cold),
        check: () => '= reference',
      },
      rows,
    ),
    'one optimisation off': table(
      {
        off: (pair) => (pair.what === 'border' ? 'border in memory' : 'two weights to a double'),
        kernel: (pair) => pair.kernel,
        shape: (pair) => pair.shape,
        'on µs>': (pair) => us(pair.warm),
        'off µs>': (pair) => us(pair.off),
        'off / on>': (pair) => pair.ratio.toFixed(2),
      },
      pairs,
    ),
  },
  notes: [
    'Medians ± the median distance from them. `= reference`: integers to the bit, floats within K·2⁻²⁴·Σ|x·w|.',
    ...(rows.some(({ warm }) => warm.coarse) ? ['(timer): the clock is too coarse for this one.'] : []),
  ],
  data: { kernels: rows, pairs },
});
