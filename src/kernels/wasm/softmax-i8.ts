/**
 * Softmax of 8-bit numbers in fixed point, as reference/softmax.ts, to the bit.
 *
 *   x, y  i8 or u8 (…, C), stored or encoded: only differences of x count
 *
 *   e[d]      e^(−β·s·d) in Q0 for a distance d = max − x in 0…255, from reference's own function   i32 (256)
 *   e12[d]    the same in Q12, what the sum is made of                                              i32 (256)
 *
 *   row:  m = max x                       v128.load8_splat, i8x16.max
 *         Σ = Σ e12[m − x]                i32.load8, i32.sub, i32.load e12, i32.add
 *         1/Σ                             Newton and Raphson in fixed point (fixed-point.ts, reciprocalScale)
 *         y = (1/Σ · e[m − x]) rounded    i64.mul and two shifts; 256 becomes 255
 *
 * A share is below 2³¹ and 0 or more, so the rounding shifts need no sign, and those by 32 and more give 0 by themselves.
 */
import type { Operand, Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { expOfDifference, sumBits } from '../reference/softmax.ts';
import { rangeOf, roundingDivideByPowerOfTwo } from '../requantize.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { I32, I64 } from './asm/opcodes.ts';
import { emitNest, emitRow } from './nest.ts';
import type { Parameters } from './program.ts';
import type { RowsSpec } from './softmax.ts';

const distances = 256;

/** e and e12, one behind the other. */
export function exponentials(x: Operand, beta: number): Int32Array {
  const tables = new Int32Array(2 * distances);
  const expOf = expOfDifference(x, beta);
  for (let d = 0; d < distances; d++) {
    tables[d] = expOf(-d);
    tables[distances + d] = roundingDivideByPowerOfTwo(tables[d], sumBits);
  }
  return tables;
}

export type SoftmaxI8Spec = RowsSpec & {
  readonly bytesX: number;
  /** Of bytes. */
  readonly signedX: boolean;
  readonly bytesY: number;
  /** What a share of 0 is in memory. */
  readonly zeroY: number;
};

export function formsOf(x: Operand, from: Place, y: Operand, to: Place): Omit<SoftmaxI8Spec, keyof RowsSpec> {
  return {
    bytesX: encodedBytes(x, from.encoding),
    signedX: x.dtype === 'i8' && from.encoding === 'stored',
    bytesY: encodedBytes(y, to.encoding),
    zeroY: rangeOf(y.dtype).lo + encodingOffset(y, to.encoding),
  };
}

export function buildSoftmaxI8(f: FunctionBuilder, spec: SoftmaxI8Spec, [x, y, tables]: Parameters): void {
  const { nest, columns, bytesX, bytesY, zeroY } = spec;
  const rows = nest.extents[nest.extents.length - 1];
  const [xRow, yRow] = nest.strides.map((strides) => strides[strides.length - 1]);
  const ends = [
    { pointer: x, bytes: xRow },
    { pointer: y, bytes: yRow },
  ];
  const [from, to, max, sum, result] = f.locals('i32', 5) as Local<'i32'>[];
  const highest = f.local('v128');
  const scale = f.local('i64');
  const half = f.local('i64');
  const shift = f.local('i64');
  const pass = (body: (element: number) => void): void => {
    f.set(from, f.get(x));
    f.set(to, f.get(y));
    const walked = [
      { pointer: from, bytes: bytesX },
      { pointer: to, bytes: bytesY },
    ];
    emitRow(f, columns, 1, 4, walked, body);
  };
  const load = loadsOf(f, spec, from, highest);
  /** Address of e[max − x]. */
  const entry = (element: number): I32 => {
    const distance = f.op('i32.sub', f.get(max), f.load(load.name, f.get(from), element * bytesX));
    return f.op('i32.add', f.op('i32.shl', distance, f.i32(2)), f.get(tables));
  };
  emitNest(f, nest, [x, y], () =>
    emitRow(f, rows, 1, 1, ends, () => {
      f.set(from, f.get(x));
      f.set(highest, load.vector(0));
      pass((element) => f.set(highest, f.op(load.max, f.get(highest), load.vector(element))));
      f.set(max, load.lane());
      f.set(sum, f.i32(0));
      pass((element) =>
        f.set(sum, f.op('i32.add', f.get(sum), f.load('i32.load', entry(element), 4 * distances))),
      );
      emitReciprocal(f, sum, scale);
      // The sum is 2^(sumBits − clz)·(1 + f), the scale 1/(1 + f); 8 of its 31 bits are kept.
      f.set(
        shift,
        f.op('i64.extend_i32_u', f.op('i32.sub', f.i32(sumBits + 31 - 8), f.op('i32.clz', f.get(sum)))),
      );
      f.set(half, f.op('i64.shl', f.i64(1n), f.op('i64.sub', f.get(shift), f.i64(1n))));
      pass((element) => {
        const share = highProduct(
          f,
          f.get(scale),
          f.op('i64.extend_i32_u', f.load('i32.load', entry(element))),
        );
        const rounded = f.op('i64.shr_u', f.op('i64.add', share, f.get(half)), f.get(shift));
        f.set(result, f.op('i32.wrap_i64', rounded));
        f.store(
          bytesY === 2 ? 'i32.store16' : 'i32.store8',
          f.get(to),
          f.op(
            'i32.add',
            f.op('i32.sub', f.get(result), f.op('i32.shr_u', f.get(result), f.i32(8))), // 256 becomes 255
            f.i32(zeroY),
          ),
          element * bytesY,
        );
      });
    }),
  );
}

/** How x is read, as a number or into every lane; and the vectors' maximum. */
function loadsOf(
  f: FunctionBuilder,
  { bytesX, signedX }: SoftmaxI8Spec,
  from: Local<'i32'>,
  vector: Local<'v128'>,
) {
  if (bytesX === 2)
    return {
      name: 'i32.load16_s',
      max: 'i16x8.max_s',
      vector: (element: number) => f.load('v128.load16_splat', f.get(from), 2 * element),
      lane: () => f.lane('i16x8.extract_lane_s', 0, f.get(vector)),
    } as const;
  const sign = signedX ? 's' : 'u';
  return {
    name: `i32.load8_${sign}`,
    max: `i8x16.max_${sign}`,
    vector: (element: number) => f.load('v128.load8_splat', f.get(from), element),
    lane: () => f.lane(`i8x16.extract_lane_${sign}`, 0, f.get(vector)),
  } as const;
}

/** 1/(1 + f) in Q0 for a sum of 2^k·(1 + f), as fixed-point.ts has it. */
function emitReciprocal(f: FunctionBuilder, sum: Local<'i32'>, scale: Local<'i64'>): void {
  const d = f.local('i64');
  const x = f.local('i64');
  const one = 0x7fffffffn;
  const fraction = f.op(
    'i32.and',
    f.op('i32.shl', f.get(sum), f.op('i32.clz', f.get(sum))),
    f.i32(Number(one)),
  );
  const doubled = f.op('i64.add', f.op('i64.extend_i32_u', fraction), f.i64(one + 1n));
  f.set(d, f.op('i64.shr_u', doubled, f.i64(1n)));
  f.set(x, f.op('i64.add', highProduct(f, f.get(d), f.i64(-1010580540n)), f.i64(1515870810n)));
  for (let i = 0; i < 3; i++) {
    const correction = f.op(
      'i64.shl',
      highProduct(f, f.get(x), f.op('i64.sub', f.i64(1n << 29n), highProduct(f, f.get(d), f.get(x)))),
      f.i64(2n),
    );
    f.set(x, f.op('i64.add', correction, f.get(x)));
  }
  f.if(
    f.op('i64.lt_s', f.get(x), f.i64(1n << 30n)),
    () => f.set(scale, f.op('i64.shl', f.get(x), f.i64(1n))),
    () => f.set(scale, f.i64(one)),
  );
}

/** ⌊a·b / 2³¹ + 1/2⌋ */
function highProduct(f: FunctionBuilder, a: I64, b: I64): I64 {
  return f.op('i64.shr_s', f.op('i64.add', f.op('i64.mul', a, b), f.i64(1n << 30n)), f.i64(31n));
}
