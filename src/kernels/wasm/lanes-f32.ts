/** What the float kernels do to vectors of four f32. */
import type { Operand } from '../call.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';

/** sum += a·b; with `madd` in one instruction, which rounds once or twice. `b` is called where it is due. */
export function addProduct(
  f: FunctionBuilder,
  madd: boolean,
  sum: Local<'v128'>,
  a: Local<'v128'>,
  b: () => V128,
): void {
  if (madd) f.set(sum, f.op('f32x4.relaxed_madd', f.get(a), b(), f.get(sum)));
  else f.set(sum, f.op('f32x4.add', f.get(sum), f.op('f32x4.mul', f.get(a), b())));
}

/** A constant's numbers. */
export function floatsOf({ data }: Operand): Float32Array | null {
  return data instanceof Float32Array ? data : null;
}
