/**
 * y[kept axes] = Σ, mean, max or min of x over the reduced axes        sum-f32-wasm, mean-f32-wasm, …
 *
 *   x   f32, any shape; the reduced axes neighbours, but for axes of one element
 *   y   f32, x's shape with the reduced axes 1, or left out
 *
 * With n elements in front of the reduced axes, r in them and c behind them:
 *
 *   c > 1   n pictures with one window of r×1 cells and c channels (window-f32.ts); pictures over which the mean of
 *           NHWC is taken may be strided
 *   c = 1   rows of r: four lanes side by side, in two vectors at a time, folded at the end
 *
 *             loop   s0 = s0 ∘ (v128.load x)   s1 = s1 ∘ (v128.load x+16)   x += 32
 *             s = s0 ∘ s1,  then its lanes, then the elements left over
 *
 * Exact: max and min equal reference, NaN included; sums are in f32, |error| ≤ (r + 1)·2⁻²⁴·Σ|x|.
 */
import { elementCount } from '../../tensor.ts';
import type { EmittedOffer, KernelCall } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { isEmpty, isFloat } from '../js/views.ts';
import type { FunctionBuilder } from './asm/function.ts';
import type { F32 } from './asm/opcodes.ts';
import type { Parameters } from './program.ts';
import type { Target } from './target.ts';
import { buildWindows, joinExtreme, type WindowSpec } from './window-f32.ts';

export function offerReduce(call: KernelCall, _target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, following } = call;
  if (op.kind !== 'reduce' || op.fn === 'prod' || following || !isFloat(call) || isEmpty(call)) return null;
  const { shape } = inputs[0];
  const axes = op.axes.filter((axis) => shape[axis] > 1);
  const from = axes[0] ?? 0;
  const to = (axes[axes.length - 1] ?? -1) + 1;
  if (axes.length !== to - from) return null;
  const outer = extentBetween(shape, 0, from);
  const reduced = extentBetween(shape, from, to);
  const inner = elementCount(shape) / (outer * reduced);
  const scale = op.fn === 'mean' ? Math.fround(1 / reduced) : 1;
  const fn = op.fn === 'mean' ? 'sum' : op.fn;
  const kernel = `${op.fn}-f32-wasm`;
  if (inner === 1) {
    const spec = { fn, scale, rows: outer, length: reduced };
    return {
      kernel,
      emit: (program, [x], y) =>
        program.step([program.kernel('reduce-rows-f32', spec, 2, buildRows), x!.address, y.address]),
    };
  }
  const isPicture = shape.length === 4 && op.axes.length === 2 && op.axes[0] === 1 && op.axes[1] === 2;
  return {
    kernel,
    strided: isPicture,
    emit: (program, [x], y) => {
      const spec: WindowSpec = {
        fn,
        scale,
        pictures: isPicture ? shape[0] : outer,
        rows: 1,
        columns: 1,
        channels: isPicture ? shape[3] : inner,
        ...(isPicture
          ? { kH: shape[1], kW: shape[2], cell: [4 * x!.strides[2], 4 * x!.strides[1]] }
          : { kH: reduced, kW: 1, cell: [0, 4 * inner] }),
        x: [0, 0, isPicture ? 4 * x!.strides[0] : 4 * reduced * inner],
        y: [0, 0, isPicture ? 4 * y.strides[0] : 4 * inner],
        stages: [],
      };
      program.step([program.kernel('windows-f32', spec, 2, buildWindows), x!.address, y.address]);
    },
  };
}

interface RowsSpec {
  readonly [key: string]: unknown;
  readonly fn: 'sum' | 'max' | 'min';
  readonly scale: number;
  readonly rows: number;
  readonly length: number;
}

/** Parameters: addresses of x (rows, length) and y (rows). */
function buildRows(f: FunctionBuilder, s: RowsSpec, [x, y]: Parameters): void {
  const sums = f.locals('v128', 2);
  const noNumber = f.locals('v128', 2);
  const hand = f.local('v128');
  const result = f.local('f32');
  const scalar = s.fn === 'sum' ? 'f32.add' : (`f32.${s.fn}` as const);
  const join = (i: number): void => {
    f.set(hand, f.load('v128.load', f.get(x), 16 * i));
    if (s.fn === 'sum') f.set(sums[i], f.op('f32x4.add', f.get(sums[i]), f.get(hand)));
    else joinExtreme(f, s.fn, sums[i], noNumber[i], hand);
  };
  f.repeat(s.rows, () => {
    for (let i = 0; i < 2; i++) {
      // What is compared may start with an element twice, a sum may not.
      f.set(sums[i], s.fn === 'sum' ? f.f32x4(0) : f.load('v128.load32_splat', f.get(x)));
      f.set(noNumber[i], f.f32x4(0));
    }
    f.repeat(s.length >> 3, () => {
      join(0);
      join(1);
      f.advance(x, 32);
    });
    if (s.length & 4) {
      join(0);
      f.advance(x, 16);
    }
    for (let i = 0; i < 2; i++) f.set(sums[i], f.op('v128.or', f.get(sums[i]), f.get(noNumber[i])));
    f.set(sums[0], f.op(s.fn === 'sum' ? 'f32x4.add' : `f32x4.${s.fn}`, f.get(sums[0]), f.get(sums[1])));
    f.set(result, f.lane('f32x4.extract_lane', 0, f.get(sums[0])));
    const more = (value: () => F32): void => f.set(result, f.op(scalar, f.get(result), value()));
    for (let lane = 1; lane < 4; lane++) more(() => f.lane('f32x4.extract_lane', lane, f.get(sums[0])));
    for (let i = 0; i < (s.length & 3); i++) more(() => f.load('f32.load', f.get(x), 4 * i));
    if (s.scale !== 1) f.set(result, f.op('f32.mul', f.get(result), f.f32(s.scale)));
    f.store('f32.store', f.get(y), f.get(result));
    f.advance(x, 4 * (s.length & 3));
    f.advance(y, 4);
  });
}
