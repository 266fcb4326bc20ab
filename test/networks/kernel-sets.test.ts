/**
 * Every network under generated WebAssembly, with and without relaxed SIMD, beside the plain kernels: integers to the
 * bit, floats within 1e-5 of the largest output. Hybrid networks are read as float: where activations are rounded on the
 * way, the last bit of a sum decides which way. Networks of up to 20 million products are held against reference,
 * larger ones against js, which other tests hold against reference.
 */
import { describe, expect } from 'vitest';
import { feed } from '../../src/cli/network.ts';
import { graphMacs } from '../../src/graph/cost/macs.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import type { KernelSet } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { itWithData, readData } from '../data.ts';
import { randomInputs } from '../graph/random-graph.ts';
import { networkFiles } from './files.ts';
import { kernels } from './kernels.ts';

const peers = ['ic', 'kws', 'vww', 'ad', 'mbv1', 'mbv2'].flatMap((name) => [
  `peer-models/${name}_f32.onnx`,
  name.startsWith('mb') ? `peer-models/${name}_i8.w8.onnx` : `peer-models/${name}_i8.onnx`,
]);

describe('generated kernels and plain ones agree on', () => {
  for (const path of [...networkFiles(), ...peers])
    itWithData(
      path,
      [path],
      () => {
        const bytes = readData(path);
        const graph = path.endsWith('.onnx') ? readOnnx(bytes) : readTflite(bytes, { hybrid: 'float' });
        const plain = graphMacs(graph) <= 2e7 ? [reference] : [js, reference];
        for (const seed of [1, 2]) {
          const expected = outputsOf(graph, plain, seed);
          for (const { label, sets } of kernels.filter(({ label }) => label !== 'js'))
            expectAlike(outputsOf(graph, sets, seed), expected, `${label}, input ${seed}`);
        }
      },
      120_000,
    );
});

interface Output {
  readonly isFloat: boolean;
  readonly numbers: readonly (number | bigint)[];
}

function outputsOf(graph: Graph, sets: readonly KernelSet[], seed: number): Output[] {
  const session = compile(graph, { kernels: sets });
  randomInputs(graph, seed).forEach((data, i) => {
    feed(session, i, data as Float32Array);
  });
  session.run();
  return session.outputs.map(({ dtype }, i) => ({
    isFloat: dtype === 'f32',
    numbers: [...(session.output(i, dtype) as Iterable<number | bigint>)],
  }));
}

function expectAlike(actual: readonly Output[], expected: readonly Output[], where: string): void {
  expected.forEach(({ isFloat, numbers }, i) => {
    const bound = isFloat
      ? 1e-5 * numbers.reduce<number>((most, x) => Math.max(most, Math.abs(Number(x))), 0)
      : 0;
    numbers.forEach((number, k) => {
      const other = actual[i].numbers[k];
      if (isFloat ? !(Math.abs(Number(other) - Number(number)) <= bound) : other !== number)
        expect.fail(`${where}: output ${i}, element ${k} is ${other}, expected ${number} ± ${bound}`);
    });
  });
}
