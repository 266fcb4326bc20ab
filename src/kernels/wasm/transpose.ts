/**
 * Two axes exchanged: axis i is contiguous in the output, axis j in the input.
 *
 *   y[j·q + i] = x[i·p + j]         blocks of B × B elements, transposed in registers
 *
 *   element bytes   B   of a row of the block
 *         1         8   half a vector: rows i and i + 4 are interleaved into one first
 *         2         8   a vector
 *         4         4   a vector
 *         8         2   a vector
 *
 * Every round interleaves vector k with vector k + half, log₂ B rounds in all: only the unpack shuffles that engines
 * have one instruction for. Blocks at the ends load and store the rows that are there.
 *
 *   loop i by B:  loop j by B:  v128.load ×B,  i8x16.shuffle ×B·log₂ B,  v128.store ×B
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import { amountOfMove, loadMove, type Move, shiftMove, storeMove } from './moves.ts';

export interface Transposed {
  readonly move: Move;
  readonly extentI: number;
  readonly extentJ: number;
  /** Bytes from row to row: of the input along i, of the output along j. */
  readonly p: number;
  readonly q: number;
}

/** Leaves x and y where they were. */
export function emitTranspose(
  f: FunctionBuilder,
  spec: Transposed,
  x: Local<'i32'>,
  y: Local<'i32'>,
): readonly [number, number] {
  const { move, extentI, extentJ, p, q } = spec;
  const size = Math.max(move.from, move.to);
  const B = size === 1 ? 8 : 16 / size;
  const vectors = f.locals('v128', 2 * B);
  const amount = amountOfMove(f, move);
  const [xj, yj] = f.locals('i32', 2) as [Local<'i32'>, Local<'i32'>];
  const block = (rows: number, columns: number): void => {
    for (let i = 0; i < rows; i++) f.set(vectors[i], loadMove(f, move, xj, i * p));
    const turned = transpose(f, vectors, size);
    turned.forEach((vector, k) => {
      const first = (k * B) / turned.length;
      if (first < columns) shiftMove(f, move, vector, amount);
      for (let j = first; j < Math.min(columns, first + B / turned.length); j++)
        storeMove(f, move, yj, vector, rows, j * q, (j - first) * 8);
    });
  };
  const band = (rows: number): void => {
    f.set(xj, f.get(x));
    f.set(yj, f.get(y));
    f.repeat(Math.floor(extentJ / B), () => {
      block(rows, B);
      f.advance(xj, B * move.from);
      f.advance(yj, B * q);
    });
    if (extentJ % B > 0) block(rows, extentJ % B);
  };
  const bands = Math.floor(extentI / B);
  f.repeat(bands, () => {
    band(B);
    f.advance(x, B * p);
    f.advance(y, B * move.to);
  });
  if (extentI % B > 0) band(extentI % B);
  return [bands * B * p, bands * B * move.to];
}

/** The columns of the rows in the first half of `vectors`; the second half is for use on the way. */
function transpose(f: FunctionBuilder, vectors: readonly Local<'v128'>[], size: number): Local<'v128'>[] {
  let rows = vectors.slice(0, vectors.length / 2);
  let spare = vectors.slice(vectors.length / 2);
  const [low, high] = [interleaved(size, 0), interleaved(size, 8 / size)];
  let rounds = Math.log2(rows.length);
  const mix = (to: Local<'v128'>, lanes: readonly number[], a: Local<'v128'>, b: Local<'v128'>): void =>
    f.set(to, f.shuffle(lanes, f.get(a), f.get(b)));
  if (size === 1) {
    const half = rows.length / 2;
    for (let k = 0; k < half; k++) mix(spare[k], low, rows[k], rows[k + half]);
    [rows, spare] = [spare.slice(0, half), rows];
    rounds--;
  }
  for (; rounds > 0; rounds--) {
    const half = rows.length / 2;
    for (let k = 0; k < half; k++) {
      mix(spare[2 * k], low, rows[k], rows[k + half]);
      mix(spare[2 * k + 1], high, rows[k], rows[k + half]);
    }
    [rows, spare] = [spare.slice(0, 2 * half), rows];
  }
  return rows;
}

/** Elements `first` … of a and of b in turn. */
function interleaved(size: number, first: number): number[] {
  return Array.from({ length: 16 }, (_, byte) => {
    const element = first + Math.floor(byte / (2 * size));
    const isB = Math.floor(byte / size) % 2;
    return 16 * isB + element * size + (byte % size);
  });
}
