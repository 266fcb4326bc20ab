/**
 * Activations of several cells put side by side in 32-bit lanes, one lane for each channel: what one dot product
 * multiplies at once.
 *
 *   u8    8 channels, cells a b c d        a b │ interleave bytes   → a₀b₀a₁b₁…   ┐ interleave words, low:  a₀b₀c₀d₀ a₁b₁c₁d₁ …
 *                                          c d │                    → c₀d₀c₁d₁…   ┘                  high:  a₄b₄c₄d₄ …
 *   i16   8 channels, cells a b            interleave words, low:  a₀b₀ a₁b₁ a₂b₂ a₃b₃      high:  a₄b₄ …
 *
 * All of it is `punpck` on x86, which V8 recognises in the shuffles. Up to four channels need the low half only.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import type { Target } from './target.ts';

const bytesLow = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
const wordsLow = [0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23];
const wordsHigh = [8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31];

/** Cells of one vector; its `groups` of four channels come out. */
export type LoadLanes = (offsets: readonly number[], to: readonly Local<'v128'>[]) => void;

/** Loads 4 or 8 channels of the cells at `from` + offsets; cells missing in the end count as any. */
export function laneLoader(
  f: FunctionBuilder,
  dot: Target['dot'],
  groups: number,
  from: Local<'i32'>,
): LoadLanes {
  const wide = groups === 2;
  const temporary = f.locals('v128', 2);
  const low = (a: V128, b: V128): V128 => f.shuffle(wordsLow, a, b);
  if (dot === 'i16') {
    const load = (offset: number): V128 =>
      f.load(wide ? 'v128.load' : 'v128.load64_zero', f.get(from), offset);
    return ([a, b = a], to) => {
      const cells: Local<'v128'>[] = [];
      [a, b].forEach((offset, i) => {
        if (i === 1 && offset === a) return;
        f.set(temporary[i], load(offset));
        cells.push(temporary[i]);
      });
      const [first, second = first] = cells;
      f.set(to[0], low(f.get(first), f.get(second)));
      if (wide) f.set(to[1], f.shuffle(wordsHigh, f.get(first), f.get(second)));
    };
  }
  const load = (offset: number): V128 =>
    f.load(wide ? 'v128.load64_zero' : 'v128.load32_zero', f.get(from), offset);
  const pair = (a: number, b: number): V128 => f.shuffle(bytesLow, load(a), load(b));
  return ([a, b, c, d], to) => {
    // A cell alone is widened as it is loaded: its word has a zero in the high byte.
    const alone = (offset: number): V128 => f.load('v128.load8x8_u', f.get(from), offset);
    f.set(temporary[0], b === undefined ? alone(a) : pair(a, b));
    const second = c === undefined ? temporary[0] : temporary[1];
    if (c !== undefined) f.set(second, d === undefined ? alone(c) : pair(c, d));
    f.set(to[0], low(f.get(temporary[0]), f.get(second)));
    if (wide) f.set(to[1], f.shuffle(wordsHigh, f.get(temporary[0]), f.get(second)));
  };
}
