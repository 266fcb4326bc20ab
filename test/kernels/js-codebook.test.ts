/** codebookConv2d: reference equal to conv2d with the decoded weights, and codebook-conv2d-f32-table-js close to it. */
import { describe, expect, it } from 'vitest';
import { noClamp } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { codebookCall, codebookCases, decodedCall, randomCodebookCases, termsOf } from './codebook-cases.ts';
import { expectClose, kernelOf } from './compare.ts';
import { runCall } from './run-call.ts';

const cases = [...codebookCases, ...randomCodebookCases(60)];

describe('codebookConv2d', () => {
  it.each(cases)('$label: reference is conv2d with the decoded weights', (c) => {
    const call = codebookCall(c, { min: -1, max: 3 }, 7);
    expect(runCall(reference, call)).toEqual(runCall(reference, decodedCall(call)));
  });

  it.each(cases)('$label: js', (c) => {
    const call = codebookCall(c, noClamp, 3);
    expect(kernelOf(js, call)).toBe('codebook-conv2d-f32-table-js');
    expectClose(js, call, termsOf(c), c.label);
    expectClose(js, codebookCall(c, { min: 0, max: 6 }, 4), termsOf(c), c.label);
  });

  it('leaves indices that are not constant to the next set', () => {
    const call = codebookCall(cases[0], noClamp, 1);
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(js, { ...call, inputs })).toBeUndefined();
  });
});
