/**
 * What other runtimes answer with networks that were quantised here. A check, nothing is timed.
 *
 *   for each network: vireo quantize, then vireo export to .onnx and .tflite; onnxruntime, LiteRT.js and tfjs-tflite on
 *   the same items of its test data as vireo on the .vireo file
 *
 *   npm ci --prefix bench/peers               # after `npm run build` in the project's root
 *   node bench/peers/quantized.mjs [--items 300]
 *
 * Exits with 1 where more than one answer in a hundred is another one. Steps: the largest difference of an int8 score.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import ort from 'onnxruntime-node';
import { compile } from '../../dist/index.js';
import { readVireo } from '../../dist/io/vireo/index.js';
import { countOption, readOptions } from '../support/options.mjs';
import { startChild } from './process.mjs';

const usage = 'node bench/peers/quantized.mjs [--items N]';
const options = readOptions(usage, { items: { type: 'string' } });
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const items = countOption(options.items, 300);
const root = fileURLToPath(new URL('../..', import.meta.url));
const data = (path) => join(process.env.VIREO_DATA ?? join(root, 'data'), path);
const card = (name) => join(root, 'weights/cards/data', `${name}.json`);
const networks = [
  { file: join(root, 'weights/written-digits.vireo'), train: 'mnist-train', test: 'mnist-test' },
  { file: join(root, 'weights/spoken-digits.vireo'), train: 'fsdd-train', test: 'fsdd-test' },
  { file: join(root, 'weights/cifar10-resnet8.vireo'), train: 'cifar10-train-10000', test: 'cifar10-test' },
  {
    file: data('mlperf-tiny/ic/pretrainedResnet.tflite'),
    train: 'cifar10-train-10000',
    test: 'cifar10-test',
  },
];
const folder = mkdtempSync(join(tmpdir(), 'vireo-quantized-'));
const vireo = (...args) =>
  execFileSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** The package's own reading of data sets, which is behind no door; beside its packages while it is loaded. */
async function source() {
  const contents = `
    export { parseNetworkCard, planInput } from './src/io/cards/index.ts';
    export { openDataSet } from './src/cli/data-set.ts';`;
  const outfile = join(root, `node_modules/.items.${process.pid}.mjs`);
  const stdin = { contents, resolveDir: root, loader: 'ts' };
  await build({ stdin, bundle: true, format: 'esm', platform: 'node', packages: 'external', outfile });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}
const { parseNetworkCard, planInput, openDataSet } = await source();

/** Inputs as the network takes them: what `vireo run` would feed for each item. */
async function inputsOf(net, test) {
  const set = await openDataSet(card(test), { dataFolder: data('') });
  const { dtype, shape, quantization } = net.graph.values[net.graph.inputs[0]];
  const plan = planInput(parseNetworkCard(net.card, net.path).inputs[0], { dtype, shape, quantization });
  const inputs = [];
  for await (const { source } of set.items()) {
    inputs.push(plan.prepare(source).slice());
    if (inputs.length === items) break;
  }
  return inputs;
}

async function byOnnx(path, inputs, { name, shape }) {
  const session = await ort.InferenceSession.create(readFileSync(path), { logSeverityLevel: 3 });
  const outputs = [];
  for (const x of inputs) {
    const made = await session.run({ [name]: new ort.Tensor('int8', x, shape) });
    outputs.push(Object.values(made)[0].data);
  }
  return outputs;
}

async function byChild(engine, path, inputs) {
  const child = startChild(engine);
  try {
    await child.ready;
    const model = { bytes: new Uint8Array(readFileSync(path)), dtype: 'i8' };
    const { outputs } = await child.ask({ call: 'load', model, inputs, compared: inputs.length });
    return outputs.map(([first]) => new Int8Array(first.slice().buffer));
  } finally {
    child.end();
  }
}

const best = (scores) => scores.indexOf(Math.max(...scores));
let failed = false;
try {
  for (const { file, train, test } of networks) {
    const path = join(folder, 'net.vireo');
    vireo(
      'quantize',
      file,
      '--quick',
      '--data',
      card(train),
      '--eval',
      card(test),
      '--limit',
      '1',
      '--force',
      '--out',
      path,
    );
    const net = {
      path,
      graph: readVireo(new Uint8Array(readFileSync(path))),
      card: readFileSync(join(folder, 'net.card.json'), 'utf8'),
    };
    const info = net.graph.values[net.graph.inputs[0]];
    const inputs = await inputsOf(net, test);
    const session = compile(net.graph);
    const own = inputs.map((x) => {
      session.input(0).set(x);
      session.run();
      return session.output(0).slice();
    });
    console.log(`${file.slice(file.lastIndexOf('/') + 1)}, int8, ${inputs.length} items of ${test}`);
    for (const ending of ['onnx', 'tflite']) vireo('export', path, '--out', join(folder, `net.${ending}`));
    for (const [engine, run] of [
      ['onnxruntime-node', () => byOnnx(join(folder, 'net.onnx'), inputs, info)],
      ['litert', () => byChild('litert', join(folder, 'net.tflite'), inputs)],
      ['tfjs-tflite', () => byChild('tfjs-tflite', join(folder, 'net.tflite'), inputs)],
    ]) {
      const theirs = await run();
      let [steps, other] = [0, 0];
      theirs.forEach((scores, i) => {
        scores.forEach((score, k) => {
          steps = Math.max(steps, Math.abs(score - own[i][k]));
        });
        if (own[i][best(scores)] !== Math.max(...own[i]) && best(scores) !== best(own[i])) other++;
      });
      if (other > inputs.length / 100) failed = true;
      console.log(`  ${engine.padEnd(16)} ${other} other answers, at most ${steps} steps`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed ? 1 : 0;
