/** What the reference kernels share: narrowing of types, and the form of their offers. */

import { VireoError } from '../../errors.ts';
import { elementCount, type TensorData } from '../../tensor.ts';
import type { Arithmetic, Clamp, KernelCall, Offer, Step, View } from '../call.ts';

/** The arithmetic of kind K. */
export type Of<K extends Arithmetic['kind']> = Extract<Arithmetic, { readonly kind: K }>;

/** Every typed array whose elements are numbers. */
export type Numbers = Exclude<TensorData, BigInt64Array>;

export function numbersOf(view: View): Numbers {
  if (view.data instanceof BigInt64Array) throw new VireoError('bad-graph', 'expected numbers, got i64');
  return view.data;
}

export function bigintsOf(view: View): BigInt64Array {
  if (view.data instanceof BigInt64Array) return view.data;
  throw new VireoError('bad-graph', 'expected i64');
}

/** An array of T, whatever its element type in memory. */
export interface Cells<T> {
  [index: number]: T;
}

/** Runs `step` on two arrays of one dtype, numbers or bigints alike. */
export function onCells(
  x: View,
  output: View,
  numbers: (x: Cells<number>, y: Cells<number>) => void,
  bigints: (x: Cells<bigint>, y: Cells<bigint>) => void,
): Step {
  if (x.data instanceof BigInt64Array) {
    const from = x.data;
    const to = bigintsOf(output);
    return () => bigints(from, to);
  }
  const from = x.data;
  const to = numbersOf(output);
  return () => numbers(from, to);
}

/** `overwrites`: the inputs that are read element by element, in step with the output. */
export function offer(
  kernel: string,
  bind: (inputs: readonly View[], output: View) => Step,
  overwrites: readonly number[] = [],
): Offer {
  return { kernel: `${kernel}-reference`, overwrites, bind };
}

/** The inputs that do not repeat under broadcasting: each element of the output has its own of theirs. */
export function inStep(call: KernelCall): number[] {
  return call.inputs.flatMap(({ dtype, shape }, i) =>
    dtype === call.output.dtype && elementCount(shape) === elementCount(call.output.shape) ? [i] : [],
  );
}

export function allF32(call: KernelCall): boolean {
  return call.output.dtype === 'f32' && call.inputs.every((operand) => operand.dtype === 'f32');
}

export function clampReal(x: number, clamp: Clamp): number {
  return Math.min(Math.max(x, clamp.min), clamp.max);
}
