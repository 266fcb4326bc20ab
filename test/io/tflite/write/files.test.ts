/** Every .tflite that vireo reads: written and read again it is the same network, to the bit. */
import { describe, expect } from 'vitest';
import type { Graph, ValueId } from '../../../../src/graph/ir.ts';
import { optimize } from '../../../../src/graph/optimize.ts';
import { showOp } from '../../../../src/graph/print.ts';
import { readTflite } from '../../../../src/io/tflite/index.ts';
import { writeTflite } from '../../../../src/io/tflite/write/index.ts';
import { itWithData, readData } from '../../../data.ts';
import { networkFiles } from '../../../networks/files.ts';
import { apart, writeAndRead } from './round-trip.ts';
import { structureOf } from './structure.ts';

/** What a network is but for its names and the order of its constants. */
function formOf(graph: Graph): unknown[] {
  const made = new Map<ValueId, number>();
  [...graph.inputs, ...graph.nodes.map(({ output }) => output)].forEach((id, i) => {
    made.set(id, i);
  });
  const show = (id: ValueId): unknown => {
    const { dtype, shape, quantization, data } = graph.values[id]!;
    const q = dtype === 'i32' || dtype === 'f32' ? null : quantization; // a bias follows from its layer
    return data
      ? [
          dtype,
          elements(shape),
          q,
          Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1'),
        ]
      : made.get(id);
  };
  return graph.nodes.map(({ op, inputs, output }) => {
    const { dtype, shape, quantization } = graph.values[output]!;
    return [op.kind, showOp(op), inputs.map(show), dtype, shape, quantization];
  });
}

const elements = (shape: readonly number[]): number => shape.reduce((count, extent) => count * extent, 1);

describe('a network written and read again', () => {
  for (const path of networkFiles())
    itWithData(
      path,
      [path],
      () => {
        const graph = readTflite(readData(path));
        const written = writeAndRead(graph);
        expect(written.notes).toEqual([]);
        expect(formOf(optimize(written.graph).graph)).toEqual(formOf(optimize(graph).graph));
        expect(apart(graph, written.graph, 2).step).toBe(0);
        // What is read from it is written as the same bytes.
        expect(Buffer.compare(writeTflite(written.graph), written.bytes)).toBe(0);
      },
      60_000,
    );

  // person_detect calls its int8 convolutions version 2, which are version 3.
  const mislabelled = 'models/tflite/person_detect.tflite';
  for (const path of networkFiles())
    itWithData(`${path} keeps the names of its ends, and asks for no newer operators`, [path], () => {
      const published = structureOf(readData(path), false);
      const file = structureOf(writeTflite(readTflite(readData(path))));
      const names = (of: typeof file, ends: readonly number[]) => ends.map((i) => of.tensors[i]!.name);
      expect(names(file, file.inputs)).toEqual(names(published, published.inputs));
      expect(names(file, file.outputs)).toEqual(names(published, published.outputs));
      const newest = new Map<string, number>();
      for (const { code, version } of published.operators)
        newest.set(code, Math.max(version, newest.get(code) ?? 1));
      for (const { code, version } of file.operators)
        if (newest.has(code) && path !== mislabelled)
          expect(version, code).toBeLessThanOrEqual(newest.get(code)!);
    });
});
