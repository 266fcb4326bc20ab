/** Spectra as products with matrices of waves; the sizes of complex numbers. */

import type { Tensor } from '../emission.ts';
import { straight } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { Writers } from './index.ts';

/** Numbers in one matrix of waves: 64 MB. */
const mostNumbers = 2 ** 24;

/** e^(−2πi·k/N), exact where it is 0 or ±1. */
function wave(k: number, N: number): readonly [re: number, im: number] {
  const angle = (2 * Math.PI * (k % N)) / N;
  const exact = (v: number): number => (Math.abs(v) < 1e-15 ? 0 : v);
  return [exact(Math.cos(angle)), -exact(Math.sin(angle))];
}

/** `rows` and `columns` of pairs: f(row, column) gives the 2 × 2 or 1 × 2 block. */
function matrix(
  n: NodeWriter,
  name: string,
  shape: readonly [number, number],
  element: (row: number, column: number) => number,
): Tensor {
  const [rows, columns] = shape;
  if (rows * columns > mostNumbers) n.fail(`a matrix of ${rows}×${columns} waves`);
  const data = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[r * columns + c] = element(r, c);
  return n.constant(name, 'f32', shape, data);
}

/** The first `size` elements of an axis. */
function cut(n: NodeWriter, x: Tensor, axis: number, size: number): Tensor {
  if (x.shape[axis]! <= size) return x;
  const shape = x.shape.map((extent, i) => (i === axis ? size : extent));
  const inputs = [x, n.integers('starts', [0]), n.integers('ends', [size]), n.integers('axes', [axis])];
  return n.emit('Slice', inputs, { shape });
}

export const spectra: Writers<'rfft2d' | 'complexAbs'> = {
  /**
   * Rows:     (…, H, W)·(W, bins·2)              →  (…, H, bins, 2)
   * Columns:  (fH·2, H·2)·(…, H·2, bins)         →  (…, fH·2, bins), where [re −im; im re] are the blocks
   */
  rfft2d(n, { length: [fH, fW] }) {
    const rank = n.rank(0);
    const bins = (fW >> 1) + 1;
    const x = cut(n, cut(n, n.number(0), rank - 2, fH), rank - 1, fW);
    const batch = x.shape.slice(0, -2);
    const [H, W] = x.shape.slice(-2) as [number, number];
    const across = matrix(n, 'rows', [W, bins * 2], (w, c) => wave((c >> 1) * w, fW)[c & 1]!);
    const lines = n.emit('MatMul', [x, across], { shape: [...batch, H, bins * 2] });
    const perm = straight(rank + 1);
    if (fH === 1) return n.done(n.reshape(lines, n.output.shape), perm);
    const pairs = n.reshape(lines, [...batch, H, bins, 2]);
    const b = straight(batch.length);
    const swapped = [...b, b.length, b.length + 2, b.length + 1]; // (…, H, 2, bins)
    const parts = n.emission.transpose(pairs, swapped, `${n.label}/Transpose`);
    const down = matrix(n, 'columns', [fH * 2, H * 2], (u, h) => {
      const [re, im] = wave((u >> 1) * (h >> 1), fH);
      return (u & 1) === (h & 1) ? re : (u & 1) === 0 ? -im : im;
    });
    const sums = n.emit('MatMul', [down, n.reshape(parts, [...batch, H * 2, bins])], {
      shape: [...batch, fH * 2, bins],
    });
    const y = n.reshape(sums, [...batch, fH, 2, bins]);
    n.done(n.emission.transpose(y, swapped, `${n.label}/Transpose`), perm);
  },

  /** √(re² + im²) */
  complexAbs(n) {
    const x = n.number(0);
    const axis = x.shape.length - 1;
    const attributes = { axes: { ints: [axis] }, keepdims: { i: 0 } };
    n.done(n.emit('ReduceL2', [x], { shape: n.output.shape, attributes }), straight(axis));
  },
};
