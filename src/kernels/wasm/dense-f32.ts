/**
 * y[m,n] = stages(bias[n] + Σₖ x[m,k]·w[n,k])                                 dense-f32-1x<nr>-wasm
 *
 *   x     f32 (…, K)        dense
 *   w     f32 [N][K]        as it is; rows padded with zeros to whole vectors, and zero rows to a multiple of 4
 *   bias  f32 [N]
 *   y     f32 (…, N)
 *
 * One row of x (M = 1) is bound by reading the weights once: nr rows of them are read side by side, so that x is
 * loaded once for all, and each sum is a vector of four partial sums, added up at the end.
 *
 *   loop                                     ⌊K/8⌋ times
 *     a = v128.load x       s0 += a·(v128.load w)     s1 += a·(v128.load w+row)   …
 *     a = v128.load x+16    s0 += a·(v128.load w+16)  …
 *     x += 32,  w += 32
 *
 * The last vector of x is loaded without what lies behind it, which may be no number.
 * More rows are the pixels of a 1×1 convolution and go there; so does an addition fused behind.
 *
 * Packed as [N/nr][K][nr], with x splat, the weights are read 5 % slower, and packing them takes time.
 * Exact: products are added in f32; |error| ≤ (K + 2)·2⁻²⁴·(|bias| + Σ|x·w|), fused or not.
 */
import { elementCount } from '../../tensor.ts';
import { type EmittedOffer, type KernelCall, noPad, type Operand, type Place } from '../call.ts';
import { isEmpty, isFloat } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { offerConv2dF32 } from './conv2d-f32.ts';
import { emitStages, epilogueOf, type Stage, storeLanes } from './epilogue-conv-f32.ts';
import { addProduct, floatsOf } from './lanes-f32.ts';
import type { Parameters, Program } from './program.ts';
import { maddReason, type Target } from './target.ts';

export function offerDenseF32(call: KernelCall, target: Target, _choice?: string): EmittedOffer | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'dense' || !isFloat(call) || isEmpty(call)) return null;
  const epilogue = epilogueOf(call, op.clamp);
  const [N, K] = inputs[1].shape;
  const M = elementCount(output.shape) / N;
  if (M > 1 || !epilogue || epilogue.residual !== -1) return offerAsConvolution(call, target, M);
  const w = floatsOf(inputs[1]);
  const others = call.following?.reduce((sum, next) => sum + next.others, 0) ?? 0;
  const bias = inputs.length - others > 2 ? floatsOf(inputs[2]) : new Float32Array(N);
  if (!w || !bias) return null;
  const { madd } = target;
  // Without madd V8 keeps fewer sums in registers.
  const vectors = madd && N > 4 ? 2 : 1;
  const spec: DenseSpec = { madd, depth: K, outputs: N, vectors, stages: epilogue.stages };
  return {
    kernel: `dense-f32-1x${4 * vectors}-wasm`,
    reason: maddReason(target),
    emit: (program, [x], y) => {
      const kernel = program.kernel('dense-f32', spec, 4, buildDense);
      program.step([kernel, x!.address, packRows(program, w, N, K), packBias(program, bias), y.address]);
    },
  };
}

/** x (…, K) is K channels of M pixels; w (N, K) is N kernels of 1×1. */
function offerAsConvolution(call: KernelCall, target: Target, M: number): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following = [] } = call;
  if (op.kind !== 'dense') return null;
  const [N, K] = inputs[1].shape;
  const pixels = (operand: Operand): Operand =>
    elementCount(operand.shape) === M * N ? { ...operand, shape: [1, 1, M, N] } : operand;
  const [x, w, ...others] = inputs;
  const offer = offerConv2dF32(
    {
      arithmetic: { ...op, kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, groups: 1 },
      inputs: [{ ...x, shape: [1, 1, M, K] }, { ...w, shape: [N, 1, 1, K] }, ...others.map(pixels)],
      output: pixels(output),
      following: following.map((next) => ({ ...next, x: pixels(next.x), output: pixels(next.output) })),
    },
    target,
  );
  if (!offer) return null;
  const flat = (place: Place, channels: number): Place => ({
    ...place,
    strides: [M * channels, M * channels, channels, 1],
  });
  return {
    kernel: offer.kernel,
    emit: (program, [x, ...places], y, scratch) =>
      offer.emit(
        program,
        [flat(x!, K), ...places.map((place) => place && flat(place, N))],
        flat(y, N),
        scratch,
      ),
  };
}

