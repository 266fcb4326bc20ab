/**
 * Rows of 8-bit activations from one encoding (call.ts, `Encoding`) into another, each with zeros behind it.
 *
 *   for each row:  for each 16 elements:  store to, (load from) + add;   store to + count, 0
 *
 *   from  (rows, count)        dense, 8 or 16 bits
 *   to    (rows, to.stride)    16 bytes more than that are written behind the last row
 */
import type { FunctionBuilder } from './asm/function.ts';
import type { Parameters, Program } from './program.ts';

export interface EncodeSpec {
  readonly [key: string]: unknown;
  readonly rows: number;
  readonly count: number;
  readonly from: 'i8' | 'u8' | 'i16';
  /** Elements of two bytes; i16 only becomes i16. */
  readonly wide: boolean;
  /** What is added to every number. */
  readonly add: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
}

/** The call that encodes, for `Program.step`. */
export function encodeCall(
  program: Program,
  spec: EncodeSpec,
  from: number,
  to: number,
): [kernel: ReturnType<Program['kernel']>, ...values: number[]] {
  return [program.kernel('encode-i8', spec, 2, buildEncode), from, to];
}

function buildEncode(f: FunctionBuilder, spec: EncodeSpec, [from, to]: Parameters): void {
  const { rows, count, wide, add, stride } = spec;
  const bytesIn = spec.from === 'i16' ? 2 : 1;
  const bytesOut = wide ? 2 : 1;
  const perVector = 16 / bytesOut;
  const at = f.local('i32');
  const row = f.local('i32');
  const added = f.local('v128');
  const zero = f.local('v128');
  f.set(added, wide ? f.i16x8(add) : f.i8x16(add));
  f.set(row, f.get(to));
  f.repeat(rows, () => {
    f.set(at, f.get(row));
    f.repeat(Math.ceil(count / perVector), () => {
      const loaded =
        bytesIn === bytesOut
          ? () => f.load('v128.load', f.get(from))
          : () => f.load(spec.from === 'i8' ? 'v128.load8x8_s' : 'v128.load8x8_u', f.get(from));
      f.store(
        'v128.store',
        f.get(at),
        add === 0 ? loaded() : f.op(wide ? 'i16x8.add' : 'i8x16.add', loaded(), f.get(added)),
      );
      f.advance(from, perVector * bytesIn);
      f.advance(at, 16);
    });
    f.advance(from, (count - Math.ceil(count / perVector) * perVector) * bytesIn);
    f.store('v128.store', f.get(row), f.get(zero), count * bytesOut);
    f.advance(row, stride);
  });
}
