/** Bounds that an operator's options cannot say become operators of their own. */
import type { ValueId } from '../../../../graph/ir.ts';
import type { Op } from '../../../../graph/ops.ts';
import { type Clamp, noClamp } from '../../../../kernels/call.ts';
import { quantizedBounds, rangeOf } from '../../../../kernels/requantize.ts';
import { activationOf, isAlike, isByte, reluOf } from '../fused.ts';
import type { Site } from '../site.ts';

type Bounded = Extract<Op, { readonly clamp: Clamp }>;

export const isUnbounded = ({ min, max }: Clamp): boolean =>
  min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY;

/** f(x) between bounds: the layer with an activation, or without and the bounds behind it. `layer` gets its id. */
export function bounded(
  site: Site,
  op: Bounded,
  inputs: readonly ValueId[],
  layer: (id: ValueId) => void = () => {},
): ValueId {
  const activation = activationOf(op.clamp, site.output);
  if (activation) {
    const y = site.done({ ...op, clamp: activation.clamp }, inputs);
    layer(y);
    return y;
  }
  const y = site.step('unbounded', { ...op, clamp: noClamp }, inputs);
  layer(y);
  return clampTo(site, op.clamp, y);
}

/** clamp(x): one of the ReLUs where the output stores the same numbers, else MAXIMUM and MINIMUM with constants. */
export function clampTo(site: Site, clamp: Clamp, x: ValueId): ValueId {
  const { output } = site;
  const from = site.value(x);
  const isInteger = output.dtype === 'i32' || output.dtype === 'i64';
  if (!isInteger && output.dtype !== 'f32' && !(isByte(output) && isByte(from)))
    site.unsupported(`bounds of ${output.dtype} numbers without a scale`);
  const relu = isInteger ? null : reluOf(clamp, output);
  if (relu) return site.done({ kind: 'clamp', clamp: relu.clamp }, [x]);
  const inScale = isByte(output) && !isAlike(from, output) ? site.converted('rescaled', x, output) : x;
  const ends = endsOf(site, clamp);
  const steps = (['max', 'min'] as const).flatMap((fn) => (ends[fn] === null ? [] : [{ fn, at: ends[fn] }]));
  if (steps.length === 0) return site.same(inScale);
  let y = inScale;
  steps.forEach(({ fn, at }, i) => {
    const op = { kind: 'binary', fn, clamp: noClamp } as const;
    const bound = site.scalar(fn === 'max' ? 'lowest' : 'highest', at, output);
    y = i === steps.length - 1 ? site.done(op, [y, bound]) : site.step('raised', op, [y, bound]);
  });
  return y;
}

/** The bounds as stored, null where no number is beyond. */
function endsOf(
  { output }: Site,
  { min, max }: Clamp,
): { readonly max: number | null; readonly min: number | null } {
  const { dtype } = output;
  if (isByte(output)) {
    const { lo, hi } = quantizedBounds({ min, max }, output);
    const range = rangeOf(dtype);
    return { max: lo > range.lo ? lo : null, min: hi < range.hi ? hi : null };
  }
  if (dtype === 'f32')
    return {
      max: min === Number.NEGATIVE_INFINITY ? null : min,
      min: max === Number.POSITIVE_INFINITY ? null : max,
    };
  const limit = dtype === 'i32' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
  const [lo, hi] = [Math.ceil(min), Math.floor(max)];
  return { max: lo > -limit - 1 ? Math.min(lo, limit) : null, min: hi < limit ? Math.max(hi, -limit) : null };
}