interface DenseSpec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly depth: number;
  readonly outputs: number;
  /** Vectors of 4 outputs side by side. */
  readonly vectors: number;
  readonly stages: readonly Stage[];
}

const whole = (count: number): number => Math.ceil(count / 4) * 4;

function packRows(program: Program, w: Float32Array, N: number, K: number): number {
  const row = whole(K);
  return program.constant(4 * row * whole(N), (bytes) => {
    const packed = new Float32Array(bytes.buffer, bytes.byteOffset, row * whole(N));
    if (row === K) packed.set(w);
    else for (let n = 0; n < N; n++) packed.set(w.subarray(n * K, (n + 1) * K), n * row);
  });
}

function packBias(program: Program, bias: Float32Array): number {
  const packed = new Float32Array(whole(bias.length));
  packed.set(bias);
  return program.constantOf(packed);
}

/** Parameters: addresses of x, the padded weights and bias, y. */
function buildDense(f: FunctionBuilder, s: DenseSpec, [x0, w, bias, y]: Parameters): void {
  const row = 4 * whole(s.depth);
  const x = f.local('i32');
  const a = f.local('v128');
  const sums = f.locals('v128', 4 * s.vectors);
  const products = (rows: number, offset: number): void => {
    for (let n = 0; n < rows; n++)
      addProduct(f, s.madd, sums[n], a, () => f.load('v128.load', f.get(w), n * row + offset));
  };
  const round = (rows: number, vectors: number): void => {
    for (let v = 0; v < vectors; v++) {
      f.set(a, f.load('v128.load', f.get(x), 16 * v));
      products(rows, 16 * v);
    }
    f.advance(x, 16 * vectors);
    f.advance(w, 16 * vectors);
  };
  const block = (vectors: number, lanes: number): void => {
    const rows = 4 * vectors;
    for (const sum of sums.slice(0, rows)) f.set(sum, f.f32x4(0));
    f.set(x, f.get(x0));
    f.repeat(s.depth >> 3, () => round(rows, 2));
    if (s.depth & 4) round(rows, 1);
    if (s.depth & 3) {
      f.set(a, loadFirst(f, x, s.depth & 3));
      products(rows, 0);
      f.advance(w, 16);
    }
    f.advance(w, (rows - 1) * row);
    const results = Array.from({ length: vectors }, (_, v) => {
      addUp(f, sums.slice(4 * v, 4 * v + 4), a);
      f.set(sums[4 * v], f.op('f32x4.add', f.get(sums[4 * v]), f.load('v128.load', f.get(bias), 16 * v)));
      return sums[4 * v];
    });
    emitStages(f, s.stages, results, a, () => f.f32x4(0));
    for (const [v, sum] of results.entries()) storeLanes(f, v === vectors - 1 ? lanes : 4, y, sum, 16 * v);
    f.advance(y, 16 * vectors);
    f.advance(bias, 16 * vectors);
  };
  const vectors = whole(s.outputs) / 4;
  const last = ((vectors - 1) % s.vectors) + 1;
  f.repeat((vectors - last) / s.vectors, () => block(s.vectors, 4));
  block(last, ((s.outputs - 1) % 4) + 1);
}

/** The first 1 to 3 elements, zeros behind them. */
function loadFirst(f: FunctionBuilder, at: Local<'i32'>, lanes: number): V128 {
  if (lanes === 1) return f.load('v128.load32_zero', f.get(at));
  if (lanes === 2) return f.load('v128.load64_zero', f.get(at));
  return f.memoryLane('v128.load32_lane', 2, f.get(at), f.load('v128.load64_zero', f.get(at)), 8);
}

const lowPairs = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const highPairs = lowPairs.map((lane) => lane + 8);
const lowHalves = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const highHalves = lowHalves.map((lane) => lane + 8);

/** sums[0] = the sum of the four lanes of each. */
function addUp(f: FunctionBuilder, sums: readonly Local<'v128'>[], hand: Local<'v128'>): void {
  const fold = (low: number[], high: number[], a: Local<'v128'>, b: Local<'v128'>): V128 =>
    f.op('f32x4.add', f.shuffle(low, f.get(a), f.get(b)), f.shuffle(high, f.get(a), f.get(b)));
  f.set(hand, fold(lowPairs, highPairs, sums[0], sums[1]));
  f.set(sums[2], fold(lowPairs, highPairs, sums[2], sums[3]));
  f.set(sums[0], fold(lowHalves, highHalves, hand, sums[2]));
}
