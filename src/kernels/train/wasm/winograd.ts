/**
 * A 3×3 layer of stride 1 whose weights change, by F(4×4, 3×3) (wasm/winograd-f32.ts), U = G·g·Gᵀ made in each run:
 *
 *   g   f32 at w + channel·channelStep + c·depthStep + tap offset
 *   U   f32 [blocks][36][C][nr]      in scratch; 4 output channels are transformed at once, each kernel in locals
 *
 * Two roundings more than there: U is made in f32. |error| ≤ (C + 30)·2⁻²⁴·(S + |bias|).
 */
import type { EmittedOffer, Pad, Place } from '../../call.ts';
import type { WindowGeometry } from '../../geometry.ts';
import type { FunctionBuilder, Local } from '../../wasm/asm/function.ts';
import type { V128 } from '../../wasm/asm/opcodes.ts';
import { firstTap } from '../../wasm/conv2d-f32.ts';
import { type Epilogue, residualOf } from '../../wasm/epilogue-conv-f32.ts';
import { framedBytes } from '../../wasm/frame-conv-f32.ts';
import { vectorsOf } from '../../wasm/pack-f32.ts';
import type { Parameters } from '../../wasm/program.ts';
import type { Target } from '../../wasm/target.ts';
import type { Segment } from '../../wasm/tiles-conv-f32.ts';
import { type Call, framedInput, stepsOf } from '../../wasm/window-conv-f32.ts';
import {
  buildWinograd,
  type WinogradPlan,
  type WinogradSpec,
  winogradScratch,
} from '../../wasm/winograd-f32.ts';

/** Where the 3×3 kernels of a layer lie, in bytes. */
export interface Kernels {
  readonly channelStep: number;
  readonly depthStep: number;
  /** Of each tap, row by row, from the first of them in memory. */
  readonly taps: readonly number[];
}

export function offerWinograd(
  layer: {
    readonly g: WindowGeometry;
    readonly shape: readonly number[];
    readonly plan: WinogradPlan;
    readonly border: Pad | undefined;
    readonly epilogue: Epilogue;
    readonly hasBias: boolean;
    readonly name: string;
  },
  target: Target,
  kernelsOf: (w: Place) => Kernels,
): EmittedOffer {
  const { g, shape, plan, border, epilogue, hasBias, name } = layer;
  const uBytes = 36 * g.inC * 16 * vectorsOf(plan.blocks);
  const own = Math.ceil((uBytes + winogradScratch(plan)) / 16) * 16;
  return {
    kernel: `${name}-winograd-${plan.tiles[0]!.size}x${4 * plan.blocks[0]!.size}-packing-wasm`,
    reason: '36 products for 16 outputs instead of 144',
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, places, output, scratch) => {
      const calls: Call[] = [];
      const input = framedInput(program, places[0]!, shape, border, scratch + own, calls);
      const residual = residualOf(epilogue, places);
      const w = places[1]!;
      const transform: TransformSpec = { depth: g.inC, blocks: plan.blocks, ...kernelsOf(w) };
      calls.push([program.kernel('winograd-weights-f32', transform, 2, buildTransform), w.address, scratch]);
      const spec: WinogradSpec = {
        plan,
        madd: target.madd,
        pictures: g.n,
        x: stepsOf(input, 0),
        y: stepsOf(output, 0),
        residual: residual && stepsOf(residual, 0),
        stages: epilogue.stages,
      };
      calls.push([
        program.kernel('winograd-f32', spec, 6, buildWinograd),
        firstTap(g, input),
        scratch,
        hasBias ? places[2]!.address : program.constantOf(new Float32Array(g.outC)),
        output.address,
        residual?.address ?? 0,
        scratch + uBytes,
      ]);
      program.step(...calls);
    },
  };
}

interface TransformSpec extends Kernels {
  readonly [key: string]: unknown;
  readonly depth: number;
  readonly blocks: readonly Segment[];
}

/** Parameters: addresses of the kernels and of U. */
function buildTransform(f: FunctionBuilder, s: TransformSpec, [w, u]: Parameters): void {
  const at = f.local('i32');
  const taps = f.locals('v128', 9);
  const columns = f.locals('v128', 18); // G·g, row by row
  const [even, odd] = f.locals('v128', 2) as [Local<'v128'>, Local<'v128'>];
  const load = (offset: number): V128 => {
    if (s.channelStep === 4) return f.load('v128.load', f.get(at), offset);
    let value = f.load('v128.load32_zero', f.get(at), offset);
    for (let lane = 1; lane < 4; lane++) {
      f.set(even, value);
      value = f.memoryLane('v128.load32_lane', lane, f.get(at), f.get(even), offset + lane * s.channelStep);
    }
    return value;
  };
  /** store(i, value) of the six sums of a, b, c: G·(a, b, c). */
  const sixOfThree = (
    [a, b, c]: readonly [Local<'v128'>, Local<'v128'>, Local<'v128'>],
    store: (i: number, value: () => V128) => void,
  ): void => {
    const times = (value: V128, factor: number): V128 => f.op('f32x4.mul', value, f.f32x4(factor));
    const pair = (first: number, factor: number): void => {
      store(first, () => times(f.op('f32x4.add', f.get(even), f.get(odd)), factor));
      store(first + 1, () => times(f.op('f32x4.sub', f.get(even), f.get(odd)), factor));
    };
    store(0, () => times(f.get(a), 1 / 4));
    f.set(even, f.op('f32x4.add', f.get(a), f.get(c)));
    f.set(odd, f.get(b));
    pair(1, -1 / 6);
    f.set(even, f.op('f32x4.add', f.get(a), times(f.get(c), 4)));
    f.set(odd, f.op('f32x4.add', f.get(b), f.get(b)));
    pair(3, 1 / 24);
    store(5, () => f.get(c));
  };
  const three = (of: readonly Local<'v128'>[], first: number, step: number) =>
    [of[first]!, of[first + step]!, of[first + 2 * step]!] as const;

  const vector = (v: number, size: number): void => {
    for (const [i, tap] of taps.entries()) f.set(tap, load(s.taps[i]! + 4 * v * s.channelStep));
    for (let j = 0; j < 3; j++)
      sixOfThree(three(taps, j, 3), (i, value) => {
        f.set(columns[3 * i + j]!, value());
      });
    for (let i = 0; i < 6; i++)
      sixOfThree(three(columns, 3 * i, 1), (j, value) => {
        // A store takes its address before its value.
        f.store('v128.store', f.get(u!), value(), 16 * (size * s.depth * (6 * i + j) + v));
      });
  };
  for (const { size, count } of s.blocks)
    f.repeat(count, () => {
      f.set(at, f.get(w!));
      f.repeat(s.depth, () => {
        for (let v = 0; v < size; v++) vector(v, size);
        f.advance(at, s.depthStep);
        f.advance(u!, 16 * size);
      });
      f.advance(u!, 35 * 16 * size * s.depth);
      f.advance(w!, 4 * size * s.channelStep);
    });
}
