/**
 * Copies between index ranges, and fills: bits move as they are, so one loop an element size serves every dtype.
 *
 *   copy-js   out[outBegin + i] = x[begin + step·i permuted]     (call.ts, Copy)
 *   fill-js
 */
import { bytesPerElement, isBig } from '../../tensor.ts';
import type { Copy, KernelCall, Offer, View } from '../call.ts';
import { bytesOf, collapse, isEmpty } from './views.ts';

export function offerCopy(call: KernelCall, op: Copy): Offer | null {
  const size = bytesPerElement[call.output.dtype];
  if (isEmpty(call) || op.extent.includes(0) || (size !== 1 && size !== 4)) return null;
  return {
    kernel: 'copy-js',
    strided: true,
    bind: ([a], out) => {
      const from = op.perm.map((axis) => a.strides[axis] * op.step[axis]);
      const nest = collapse(op.extent, [from, out.strides], 4);
      const start = a.offset + op.begin.reduce((sum, at, axis) => sum + at * a.strides[axis], 0);
      const to = out.offset + op.outBegin.reduce((sum, at, axis) => sum + at * out.strides[axis], 0);
      const { extents } = nest;
      const [sx, sy] = nest.strides;
      const inner = extents.length - 3;
      if (size === 1) {
        const [x, y] = [bytesOf(a), bytesOf(out)];
        const visit = (i: number, o: number) => copyBytes(x, i, y, o, extents, sx, sy, inner);
        return () => walkOuter(extents, sx, sy, inner, start, to, visit);
      }
      const [x, y] = [wordsOf(a), wordsOf(out)];
      const visit = (i: number, o: number) => copyWords(x, i, y, o, extents, sx, sy, inner);
      return () => walkOuter(extents, sx, sy, inner, start, to, visit);
    },
  };
}

/** f32, i32 and u32 alike as 32-bit words. */
function wordsOf(view: View): Int32Array {
  const { data } = view;
  return data instanceof Int32Array ? data : new Int32Array(data.buffer, data.byteOffset, data.length);
}

/** Visits the axes before the inner three; most copies have just one such axis, of one element. */
function walkOuter(
  extents: readonly number[],
  sx: readonly number[],
  sy: readonly number[],
  axes: number,
  i: number,
  o: number,
  visit: (i: number, o: number) => void,
  axis = 0,
): void {
  if (axis === axes) {
    visit(i, o);
    return;
  }
  for (let n = 0; n < extents[axis]; n++)
    walkOuter(extents, sx, sy, axes, i + n * sx[axis], o + n * sy[axis], visit, axis + 1);
}

function copyBytes(
  x: Uint8Array,
  i: number,
  y: Uint8Array,
  o: number,
  extents: readonly number[],
  sx: readonly number[],
  sy: readonly number[],
  axis: number,
): void {
  for (let p = 0; p < extents[axis]; p++)
    for (let q = 0; q < extents[axis + 1]; q++) {
      let from = i + p * sx[axis] + q * sx[axis + 1];
      let to = o + p * sy[axis] + q * sy[axis + 1];
      for (let n = extents[axis + 2], dx = sx[axis + 2], dy = sy[axis + 2]; n > 0; n--, from += dx, to += dy)
        y[to] = x[from];
    }
}

function copyWords(
  x: Int32Array,
  i: number,
  y: Int32Array,
  o: number,
  extents: readonly number[],
  sx: readonly number[],
  sy: readonly number[],
  axis: number,
): void {
  for (let p = 0; p < extents[axis]; p++)
    for (let q = 0; q < extents[axis + 1]; q++) {
      let from = i + p * sx[axis] + q * sx[axis + 1];
      let to = o + p * sy[axis] + q * sy[axis + 1];
      for (let n = extents[axis + 2], dx = sx[axis + 2], dy = sy[axis + 2]; n > 0; n--, from += dx, to += dy)
        y[to] = x[from];
    }
}

export function offerFill(call: KernelCall, value: number): Offer | null {
  const { output } = call;
  if (isEmpty(call) || output.dtype === 'i64' || output.dtype === 'u64') return null;
  return {
    kernel: 'fill-js',
    strided: true,
    bind: (_, out) => {
      const { data } = out;
      if (isBig(data)) throw new RangeError('fill-js was bound to 64-bit integers');
      const { extents, strides } = collapse(output.shape, [out.strides], 3);
      const inner = extents.length - 2;
      const [s] = strides;
      const visit = (at: number) => {
        for (let p = 0; p < extents[inner]; p++) {
          const first = at + p * s[inner];
          if (s[inner + 1] === 1) data.fill(value, first, first + extents[inner + 1]);
          else for (let n = 0; n < extents[inner + 1]; n++) data[first + n * s[inner + 1]] = value;
        }
      };
      return () => walkOuter(extents, s, s, inner, out.offset, 0, visit);
    },
  };
}
