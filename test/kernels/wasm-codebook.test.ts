/** codebook-conv2d-f32-*-wasm within its bound of reference, with and without relaxed SIMD. */
import { describe, expect, it } from 'vitest';
import { noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { codebookCall, codebookCases, randomCodebookCases, termsOf } from './codebook-cases.ts';
import { expectWithin, kernelOf } from './compare.ts';

const sets = [
  { label: 'relaxed', set: wasmKernels() },
  { label: 'plain', set: wasmKernels({ relaxed: false }) },
];

describe.each(sets)('codebookConv2d, $label', ({ set }) => {
  it.each([...codebookCases, ...randomCodebookCases(60)])('$label', (c) => {
    const call = codebookCall(c, noClamp, 5);
    expect(kernelOf(set, call)).toMatch(/^codebook-.*-wasm$/);
    expectWithin(set, call, termsOf(c), c.label);
    expectWithin(set, codebookCall(c, { min: 0, max: 6 }, 6), termsOf(c), c.label);
  });

  it('with a hardSwish behind it', () => {
    const call = codebookCall(codebookCases[0], noClamp, 8);
    const { dtype, shape } = call.output;
    const x = { dtype, shape, quantization: null, data: null };
    const arithmetic = { kind: 'unary', fn: 'hardSwish', alpha: 0 } as const;
    const fused = { ...call, following: [{ arithmetic, x, position: 0, others: 0, output: x }] };
    expectWithin(set, fused, termsOf(codebookCases[0]) + 4);
  });

  it('leaves indices that are not constant to the next set', () => {
    const call = codebookCall(codebookCases[0], noClamp, 1);
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
  });
});
