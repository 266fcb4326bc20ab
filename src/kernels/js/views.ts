/** How the fast kernels see memory: bytes without a sign, and loops with as few dimensions as the strides allow. */
import { type DType, elementCount, isBig, type Shape } from '../../tensor.ts';
import type { KernelCall, Operand, View } from '../call.ts';

/**
 * The bytes of an i8, u8 or bool tensor at the same indices as the tensor itself.
 *
 * One element kind for both signs keeps every loop monomorphic in the JavaScript engine. With
 * `flip` = 0x80 for i8 and 0 for u8, `byte ^ flip` counts up from 0 with the stored number:
 * byte ^ flip = q + 128 (i8) or q (u8).
 */
export function bytesOf(view: View): Uint8Array {
  const { data } = view;
  return data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function flipOf(dtype: DType): number {
  return dtype === 'i8' ? 0x80 : 0;
}

export function floatsOf(view: View): Float32Array {
  if (view.data instanceof Float32Array) return view.data;
  throw new RangeError('a float kernel was bound to another dtype');
}

/** A constant's numbers; 64-bit integers never reach a fast kernel. */
export function numbersOf(operand: Operand): ArrayLike<number> | null {
  return operand.data === null || isBig(operand.data) ? null : operand.data;
}

export function isFloat(call: KernelCall): boolean {
  return call.output.dtype === 'f32' && call.inputs.every((operand) => operand.dtype === 'f32');
}

export function isEmpty(call: KernelCall): boolean {
  return (
    elementCount(call.output.shape) === 0 || call.inputs.some((operand) => elementCount(operand.shape) === 0)
  );
}

/** A loop nest over several operands at once: Π extents iterations, operand j moves by strides[j][axis]. */
export interface Nest {
  readonly extents: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/**
 * The same nest with as few axes as possible: an axis with one element goes, and two neighbours become one
 * where every operand steps evenly across both (strides[a] = strides[a+1]·extents[a+1]).
 * Padded in front to at least `rank` axes.
 */
export function collapse(shape: Shape, strides: readonly (readonly number[])[], rank: number): Nest {
  const extents: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 1) continue;
    const last = extents.length - 1;
    if (last >= 0 && strides.every((s, j) => steps[j][last] === s[axis] * shape[axis])) {
      extents[last] *= shape[axis];
      for (let j = 0; j < strides.length; j++) steps[j][last] = strides[j][axis];
    } else {
      extents.push(shape[axis]);
      for (let j = 0; j < strides.length; j++) steps[j].push(strides[j][axis]);
    }
  }
  while (extents.length < rank) {
    extents.unshift(1);
    for (const s of steps) s.unshift(0);
  }
  return { extents, strides: steps };
}
