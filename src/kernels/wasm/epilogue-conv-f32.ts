/**
 * What happens to a float sum before it is stored: the operator's own clamp, and the operators fused behind it.
 *
 *   clamp       min(max(v, lo), hi)               NaN stays NaN, as in reference
 *   add         v + residual[same element]        one addition to a call
 *   hardSwish   v · min(max(v + 3, 0), 6) / 6
 */
import { sameShape } from '../../tensor.ts';
import type { Clamp, KernelCall, Place } from '../call.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';

export type Stage =
  | { readonly kind: 'clamp'; readonly min: number | null; readonly max: number | null } // null: no bound
  | { readonly kind: 'add' }
  | { readonly kind: 'hardSwish' };

export interface Epilogue {
  readonly stages: readonly Stage[];
  /** The input that is added, or −1. */
  readonly residual: number;
}

/** null: `call.following` holds something else. */
export function epilogueOf(call: KernelCall, clamp: Clamp): Epilogue | null {
  const { following = [], inputs, output } = call;
  const stages = clampStage(clamp);
  let next = inputs.length - following.reduce((sum, { others }) => sum + others, 0);
  let residual = -1;
  for (const { arithmetic: op, others, output: after } of following) {
    if (!sameShape(after.shape, output.shape) || after.dtype !== 'f32') return null;
    if (op.kind === 'clamp') {
      stages.push(...clampStage(op.clamp));
    } else if (op.kind === 'unary' && op.fn === 'hardSwish') {
      stages.push({ kind: 'hardSwish' });
    } else if (op.kind === 'binary' && op.fn === 'add' && others === 1 && residual === -1) {
      const { dtype, shape, data } = inputs[next]!;
      if (dtype !== 'f32' || data || !sameShape(shape, output.shape)) return null;
      residual = next;
      stages.push({ kind: 'add' }, ...clampStage(op.clamp));
    } else {
      return null;
    }
    next += others;
  }
  return { stages, residual };
}

/** JSON, which specs are compared by, knows no infinity. */
function clampStage({ min, max }: Clamp): Stage[] {
  const lo = min === Number.NEGATIVE_INFINITY ? null : min;
  const hi = max === Number.POSITIVE_INFINITY ? null : max;
  return lo === null && hi === null ? [] : [{ kind: 'clamp', min: lo, max: hi }];
}

/** The place of the residual, if there is one. */
export function residualOf(epilogue: Epilogue, places: readonly (Place | null)[]): Place | null {
  return epilogue.residual === -1 ? null : (places[epilogue.residual] ?? null);
}

/** All stages on each of `sums`; `residual` gives the vector to add to sum i. */
export function emitStages(
  f: FunctionBuilder,
  stages: readonly Stage[],
  sums: readonly Local<'v128'>[],
  bound: Local<'v128'>,
  residual: (i: number) => V128,
): void {
  const each = (compute: (sum: Local<'v128'>, i: number) => V128): void => {
    sums.forEach((sum, i) => {
      f.set(sum, compute(sum, i));
    });
  };
  for (const stage of stages)
    switch (stage.kind) {
      case 'add':
        each((sum, i) => f.op('f32x4.add', f.get(sum), residual(i)));
        break;
      case 'clamp':
        if (stage.min !== null) {
          f.set(bound, f.f32x4(stage.min));
          each((sum) => f.op('f32x4.pmax', f.get(sum), f.get(bound)));
        }
        if (stage.max !== null) {
          f.set(bound, f.f32x4(stage.max));
          each((sum) => f.op('f32x4.pmin', f.get(sum), f.get(bound)));
        }
        break;
      case 'hardSwish':
        each((sum) => {
          f.set(bound, f.op('f32x4.add', f.get(sum), f.f32x4(3)));
          f.set(bound, f.op('f32x4.pmin', f.op('f32x4.pmax', f.get(bound), f.f32x4(0)), f.f32x4(6)));
          return f.op('f32x4.div', f.op('f32x4.mul', f.get(sum), f.get(bound)), f.f32x4(6));
        });
        break;
    }
}

/** The first `lanes` elements of a vector. */
export function storeLanes(
  f: FunctionBuilder,
  lanes: number,
  at: Local<'i32'>,
  value: Local<'v128'>,
  offset: number,
): void {
  if (lanes === 4) {
    f.store('v128.store', f.get(at), f.get(value), offset);
    return;
  }
  if (lanes & 2) f.memoryLane('v128.store64_lane', 0, f.get(at), f.get(value), offset);
  if (lanes & 1)
    f.memoryLane('v128.store32_lane', lanes - 1, f.get(at), f.get(value), offset + 4 * (lanes - 1));
}
