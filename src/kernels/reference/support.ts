/** What the reference kernels share: narrowing of types, and the form of their offers. */

import { VireoError } from '../../errors.ts';
import { type DType, elementCount, isBig, type NumberData, viewOf } from '../../tensor.ts';
import type { Arithmetic, Clamp, KernelCall, Offer, Step, View } from '../call.ts';
import { rangeOf } from '../requantize.ts';

/** The arithmetic of kind K. */
export type Of<K extends Arithmetic['kind']> = Extract<Arithmetic, { readonly kind: K }>;

export function numbersOf(view: View): NumberData {
  if (isBig(view.data)) throw new VireoError('bad-graph', 'expected numbers, got 64-bit integers');
  return view.data;
}

/** An element: a bigint in i64 and u64, a number in all others. */
export type Scalar = number | bigint;

export function isFloating(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f64';
}

export function isBigType(dtype: DType): boolean {
  return dtype === 'i64' || dtype === 'u64';
}

/** The least and the greatest element that a dtype holds. */
export function boundsOf(dtype: DType): readonly [lo: Scalar, hi: Scalar] {
  switch (dtype) {
    case 'f32':
    case 'f64':
      return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    case 'bool':
      return [0, 1];
    case 'i64':
      return [-(2n ** 63n), 2n ** 63n - 1n];
    case 'u64':
      return [0n, 2n ** 64n - 1n];
    default: {
      const { lo, hi } = rangeOf(dtype);
      return [lo, hi];
    }
  }
}

/** x ↦ min(max(x, clamp.min), clamp.max) on the elements of a dtype. */
export function clampOf(dtype: DType, clamp: Clamp): (x: Scalar) => Scalar {
  const [least, greatest] = boundsOf(dtype);
  const exact = (bound: number, whole: number): Scalar =>
    bound <= least ? least : bound >= greatest ? greatest : isBigType(dtype) ? BigInt(whole) : whole;
  const lo = isFloating(dtype) ? clamp.min : exact(clamp.min, Math.ceil(clamp.min));
  const hi = isFloating(dtype) ? clamp.max : exact(clamp.max, Math.floor(clamp.max));
  return (x) => {
    const raised = x < lo ? lo : x;
    return raised > hi ? hi : raised;
  };
}

/** x ↦ x as an integer dtype stores it, wrapped around; floats stay. */
export function wrapOf(dtype: DType): (x: Scalar) => Scalar {
  if (isFloating(dtype)) return (x) => x;
  const cell = viewOf(dtype, new ArrayBuffer(8), 0, 1);
  return (x) => {
    cell[0] = x as never; // the caller's x is of this dtype
    return cell[0];
  };
}

/** The elements of a view as what they are; the caller has looked at its dtype. */
export function cellsOf<T extends Scalar>(view: View): Cells<T> {
  return view.data as unknown as Cells<T>;
}

/** An array of T, whatever its element type in memory. */
export interface Cells<T> {
  [index: number]: T;
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

/** Every operand is f32, or every one f64. */
export function allFloating(call: KernelCall): boolean {
  return isFloating(call.output.dtype) && call.inputs.every(({ dtype }) => dtype === call.output.dtype);
}

/** No operand stands for anything but its own integers. An i32 with a scale counts as plain: TFLite has such. */
export function isPlain(call: KernelCall): boolean {
  return [...call.inputs, call.output].every(
    ({ dtype, quantization }) => quantization === null || dtype === 'i32',
  );
}

/** y[i] = f(x[i]) for two dense tensors of as many elements; `f` is chosen by their dtypes. */
export function elementwise(call: KernelCall, name: string, f: (x: never) => Scalar): Offer {
  const count = elementCount(call.output.shape);
  const bind = ([xView]: readonly View[], yView: View) => {
    const x = cellsOf<never>(xView);
    const y = cellsOf<Scalar>(yView);
    return () => {
      for (let i = 0; i < count; i++) y[yView.offset + i] = f(x[xView.offset + i]);
    };
  };
  return offer(`${name}-${call.inputs[0].dtype}`, bind, inStep(call));
}

export function clampReal(x: number, clamp: Clamp): number {
  return Math.min(Math.max(x, clamp.min), clamp.max);
}
