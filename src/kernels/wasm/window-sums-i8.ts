/**
 * sums[n, oy, ox] = factor · Σ over the window of x, as unsigned bytes
 *
 * For weights whose zero point keeps them out of s8 (pack-i8.ts). A product with ones, four pixels at a time,
 * sixteen bytes of each to a vector.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { Loop, Taps } from './emit-conv-i8.ts';
import type { Parameters } from './program.ts';

export interface WindowSumsSpec {
  /** Pixels of the output: steps of x and of the sums. */
  readonly loops: readonly Loop[];
  readonly taps: Taps;
  /** Bytes of a run. */
  readonly length: number;
  readonly factor: number;
  readonly [name: string]: unknown;
}

/** Parameters: x, sums. */
export function emitWindowSums(f: FunctionBuilder, spec: WindowSumsSpec, [x, sums]: Parameters): void {
  const { loops, taps, length, factor } = spec;
  const ones = f.local('v128');
  const restOnes = f.local('v128');
  const rest = length % 16;
  f.set(ones, f.i8x16(1));
  f.set(restOnes, f.v128(Array.from({ length: 16 }, (_, i) => (i < rest ? 1 : 0))));
  const totals = f.locals('v128', 4);
  const pointer = f.local('i32');
  const last = loops[loops.length - 1];
  const tile = (at: Local<'i32'>, to: Local<'i32'>, pixels: number): void => {
    const add = (factors: Local<'v128'>): void =>
      totals.forEach((total, j) => {
        const offset = Math.min(j, pixels - 1) * last.steps[0];
        f.set(
          total,
          f.op(
            'i32x4.relaxed_dot_i8x16_i7x16_add_s',
            f.get(factors),
            f.load('v128.load', f.get(pointer), offset),
            f.get(total),
          ),
        );
      });
    f.set(pointer, f.get(at));
    for (const total of totals) f.set(total, f.i32x4(0));
    const vectors = length >> 4;
    f.repeat(taps.rows, () => {
      f.repeat(taps.columns, () => {
        f.repeat(vectors, () => {
          add(ones);
          f.advance(pointer, 16);
        });
        if (rest > 0) add(restOnes);
        f.advance(pointer, taps.columnStep - 16 * vectors);
      });
      f.advance(pointer, taps.rowStep - taps.columns * taps.columnStep);
    });
    const [a, b, c, d] = totals;
    addHalves(f, a, b, low32, high32);
    addHalves(f, c, d, low32, high32);
    addHalves(f, a, c, low64, high64);
    f.store('v128.store', f.get(to), f.op('i32x4.mul', f.get(a), f.i32x4(factor)));
  };
  const walk = (depth: number, fromX: Local<'i32'>, fromSums: Local<'i32'>): void => {
    const loop = loops[depth];
    const at = f.local('i32');
    const to = f.local('i32');
    f.set(at, f.get(fromX));
    f.set(to, f.get(fromSums));
    if (depth < loops.length - 1) {
      f.repeat(loop.count, () => {
        walk(depth + 1, at, to);
        f.advance(at, loop.steps[0]);
        f.advance(to, loop.steps[1]);
      });
      return;
    }
    f.repeat(loop.count >> 2, () => {
      tile(at, to, 4);
      f.advance(at, 4 * loop.steps[0]);
      f.advance(to, 16);
    });
    if (loop.count % 4 > 0) tile(at, to, loop.count % 4);
  };
  walk(0, x!, sums!);
}

/** The last row's sums run over by up to this many bytes. */
export const sumsSlack = 16;

const low32 = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const high32 = [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31];
const low64 = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const high64 = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31];

/** a ← low(a, b) + high(a, b) */
function addHalves(
  f: FunctionBuilder,
  a: Local<'v128'>,
  b: Local<'v128'>,
  low: readonly number[],
  high: readonly number[],
): void {
  f.set(a, f.op('i32x4.add', f.shuffle(low, f.get(a), f.get(b)), f.shuffle(high, f.get(a), f.get(b))));
}
