/**
 * Copies pictures into scratch with zeros around them, for windows that stick out of a tensor without a border.
 *
 *   x        f32 (n, h, w, c)                                        rows and pixels may be apart
 *   framed   f32 (n, top + h + bottom, left + w + right, c)          dense
 *
 * Runs are copied four elements at a time and may write past their end, where the next run follows: from the first
 * byte to the last in order, with `overrun` bytes behind the last.
 */
import type { Pad, Place } from '../call.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { Program } from './program.ts';

const overrun = 16;

export function framedBytes(shape: readonly number[], { top, left, bottom, right }: Pad): number {
  const [n, h, w, c] = shape as [number, number, number, number];
  return Math.ceil((n * (top + h + bottom) * (left + w + right) * c * 4 + overrun) / 16) * 16;
}

/** The framed tensor in scratch, and the call that fills it. */
export function frame(program: Program, x: Place, shape: readonly number[], border: Pad, scratch: number) {
  const [n, h, w, c] = shape as [number, number, number, number];
  const { top, left, bottom, right } = border;
  const row = (left + w + right) * c;
  const strides = [(top + h + bottom) * row, row, c, 1];
  const [xPicture, xRow, xPixel] = x.strides as [number, number, number];
  const sideBySide = w === 1 || xPixel === c;
  const spec = {
    pictures: n,
    rows: h,
    runs: sideBySide ? 1 : w,
    run: sideBySide ? w * c : c,
    next: 4 * (xPixel - c),
    row: 4 * (xRow - (sideBySide ? w * c : w * xPixel)),
    picture: 4 * (xPicture - h * xRow),
    first: top * row + left * c,
    between: (right + left) * c,
    last: right * c + bottom * row,
  };
  const kernel = program.kernel('frame-f32', spec, 2, (f, s, [x, to]) => {
    const vector = f.local('v128');
    const row = (): void => {
      f.repeat(s.runs, () => {
        copies(f, x!, to!, vector, s.run);
        if (s.runs > 1) f.advance(x!, s.next);
      });
      f.advance(x!, s.row);
    };
    f.repeat(s.pictures, () => {
      zeros(f, to!, vector, s.first);
      f.repeat(s.rows - 1, () => {
        row();
        zeros(f, to!, vector, s.between);
      });
      row();
      zeros(f, to!, vector, s.last);
      f.advance(x!, s.picture);
    });
  });
  const place: Place = { address: scratch + 4 * spec.first, strides, border, encoding: 'stored' };
  return { place, call: [kernel, x.address, scratch] as const };
}

function zeros(f: FunctionBuilder, to: Local<'i32'>, vector: Local<'v128'>, count: number): void {
  f.set(vector, f.f32x4(0));
  byVectors(f, count, (offset) => f.store('v128.store', f.get(to), f.get(vector), offset), [to]);
}

function copies(
  f: FunctionBuilder,
  from: Local<'i32'>,
  to: Local<'i32'>,
  vector: Local<'v128'>,
  count: number,
): void {
  const move = (offset: number): void => {
    f.set(vector, f.load('v128.load', f.get(from), offset));
    f.store('v128.store', f.get(to), f.get(vector), offset);
  };
  byVectors(f, count, move, [from, to]);
}

/** one(offset) for each vector of `count` elements, the last perhaps beyond them; `at` ends up behind the elements. */
function byVectors(
  f: FunctionBuilder,
  count: number,
  one: (offset: number) => void,
  at: readonly Local<'i32'>[],
): void {
  const advance = (elements: number): void => {
    for (const local of at) f.advance(local, 4 * elements);
  };
  f.repeat(count >> 4, () => {
    for (let i = 0; i < 4; i++) one(16 * i);
    advance(16);
  });
  for (let i = 0; i < (count & 15); i += 4) one(4 * i);
  advance(count & 15);
}
