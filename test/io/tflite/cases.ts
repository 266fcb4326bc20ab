/** What the operator tests share: a table of cases, each run as a network and again with constants only. */
import { expect, it } from 'vitest';
import { readTflite } from '../../../src/io/tflite/index.ts';
import { runGraph } from './run.ts';
import { constant, type OptionsSpec, oneOperator, type TensorSpec, writeTflite } from './write.ts';

export interface Case {
  readonly label: string;
  readonly code: string;
  readonly in: readonly (TensorSpec | null)[];
  readonly out: readonly TensorSpec[];
  readonly options?: OptionsSpec;
}

export function testCases(cases: readonly Case[]): void {
  it.each(cases)('$code: $label', ({ code, in: inputs, out, options }) => {
    const graph = readTflite(writeTflite(oneOperator(code, inputs, out, options)));
    const fed = inputs.filter((t) => t && !t.constant).map((t) => t!.data!);
    const results = runGraph(graph, fed);
    graph.outputs.forEach((id, i) => {
      expect(graph.values[id]!.shape).toEqual(out[i]!.shape);
      expectClose(results[i]!, out[i]!);
    });
  });

  it.each(cases)('$code: $label, on constants', ({ code, in: inputs, out, options }) => {
    const stored = inputs.map((t) => t && constant(t));
    const graph = readTflite(writeTflite(oneOperator(code, stored, out, options)));
    expect(graph.nodes).toEqual([]);
    graph.outputs.forEach((id, i) => {
      expect(graph.values[id]!.shape).toEqual(out[i]!.shape);
      expectClose(graph.values[id]!.data!, out[i]!);
    });
  });
}

function expectClose(actual: ArrayLike<number | bigint>, expected: TensorSpec): void {
  const wanted = Array.from(expected.data!, Number);
  const got = Array.from(actual, Number);
  if (expected.type !== 'float32') expect(got).toEqual(wanted);
  else {
    expect(got.length).toBe(wanted.length);
    wanted.forEach((value, i) => {
      expect(got[i]).toBeCloseTo(value, 5);
    });
  }
}
