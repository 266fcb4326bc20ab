/**
 * y = s·(q − z),  q = clamp(round(z + x·r))        fake-quantize-f32-4-wasm
 *
 *   x, y  f32, any shape; slices lie behind the first `batchDims` axes, each has an s, r = 1/s and z of its own
 *
 *   find    the most and the least of a slice by their bits: compared as signed integers the largest positive number
 *           comes out on top, compared as unsigned ones the most negative, and NaN above either
 *
 *             loop   v = v128.load x    most₀ = i32x4.max_s most₀ v    least₀ = i32x4.max_u least₀ v    … four in turn
 *
 *   scale   s, r and z as reference has them, in f64
 *   round   halves away from zero, ½⁻ being the f32 below ½; lines marked z only where the slice is asymmetric
 *
 *             loop   t = (v128.load x)·r
 *                    t = z + t                                z
 *                    t = trunc(((t & sign) | ½⁻) + t)
 *                    t = pmin(pmax(t, −128), 127) + (−z)      z
 *                    v128.store y (t·s)                       y (t·s + 0) where symmetric
 *
 * Exact: t + ½⁻ rounds to the next whole number or beyond if, and only if, t has a fraction of ½ or more; the other
 * operations are reference's, or exact; + 0 and + (−z) leave no −0. r overflows in a slice that counts as 0: s = r = z = 0
 * there. NaN goes through pmin and pmax, |t| ≤ 127 needs neither.
 * Source: reference/fake-quantize.ts.
 */
import type { EmittedOffer, KernelCall } from '../call.ts';
import { isEmpty, isFloat, type Nest } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { F64, V128 } from './asm/opcodes.ts';
import { emitNest, emitRow, nestOf, placeStrides, storePart, withRun } from './nest.ts';
import type { Parameters } from './program.ts';
import type { Target } from './target.ts';

export function offerFakeQuantize(call: KernelCall, { madd }: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'fakeQuantize' || following || inputs[0].data || !isFloat(call) || isEmpty(call))
    return null;
  const { batchDims, symmetric } = op;
  return {
    kernel: 'fake-quantize-f32-4-wasm',
    strided: true,
    overwrites: [0],
    emit: (program, [from], to) => {
      const strides = [placeStrides(from!, 4), placeStrides(to, 4)];
      const part = (begin: number, end?: number): Nest =>
        nestOf(
          output.shape.slice(begin, end),
          strides.map((steps) => steps.slice(begin, end)),
        );
      const cells = withRun(part(batchDims), [4, 4]);
      const spec: FakeQuantizeSpec = { slices: part(0, batchDims), cells, symmetric, madd };
      const kernel = program.kernel('fake-quantize-f32', spec, 2, buildFakeQuantize);
      program.step([kernel, from!.address, to.address]);
    },
  };
}

/** Vectors that the extremes are found in: 8000 elements take 0.33 µs with four, 0.6 with two, 1.0 with one. */
const accumulators = 4;

type FakeQuantizeSpec = {
  /** Bytes from slice to slice, and inside them; the innermost elements lie side by side. */
  readonly slices: Nest;
  readonly cells: Nest;
  readonly symmetric: boolean;
  readonly madd: boolean;
};

/** Of one slice, in every lane. */
interface Levels {
  readonly scale: Local<'v128'>;
  readonly inverse: Local<'v128'>;
  readonly zero: Local<'v128'>;
  readonly minusZero: Local<'v128'>;
}

/** Parameters: addresses of x and y. */
function buildFakeQuantize(f: FunctionBuilder, spec: FakeQuantizeSpec, [x, y]: Parameters): void {
  const { slices, cells, symmetric, madd } = spec;
  const count = slices.extents.length - 1;
  const ends = [x, y].map((pointer, j) => ({ pointer, bytes: slices.strides[j][count] }));
  const [from, to] = f.locals('i32', 2);
  const [min, max] = f.locals('f32', 2);
  const [scale, inverse, zero, minusZero] = f.locals('v128', 4);
  const levels = { scale, inverse, zero, minusZero };
  const find = extremesOf(f, cells, from, min, max);
  const round = rounding(f, cells, from, to, levels, symmetric, madd);
  emitNest(f, slices, [x, y], () =>
    emitRow(f, slices.extents[count], 1, 1, ends, () => {
      f.set(from, f.get(x));
      find();
      emitScale(f, min, max, levels, symmetric);
      f.set(from, f.get(x));
      f.set(to, f.get(y));
      round();
    }),
  );
}

/** Writes: min ≤ 0 and max ≥ 0 of the slice at `from`, which moves. */
function extremesOf(
  f: FunctionBuilder,
  cells: Nest,
  from: Local<'i32'>,
  min: Local<'f32'>,
  max: Local<'f32'>,
): () => void {
  const vectors = Math.min(accumulators, Math.ceil(lengthOf(cells) / 4));
  const least = f.locals('v128', vectors);
  const most = f.locals('v128', vectors);
  const bits = f.local('v128');
  const join = (op: 'i32x4.max_s' | 'i32x4.max_u', to: Local<'v128'>, other: () => V128): void =>
    f.set(to, f.op(op, f.get(to), other()));
  const fold = (
    op: 'i32x4.max_s' | 'i32x4.max_u',
    [a, ...others]: Local<'v128'>[],
    to: Local<'f32'>,
  ): void => {
    for (const other of others) join(op, a, () => f.get(other));
    for (const lanes of [halves, neighbours]) join(op, a, () => f.shuffle(lanes, f.get(a), f.get(a)));
    f.set(to, f.lane('f32x4.extract_lane', 0, f.get(a)));
  };
  return () => {
    for (const vector of least) f.set(vector, f.f32x4(-0)); // the least negative number
    for (const vector of most) f.set(vector, f.f32x4(0));
    emitNest(f, cells, [from], () =>
      emitRow(f, lengthOf(cells), 4, accumulators, [{ pointer: from, bytes: 4 }], (element, count) => {
        const i = (element >> 2) % accumulators;
        f.set(bits, f.load('v128.load', f.get(from), 4 * element));
        if (count < 4) f.set(bits, f.op('v128.and', f.get(bits), f.v128(maskOf(count))));
        join('i32x4.max_u', least[i], () => f.get(bits));
        join('i32x4.max_s', most[i], () => f.get(bits));
      }),
    );
    fold('i32x4.max_u', least, min);
    fold('i32x4.max_s', most, max);
  };
}

