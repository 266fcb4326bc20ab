/**
 * Quantise, dequantise, requantise with one scale; each side as stored or encoded (call.ts, `Encoding`).
 *
 *   quantize-f32-8-wasm      y = z + round(x / s), bounded    f32x4.div, round, trunc_sat, i16x8.narrow ×2 for eight
 *   dequantize-i8-8-wasm     y = s·(x − z)                    i16x8.sub, extend, convert, f32x4.mul
 *   requantize-i8-1-wasm     y = table[x]                     i32.load8_u, i32.load8_u table, i32.store8
 *   requantize-i8-16-wasm    y = x + d, where the table says no more (i8 ↔ u8): moves.ts
 *
 * Halves away from zero: trunc(v + ½⁻) with the sign of v, ½⁻ the f32 below ½; the sum rounds to a whole number exactly
 * where v has a fraction of ½ or more. Exact: the operations are reference's, in f32; the table is made by reference
 * itself. NaN becomes the zero point.
 */
import type { EmittedOffer, KernelCall, Operand, Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { isEmpty, type Nest } from '../js/views.ts';
import { type Int8Function, int8Function } from '../reference/int8-function.ts';
import { isQuantized8, rangeOf, scaleOf, zeroPointOf } from '../requantize.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import { buildMoves, type MovesSpec, moveBetween } from './moves.ts';
import { emitNest, emitRow, nestOf, placeStrides, storePart, withRun } from './nest.ts';
import type { Parameters, Program } from './program.ts';
import type { Target } from './target.ts';

export function offerConvert(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  const [x] = inputs;
  if (op.kind !== 'convert' || following || x.data || isEmpty(call)) return null;
  const common = { strided: true, encoding: target.encoding };
  if (x.dtype === 'f32' && isQuantized8(output))
    return {
      ...common,
      kernel: 'quantize-f32-8-wasm',
      emit: (program, [from], to) => emitQuantize(program, output, op.rounding === 'even', from!, to),
    };
  if (isQuantized8(x) && output.dtype === 'f32')
    return {
      ...common,
      kernel: 'dequantize-i8-8-wasm',
      emit: (program, [from], to) => emitDequantize(program, x, from!, to),
    };
  const f = int8Function(call);
  if (!f) return null;
  return {
    ...common,
    kernel: stepOf(f, x) === null ? 'requantize-i8-1-wasm' : 'requantize-i8-16-wasm',
    overwrites: [0],
    emit: (program, [from], to) => emitRequantize(program, f, x, from!, output, to),
  };
}

/** The loops over both, their innermost elements side by side. */
function nestFor(shape: readonly number[], from: Place, bytesX: number, to: Place, bytesY: number): Nest {
  const strides = [placeStrides(from, bytesX), placeStrides(to, bytesY)];
  return withRun(nestOf(shape, strides), [bytesX, bytesY]);
}

type QuantizeSpec = {
  readonly nest: Nest;
  readonly even: boolean;
  readonly scale: number;
  /** What is added to the steps, and the ends of the sum. */
  readonly zero: number;
  readonly lo: number;
  readonly hi: number;
  readonly bytesY: number;
};

function emitQuantize(program: Program, y: Operand, even: boolean, from: Place, to: Place): void {
  const bytesY = encodedBytes(y, to.encoding);
  const offset = encodingOffset(y, to.encoding);
  const { lo, hi } = rangeOf(y.dtype);
  const spec: QuantizeSpec = {
    nest: nestFor(y.shape, from, 4, to, bytesY),
    even,
    scale: scaleOf(y),
    zero: zeroPointOf(y) + offset,
    lo: lo + offset,
    hi: hi + offset,
    bytesY,
  };
  program.step([program.kernel('quantize-f32', spec, 2, buildQuantize), from.address, to.address]);
}

const belowHalf = 0.5 - 2 ** -25;

function buildQuantize(f: FunctionBuilder, spec: QuantizeSpec, parameters: Parameters): void {
  const { nest, even, scale, zero, lo, hi, bytesY } = spec;
  const [x, y] = parameters;
  const constant = (vector: () => ReturnType<FunctionBuilder['v128']>): Local<'v128'> => {
    const local = f.local('v128');
    f.set(local, vector());
    return local;
  };
  const divisor = constant(() => f.f32x4(scale));
  const half = constant(() => f.f32x4(belowHalf));
  const sign = constant(() => f.f32x4(-0));
  const zeros = constant(() => f.i16x8(zero));
  const least = constant(() => f.i16x8(lo));
  const most = constant(() => f.i16x8(hi));
  const [low, high] = f.locals('v128', 2) as [Local<'v128'>, Local<'v128'>];
  const steps = (value: Local<'v128'>, element: number): void => {
    f.set(value, f.op('f32x4.div', f.load('v128.load', f.get(x), 4 * element), f.get(divisor)));
    if (even) f.set(value, f.op('f32x4.nearest', f.get(value)));
    else {
      const nudge = f.op('v128.or', f.op('v128.and', f.get(value), f.get(sign)), f.get(half));
      f.set(value, f.op('f32x4.add', nudge, f.get(value)));
    }
    f.set(value, f.op('i32x4.trunc_sat_f32x4_s', f.get(value)));
  };
  const ends = [
    { pointer: x, bytes: 4 },
    { pointer: y, bytes: bytesY },
  ];
  emitNest(f, nest, parameters, () =>
    emitRow(f, nest.extents[nest.extents.length - 1], 8, 2, ends, (element, stored) => {
      steps(low, element);
      if (stored > 4) steps(high, element + 4);
      f.set(low, f.op('i16x8.narrow_i32x4_s', f.get(low), f.get(high)));
      f.set(low, f.op('i16x8.add_sat_s', f.get(low), f.get(zeros)));
      if (bytesY === 2)
        f.set(low, f.op('i16x8.min_s', f.op('i16x8.max_s', f.get(low), f.get(least)), f.get(most)));
      else if (lo < 0) f.set(low, f.op('i8x16.narrow_i16x8_s', f.get(low), f.get(low)));
      else f.set(low, f.op('i8x16.narrow_i16x8_u', f.get(low), f.get(low)));
      storePart(f, y, low, stored * bytesY, element * bytesY);
    }),
  );
}

type DequantizeSpec = {
  readonly nest: Nest;
  readonly scale: number;
  /** As it lies in memory. */
  readonly zero: number;
  readonly signed: boolean;
  readonly bytesX: number;
};

function emitDequantize(program: Program, x: Operand, from: Place, to: Place): void {
  const bytesX = encodedBytes(x, from.encoding);
  const spec: DequantizeSpec = {
    nest: nestFor(x.shape, from, bytesX, to, 4),
    scale: scaleOf(x),
    zero: zeroPointOf(x) + encodingOffset(x, from.encoding),
    signed: x.dtype === 'i8' && from.encoding === 'stored',
    bytesX,
  };
  program.step([program.kernel('dequantize-i8', spec, 2, buildDequantize), from.address, to.address]);
}

function buildDequantize(f: FunctionBuilder, spec: DequantizeSpec, parameters: Parameters): void {
  const { nest, scale, zero, signed, bytesX } = spec;
  const [x, y] = parameters;
  const [scales, zeros, wide, half] = f.locals('v128', 4) as Local<'v128'>[];
  f.set(scales, f.f32x4(scale));
  f.set(zeros, f.i16x8(zero));
  const load = bytesX === 2 ? 'v128.load' : signed ? 'v128.load8x8_s' : 'v128.load8x8_u';
  const ends = [
    { pointer: x, bytes: bytesX },
    { pointer: y, bytes: 4 },
  ];
  emitNest(f, nest, parameters, () =>
    emitRow(f, nest.extents[nest.extents.length - 1], 8, 2, ends, (element, stored) => {
      f.set(wide, f.load(load, f.get(x), element * bytesX));
      if (zero !== 0) f.set(wide, f.op('i16x8.sub', f.get(wide), f.get(zeros)));
      for (const part of stored > 4 ? (['low', 'high'] as const) : (['low'] as const)) {
        const numbers = f.op('f32x4.convert_i32x4_s', f.op(`i32x4.extend_${part}_i16x8_s`, f.get(wide)));
        f.set(half, f.op('f32x4.mul', numbers, f.get(scales)));
        const first = part === 'low' ? 0 : 4;
        storePart(f, y, half, 4 * Math.min(4, stored - first), 4 * (element + first));
      }
    }),
  );
}

function emitRequantize(
  program: Program,
  f: Int8Function,
  x: Operand,
  from: Place,
  y: Operand,
  to: Place,
): void {
  const bytesX = encodedBytes(x, from.encoding);
  const bytesY = encodedBytes(y, to.encoding);
  const nest = nestFor(x.shape, from, bytesX, to, bytesY);
  const step = stepOf(f, x);
  if (step !== null) {
    const plain = moveBetween(x, from, y, to);
    const spec: MovesSpec = { nest, move: { ...plain, add: plain.add + step } };
    program.step([program.kernel('moves', spec, 2, buildMoves), from.address, to.address]);
    return;
  }
  // Bytes are looked up without their sign, 16 bits from the lowest number on.
  const { lo } = rangeOf(x.dtype);
  const inX = encodingOffset(x, from.encoding);
  const inY = encodingOffset(y, to.encoding);
  const table = bytesY === 2 ? new Int16Array(256) : new Uint8Array(256);
  for (let q = lo; q < lo + 256; q++) table[bytesX === 2 ? q - lo : (q + inX) & 0xff] = f(q) + inY;
  const spec: TableSpec = { nest, bytesX, bytesY };
  const zero = program.constantOf(table) - (bytesX === 2 ? (lo + inX) * bytesY : 0); // where 0 is looked up
  program.step([program.kernel('requantize-i8', spec, 3, buildTable), from.address, to.address, zero]);
}

/** d where f(q) = q + d for every number of x; else null. */
function stepOf(f: Int8Function, x: Operand): number | null {
  const { lo, hi } = rangeOf(x.dtype);
  const d = f(lo) - lo;
  for (let q = lo; q <= hi; q++) if (f(q) !== q + d) return null;
  return d;
}

type TableSpec = {
  readonly nest: Nest;
  readonly bytesX: number;
  readonly bytesY: number;
};

function buildTable(f: FunctionBuilder, spec: TableSpec, [x, y, table]: Parameters): void {
  const { nest, bytesX, bytesY } = spec;
  const ends = [
    { pointer: x, bytes: bytesX },
    { pointer: y, bytes: bytesY },
  ];
  emitNest(f, nest, [x, y], () =>
    emitRow(f, nest.extents[nest.extents.length - 1], 1, 8, ends, (element) => {
      const [store, look] = bytesY === 2 ? (['i32.store16', 'i32.load16_s'] as const) : bytes;
      const to = f.get(y);
      const number = f.load(bytesX === 2 ? 'i32.load16_s' : 'i32.load8_u', f.get(x), element * bytesX);
      const index = bytesY === 2 ? f.op('i32.shl', number, f.i32(1)) : number;
      const entry = f.load(look, f.op('i32.add', index, f.get(table)));
      f.store(store, to, entry, element * bytesY);
    }),
  );
}

const bytes = ['i32.store8', 'i32.load8_u'] as const;
