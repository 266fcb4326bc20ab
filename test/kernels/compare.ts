/** One call under a kernel set and under reference, in every layout that the set's offer allows. */
import { expect } from 'vitest';
import { type Arithmetic, type KernelSet, noClamp } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { elementCount, type NumberData, type TensorData } from '../../src/tensor.ts';
import { type Coding, type Input, type Layout, operandsOf, runCall, type TestCall } from './run-call.ts';

export const layouts: readonly Layout[] = [
  'dense',
  'strided',
  'border',
  'wider border',
  'tight border',
  'overwriting',
  'overwriting the last',
];

const codings: readonly Coding[] = ['stored', 'encoded', 'input encoded', 'output encoded'];

/** Every layout, and where the set has an encoding of its own every mixture of it. */
function* waysOf(set: KernelSet, call: TestCall, tried: readonly Layout[]): Generator<[Layout, Coding]> {
  const encodes = set.offer(operandsOf(call))?.encoding !== undefined;
  for (const layout of tried)
    for (const coding of encodes ? codings : codings.slice(0, 1)) yield [layout, coding];
}

/** What reference makes of a call, and of what is fused behind it, one operator after the other. */
export function byReference(call: TestCall): TensorData {
  const { following = [], ...head } = call;
  let taken = head.inputs.length - following.reduce((sum, { others }) => sum + others, 0);
  const first = following[0] ? { ...head.output, ...following[0].x } : head.output;
  let result = runCall(reference, { ...head, inputs: head.inputs.slice(0, taken), output: first });
  following.forEach((next, i) => {
    const x: Input = { ...next.x, data: result, constant: false };
    const inputs: Input[] = [...head.inputs.slice(taken, taken + next.others)];
    taken += next.others;
    inputs.splice(next.position, 0, x);
    const output = i === following.length - 1 ? head.output : next.output;
    result = runCall(reference, { arithmetic: next.arithmetic, inputs, output });
  });
  return result;
}

/** Integers, and whatever is only moved: the same to the bit, but for the sign of a zero. */
export function expectSame(set: KernelSet, call: TestCall, where = '', tried = layouts): void {
  const expected = byReference(call);
  for (const [layout, coding] of waysOf(set, call, tried)) {
    const actual = runCall(set, call, layout, coding);
    for (let i = 0; i < expected.length; i++)
      if (actual[i] !== expected[i] && !Object.is(actual[i], expected[i]))
        expect.fail(
          `${where} ${layout}, ${coding}: element ${i} is ${actual[i]}, by reference ${expected[i]}`,
        );
  }
}

/**
 * Sums of `terms` products in f64 in any order, rounded once to f32: they differ from each other by at most
 *
 *   2·terms·2⁻⁵³·Σ|x·w| + 2⁻²³·|y|
 *
 * Σ|x·w| is what reference makes of the inputs without their signs; `call.arithmetic` has no clamp there.
 */
export function expectClose(set: KernelSet, call: TestCall, terms: number, where = ''): void {
  const expected = runCall(reference, call);
  const { arithmetic } = call;
  const unclamped =
    'clamp' in arithmetic
      ? {
          ...arithmetic,
          clamp: { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY },
        }
      : arithmetic;
  const sizes = runCall(reference, {
    ...call,
    arithmetic: unclamped,
    inputs: call.inputs.map(withoutSigns),
  });
  for (const layout of layouts) {
    const actual = runCall(set, call, layout);
    for (let i = 0; i < expected.length; i++) {
      const bound =
        2 * terms * 2 ** -53 * Number(sizes[i]) + 2 ** -23 * Math.abs(Number(expected[i])) + 2 ** -149;
      if (!(Math.abs(Number(actual[i]) - Number(expected[i])) <= bound))
        expect.fail(
          `${where} ${layout}: element ${i} is ${actual[i]}, by reference ${expected[i]} ± ${bound}`,
        );
    }
  }
}

/**
 * Sums of `terms` products in f32 in any order, fused or not, and the operators behind them: they differ from
 * reference by at most
 *
 *   terms·2⁻²⁴·Σ|x·w| + 2⁻²³·|y|
 *
 * where Σ|x·w| holds the size of whatever is added too, and grows by 3/2, its steepest slope, in a hardSwish.
 */
export function expectWithin(
  set: KernelSet,
  call: TestCall,
  terms: number,
  where = '',
  { choice, sizes }: { readonly choice?: string; readonly sizes?: ArrayLike<number | bigint> } = {},
): void {
  const expected = byReference(call);
  const steep = call.following?.some(({ arithmetic }) => arithmetic.kind === 'unary') ? 1.5 : 1;
  const bounds = sizes ?? byReference({ ...withoutBends(call), inputs: call.inputs.map(withoutSigns) });
  const offer = set.offer(operandsOf(call), choice);
  for (const layout of layouts) {
    if (layout.endsWith('border') && !offer?.border) continue; // the same as dense
    if (layout.startsWith('overwriting') && !offer?.overwrites) continue;
    const actual = runCall(set, call, layout, 'stored', choice);
    for (let i = 0; i < expected.length; i++) {
      const y = Number(expected[i]);
      const bound = steep * terms * 2 ** -24 * Number(bounds[i]) + 2 ** -23 * Math.abs(y) + 2 ** -149;
      const isSame = Object.is(Number(actual[i]), y);
      if (!isSame && !(Math.abs(Number(actual[i]) - y) <= bound))
        expect.fail(`${where} ${layout}: element ${i} is ${actual[i]}, by reference ${y} ± ${bound}`);
    }
  }
}

/** The call with neither clamps nor functions of one number. */
function withoutBends(call: TestCall): TestCall {
  const straight = (arithmetic: Arithmetic): Arithmetic => {
    if (arithmetic.kind === 'unary') return { kind: 'clamp', clamp: noClamp };
    return 'clamp' in arithmetic ? { ...arithmetic, clamp: noClamp } : arithmetic;
  };
  const following = call.following?.map((next) => ({ ...next, arithmetic: straight(next.arithmetic) }));
  return { ...call, arithmetic: straight(call.arithmetic), ...(following && { following }) };
}

function withoutSigns(input: Input): Input {
  const data = input.data.slice() as NumberData;
  for (let i = 0; i < data.length; i++) data[i] = Math.abs(data[i]);
  return { ...input, data };
}

/** The name of the kernel that the set offers. */
export function kernelOf(set: KernelSet, call: TestCall): string | undefined {
  return set.offer(operandsOf(call))?.kernel;
}

export function count(shape: readonly number[]): number {
  return elementCount(shape);
}
