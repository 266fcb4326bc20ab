/**
 * y[oh,ow,c] = f(Σ or max or min of x[oh·sH + kh, ow·sW + kw, c]),  kh < kH, kw < kW
 *
 *   x, y   8-bit activations in any encoding, NHWC, any distance between pixels, rows and pictures;
 *          all windows inside x
 *
 * What int8 pools and reductions are made of. 16 channels at a time, sums in 16-bit lanes as long as they fit:
 *
 *   s0 = 0, s1 = 0
 *   loop   s0 += load8x8 x, s1 += load8x8 x+8     8 cells a turn
 *   the four quarters of s0, s1 in 32 bits → epilogue-i8.ts
 *
 *   m = v128.load x;  loop   m = max(m, v128.load x);   clamped, and given the output's encoding
 *
 * Small windows are unrolled. Order: pictures, rows, columns, blocks of channels, the window.
 * Exact: integers all the way; `f` of a sum is proven (prove-staircase.ts).
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { Epilogue, type EpilogueSpec } from './epilogue-i8.ts';
import { clampCodes, type Lie, lieBytes, loadHalf, pick, storeCodes } from './lanes-i8.ts';
import type { Parameters } from './program.ts';

export interface WindowSpecI8 {
  readonly [key: string]: unknown;
  readonly from: Lie;
  readonly pictures: number;
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly kH: number;
  readonly kW: number;
  /** Bytes from cell to cell of a window. */
  readonly cell: readonly [column: number, row: number];
  /** Bytes from window to window, from output to output. */
  readonly x: readonly [column: number, row: number, picture: number];
  readonly y: readonly [column: number, row: number, picture: number];
  readonly result: SumSpec | ExtremeSpec;
}

export interface SumSpec {
  readonly fn: 'sum';
  /** Sums leave 16 bits. */
  readonly long: boolean;
  /** Added to each sum. */
  readonly start: number;
  readonly epilogue: EpilogueSpec;
}

export interface ExtremeSpec {
  readonly fn: 'max' | 'min';
  /** Bounds as x is encoded. */
  readonly lo: number;
  readonly hi: number;
  readonly to: Lie;
  /** What the output's encoding adds to that of x. */
  readonly add: number;
}

const lanes = 16;
/** Cells whose loads are written one after the other. */
const mostUnrolled = 16;

/** Parameters: addresses of the first cell of the first window, y, and for sums the epilogue's constants. */
export function buildWindowsI8(f: FunctionBuilder, s: WindowSpecI8, [x, y, c]: Parameters): void {
  const { from, channels, result } = s;
  const writer = result.fn === 'sum' ? new SumWriter(f, result, c) : new ExtremeWriter(f, from, result);
  const size = lieBytes(from);
  const outSize = result.fn === 'sum' ? (result.epilogue.wide ? 2 : 1) : lieBytes(result.to);
  const at = f.local('i32');
  const block = (count: number): void => {
    f.set(at, f.get(x));
    writer.begin(at);
    overCells(f, s, at, (offset) => writer.take(at, from, offset));
    writer.store(count, y);
  };
  const whole = Math.floor((channels - 1) / lanes); // blocks before the last, which may be cut
  f.repeat(s.pictures, () => {
    f.repeat(s.rows, () => {
      f.repeat(s.columns, () => {
        f.repeat(whole, () => {
          block(lanes);
          f.advance(x, lanes * size);
          f.advance(y, lanes * outSize);
        });
        block(channels - whole * lanes);
        f.advance(x, s.x[0] - lanes * size * whole);
        f.advance(y, s.y[0] - lanes * outSize * whole);
      });
      f.advance(x, s.x[1] - s.columns * s.x[0]);
      f.advance(y, s.y[1] - s.columns * s.y[0]);
    });
    f.advance(x, s.x[2] - s.rows * s.x[1]);
    f.advance(y, s.y[2] - s.rows * s.y[1]);
  });
}

