/**
 * From int32 sums to stored outputs, four channels to a vector. The constants are those of requantize-f32.ts.
 *
 *   linear, signed   r = trunc(f32(sum)·scale + bias)           sum holds `start` already
 *   even             r = trunc(nearest(f32(sum)·scale))
 *   integer          r = the two roundings, lane by lane
 *   code = clamp(r + base, lo, hi) + offset                     offset: the output's encoding
 *
 * Bytes are narrowed with unsigned saturation, counted from lo, which clamps at lo for nothing. Truncation saturates;
 * relaxed truncation, which need not, takes its place where scales are so small that no int32 leaves int32.
 */
import type { Encoding, Operand } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { I32, V128 } from './asm/opcodes.ts';
import type { F32Requantizer } from './requantize-f32.ts';
import type { Target } from './target.ts';

/** What the emitted code depends on; part of a kernel's spec. */
export interface EpilogueSpec {
  readonly form: F32Requantizer['form'];
  readonly madd: boolean;
  /** Relaxed truncation will do. */
  readonly relaxed: boolean;
  /** Outputs take two bytes. */
  readonly wide: boolean;
  /** base − lo, hi − lo, and the code of lo. */
  readonly up: number;
  readonly span: number;
  readonly origin: number;
}

export function epilogueSpec(
  requantizer: F32Requantizer,
  output: Operand,
  encoding: Encoding,
  target: Target,
): EpilogueSpec {
  const { form, base, lo, hi } = requantizer;
  return {
    form,
    madd: target.madd,
    relaxed: target.madd && staysInInt32(requantizer),
    wide: encodedBytes(output, encoding) === 2,
    up: base - lo,
    span: hi - lo,
    origin: lo + encodingOffset(output, encoding),
  };
}

function staysInInt32({ scale, bias, negativeBias }: F32Requantizer): boolean {
  for (let c = 0; c < scale.length; c++)
    if (!(Math.abs(scale[c]) * 2 ** 31 + Math.max(Math.abs(bias[c]), Math.abs(negativeBias[c])) < 2 ** 30))
      return false;
  return true;
}

/** Bytes of constants for each four channels. */
export function groupBytes(form: F32Requantizer['form']): number {
  return { linear: 32, signed: 48, even: 16, integer: 32 }[form];
}

/**
 * The constants of output channels first … first+count−1 in groups of four, zeros behind the last:
 * [scale ×4][bias ×4][negativeBias ×4], or [multiplier ×4][shift ×4], as far as the form has them.
 */
export function epilogueConstants(requantizer: F32Requantizer, first: number, count: number): Uint8Array {
  const { form, scale, bias, negativeBias, multipliers, shifts } = requantizer;
  const lists: (Float32Array | Int32Array)[] = {
    linear: [scale, bias],
    signed: [scale, bias, negativeBias],
    even: [scale],
    integer: [multipliers, shifts],
  }[form];
  const size = 4 * lists.length;
  const words = new Int32Array(Math.ceil(count / 4) * size);
  lists.forEach((list, i) => {
    const bits = new Int32Array(list.buffer, list.byteOffset, list.length);
    for (let c = 0; c < count && first + c < bits.length; c++)
      words[(c >> 2) * size + 4 * i + (c & 3)] = bits[first + c];
  });
  return new Uint8Array(words.buffer);
}

/** A pointer and a displacement in bytes. */
export interface Address {
  readonly pointer: Local<'i32'>;
  readonly offset: number;
}

/** Emits the epilogue of one function; made before its loops, so that constants of all channels are set once. */
export class Epilogue {
  readonly #f: FunctionBuilder;
  readonly #spec: EpilogueSpec;
  readonly #constants = new Map<string, Local<'v128'>>();

  constructor(f: FunctionBuilder, spec: EpilogueSpec) {
    this.#f = f;
    this.#spec = spec;
    const { form, wide, up, span, origin } = spec;
    if (form !== 'linear') this.#constant('up', 2, wide ? up + origin : up);
    else if (wide) this.#constant('up', 2, origin);
    if (wide) {
      this.#keep('origin', () => f.i16x8(origin));
      this.#keep('top', () => f.i16x8(origin + span));
    } else {
      if (span < 255) this.#keep('span', () => f.i8x16(span));
      this.#constant('origin', 1, origin & 0xff);
    }
  }

  /** sum ← r, with the constants of its four channels at `constants` + `offset`. */
  requantize(sum: Local<'v128'>, constants: Local<'i32'>, offset: number): void {
    this.requantizeAll([sum], constants, offset);
  }

