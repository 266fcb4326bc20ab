/** Eight and sixteen 8-bit activations in vectors, as they lie in memory in any encoding. */
import type { Encoding, Operand } from '../call.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { storeBytes } from './epilogue-i8.ts';

/** How an activation lies in memory. */
export type Lie = 'i8' | 'u8' | 'i16';

export function lieOf({ dtype }: Pick<Operand, 'dtype'>, encoding: Encoding): Lie {
  return encoding === 'stored' ? (dtype as 'i8' | 'u8') : encoding;
}

export function lieBytes(lie: Lie): 1 | 2 {
  return lie === 'i16' ? 2 : 1;
}

const ranges = { i8: [-128, 127], u8: [0, 255], i16: [-32768, 32767] } as const;

/** Eight numbers in 16 bits: those from `offset` on, or the eight behind them. */
export function loadHalf(f: FunctionBuilder, lie: Lie, at: Local<'i32'>, offset: number, half: number): V128 {
  if (lie === 'i16') return f.load('v128.load', f.get(at), offset + 16 * half);
  return f.load(lie === 'i8' ? 'v128.load8x8_s' : 'v128.load8x8_u', f.get(at), offset + 8 * half);
}

/** One number in all lanes of 16 bits. */
export function loadSplat(f: FunctionBuilder, lie: Lie, at: Local<'i32'>): V128 {
  if (lie === 'i16') return f.load('v128.load16_splat', f.get(at));
  return f.op('i16x8.splat', f.load(lie === 'i8' ? 'i32.load8_s' : 'i32.load8_u', f.get(at)));
}

export function pick(f: FunctionBuilder, lie: Lie, fn: 'max' | 'min', a: V128, b: V128): V128 {
  if (lie === 'i16') return f.op(`i16x8.${fn}_s`, a, b);
  return f.op(lie === 'i8' ? `i8x16.${fn}_s` : `i8x16.${fn}_u`, a, b);
}

function splatOf(f: FunctionBuilder, lie: Lie, value: number): V128 {
  return lie === 'i16' ? f.i16x8(value) : f.i8x16(value);
}

/** codes ← clamp(codes, lo, hi), where these are bounds at all. */
export function clampCodes(f: FunctionBuilder, lie: Lie, codes: Local<'v128'>, lo: number, hi: number): void {
  if (lo > ranges[lie][0]) f.set(codes, pick(f, lie, 'max', f.get(codes), splatOf(f, lie, lo)));
  if (hi < ranges[lie][1]) f.set(codes, pick(f, lie, 'min', f.get(codes), splatOf(f, lie, hi)));
}

/** Stores `count` ≤ 16 numbers that lie one way another way, `add` added: what they become is in its range. */
export function storeCodes(
  f: FunctionBuilder,
  from: Lie,
  codes: readonly Local<'v128'>[],
  to: Lie,
  add: number,
  count: number,
  y: Local<'i32'>,
  offset: number,
): void {
  const added = (lie: Lie, value: () => V128): V128 =>
    add === 0 ? value() : f.op(lie === 'i16' ? 'i16x8.add' : 'i8x16.add', value(), splatOf(f, lie, add));
  const first = codes[0];
  if (to !== 'i16') {
    const half = (i: number): V128 => added('i16', () => f.get(codes[i]));
    const narrow = to === 'i8' ? 'i8x16.narrow_i16x8_s' : 'i8x16.narrow_i16x8_u';
    const value = (): V128 =>
      from === 'i16' ? f.op(narrow, half(0), half(1)) : added(to, () => f.get(first));
    storeBytes(f, value, count, () => f.get(y), offset);
    return;
  }
  for (let i = 0; 8 * i < count; i++) {
    const sign = from === 'i8' ? 's' : 'u';
    const value = (): V128 =>
      from === 'i16'
        ? f.get(codes[i])
        : f.op(`i16x8.extend_${i === 0 ? 'low' : 'high'}_i8x16_${sign}`, f.get(first));
    storeBytes(
      f,
      () => added('i16', value),
      2 * Math.min(8, count - 8 * i),
      () => f.get(y),
      offset + 16 * i,
    );
  }
}
