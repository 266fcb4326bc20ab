/**
 * Damaged `.vireo` files: each is read, or refused with a VireoError, within 2 seconds; what is read compiles and
 * runs, or is refused too. Most damage is put under a checksum that agrees, so that it gets past it.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import type { Graph } from '../../../src/graph/ir.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import { readTflite } from '../../../src/io/tflite/index.ts';
import {
  type Data,
  readContainer,
  readVireo,
  writeContainer,
  writeVireo,
} from '../../../src/io/vireo/index.ts';
import { compileTraining, sgd, trainingStep } from '../../../src/train.ts';
import { itWithData, readData, seeded } from '../../data.ts';
import { randomGraph } from '../../graph/random-graph.ts';
import { trainingNet } from '../../graph/train-nets.ts';
import { mutate } from '../../mutate.ts';
import { elementwiseCases } from '../tflite/elementwise-cases.ts';
import { movementCases } from '../tflite/movement-cases.ts';
import { windowsCases } from '../tflite/windows-cases.ts';
import { oneOperator, writeTflite } from '../tflite/write.ts';
import { parts, reseal, sealedBytes } from './seal.ts';

/** Of the processor: what else the machine does is not the reader's doing. */
const mostMs = 2000;
/** Less than by default: a gigabyte that is asked for within the limits is had, and takes its time. */
const limits = { bytes: 2 ** 26, work: 2 ** 28 };
const total = { ran: 0, refusedByReader: 0, refusedLater: 0, worstMs: 0 };

function survive(
  bytes: Uint8Array,
  where: string,
  run = (graph: Graph) => compile(graph, { limits }).run(),
): void {
  const start = process.cpuUsage();
  let isRead = false;
  try {
    const graph = readVireo(bytes, { limits });
    isRead = true;
    run(graph);
    total.ran++;
  } catch (error) {
    if (!(error instanceof VireoError) || error.message === '') throw new Error(where, { cause: error });
    if (isRead) total.refusedLater++;
    else total.refusedByReader++;
  }
  const { user, system } = process.cpuUsage(start);
  const ms = (user + system) / 1000;
  total.worstMs = Math.max(total.worstMs, ms);
  expect(ms, `${where}: ms`).toBeLessThan(mostMs);
}

const numbers = [0, 1, 2, 3, 4, 5, 7, -1, 0.5, -0, 255, 256, 65536, 2 ** 31, 2 ** 32, 2 ** 52, 1e300];
const others: readonly Data[] = [
  ...numbers,
  Number.NaN,
  Infinity,
  null,
  true,
  '',
  'conv2d',
  'add',
  [],
  {},
  [0],
];

/** One to three items of the data replaced, taken out, doubled or exchanged. */
function altered(data: Data, below: (limit: number) => number): Data {
  const copy = structuredClone(data) as Data;
  for (let times = 1 + below(3); times > 0; times--) {
    let list: Data[] | Record<string, Data> = copy as Data[];
    for (let depth = below(6); depth > 0; depth--) {
      const inner: Data[] = Object.values(list).filter((item) => typeof item === 'object' && item !== null);
      if (inner.length > 0) list = inner[below(inner.length)] as Data[];
    }
    const items: (readonly [string, Data])[] = Object.entries(list);
    if (items.length === 0) continue;
    const [key, old] = items[below(items.length)]!;
    switch (below(5)) {
      case 0:
        Reflect.set(list, key, others[below(others.length)]);
        break;
      case 1:
        if (typeof old === 'number') Reflect.set(list, key, old + below(5) - 2);
        break;
      case 2:
        if (Array.isArray(list)) list.splice(Number(key), 1);
        else Reflect.deleteProperty(list, key);
        break;
      case 3:
        if (Array.isArray(list)) list.splice(Number(key), 0, old);
        break;
      default: {
        const [otherKey, other] = items[below(items.length)]!;
        Reflect.set(list, key, other);
        Reflect.set(list, otherKey, old);
      }
    }
  }
  return copy;
}

/** The same file with something wrong in what it says. */
function alteredFile(bytes: Uint8Array, seed: number): Uint8Array {
  const { kind, meta, tensors } = readContainer(bytes);
  return writeContainer({ kind, meta: altered(meta, seeded(seed)), tensors });
}

const written: readonly (readonly [string, Graph])[] = [
  ['random f32', randomGraph(3, 'f32')],
  ['random i8', randomGraph(8, 'i8')],
  ['random u8', randomGraph(5, 'u8')],
];
const cases = [...windowsCases, ...elementwiseCases, ...movementCases];

describe('damaged .vireo files', () => {
  it.each(written)(
    '600 times bytes of a network, %s',
    (_, graph) => {
      const bytes = writeVireo(graph);
      for (let seed = 0; seed < 100; seed++) survive(mutate(bytes, seed), `seed ${seed}`);
      for (let seed = 0; seed < 200; seed++) {
        const damaged = mutate(bytes, 1000 + seed);
        if (damaged.length >= 16) new DataView(damaged.buffer).setUint32(12, damaged.length, true);
        survive(reseal(damaged), `seed ${seed}, sealed`);
      }
      const { header, data } = parts(bytes);
      for (let seed = 0; seed < 300; seed++)
        survive(sealedBytes(mutate(header, 2000 + seed), data), `seed ${seed}, header`);
    },
    120_000,
  );

  it.each(written)(
    '300 times the record of a network, %s',
    (_, graph) => {
      const bytes = writeVireo(graph);
      for (let seed = 0; seed < 300; seed++) survive(alteredFile(bytes, seed), `seed ${seed}`);
    },
    120_000,
  );

  it(`2,000 times the record of one of ${cases.length} networks of one operator`, () => {
    const files = cases.map(({ code, in: x, out, options }) =>
      writeVireo(readTflite(writeTflite(oneOperator(code, x, out, options)))),
    );
    for (let seed = 0; seed < 2000; seed++) {
      const i = seed % files.length;
      survive(alteredFile(files[i]!, seed), `seed ${seed}, ${cases[i]!.code} ${cases[i]!.label}`);
    }
  }, 120_000);

  it('200 times the record of a training', () => {
    const { graph, loss } = trainingNet(2);
    const bytes = writeVireo(trainingStep(graph, loss, sgd({ momentum: 0.9 })));
    for (let seed = 0; seed < 200; seed++)
      survive(alteredFile(bytes, seed), `seed ${seed}`, (read) => compileTraining(read, { limits }).run());
  }, 120_000);

  it('every length of a small file', () => {
    const bytes = writeVireo(randomGraph(2, 'i8', 3));
    for (let length = 0; length < bytes.length; length++) survive(bytes.slice(0, length), `${length} bytes`);
  }, 60_000);

  for (const path of ['mlperf-tiny/kws/kws_ref_model.tflite', 'mlperf-tiny/kws/kws_ref_model_float32.tflite'])
    itWithData(
      `200 times ${path}`,
      [path],
      () => {
        const bytes = writeVireo(readTflite(readData(path)));
        for (let seed = 0; seed < 100; seed++) {
          survive(reseal(mutate(bytes, seed)), `seed ${seed}`);
          survive(alteredFile(bytes, seed), `seed ${seed}, record`);
        }
      },
      120_000,
    );

  afterAll(() => {
    // Damage that nothing survives, or that nothing notices, tries nothing.
    expect(total.ran).toBeGreaterThan(300);
    expect(total.refusedByReader).toBeGreaterThan(2000);
  });
});
