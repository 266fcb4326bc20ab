/** That it learns: a LeNet of 40 k parameters, one epoch of MNIST, judged on the official test split. */
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { compile } from '../../src/index.ts';
import { adam, compileTraining, freeze, trainingStep } from '../../src/train.ts';
import { itWithData, readData, seeded } from '../data.ts';
import { lenet } from './train-nets.ts';

const files = ['train', 't10k'].flatMap((split) => [
  `mnist/${split}-images-idx3-ubyte.gz`,
  `mnist/${split}-labels-idx1-ubyte.gz`,
]);
const batch = 32;
const cells = 28 * 28;

itWithData(
  'MNIST in one epoch',
  files,
  () => {
    const numbers = (file: number): Uint8Array =>
      gunzipSync(readData(files[file]!)).subarray(file % 2 === 0 ? 16 : 8);
    const [images, labels, testImages, testLabels] = [numbers(0), numbers(1), numbers(2), numbers(3)];
    const { graph, loss } = lenet(batch);
    const step = trainingStep(graph, loss, adam({ weightDecay: 1e-4 }));
    const session = compileTraining(step);
    const [x, targets, rate] = ['x', 'targets', 'learningRate'].map((name) => session.input(name)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];

    const order = Array.from(labels, (_, i) => i);
    const below = seeded(1);
    for (let i = order.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const steps = Math.floor(order.length / batch);
    for (let s = 0; s < steps; s++) {
      targets.fill(0);
      for (let b = 0; b < batch; b++) {
        const image = order[s * batch + b]!;
        targets[b * 10 + labels[image]!] = 1;
        for (let c = 0; c < cells; c++) x[b * cells + c] = images[image * cells + c]! / 255;
      }
      rate[0] = 0.001 * (1 + Math.cos((Math.PI * s) / steps));
      session.run();
    }

    const logits = step.values.findIndex(({ name }) => name === 'logits');
    const inference = compile(freeze(step, [logits], (name) => session.state(name)));
    let right = 0;
    let judged = 0;
    for (; judged + batch <= testLabels.length; judged += batch) {
      const input = inference.input(0);
      for (let c = 0; c < batch * cells; c++) input[c] = testImages[judged * cells + c]! / 255;
      inference.run();
      const scores = inference.output(0) as Float32Array;
      for (let b = 0; b < batch; b++) {
        const row = scores.subarray(b * 10, b * 10 + 10);
        if (row.indexOf(Math.max(...row)) === testLabels[judged + b]) right++;
      }
    }
    console.log(`MNIST after one epoch: ${right} of ${judged} right`);
    expect(right / judged).toBeGreaterThan(0.98);
  },
  120_000,
);
