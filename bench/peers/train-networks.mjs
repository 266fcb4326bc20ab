/** What is trained: networks of the tests with their first weights, and batches of real pictures. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { dataPath, readBytes } from '../support/networks.mjs';

const cifar = { pictures: 'cifar10/train-images-10000.bin', labels: 'cifar10/train-labels-10000.bin' };
const mnist = {
  pictures: 'mnist/train-images-idx3-ubyte.gz',
  labels: 'mnist/train-labels-idx1-ubyte.gz',
};

export const trainingNetworks = [
  { name: 'ResNet-8', net: 'resnet8', ...cifar, rate: 0.005 },
  { name: 'LeNet', net: 'lenet', ...mnist, rate: 0.005 },
  { name: 'MLP', net: 'mlp', ...mnist, rate: 0.005 },
];

/** Those whose name contains `filter` and whose data are there; says which are not. */
export function chooseTrainingNetworks(filter = '') {
  const wanted = trainingNetworks.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  if (wanted.length === 0) throw new Error(`no network is called "${filter}"`);
  return wanted.filter(({ name, pictures, labels }) => {
    const missing = [pictures, labels].filter((file) => !existsSync(dataPath(file)));
    if (missing.length > 0)
      console.error(`${name} is left out, VIREO_DATA has no ${missing.join(', ')} (see docs/data.md)`);
    return missing.length === 0;
  });
}

const root = fileURLToPath(new URL('../..', import.meta.url));

const { outputFiles } = buildSync({
  entryPoints: [`${root}test/graph/train-nets.ts`],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const nets = await import(`data:text/javascript;base64,${code}`);

/** The graph up to its loss, states in it, and the ids of `logits` and `loss`; plain data. */
export const trainingGraph = ({ net }, batch) => nets[net](batch);

/** `count` batches: `x` from −1 to 1, NHWC; `targets` (batch, 10), one 1 a row. */
export function batchesOf({ pictures, labels }, batch, count) {
  const pixels = numbersIn(pictures, 16);
  const digits = numbersIn(labels, 8);
  const cells = pixels.length / digits.length;
  return Array.from({ length: count }, (_, i) => {
    const from = i * batch;
    const x = Float32Array.from(
      pixels.subarray(from * cells, (from + batch) * cells),
      (pixel) => pixel / 127.5 - 1,
    );
    const targets = new Float32Array(batch * 10);
    for (let row = 0; row < batch; row++) targets[row * 10 + digits[from + row]] = 1;
    return { x, targets };
  });
}

/** IDX files, packed, have a header; the others are bytes alone. */
function numbersIn(file, header) {
  const bytes = readBytes(file);
  return file.endsWith('.gz') ? new Uint8Array(gunzipSync(bytes)).subarray(header) : bytes;
}
