/** What the tests of the writer share: a network written, read again, and both run on the same numbers. */
import { expect } from 'vitest';
import type { Graph } from '../../../../src/graph/ir.ts';
import { compile } from '../../../../src/graph/run/compile.ts';
import { readTflite } from '../../../../src/io/tflite/index.ts';
import { writeTflite } from '../../../../src/io/tflite/write/index.ts';
import type { TensorData } from '../../../../src/tensor.ts';
import { randomInputs } from '../../../graph/random-graph.ts';
import { type FoundFile, structureOf } from './structure.ts';

export interface Written {
  readonly bytes: Uint8Array;
  readonly graph: Graph;
  readonly notes: readonly string[];
  readonly file: FoundFile;
}

/** The file must be sound and the same each time, its ends must be the network's. */
export function writeAndRead(graph: Graph): Written {
  const notes: string[] = [];
  const bytes = writeTflite(graph, { onNote: (note) => notes.push(note) });
  expect(Buffer.compare(writeTflite(graph), bytes)).toBe(0);
  const read = readTflite(bytes);
  const shown = ({ values, inputs, outputs }: Graph) =>
    [...inputs, ...outputs].map((id) => `${values[id]!.dtype} ${values[id]!.shape}`);
  expect(shown(read)).toEqual(shown(graph));
  return { bytes, graph: read, notes, file: structureOf(bytes) };
}

/** The largest difference; `Infinity` where one is not a number and the other is. */
export function farthest(a: readonly TensorData[], b: readonly TensorData[]): number {
  let most = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  a.forEach((list, k) => {
    for (let i = 0; i < list.length; i++) {
      const [p, q] = [list[i], b[k]![i]];
      if (Object.is(Number(p) + 0, Number(q) + 0)) continue; // NaN is NaN, −0 is 0
      const step = Math.abs(Number(p) - Number(q));
      most = Math.max(most, Number.isNaN(step) ? Number.POSITIVE_INFINITY : step);
    }
  });
  return most;
}

/** The largest finite number, at least 1. */
export function largest(outputs: readonly TensorData[]): number {
  let most = 1;
  for (const data of outputs)
    for (const value of data) {
      const size = Math.abs(Number(value));
      if (Number.isFinite(size)) most = Math.max(most, size);
    }
  return most;
}

/** Two graphs with the same inputs: how far their outputs lie apart, by the default kernels, over `seeds` inputs. */
export function apart(
  a: Graph,
  b: Graph,
  seeds: number,
): { readonly step: number; readonly relative: number } {
  const sessions = [compile(a), compile(b)];
  let [step, relative] = [0, 0];
  for (let seed = 0; seed < seeds; seed++) {
    const inputs = randomInputs(a, seed);
    const [p, q] = sessions.map((session) => {
      inputs.forEach((x, i) => {
        session.input(i, session.inputs[i]!.dtype).set(x as never); // of the type asked for
      });
      session.run();
      return session.outputs.map(({ dtype }, i): TensorData => session.output(i, dtype).slice());
    }) as [TensorData[], TensorData[]];
    step = Math.max(step, farthest(q, p));
    relative = Math.max(relative, farthest(q, p) / largest(p));
  }
  return { step, relative };
}
