/**
 * Writes the border around each picture of a tensor that is laid out with one.
 *
 * The end of a row and the start of the next are one stretch of (right + left)·c elements, so there is a stretch
 * above the first row, one between every two, and one below the last:
 *
 *   ┌─────────────┐
 *   │█████████████│ top·row + left
 *   │██┌───────┐██│
 *   │██│       │██│ right + left,  h − 1 times
 *   │██└───────┘██│
 *   │█████████████│ right + bottom·row
 *   └─────────────┘
 */
import type { Place } from '../call.ts';
import type { FunctionBuilder, FunctionRef, Local } from './asm/function.ts';
import type { Program } from './program.ts';

/** `value` as it lies in memory: an integer, or 0 in any dtype. */
export function emitBorder(
  program: Program,
  place: Place,
  shape: readonly number[],
  elementBytes: number,
  value: number,
): void {
  const [n, h, w] = shape as [number, number, number, number];
  const { top, left, bottom, right } = place.border;
  const [picture, row, pixel] = place.strides.map((stride) => stride * elementBytes) as [
    number,
    number,
    number,
  ];
  // Pixels of a bordered tensor lie side by side (layout.ts), so every stretch is contiguous.
  const spec = {
    value,
    wide: elementBytes === 2,
    pictures: n,
    picture,
    rows: h,
    row,
    first: top * row + left * pixel,
    width: w * pixel,
    between: row - w * pixel,
    last: bottom * row + right * pixel,
  };
  const fill: FunctionRef = program.kernel('border', spec, 1, (f, s, [address]) => {
    const at = f.local('i32');
    const value = f.local('v128');
    const corner = f.local('i32');
    f.set(value, s.wide ? f.i16x8(s.value) : f.i8x16(s.value));
    f.set(corner, f.get(address!));
    f.repeat(s.pictures, () => {
      f.set(at, f.get(corner));
      stretch(f, at, value, s.first);
      f.advance(at, s.width);
      f.repeat(s.rows - 1, () => {
        stretch(f, at, value, s.between);
        f.advance(at, s.width);
      });
      stretch(f, at, value, s.last);
      f.advance(corner, s.picture);
    });
  });
  program.step([fill, place.address - top * row - left * pixel]);
}

/** Fills `bytes` bytes from `at` and moves it behind them. Every stretch is a multiple of the element. */
function stretch(f: FunctionBuilder, at: Local<'i32'>, value: Local<'v128'>, bytes: number): void {
  const blocks = Math.floor(bytes / 64);
  const vectors = (count: number): void => {
    for (let i = 0; i < count; i++) f.store('v128.store', f.get(at), f.get(value), 16 * i);
    f.advance(at, 16 * count);
  };
  f.repeat(blocks, () => vectors(4));
  vectors((bytes % 64) >> 4);
  let left = bytes % 16;
  let offset = 0;
  const part = (size: number, store: () => void): void => {
    if (left < size) return;
    store();
    offset += size;
    left -= size;
  };
  part(8, () => f.memoryLane('v128.store64_lane', 0, f.get(at), f.get(value), offset));
  part(4, () => f.memoryLane('v128.store32_lane', 0, f.get(at), f.get(value), offset));
  part(2, () => f.memoryLane('v128.store16_lane', 0, f.get(at), f.get(value), offset));
  part(1, () => f.memoryLane('v128.store8_lane', 0, f.get(at), f.get(value), offset));
  f.advance(at, offset);
}