  /** The same for sums of the same four channels. */
  requantizeAll(sums: readonly Local<'v128'>[], constants: Local<'i32'>, offset: number): void {
    const f = this.#f;
    const { form } = this.#spec;
    if (form === 'integer') {
      for (const sum of sums)
        for (let lane = 0; lane < 4; lane++) this.#requantizeLane(sum, lane, constants, offset + 4 * lane);
      return;
    }
    const load = (i: number) => (): V128 => f.load('v128.load', f.get(constants), offset + 16 * i);
    const vectors = Array.from({ length: groupBytes(form) / 16 }, (_, i) => {
      if (sums.length === 1) return load(i);
      const kept = this.#vector(i);
      f.set(kept, load(i)());
      return () => f.get(kept);
    });
    const [scale, bias, negativeBias] = vectors as [() => V128, () => V128, () => V128];
    for (const sum of sums) {
      const real = (): V128 => f.op('f32x4.convert_i32x4_s', f.get(sum));
      const isNegative = (): V128 => f.op('i32x4.shr_s', f.get(sum), f.i32(31));
      switch (form) {
        case 'linear':
          f.set(sum, this.#truncate(this.#madd(real, scale, bias)));
          break;
        case 'signed':
          f.set(
            sum,
            this.#truncate(
              this.#madd(real, scale, () =>
                f.op(
                  this.#spec.madd ? 'i32x4.relaxed_laneselect' : 'v128.bitselect',
                  negativeBias(),
                  bias(),
                  isNegative(),
                ),
              ),
            ),
          );
          break;
        case 'even':
          f.set(sum, this.#truncate(f.op('f32x4.nearest', f.op('f32x4.mul', real(), scale()))));
          break;
      }
    }
  }

