/** Runs networks on samples of real numbers; int8 ones with every kernel set, which must agree to the bit. */
import { expect } from 'vitest';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile.ts';
import type { KernelSet } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { wasm } from '../../src/kernels/wasm/index.ts';
import { type Sample, storedSample } from '../../src/quant/index.ts';
import type { NumberData } from '../../src/tensor.ts';

/** The outputs, copied. */
export function outputsOf(graph: Graph, sample: Sample, kernels?: readonly KernelSet[]): NumberData[] {
  const session = compile(graph, kernels ? { kernels } : {});
  storedSample(graph, sample).forEach((data, i) => {
    session.input(i).set(data as Float32Array); // or whatever else the input holds
  });
  session.run();
  return session.outputs.map((_, i) => session.output(i).slice());
}

/** With the reference kernels; the other sets are held to them wherever an output is no float. */
export function runEverywhere(graph: Graph, sample: Sample): NumberData[] {
  const expected = outputsOf(graph, sample, [reference]);
  for (const sets of [
    [js, reference],
    [wasm, js, reference],
  ])
    outputsOf(graph, sample, sets).forEach((got, i) => {
      if (!(got instanceof Float32Array)) expect(got).toEqual(expected[i]);
    });
  return expected;
}