/** s, r and z from the ends of a slice: `sliceScale`, `sliceInverse` and `sliceZeroPoint` of reference. */
function emitScale(
  f: FunctionBuilder,
  min: Local<'f32'>,
  max: Local<'f32'>,
  levels: Levels,
  symmetric: boolean,
): void {
  const step = f.local('f64');
  const place = f.local('f64');
  const [s, r, z] = f.locals('f32', 3);
  const wide = (local: Local<'f32'>): F64 => f.op('f64.promote_f32', f.get(local));
  if (symmetric) {
    f.set(max, f.op('f32.max', f.op('f32.abs', f.get(min)), f.get(max)));
    f.set(s, f.op('f32.demote_f64', f.op('f64.div', wide(max), f.f64(127))));
    f.set(r, f.op('f32.demote_f64', f.op('f64.div', f.f64(127), wide(max))));
  } else {
    const low = (): F64 => f.op('f64.div', wide(min), f.get(step));
    const high = (): F64 => f.op('f64.div', wide(max), f.get(step));
    f.set(step, f.op('f64.div', f.op('f64.sub', wide(max), wide(min)), f.f64(255)));
    f.set(s, f.op('f32.demote_f64', f.get(step)));
    f.set(r, f.op('f32.demote_f64', f.op('f64.div', f.f64(1), wide(s))));
    // Within −128…127, low being ≤ 0 and high ≥ 0. Half away from zero: trunc(2z − trunc z).
    const isLow = f.op('f64.lt', f.op('f64.sub', f.f64(128), low()), f.op('f64.add', f.f64(127), high()));
    f.if(
      isLow,
      () => f.set(place, f.op('f64.sub', f.f64(-128), low())),
      () => f.set(place, f.op('f64.sub', f.f64(127), high())),
    );
    const twice = f.op('f64.add', f.get(place), f.get(place));
    const whole = f.op('f64.trunc', f.op('f64.sub', twice, f.op('f64.trunc', f.get(place))));
    f.set(z, f.op('f32.demote_f64', whole));
  }
  f.if(f.op('f32.eq', f.get(r), f.f32(Number.POSITIVE_INFINITY)), () => {
    for (const level of [s, r, z]) f.set(level, f.f32(0));
  });
  f.set(levels.scale, f.op('f32x4.splat', f.get(s)));
  f.set(levels.inverse, f.op('f32x4.splat', f.get(r)));
  if (symmetric) return;
  f.set(levels.zero, f.op('f32x4.splat', f.get(z)));
  f.set(levels.minusZero, f.op('f32x4.sub', f.f32x4(0), f.get(levels.zero))); // never −0
}

/** Writes: the slice at `from` rounded and stored at `to`, which move. */
function rounding(
  f: FunctionBuilder,
  cells: Nest,
  from: Local<'i32'>,
  to: Local<'i32'>,
  { scale, inverse, zero, minusZero }: Levels,
  symmetric: boolean,
  madd: boolean,
): () => void {
  const [level, sign, half, none, lowest, highest] = f.locals('v128', 6);
  f.set(sign, f.f32x4(-0));
  f.set(half, f.f32x4(0.5 - 2 ** -25));
  if (symmetric) f.set(none, f.f32x4(0));
  else {
    f.set(lowest, f.f32x4(-128));
    f.set(highest, f.f32x4(127));
  }
  const ends = [from, to].map((pointer) => ({ pointer, bytes: 4 }));
  const real = (): V128 => {
    // Fused or not, q·s + 0 is rounded once.
    if (symmetric && madd) return f.op('f32x4.relaxed_madd', f.get(level), f.get(scale), f.get(none));
    const product = f.op('f32x4.mul', f.get(level), f.get(scale));
    return symmetric ? f.op('f32x4.add', product, f.get(none)) : product;
  };
  return () => {
    emitNest(f, cells, [from, to], () =>
      emitRow(f, lengthOf(cells), 4, 2, ends, (element, count) => {
        f.set(level, f.op('f32x4.mul', f.load('v128.load', f.get(from), 4 * element), f.get(inverse)));
        if (!symmetric) f.set(level, f.op('f32x4.add', f.get(level), f.get(zero)));
        const nudge = f.op('v128.or', f.op('v128.and', f.get(level), f.get(sign)), f.get(half));
        f.set(level, f.op('f32x4.trunc', f.op('f32x4.add', nudge, f.get(level))));
        if (!symmetric) {
          f.set(level, f.op('f32x4.pmax', f.get(level), f.get(lowest)));
          f.set(level, f.op('f32x4.pmin', f.get(level), f.get(highest)));
          f.set(level, f.op('f32x4.add', f.get(level), f.get(minusZero)));
        }
        f.set(level, real());
        storePart(f, to, level, 4 * count, 4 * element);
      }),
    );
  };
}

function lengthOf({ extents }: Nest): number {
  return extents[extents.length - 1];
}

/** Nothing in the lanes from `count` on. */
function maskOf(count: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => (i < 4 * count ? 255 : 0));
}

const halves = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
const neighbours = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