  /** The codes of up to 16 channels (wide: 8) whose r are in `groups`, as a vector; lanes behind them are anything. */
  codes(groups: readonly Local<'v128'>[]): V128 {
    const f = this.#f;
    const group = (i: number): V128 => f.get(groups[Math.min(i, groups.length - 1)]);
    const halves = (i: number): V128 =>
      this.#with('up', f.op('i16x8.narrow_i32x4_s', group(i), group(i + 1)), (a, b) =>
        f.op('i16x8.add_sat_s', a, b),
      );
    if (this.#spec.wide) {
      const above = this.#with('origin', halves(0), (a, b) => f.op('i16x8.max_s', a, b));
      return this.#with('top', above, (a, b) => f.op('i16x8.min_s', a, b));
    }
    const bytes = f.op('i8x16.narrow_i16x8_u', halves(0), halves(groups.length > 2 ? 2 : 0));
    const below = this.#with('span', bytes, (a, b) => f.op('i8x16.min_u', a, b));
    return this.#with('origin', below, (a, b) => f.op('i8x16.add', a, b));
  }

  /** Stores the codes of `count` channels that lie side by side at `address` + `offset`. */
  store(groups: readonly Local<'v128'>[], count: number, address: () => I32, offset: number): void {
    const f = this.#f;
    const size = this.#spec.wide ? 2 : 1;
    const perVector = 16 / size;
    for (let first = 0; first < count; first += perVector) {
      const part = groups.slice(first >> 2, (first + perVector) >> 2);
      storeBytes(
        f,
        () => this.codes(part),
        Math.min(count - first, perVector) * size,
        address,
        offset + first * size,
      );
    }
  }

  /** The same for several pixels at once, each at its address: where one fills part of a vector, they share it. */
  storeAll(pixels: readonly (readonly Local<'v128'>[])[], count: number, at: readonly Address[]): void {
    const f = this.#f;
    const bytes = count * (this.#spec.wide ? 2 : 1);
    const together = count % 4 === 0 && (bytes === 4 || bytes === 8) ? 16 / bytes : 1;
    for (let first = 0; first < pixels.length; first += together) {
      const some = pixels.slice(first, first + together);
      if (some.length === 1) {
        const { pointer, offset } = at[first]!;
        this.store(some[0]!, count, () => f.get(pointer), offset);
        continue;
      }
      const kept = this.#vector(0);
      f.set(kept, this.codes(some.flat()));
      some.forEach((_, i) => {
        const { pointer, offset } = at[first + i]!;
        const store = bytes === 8 ? 'v128.store64_lane' : 'v128.store32_lane';
        f.memoryLane(store, i, f.get(pointer), f.get(kept), offset);
      });
    }
  }

  #truncate(_real: V128): V128 {
    return this.#f.op(this.#spec.relaxed ? 'i32x4.relaxed_trunc_f32x4_s' : 'i32x4.trunc_sat_f32x4_s', _real);
  }

  #madd(x: () => V128, factor: () => V128, addend: () => V128): V128 {
    const f = this.#f;
    return this.#spec.madd
      ? f.op('f32x4.relaxed_madd', x(), factor(), addend())
      : f.op('f32x4.add', f.op('f32x4.mul', x(), factor()), addend());
  }

  /** multiplyByQuantizedMultiplier of one lane (requantize.ts), in 64 bits. */
  #requantizeLane(sum: Local<'v128'>, lane: number, constants: Local<'i32'>, offset: number): void {
    const f = this.#f;
    const shift = this.#keepScalar('shift');
    const high = this.#keepScalar('high');
    const right = this.#keepScalar('right');
    const mask = this.#keepScalar('mask');
    f.set(shift, f.load('i32.load', f.get(constants), offset + 16));
    f.set(right, f.op('i32.sub', f.i32(0), f.get(shift)));
    f.if(
      f.op('i32.gt_s', f.get(shift), f.i32(0)),
      () => f.set(right, f.i32(0)),
      () => f.set(shift, f.i32(0)),
    );
    // The high product: (x·2^shift·multiplier + 2^30) >> 31; no multiplier is −2³¹, so it never saturates.
    f.set(
      high,
      f.op(
        'i32.wrap_i64',
        f.op(
          'i64.shr_s',
          f.op(
            'i64.add',
            f.op(
              'i64.mul',
              f.op(
                'i64.extend_i32_s',
                f.op('i32.shl', f.lane('i32x4.extract_lane', lane, f.get(sum)), f.get(shift)),
              ),
              f.op('i64.extend_i32_s', f.load('i32.load', f.get(constants), offset)),
            ),
            f.i64(1n << 30n),
          ),
          f.i64(31n),
        ),
      ),
    );
    // Division by 2^right, halves away from zero; 31 and more leave 0 here, as no product reaches 2³¹.
    f.if(f.op('i32.gt_s', f.get(right), f.i32(31)), () => {
      f.set(high, f.i32(0));
      f.set(right, f.i32(0));
    });
    f.set(mask, f.op('i32.sub', f.op('i32.shl', f.i32(1), f.get(right)), f.i32(1)));
    f.set(
      high,
      f.op(
        'i32.add',
        f.op('i32.shr_s', f.get(high), f.get(right)),
        f.op(
          'i32.gt_s',
          f.op('i32.and', f.get(high), f.get(mask)),
          f.op(
            'i32.add',
            f.op('i32.shr_u', f.get(mask), f.i32(1)),
            f.op('i32.shr_u', f.get(high), f.i32(31)),
          ),
        ),
      ),
    );
    f.set(sum, f.lane('i32x4.replace_lane', lane, f.get(sum), f.get(high)));
  }

  readonly #vectors: Local<'v128'>[] = [];

  /** A local to work in. */
  #vector(i: number): Local<'v128'> {
    this.#vectors[i] ??= this.#f.local('v128');
    return this.#vectors[i];
  }

  readonly #scalars = new Map<string, Local<'i32'>>();

  #keepScalar(name: string): Local<'i32'> {
    const kept = this.#scalars.get(name) ?? this.#f.local('i32');
    this.#scalars.set(name, kept);
    return kept;
  }

  #constant(name: string, bytes: 1 | 2, value: number): void {
    const f = this.#f;
    if (value !== 0) this.#keep(name, () => (bytes === 1 ? f.i8x16(value) : f.i16x8(value)));
  }

  #keep(name: string, value: () => V128): void {
    const local = this.#f.local('v128');
    this.#f.set(local, value());
    this.#constants.set(name, local);
  }

  /** combine(value, the constant), or the value where there is none. */
  #with(name: string, value: V128, combine: (value: V128, constant: V128) => V128): V128 {
    const constant = this.#constants.get(name);
    return constant ? combine(value, this.#f.get(constant)) : value;
  }
}

/** Stores the first `bytes` bytes of a vector. */
export function storeBytes(
  f: FunctionBuilder,
  value: () => V128,
  bytes: number,
  address: () => I32,
  offset: number,
): void {
  if (bytes === 16) {
    f.store('v128.store', address(), value(), offset);
    return;
  }
  if (bytes === 8) {
    f.memoryLane('v128.store64_lane', 0, address(), value(), offset);
    return;
  }
  if (bytes === 4) {
    f.memoryLane('v128.store32_lane', 0, address(), value(), offset);
    return;
  }
  const kept = f.local('v128');
  f.set(kept, value());
  let at = 0;
  for (const [size, store] of parts)
    if (at + size <= bytes) {
      f.memoryLane(store, at / size, address(), f.get(kept), offset + at);
      at += size;
    }
}

const parts = [
  [8, 'v128.store64_lane'],
  [4, 'v128.store32_lane'],
  [2, 'v128.store16_lane'],
  [1, 'v128.store8_lane'],
] as const;
