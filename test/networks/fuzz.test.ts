/**
 * 3,000 damaged network files, read, compiled and run with the default limits: each runs, or is refused with a
 * VireoError, within 2 seconds and 1 GiB.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { VireoError } from '../../src/errors.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { itWithData, readData, seeded } from '../data.ts';
import { elementwiseCases } from '../io/tflite/elementwise-cases.ts';
import { movementCases } from '../io/tflite/movement-cases.ts';
import { windowsCases } from '../io/tflite/windows-cases.ts';
import { oneOperator, writeTflite } from '../io/tflite/write.ts';
import { mutate } from '../mutate.ts';

const mostMs = 2000;
const mostBytes = 2 ** 30;

interface Outcome {
  ran: number;
  refused: number;
  worstMs: number;
  worstBytes: number;
}

const total: Outcome = { ran: 0, refused: 0, worstMs: 0, worstBytes: 0 };

/** Memory beyond what the process had at the start of the file. */
function tryFile(bytes: Uint8Array, before: number, where: string): void {
  const start = performance.now();
  try {
    const session = compile(readTflite(bytes));
    session.run();
    total.ran++;
  } catch (error) {
    if (!(error instanceof VireoError)) throw new Error(where, { cause: error });
    if (error.message === '') throw new Error(`${where}: no message`);
    total.refused++;
  }
  const ms = performance.now() - start;
  const grown = process.memoryUsage().rss - before;
  total.worstMs = Math.max(total.worstMs, ms);
  total.worstBytes = Math.max(total.worstBytes, grown);
  expect(ms, `${where}: ms`).toBeLessThan(mostMs);
  expect(grown, `${where}: bytes`).toBeLessThan(mostBytes);
}

/** Every ninth is only cut off. */
function damaged(bytes: Uint8Array, seed: number): Uint8Array {
  return seed % 9 === 8 ? bytes.slice(0, seeded(seed)(bytes.length)) : mutate(bytes, seed);
}

describe('damaged networks run or are refused', () => {
  const before = process.memoryUsage().rss;

  for (const [path, times] of [
    ['models/tflite/hello_world_int8.tflite', 200],
    ['models/tflite/hello_world_float.tflite', 100],
    ['models/tflite/micro_speech_quantized.tflite', 300],
    ['models/tflite/person_detect.tflite', 200],
    ['models/tflite/version-slim-320_without_postprocessing.tflite', 50],
    ['mlperf-tiny/sww/str_ww_ref_model.tflite', 250],
    ['mlperf-tiny/kws/kws_ref_model.tflite', 300],
    ['mlperf-tiny/kws/kws_ref_model_float32.tflite', 150],
    ['mlperf-tiny/ic/pretrainedResnet_quant.tflite', 250],
  ] as const)
    itWithData(`${times} times ${path}`, [path], () => {
      const bytes = readData(path);
      tryFile(bytes, before, 'whole');
      for (let seed = 0; seed < times; seed++) tryFile(damaged(bytes, seed), before, `seed ${seed}`);
    });

  const written = [...windowsCases, ...elementwiseCases, ...movementCases];
  it(`1,200 times one of ${written.length} files of one operator`, () => {
    const files = written.map(({ code, in: x, out, options }) =>
      writeTflite(oneOperator(code, x, out, options)),
    );
    for (let seed = 0; seed < 1200; seed++) {
      const i = seed % files.length;
      tryFile(damaged(files[i], seed), before, `seed ${seed}, ${written[i].code} ${written[i].label}`);
    }
  });

  afterAll(() => {
    // A mutation that nothing survives, or that nothing notices, tries nothing.
    expect(total.ran).toBeGreaterThan(50);
    expect(total.refused).toBeGreaterThan(500);
  });
});
