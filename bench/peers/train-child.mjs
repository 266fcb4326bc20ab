/**
 * One engine that trains one network in a process of its own, driven by messages:
 *
 *   { call: 'load', task, batches, compared }  → { version, losses, states }   of `compared` steps; states after the first
 *   { call: 'time', ms }                       → { ns, count }                 median time of one step, for `ms`, at least one step
 *
 * Both begin with the first weights: trained for long, weights that nothing reaches any more have velocities so small
 * that processors take many times as long for them.
 *
 *   node train-child.mjs ENGINE
 */
const { argv, hrtime } = process;
const name = argv[2];
const engine = name === 'vireo' ? await import('./train-vireo.mjs') : await tfjs(name.replace('tfjs-', ''));
let trainer = null;
let batches = [];

/** `cpu` or `wasm`; with `+`, gradients of filters are computed by its convolution. */
async function tfjs(variant) {
  const backend = variant.replace('+', '');
  const { version } = await import(`./engines/tfjs-${backend}.mjs`);
  const { open } = await import('./train-tfjs.mjs');
  if (variant !== backend) {
    const { computeFilterGradientsByConvolution } = await import('./train-filter-gradient.mjs');
    computeFilterGradientsByConvolution(backend);
  }
  return { open, version };
}

function load({ task, batches: given, compared }) {
  trainer = engine.open(task);
  batches = given;
  const losses = [];
  let states = null;
  for (let i = 0; i < compared; i++) {
    losses.push(trainer.step(batches[i]));
    states ??= trainer.states();
  }
  return { version: engine.version(), losses, states };
}

function time({ ms }) {
  trainer.reset();
  const samples = [];
  const end = hrtime.bigint() + BigInt(Math.round(ms * 1e6));
  do {
    const start = hrtime.bigint();
    trainer.step(batches[samples.length % batches.length]);
    samples.push(Number(hrtime.bigint() - start));
  } while (hrtime.bigint() < end);
  samples.sort((a, b) => a - b);
  const half = samples.length >> 1;
  return {
    ns: samples.length % 2 ? samples[half] : (samples[half - 1] + samples[half]) / 2,
    count: samples.length,
  };
}

const calls = { load, time };

process.on('message', ({ call, ...parameters }) => {
  try {
    process.send({ result: calls[call](parameters) });
  } catch (error) {
    process.send({ error: error?.message ?? String(error) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ result: {} });