/** take(offset from `at`) for each cell; cells in a row are one row if the rows follow one another. */
function overCells(
  f: FunctionBuilder,
  s: WindowSpecI8,
  at: Local<'i32'>,
  take: (offset: number) => void,
): void {
  const [column, row] = s.cell;
  const isOne = s.kH === 1 || row === s.kW * column;
  const [high, wide] = isOne ? [1, s.kH * s.kW] : [s.kH, s.kW];
  if (high * wide <= mostUnrolled) {
    for (let h = 0; h < high; h++) for (let w = 0; w < wide; w++) take(h * row + w * column);
    return;
  }
  const unroll = Math.min(wide, mostUnrolled / 2);
  const turns = Math.floor(wide / unroll);
  f.repeat(high, () => {
    f.repeat(turns, () => {
      for (let w = 0; w < unroll; w++) take(w * column);
      f.advance(at, unroll * column);
    });
    for (let w = 0; w < wide % unroll; w++) take(w * column);
    f.advance(at, row - turns * unroll * column);
  });
}

class SumWriter {
  readonly #f: FunctionBuilder;
  readonly #spec: SumSpec;
  readonly #constants: Local<'i32'>;
  readonly #epilogue: Epilogue;
  readonly #short: Local<'v128'>[];
  readonly #long: Local<'v128'>[];
  readonly #half: Local<'v128'>;
  #unsigned = false;

  constructor(f: FunctionBuilder, spec: SumSpec, constants: Local<'i32'>) {
    this.#f = f;
    this.#spec = spec;
    this.#constants = constants;
    this.#epilogue = new Epilogue(f, spec.epilogue);
    this.#short = f.locals('v128', 2);
    this.#long = f.locals('v128', 4);
    this.#half = f.local('v128');
  }

  begin(): void {
    const f = this.#f;
    for (const sum of this.#spec.long ? this.#long : this.#short) f.set(sum, f.i32x4(0));
  }

  take(at: Local<'i32'>, from: Lie, offset: number): void {
    const f = this.#f;
    this.#unsigned = from === 'u8';
    for (const i of [0, 1] as const) {
      const load = (): V128 => loadHalf(f, from, at, offset, i);
      if (!this.#spec.long) {
        const sum = this.#short[i];
        f.set(sum, f.op('i16x8.add', f.get(sum), load()));
        continue;
      }
      f.set(this.#half, load());
      for (const part of ['low', 'high'] as const) {
        const sum = this.#long[2 * i + (part === 'low' ? 0 : 1)];
        const wide = (): V128 => f.op(`i32x4.extend_${part}_i16x8_s`, f.get(this.#half));
        f.set(sum, f.op('i32x4.add', wide(), f.get(sum)));
      }
    }
  }

  store(count: number, y: Local<'i32'>): void {
    const f = this.#f;
    const { long, start } = this.#spec;
    const sign = this.#unsigned ? 'u' : 's';
    const groups = this.#long.slice(0, Math.ceil(count / 4));
    groups.forEach((sum, i) => {
      if (!long) {
        const part = i % 2 === 0 ? 'low' : 'high';
        f.set(sum, f.op(`i32x4.extend_${part}_i16x8_${sign}`, f.get(this.#short[i >> 1])));
      }
      if (start !== 0) f.set(sum, f.op('i32x4.add', f.get(sum), f.i32x4(start)));
      this.#epilogue.requantize(sum, this.#constants, 0);
    });
    this.#epilogue.store(groups, count, () => f.get(y), 0);
  }
}

class ExtremeWriter {
  readonly #f: FunctionBuilder;
  readonly #from: Lie;
  readonly #spec: ExtremeSpec;
  readonly #kept: Local<'v128'>[];

  constructor(f: FunctionBuilder, from: Lie, spec: ExtremeSpec) {
    this.#f = f;
    this.#from = from;
    this.#spec = spec;
    this.#kept = f.locals('v128', lieBytes(from));
  }

  /** The first cell; it is compared with itself later. */
  begin(at: Local<'i32'>): void {
    const f = this.#f;
    this.#kept.forEach((kept, i) => {
      f.set(kept, f.load('v128.load', f.get(at), 16 * i));
    });
  }

  take(at: Local<'i32'>, _from: Lie, offset: number): void {
    const f = this.#f;
    this.#kept.forEach((kept, i) => {
      f.set(
        kept,
        pick(f, this.#from, this.#spec.fn, f.get(kept), f.load('v128.load', f.get(at), offset + 16 * i)),
      );
    });
  }

  store(count: number, y: Local<'i32'>): void {
    const f = this.#f;
    const { lo, hi, to, add } = this.#spec;
    for (const kept of this.#kept) clampCodes(f, this.#from, kept, lo, hi);
    storeCodes(f, this.#from, this.#kept, to, add, count, y, 0);
  }
}
