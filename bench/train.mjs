/**
 * One step of training (forward, backward, SGD with momentum) on one thread, beside the frozen network.
 *
 *   node bench/train.mjs [--net resnet8 | lenet] [--batch 32] [--rounds 30]
 *
 * GMAC/s of the step count three times the forward multiply-accumulates. The networks are those of the tests.
 */
import { build } from 'esbuild';
import { countOption, readOptions } from './support/options.mjs';

const usage = 'node bench/train.mjs [--net resnet8 | lenet] [--batch N] [--rounds N]';
const options = readOptions(usage, {
  net: { type: 'string' },
  batch: { type: 'string' },
  rounds: { type: 'string' },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const batch = countOption(options.batch, 32);
const rounds = countOption(options.rounds, 30);
const contents = `
  export * as nets from './test/graph/train-nets.ts';
  export * as train from './src/train.ts';
  export * as vireo from './src/index.ts';`;
const root = new URL('..', import.meta.url).pathname;
const stdin = { contents, resolveDir: root, loader: 'ts' };
const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', platform: 'node', write: false });
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { nets, train, vireo } = await import(`data:text/javascript;base64,${code}`);

const { graph, loss } = nets[options.net ?? 'resnet8'](batch);
const step = train.trainingStep(graph, loss, train.sgd({ momentum: 0.9, weightDecay: 1e-4 }));
const session = train.compileTraining(step);
session.input('x').forEach((_, i, x) => {
  x[i] = Math.sin(i * 12.9898);
});
for (let i = 0; i < batch; i++) session.input('targets')[i * 10 + (i % 10)] = 1;
session.input('learningRate')[0] = 0.01;
const logits = step.values.findIndex(({ name }) => name === 'logits');
const frozen = vireo.compile(train.freeze(step, [logits], (name) => session.state(name)));

const times = { step: [], forward: [] };
for (let round = 0; round < rounds + 3; round++)
  for (const [name, run] of [
    ['step', session.run],
    ['forward', frozen.run],
  ]) {
    const start = performance.now();
    run();
    if (round >= 3) times[name].push(performance.now() - start);
  }
const macs = vireo.graphMacs(graph);
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
const rate = { step: (3 * macs) / median(times.step) / 1e6, forward: macs / median(times.forward) / 1e6 };
for (const name of ['forward', 'step'])
  console.log(
    `${graph.name} ×${batch} ${name.padEnd(7)} ${median(times[name]).toFixed(2)} ms, fastest ${times[name][0].toFixed(2)}, ${rate[name].toFixed(1)} GMAC/s`,
  );
console.log(`the step at ${((100 * rate.step) / rate.forward).toFixed(0)} % of the forward rate`);
