/** Damaged files: each is read, or refused with a VireoError, quickly and in little memory. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { readTflite } from '../../../src/io/tflite/index.ts';
import { itWithData, readData } from '../../data.ts';
import { mutate } from '../../mutate.ts';
import { choiceCases } from './choice-cases.ts';
import { elementwiseCases } from './elementwise-cases.ts';
import { movementCases } from './movement-cases.ts';
import { windowsCases } from './windows-cases.ts';
import { type FileSpec, type OperatorSpec, oneOperator, type TensorSpec, writeTflite } from './write.ts';

/** All one-operator files in one. */
function everyOperator(): Uint8Array {
  const tensors: TensorSpec[] = [];
  const operators: OperatorSpec[] = [];
  const inputs: number[] = [];
  const outputs: number[] = [];
  const shift = (ids: readonly number[], by: number) => ids.map((id) => (id < 0 ? id : id + by));
  for (const { code, in: x, out, options } of [
    ...windowsCases,
    ...elementwiseCases,
    ...movementCases,
    ...choiceCases,
  ]) {
    const one: FileSpec = oneOperator(code, x, out, options);
    const by = tensors.length;
    tensors.push(...one.tensors);
    inputs.push(...shift(one.inputs, by));
    outputs.push(...shift(one.outputs, by));
    for (const o of one.operators)
      operators.push({ ...o, inputs: shift(o.inputs, by), outputs: shift(o.outputs, by) });
  }
  return writeTflite({ tensors, operators, inputs, outputs });
}

function survive(bytes: Uint8Array, seeds: number, first = 0): void {
  let read = 0;
  let worst = 0;
  const refused = new Set<string>();
  for (let seed = first; seed < first + seeds; seed++) {
    const damaged = mutate(bytes, seed);
    const start = performance.now();
    try {
      readTflite(damaged);
      read++;
    } catch (error) {
      if (!(error instanceof VireoError)) throw new Error(`seed ${seed}`, { cause: error });
      if (!error.message) throw new Error(`seed ${seed}: no message`);
      refused.add(error.code);
    }
    worst = Math.max(worst, performance.now() - start);
  }
  expect(worst).toBeLessThan(2000);
  expect(refused).toContain('bad-file');
  expect(read).toBeGreaterThan(0);
}

describe('damaged TFLite files', () => {
  it('1,000 times a file with every operator', () => survive(everyOperator(), 1000), 60_000);

  it('every length of a small file', () => {
    const { code, in: x, out, options } = windowsCases[0]!;
    const bytes = writeTflite(oneOperator(code, x, out, options));
    for (let length = 0; length < bytes.length; length++)
      try {
        readTflite(bytes.slice(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(VireoError);
      }
  });

  const files = [
    'models/tflite/hello_world_int8.tflite',
    'models/tflite/micro_speech_quantized.tflite',
    'models/tflite/version-slim-320_without_postprocessing.tflite',
    'mlperf-tiny/kws/kws_ref_model_float32.tflite',
    'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
  ];
  for (const path of files)
    itWithData(`400 times ${path}`, [path], () => survive(readData(path), 400, 10_000), 60_000);
});
