/**
 * The ONNX backend suite: no wrong answer, and at least as many cases as have been reached. The light
 * networks are among them.
 */
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { casesIn, difference, runCase, runSuite } from '../../../src/cli/conformance.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import { byteReader } from '../../../src/io/datasets/byte-reader.ts';
import { readTar } from '../../../src/io/datasets/tar.ts';
import { readOnnx, readOnnxTensor } from '../../../src/io/onnx/index.ts';
import { tensorOf } from '../../../src/io/onnx/tensors.ts';
import { dataPath, itWithData, readData } from '../../data.ts';
import { floats, oneNode, writeTensor } from './write.ts';

const nodeSuite = 'onnx-backend-suite/node.tar.gz';
const modelSuite = 'onnx-backend-suite/models-and-pytorch.tar.gz';

describe('the backend suite', () => {
  itWithData(
    'node: nothing wrong, 655 of 1,156 pass',
    [nodeSuite],
    async () => {
      const { report, reasons } = await runSuite(casesIn(dataPath(nodeSuite)));
      expect(report.failed.map((name) => `${name}: ${reasons.get(name)}`)).toEqual([]);
      expect(report.total).toBe(1156);
      expect(report.passed).toBeGreaterThanOrEqual(655);
      expect(report.passed + report.unsupported.length).toBe(1156);
      for (const { operators } of report.unsupported) expect(operators.length).toBeGreaterThan(0);
    },
    120_000,
  );

  itWithData(
    'pytorch and simple: nothing wrong, 124 of 140 pass',
    [modelSuite],
    async () => {
      const { report, reasons } = await runSuite(casesIn(dataPath(modelSuite)));
      expect(report.failed.map((name) => `${name}: ${reasons.get(name)}`)).toEqual([]);
      expect(report.total).toBe(140);
      expect(report.passed).toBeGreaterThanOrEqual(124);
    },
    120_000,
  );

  /** value[i] = i/150528; VGG-19, the slowest by far, takes ten seconds. */
  itWithData(
    'light: nine whole networks',
    [modelSuite],
    async () => {
      const files = new Map<string, Uint8Array>();
      async function* all() {
        yield gunzipSync(readData(modelSuite));
      }
      for await (const entry of readTar(byteReader(all(), modelSuite), modelSuite)) {
        const name = /\/light\/light_(.*)$/u.exec(entry.name)?.[1];
        if (name) files.set(name, await entry.read());
      }
      const networks = [...files.keys()].filter((name) => name.endsWith('.onnx'));
      expect(networks.length).toBe(9);
      for (const name of networks) {
        const session = compile(readOnnx(files.get(name)!));
        const x = session.input(0, 'f32');
        for (let i = 0; i < x.length; i++) x[i] = i / 150528;
        session.run();
        const made = tensorOf('f32', session.outputs[0]!.shape, session.output(0, 'f32'));
        const expected = readOnnxTensor(files.get(name.replace('.onnx', '_output_0.pb'))!);
        const relative = name.startsWith('densenet121') ? 2e-3 : 1e-3;
        expect(`${name}: ${difference(made, expected, { relative, absolute: 1e-7 })}`).toBe(`${name}: `);
      }
    },
    300_000,
  );
});

describe('a case', () => {
  const model = oneNode({ type: 'Mul' }, { shape: [2] }, { initializers: [floats('w', [2], [2, 3])] });
  const files = (input: readonly number[], output: readonly number[]) =>
    new Map([
      ['model.onnx', model],
      ['test_data_set_0/input_0.pb', writeTensor(floats('x', [2], input))],
      ['test_data_set_0/output_0.pb', writeTensor(floats('y', [2], output))],
    ]);

  it('passes within a thousandth', () => {
    expect(runCase({ name: 'c', files: files([1, 2], [2.001, 6]) }).kind).toBe('passed');
  });
  it('fails beyond it, and says where', () => {
    const verdict = runCase({ name: 'c', files: files([1, 2], [2, 6.1]) });
    expect(verdict.kind === 'failed' && verdict.reason).toMatch(
      /output "y": element 1: expected 6\.09.*, got 6$/u,
    );
  });
  it('without data is no success', () => {
    expect(runCase({ name: 'c', files: new Map([['model.onnx', model]]) }).kind).toBe('failed');
  });
  it('compares NaN with NaN, infinity with infinity, and integers exactly', () => {
    const tolerance = { relative: 1e-3, absolute: 1e-7 };
    const f = (...numbers: number[]) => tensorOf('f32', [numbers.length], Float32Array.from(numbers));
    expect(difference(f(NaN, Infinity), f(NaN, Infinity), tolerance)).toBe('');
    expect(difference(f(1e38), f(Infinity), tolerance)).not.toBe('');
    expect(difference(f(NaN), f(0), tolerance)).not.toBe('');
    const i = (n: number) => tensorOf('i32', [1], Int32Array.of(n));
    expect(difference(i(100_000), i(100_001), tolerance)).not.toBe('');
  });
});
