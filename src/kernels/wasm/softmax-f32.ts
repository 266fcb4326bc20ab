/**
 * y[i,c] = e^(β·(x[i,c] − mᵢ)) / Σ_c e^(β·(x[i,c] − mᵢ)),  mᵢ = max_c x[i,c]
 *
 *   x, y  f32 (…, C)
 *
 *   softmax-f32-row-wasm   a row after the other, three passes:
 *                            m = pmax(m, v128.load x);  y = e = exp(β·(x − m)), Σ += e;  y = y·(1/Σ)
 *   softmax-f32-4xC-wasm   few columns: four rows at once, one in each lane, a vector for each column
 *
 * Relative error from reference's f64 below (2·|β·(x − m)| + C/4 + 8)·2⁻²⁴, of subnormal results a few steps. Rows with
 * NaN or ∞ are NaN, as there.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import { ExpF32, expConstants, Splats } from './exp-f32.ts';
import { emitNest, emitRow, storePart } from './nest.ts';
import type { Parameters } from './program.ts';
import type { RowsSpec } from './softmax.ts';

export type SoftmaxF32Spec = RowsSpec & { readonly beta: number; readonly madd: boolean };

/** Rows to fill the lanes with, and columns few enough to stay in registers. */
export function isNarrow(columns: number, rows: number): boolean {
  return columns <= 8 && rows >= 4;
}

export function buildSoftmaxF32(f: FunctionBuilder, spec: SoftmaxF32Spec, [x, y]: Parameters): void {
  const { nest, columns, beta, madd } = spec;
  const splats = new Splats(f, [...expConstants, Number.NEGATIVE_INFINITY, beta]);
  const exp = new ExpF32(f, splats, madd);
  const max = f.local('v128');
  const sum = f.local('v128');
  const rows = nest.extents[nest.extents.length - 1];
  const [xRow, yRow] = nest.strides.map((strides) => strides[strides.length - 1]);
  const ends = [
    { pointer: x, bytes: xRow },
    { pointer: y, bytes: yRow },
  ];
  /** value ← e^(β·(value − max)), and to the sum */
  const power = (value: Local<'v128'>): void => {
    f.set(value, f.op('f32x4.sub', f.get(value), f.get(max)));
    if (beta !== 1) f.set(value, f.op('f32x4.mul', f.get(value), splats.get(beta)));
    exp.exp(value);
    f.set(sum, f.op('f32x4.add', f.get(sum), f.get(value)));
  };
  const invert = (): void => f.set(sum, f.op('f32x4.div', splats.get(1), f.get(sum)));
  const start = (): void => {
    f.set(max, splats.get(Number.NEGATIVE_INFINITY));
    f.set(sum, f.f32x4(0));
  };

  if (isNarrow(columns, rows)) {
    const values = f.locals('v128', columns);
    emitNest(f, nest, [x, y], () =>
      emitRow(f, rows, 4, 1, ends, (row, count) => {
        start();
        values.forEach((value, c) => {
          f.set(value, f.load('v128.load32_splat', f.get(x), row * xRow + 4 * c));
          for (let lane = 1; lane < count; lane++) {
            const offset = (row + lane) * xRow + 4 * c;
            f.set(value, f.memoryLane('v128.load32_lane', lane, f.get(x), f.get(value), offset));
          }
          f.set(max, f.op('f32x4.pmax', f.get(max), f.get(value)));
        });
        values.forEach(power);
        invert();
        values.forEach((value, c) => {
          f.set(value, f.op('f32x4.mul', f.get(value), f.get(sum)));
          for (let lane = 0; lane < count; lane++)
            f.memoryLane('v128.store32_lane', lane, f.get(y), f.get(value), (row + lane) * yRow + 4 * c);
        });
      }),
    );
    return;
  }

  const value = f.local('v128');
  const [from, to] = f.locals('i32', 2) as [Local<'i32'>, Local<'i32'>];
  /** Elements of the row that are there, −∞ in lanes behind them. */
  const load = (element: number, count: number): void => {
    f.set(value, f.load('v128.load', f.get(from), 4 * element));
    if (count === 4) return;
    const mask = Uint8Array.from({ length: 16 }, (_, i) => (i < 4 * count ? 255 : 0));
    const none = splats.get(Number.NEGATIVE_INFINITY);
    f.set(value, f.op('v128.bitselect', none, f.get(value), f.v128(mask.map((byte) => ~byte))));
  };
  /** In every lane. */
  const fold = (vector: Local<'v128'>, op: 'f32x4.add' | 'f32x4.pmax'): void => {
    for (const lanes of [halves, neighbours])
      f.set(vector, f.op(op, f.get(vector), f.shuffle(lanes, f.get(vector), f.get(vector))));
  };
  const pass = (body: (element: number, count: number) => void): void => {
    f.set(from, f.get(x));
    f.set(to, f.get(y));
    const walked = [from, to].map((pointer) => ({ pointer, bytes: 4 }));
    emitRow(f, columns, 4, 1, walked, body);
  };
  emitNest(f, nest, [x, y], () =>
    emitRow(f, rows, 1, 1, ends, () => {
      start();
      pass((element, count) => {
        load(element, count);
        f.set(max, f.op('f32x4.pmax', f.get(max), f.get(value)));
      });
      fold(max, 'f32x4.pmax');
      pass((element, count) => {
        load(element, count);
        power(value);
        storePart(f, to, value, 4 * count, 4 * element);
      });
      fold(sum, 'f32x4.add');
      invert();
      pass((element, count) => {
        f.set(value, f.op('f32x4.mul', f.load('v128.load', f.get(to), 4 * element), f.get(sum)));
        storePart(f, to, value, 4 * count, 4 * element);
      });
    }),
  );
}

const halves = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
const neighbours = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
