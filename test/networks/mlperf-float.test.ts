/** Accuracy of the MLPerf Tiny float networks on real data. */
import { describe, expect } from 'vitest';
import { compile } from '../../src/graph/run/compile.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { itWithData, readData } from '../data.ts';
import { classOf, eachOutput } from './accuracy.ts';

describe('pictures, ResNet-8 float', () => {
  const network = 'mlperf-tiny/ic/pretrainedResnet.tflite';
  const pictures = 'cifar10/test-images-0000-4999.bin';
  const labels = 'cifar10/test-labels-0000-4999.bin';

  itWithData(
    '86.98 ± 0.05 % of CIFAR-10 test 0–4999',
    [network, pictures, labels],
    () => {
      const session = compile(readTflite(readData(network)));
      const pixels = readData(pictures);
      const expected = readData(labels);
      let correct = 0;
      eachOutput(
        session,
        5000,
        (input, item) => {
          for (let i = 0; i < 3072; i++) input[i] = pixels[item * 3072 + i];
        },
        (scores, item) => {
          if (classOf(scores) === expected[item]) correct++;
        },
      );
      expect(Math.abs(correct / 50 - 86.98)).toBeLessThanOrEqual(0.05);
    },
    120_000,
  );
});
