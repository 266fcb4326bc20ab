/**
 * y[oh,ow,c] = stages(scale · (Σ or max or min) of x[oh·sH + kh, ow·sW + kw, c]),  kh < kH, kw < kW
 *
 *   x, y   f32, NHWC, with any distance between pixels, rows and pictures; all windows inside x
 *
 * What pools and reductions over the axes in front of the innermost one are made of. Up to 4 vectors of channels are
 * taken at a time, each with a result in a local; a row of few cells is unrolled:
 *
 *   loop  kH times:  v = v128.load x             r0 = r0 ∘ v
 *                    …                           r3 = r3 ∘ (v128.load x+48)
 *                    v = v128.load x+cell        r0 = r0 ∘ v   …
 *                    x += row
 *
 * Order: pictures, rows, columns, blocks of channels, the window.
 * Exact: max and min equal reference, NaN included (joinExtreme). Sums are in f32, in the order of the cells: the
 * error is at most (kH·kW + 1)·2⁻²⁴·scale·Σ|x|. No cells: 0.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import { emitStages, type Stage, storeLanes } from './epilogue-conv-f32.ts';
import type { Parameters } from './program.ts';

export interface WindowSpec {
  readonly [key: string]: unknown;
  readonly fn: 'sum' | 'max' | 'min';
  /** Of sums. */
  readonly scale: number;
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
  readonly stages: readonly Stage[];
}

const mostVectors = 4;
const mostUnrolled = 4;

/** Parameters: addresses of the first cell of the first window, y. */
export function buildWindows(f: FunctionBuilder, s: WindowSpec, [x, y]: Parameters): void {
  const at = f.local('i32');
  const results = f.locals('v128', Math.min(mostVectors, Math.ceil(s.channels / 4)));
  const noNumber = s.fn === 'sum' ? [] : f.locals('v128', results.length);
  const hand = f.local('v128');

  const join = (taken: readonly Local<'v128'>[], offset: number): void => {
    for (const [i, result] of taken.entries()) {
      f.set(hand, f.load('v128.load', f.get(at), offset + 16 * i));
      if (s.fn === 'sum') f.set(result, f.op('f32x4.add', f.get(result), f.get(hand)));
      else joinExtreme(f, s.fn, result, noNumber[i], hand);
    }
  };
  const cells = (taken: readonly Local<'v128'>[]): void => {
    f.set(at, f.get(x));
    for (const [i, result] of taken.entries()) {
      // What is compared may start with the first cell twice, a sum may not.
      if (s.fn === 'sum' || s.kH * s.kW === 0) f.set(result, f.f32x4(0));
      else f.set(result, f.load('v128.load', f.get(at), 16 * i));
      if (s.fn !== 'sum') f.set(noNumber[i], f.f32x4(0));
    }
    const unrolled = s.kW <= mostUnrolled;
    f.repeat(s.kH, () => {
      if (unrolled) for (let kw = 0; kw < s.kW; kw++) join(taken, kw * s.cell[0]);
      else
        f.repeat(s.kW, () => {
          join(taken, 0);
          f.advance(at, s.cell[0]);
        });
      f.advance(at, s.cell[1] - (unrolled ? 0 : s.kW * s.cell[0]));
    });
    for (const [i, mask] of noNumber.slice(0, taken.length).entries())
      f.set(taken[i], f.op('v128.or', f.get(taken[i]), f.get(mask)));
  };

  const block = (vectors: number, lanes: number): void => {
    const taken = results.slice(0, vectors);
    cells(taken);
    if (s.scale !== 1) {
      f.set(hand, f.f32x4(s.scale));
      for (const result of taken) f.set(result, f.op('f32x4.mul', f.get(result), f.get(hand)));
    }
    emitStages(f, s.stages, taken, hand, () => f.f32x4(0));
    for (const [i, result] of taken.entries())
      storeLanes(f, i === vectors - 1 ? lanes : 4, y, result, 16 * i);
  };

  const vectors = Math.ceil(s.channels / 4);
  const whole = Math.floor((vectors - 1) / mostVectors); // blocks before the last, which may be cut
  f.repeat(s.pictures, () => {
    f.repeat(s.rows, () => {
      f.repeat(s.columns, () => {
        f.repeat(whole, () => {
          block(mostVectors, 4);
          f.advance(x, 16 * mostVectors);
          f.advance(y, 16 * mostVectors);
        });
        block(vectors - whole * mostVectors, ((s.channels - 1) % 4) + 1);
        f.advance(x, s.x[0] - 16 * mostVectors * whole);
        f.advance(y, s.y[0] - 16 * mostVectors * whole);
      });
      f.advance(x, s.x[1] - s.columns * s.x[0]);
      f.advance(y, s.y[1] - s.columns * s.y[0]);
    });
    f.advance(x, s.x[2] - s.rows * s.x[1]);
    f.advance(y, s.y[2] - s.rows * s.y[1]);
  });
}

/**
 * result = max or min of result and value, as far as they are numbers; `noNumber` becomes all ones in lanes where
 * value is NaN, so that the result joined with it by `or` is NaN there. f32x4.max, which does it all at once, takes
 * eight instructions instead of three.
 */
export function joinExtreme(
  f: FunctionBuilder,
  fn: 'max' | 'min',
  result: Local<'v128'>,
  noNumber: Local<'v128'>,
  value: Local<'v128'>,
): void {
  f.set(result, f.op(`f32x4.p${fn}`, f.get(result), f.get(value)));
  f.set(noNumber, f.op('v128.or', f.get(noNumber), f.op('f32x4.ne', f.get(value), f.get(value))));
}
