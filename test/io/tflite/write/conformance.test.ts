/** The ONNX backend suite once more, each network written to TFLite and read again before it is run. */
import { describe, expect } from 'vitest';
import { casesIn, runSuite } from '../../../../src/cli/conformance.ts';
import { readTflite } from '../../../../src/io/tflite/index.ts';
import { writeTflite } from '../../../../src/io/tflite/write/index.ts';
import { dataPath, itWithData } from '../../../data.ts';

describe('the ONNX backend suite by way of TFLite', () => {
  for (const [file, total, passed] of [
    ['onnx-backend-suite/node.tar.gz', 1156, 524],
    ['onnx-backend-suite/models-and-pytorch.tar.gz', 140, 107],
  ] as const)
    itWithData(
      `${file}: nothing wrong, ${passed} of ${total} pass`,
      [file],
      async () => {
        const { report, reasons } = await runSuite(
          casesIn(dataPath(file)),
          () => {},
          (graph) => readTflite(writeTflite(graph)),
        );
        expect(report.failed.map((name) => `${name}: ${reasons.get(name)}`)).toEqual([]);
        expect(report.total).toBe(total);
        expect(report.passed).toBeGreaterThanOrEqual(passed);
      },
      180_000,
    );
});
