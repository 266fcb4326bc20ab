/**
 * Loops over several operands at once, as kernels that work element by element have them.
 *
 *   nest   Π extents iterations, pointer j moves by strides[j][axis] bytes; neighbouring axes that every operand
 *          crosses evenly are one, so dense operands have one axis
 *   row    its innermost axis: `lanes` elements at a time, `unroll` times in a loop, the rest behind it
 *
 *   loop:  …  body(0) body(lanes) …           addresses: pointer + element·bytes as immediate
 *          pointer += unroll·lanes·bytes, for every pointer
 *          br_if loop
 *   body(0) …  body(last, fewer lanes stored)
 */
import type { Place } from '../call.ts';
import { broadcastStrides } from '../geometry.ts';
import { collapse, type Nest } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';

/** As few axes as the strides, in bytes, allow; one at least. */
export function nestOf(shape: readonly number[], strides: readonly (readonly number[])[]): Nest {
  return collapse(shape, strides, 1);
}

/** Its innermost axis takes `steps` bytes an element: one of one element, where there is none. */
export function withRun(nest: Nest, steps: readonly number[]): Nest {
  const last = nest.extents.length - 1;
  if (nest.strides.every((strides, j) => strides[last] === steps[j])) return nest;
  return {
    extents: [...nest.extents, 1],
    strides: nest.strides.map((strides, j) => [...strides, steps[j]]),
  };
}

/** Bytes from element to element along the axes of `outShape`, 0 where the operand repeats. */
export function byteStrides(
  shape: readonly number[],
  outShape: readonly number[],
  strides: readonly number[],
  bytes: number,
): number[] {
  const missing = outShape.length - shape.length;
  return broadcastStrides(shape, outShape).map((step, axis) =>
    step === 0 ? 0 : strides[axis - missing] * bytes,
  );
}

/** The same for an operand of the output's shape. */
export function placeStrides(place: Place, bytes: number): number[] {
  return place.strides.map((stride) => stride * bytes);
}

/** The loops around `row`, which gives the bytes by which it moved each pointer. */
export function emitNest(
  f: FunctionBuilder,
  { extents, strides }: Nest,
  pointers: readonly Local<'i32'>[],
  row: () => readonly number[],
): void {
  const inner = extents.length - 1;
  const level = (axis: number): readonly number[] => {
    if (axis === inner) return row();
    f.repeat(extents[axis], () => {
      const moved = level(axis + 1);
      pointers.forEach((pointer, j) => {
        f.advance(pointer, strides[j][axis] - moved[j]);
      });
    });
    return strides.map((steps) => steps[axis] * extents[axis]);
  };
  level(0);
}

/** A pointer of a row, and the bytes from one of its elements to the next; 0 for one that stands still. */
export interface RowPointer {
  readonly pointer: Local<'i32'>;
  readonly bytes: number;
}

/** `body` is given the element it starts at and how many of its lanes are stored. */
export function emitRow(
  f: FunctionBuilder,
  count: number,
  lanes: number,
  unroll: number,
  pointers: readonly RowPointer[],
  body: (element: number, stored: number) => void,
): number[] {
  const step = lanes * unroll;
  const turns = Math.floor(count / step);
  const loops = turns > 1 ? turns : 0;
  f.repeat(loops, () => {
    for (let element = 0; element < step; element += lanes) body(element, lanes);
    for (const { pointer, bytes } of pointers) f.advance(pointer, step * bytes);
  });
  const rest = count - loops * step;
  for (let element = 0; element < rest; element += lanes) body(element, Math.min(lanes, rest - element));
  return pointers.map(({ bytes }) => loops * step * bytes);
}

const pieces = [
  [8, 'v128.store64_lane'],
  [4, 'v128.store32_lane'],
  [2, 'v128.store16_lane'],
  [1, 'v128.store8_lane'],
] as const;

/** Bytes `from` … `from + bytes − 1` of a vector; `from` is 0 or 8. */
export function storePart(
  f: FunctionBuilder,
  pointer: Local<'i32'>,
  vector: Local<'v128'>,
  bytes: number,
  offset: number,
  from = 0,
): void {
  if (bytes === 16) {
    f.store('v128.store', f.get(pointer), f.get(vector), offset);
    return;
  }
  let at = 0;
  for (const [size, store] of pieces) {
    if (bytes - at < size) continue;
    f.memoryLane(store, (from + at) / size, f.get(pointer), f.get(vector), offset + at);
    at += size;
  }
}
