/**
 * One engine in a process of its own, driven by messages:
 *
 *   { call: 'load', model, inputs }   → { version, outputs }   outputs of the first inputs, in the order of `inputs`
 *   { call: 'time', ms, runs }        → { ns, count }          median time of one inference, for `ms` or `runs`, whichever is longer
 *
 *   node child.mjs ENGINE
 */
const { argv, hrtime } = process;
const engine = await import(`./engines/${argv[2]}.mjs`);

/** A sample is a run of inferences at least this long: the clock and the promise cost nothing beside it. */
const sampleNs = 500_000;

let runner = null;
let inputs = [];
let next = 0;
let batch = 1;

async function load({ model, inputs: given, compared }) {
  runner = await engine.open(model);
  inputs = given.map((x) => runner.prepare(x));
  next = 0;
  batch = 1;
  const outputs = [];
  for (let i = 0; i < Math.min(compared, inputs.length); i++) {
    await runner.run(inputs[i]);
    outputs.push(runner.outputs().map((data) => data.slice()));
  }
  return { version: engine.version(), outputs };
}

async function time({ ms, runs = 1 }) {
  const samples = [];
  let count = 0;
  const end = hrtime.bigint() + BigInt(Math.round(ms * 1e6));
  do {
    const start = hrtime.bigint();
    for (let i = 0; i < batch; i++) {
      const pending = runner.run(inputs[next]);
      if (pending) await pending;
      next = next + 1 === inputs.length ? 0 : next + 1;
    }
    const ns = Number(hrtime.bigint() - start);
    samples.push(ns / batch);
    count += batch;
    if (ns < sampleNs) batch = Math.min(batch * 2, 1024);
    else if (ns > 4 * sampleNs && batch > 1) batch = Math.ceil(batch / 2);
  } while (hrtime.bigint() < end || count < runs);
  samples.sort((a, b) => a - b);
  const half = samples.length >> 1;
  return { ns: samples.length % 2 ? samples[half] : (samples[half - 1] + samples[half]) / 2, count };
}

const calls = { load, time };

process.on('message', async ({ call, ...parameters }) => {
  try {
    process.send({ result: await calls[call](parameters) });
  } catch (error) {
    process.send({ error: error?.message ?? String(error) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ result: { format: engine.format } });
