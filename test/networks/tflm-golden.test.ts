/**
 * Networks against the outputs of TensorFlow Lite Micro's reference kernels: integers to the byte, every
 * operator of them too; floats within 1e-5 + 1e-4·|b|.
 */
import { describe, expect } from 'vitest';
import { compile } from '../../src/graph/run/compile.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { itWithData, readData } from '../data.ts';
import {
  bytesOf,
  type FloatCheck,
  type Golden,
  generate,
  goldenModels,
  hasRealInputs,
  type IntegerCheck,
  inputsOf,
  type Layers,
  modelPath,
  type NumberArray,
  outputsOf,
  readJson,
  sha256,
} from './golden.ts';
import { kernels } from './kernels.ts';

const all = [...kernels, { label: 'reference', sets: [reference] }];

describe.each(all)('TensorFlow Lite Micro and $label', ({ label, sets }) => {
  for (const name of goldenModels)
    for (const set of ['random', 'real'] as const) {
      const sidecar = `tflm-golden/${name}.${set}.json`;
      if (set === 'real' && !hasRealInputs(name)) continue;
      itWithData(
        `${name}, ${set} inputs`,
        [sidecar, modelPath(name)],
        () => {
          const golden = readJson<Golden>(sidecar);
          const file = readData(modelPath(name));
          expect(sha256(file)).toBe(golden.model.sha256);
          const inputs = inputsOf(golden);
          expect(inputs.length).toBe(golden.count);
          expect(sha256(joined(inputs))).toBe(golden.inputs.model_input_sha256);
          const session = compile(readTflite(file), { kernels: sets });
          const expected = outputsOf(golden);
          const size = expected.length / golden.count;
          // The textbook loops are slow: of hundreds of real inputs they get every tenth, unless asked for all.
          const every =
            label === 'reference' && golden.count > 100 && !process.env['VIREO_ALL_INPUTS'] ? 10 : 1;
          for (let i = 0; i < inputs.length; i += every) {
            session.input(0).set(inputs[i]);
            session.run();
            expectEqual(
              session.output(0) as NumberArray,
              expected.subarray(i * size, (i + 1) * size),
              `input ${i}`,
            );
          }
        },
        180_000,
      );
    }
});

describe.each(all)('every operator of TensorFlow Lite Micro and $label', ({ sets }) => {
  for (const name of goldenModels) {
    const sidecar = `tflm-golden/${name}.layers.json`;
    itWithData(
      name,
      [sidecar, modelPath(name)],
      () => {
        const { tensors, inputs, digest_indices: indices } = readJson<Layers>(sidecar);
        const graph = readTflite(readData(modelPath(name)));
        const outputs = tensors.map((tensor) => {
          const id = graph.values.findIndex((value) => value.name === tensor.name);
          if (id < 0) throw new Error(`no value "${tensor.name}"`);
          expect(graph.values[id].shape).toEqual(tensor.shape);
          return id;
        });
        // What is an output is not fused away.
        const session = compile({ ...graph, outputs }, { kernels: sets });
        for (const index of indices ?? [0, 4]) {
          session.input(0).set(generate(index, inputs.count!, inputs.kind!, inputs.lo, inputs.hi));
          session.run();
          tensors.forEach((tensor, i) => {
            const where = `${tensor.produced_by}, input ${index}`;
            const actual = session.output(i) as NumberArray;
            const digest = tensor.digests?.[indices?.indexOf(index) ?? -1];
            if (digest !== undefined) expect(sha256(bytesOf(actual)).slice(0, 16), where).toBe(digest);
            for (const check of tensor.checks) if (check.index === index) expectCheck(actual, check, where);
          });
        }
      },
      60_000,
    );
  }
});

function joined(inputs: readonly NumberArray[]): Uint8Array {
  const out = new Uint8Array(inputs.reduce((sum, data) => sum + data.byteLength, 0));
  let at = 0;
  for (const data of inputs) {
    out.set(bytesOf(data), at);
    at += data.byteLength;
  }
  return out;
}

function expectEqual(actual: NumberArray, expected: NumberArray, where: string): void {
  expect(actual.length, where).toBe(expected.length);
  if (expected instanceof Float32Array) {
    for (let i = 0; i < expected.length; i++) expectNear(actual[i], expected[i], `${where}, element ${i}`);
  } else if (!actual.every((value, i) => value === expected[i]))
    expect([...actual], where).toEqual([...expected]);
}

function expectNear(a: number, b: number, where: string): void {
  if (!(Math.abs(a - b) <= 1e-5 + 1e-4 * Math.abs(b))) expect.fail(`${where} is ${a}, expected ${b}`);
}

function expectCheck(actual: NumberArray, check: IntegerCheck | FloatCheck, where: string): void {
  let sum = 0;
  let sumAbs = 0;
  let [min, max] = [actual[0], actual[0]];
  for (const value of actual) {
    sum += value;
    sumAbs += Math.abs(value);
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if ('sha256' in check) {
    expect(sum, where).toBe(check.sum);
    expect(sha256(bytesOf(actual)), where).toBe(check.sha256);
    return;
  }
  const ends = [...check.first, ...check.last];
  const got = [
    ...actual.subarray(0, check.first.length),
    ...actual.subarray(actual.length - check.last.length),
  ];
  for (let i = 0; i < ends.length; i++) expectNear(got[i], ends[i], `${where}, element ${i} of the ends`);
  expectNear(min, check.min, `${where}, minimum`);
  expectNear(max, check.max, `${where}, maximum`);
  expectNear(sumAbs, check.sum_abs, `${where}, sum of sizes`);
  // Terms of both signs: the error is theirs, not the sum's.
  if (!(Math.abs(sum - check.sum) <= 1e-5 * actual.length + 1e-4 * check.sum_abs))
    expect.fail(`${where}: sum ${sum}, expected ${check.sum}`);
}
