/**
 * Elements on their way from one form in memory to another: vectors of them loaded, shifted and stored.
 *
 *   bytes from → to    loads                    add          stores
 *   1 → 1              v128.load                i8x16.add    16 elements
 *   1 → 2              v128.load8x8_s or _u     i16x8.add     8
 *   2 → 1              v128.load                i16x8.add     8, narrowed
 *   2 → 2              v128.load                i16x8.add     8
 *
 * An encoded number is the stored one plus an offset (encoding.ts), so forms differ by one sum. Elements whose form
 * stays, of any size, move as bytes.
 */
import type { Operand, Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import type { Nest } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { emitNest, emitRow, storePart } from './nest.ts';
import type { Parameters } from './program.ts';

export interface Move {
  readonly from: number;
  readonly to: number;
  /** Of bytes that are widened, and of bytes that come of narrowing. */
  readonly signedFrom: boolean;
  readonly signedTo: boolean;
  readonly add: number;
}

export function moveBetween(x: Operand, place: Place, y: Operand, output: Place): Move {
  const isSigned = (operand: Operand, { encoding }: Place): boolean =>
    encoding === 'stored' && operand.dtype === 'i8';
  return {
    from: encodedBytes(x, place.encoding),
    to: encodedBytes(y, output.encoding),
    signedFrom: isSigned(x, place),
    signedTo: isSigned(y, output),
    add: encodingOffset(y, output.encoding) - encodingOffset(x, place.encoding),
  };
}

/** Bits stay as they are. */
export function isPlainMove({ from, to, add }: Move): boolean {
  return from === to && add % 256 ** Math.min(from, 2) === 0;
}

/** Elements that one vector holds on the way. */
export function lanesOfMove({ from, to }: Move): number {
  return 16 / Math.max(from, to);
}

/** Sixteen bytes; past the elements that are needed there may be anything. */
export function loadMove(f: FunctionBuilder, move: Move, pointer: Local<'i32'>, offset: number): V128 {
  if (move.to <= move.from) return f.load('v128.load', f.get(pointer), offset);
  return f.load(move.signedFrom ? 'v128.load8x8_s' : 'v128.load8x8_u', f.get(pointer), offset);
}

/** Adds what the forms differ by; `amount` holds it in every lane. */
export function shiftMove(
  f: FunctionBuilder,
  move: Move,
  vector: Local<'v128'>,
  amount: Local<'v128'>,
): void {
  if (move.add === 0) return;
  const add = Math.max(move.from, move.to) === 1 ? 'i8x16.add' : 'i16x8.add';
  f.set(vector, f.op(add, f.get(vector), f.get(amount)));
}

/** A local with what `shiftMove` adds; not set where that is 0. */
export function amountOfMove(f: FunctionBuilder, { from, to, add }: Move): Local<'v128'> {
  const amount = f.local('v128');
  if (add !== 0) f.set(amount, Math.max(from, to) === 1 ? f.i8x16(add) : f.i16x8(add));
  return amount;
}

/** Stores `count` elements, of a vector that holds them from byte `at` on. */
export function storeMove(
  f: FunctionBuilder,
  move: Move,
  pointer: Local<'i32'>,
  vector: Local<'v128'>,
  count: number,
  offset: number,
  at = 0,
): void {
  if (move.to < move.from) {
    const narrow = move.signedTo ? 'i8x16.narrow_i16x8_s' : 'i8x16.narrow_i16x8_u';
    f.set(vector, f.op(narrow, f.get(vector), f.get(vector)));
  }
  storePart(f, pointer, vector, count * move.to, offset, at);
}

export type MovesSpec = {
  readonly move: Move;
  /** Of input and output, whose innermost elements lie side by side. */
  readonly nest: Nest;
};

/** Runs of elements, four vectors a turn. */
export function buildMoves(f: FunctionBuilder, { move, nest }: MovesSpec, parameters: Parameters): void {
  const [x, y] = parameters;
  const vector = f.local('v128');
  const amount = amountOfMove(f, move);
  const ends = [
    { pointer: x, bytes: move.from },
    { pointer: y, bytes: move.to },
  ];
  emitNest(f, nest, parameters, () =>
    emitRow(f, nest.extents[nest.extents.length - 1], lanesOfMove(move), 4, ends, (element, stored) => {
      f.set(vector, loadMove(f, move, x, element * move.from));
      shiftMove(f, move, vector, amount);
      storeMove(f, move, y, vector, stored, element * move.to);
    }),
  );
}
