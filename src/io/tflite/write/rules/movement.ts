/** Operators that move numbers about unchanged. */
import type { ValueId } from '../../../../graph/ir.ts';
import type { OpOf } from '../../../../graph/ops.ts';
import type { Pad } from '../../../../kernels/call.ts';
import { viewOf } from '../../../../tensor.ts';
import { isAlike, isByte } from '../fused.ts';
import type { Site } from '../site.ts';

/** A picture with cells of the real number `value` around it. */
export function padded(site: Site, x: ValueId, { top, left, bottom, right }: Pad, value: number): ValueId {
  const { dtype, quantization } = site.value(x);
  const op = {
    kind: 'pad',
    before: [0, top, left, 0],
    after: [0, bottom, right, 0],
    value,
  } as const;
  return site.step('padded', op, [x], { dtype, quantization });
}

/** Stored numbers said to stand for what the output's stand for: that is a RESHAPE, which looks at no scale. */
export function restored(site: Site, x: ValueId): ValueId {
  const { dtype, shape } = site.value(x);
  if (dtype !== site.output.dtype) site.unsupported(`${dtype} input and ${site.output.dtype} output`);
  if (!isByte(site.output) || isAlike(site.value(x), site.output)) return x;
  return site.reshape('restored', x, shape, { quantization: site.output.quantization });
}

export function pad(site: Site, op: OpOf<'pad'>): ValueId {
  if (op.before.length === 0) return site.same(site.x);
  return site.done(op, [restored(site, site.x)]);
}

export function slice(site: Site, op: OpOf<'slice'>): ValueId {
  return op.begin.length === 0 ? site.same(site.x) : site.done(op, [site.x]);
}

/** Kernels transpose 4 axes everywhere, more in new runtimes only: axes that stay neighbours count as one. */
export function transpose(site: Site, { perm }: OpOf<'transpose'>): ValueId {
  const { shape } = site.value(site.x);
  if (perm.length === 0) return site.same(site.x);
  if (perm.length <= 4) return site.done({ kind: 'transpose', perm }, [site.x]);
  const runs: number[][] = []; // of the input's axes, in the output's order
  for (const axis of perm) {
    const run = runs.at(-1);
    if (run && run.at(-1) === axis - 1) run.push(axis);
    else runs.push([axis]);
  }
  if (runs.length === perm.length) return site.done({ kind: 'transpose', perm }, [site.x]);
  const order = runs.map((_, i) => i).sort((a, b) => runs[a]![0]! - runs[b]![0]!);
  const merged = order.map((i) => runs[i]!.reduce((count, axis) => count * shape[axis]!, 1));
  const x = site.reshape('merged', site.x, merged);
  const moved = site.step('moved', { kind: 'transpose', perm: runs.map((_, i) => order.indexOf(i)) }, [x]);
  return site.same(moved);
}

export function concat(site: Site, op: OpOf<'concat'>): ValueId {
  return site.done(
    op,
    site.inputs.map((id) => restored(site, id)),
  );
}

/** TensorFlow Lite counts no index from the end. */
export function gather(site: Site, op: OpOf<'gather'>): ValueId {
  const { shape } = site.value(site.x);
  return site.done(op, [site.x, fromFront(site, () => shape[op.axis]!)]);
}

export function gatherNd(site: Site, op: OpOf<'gatherNd'>): ValueId {
  if (op.batchDims !== 0) site.unsupported('batch dimensions');
  const { shape } = site.value(site.x);
  const depth = site.value(site.inputs[1]!).shape.at(-1) ?? 1;
  return site.done(op, [site.x, fromFront(site, (i) => shape[i % depth]!)]);
}

/** Constant indices with the negative ones brought to the front; `extentOf` is given the element's number. */
function fromFront(site: Site, extentOf: (i: number) => number): ValueId {
  const id = site.inputs[1]!;
  const { data, dtype, shape } = site.value(id);
  if (!data?.some((index) => index < 0)) return id;
  const moved = viewOf(dtype, new ArrayBuffer(8 * data.length), 0, data.length);
  for (let i = 0; i < data.length; i++) {
    const index = Number(data[i]) + (data[i]! < 0 ? extentOf(i) : 0);
    if (moved instanceof BigInt64Array) moved[i] = BigInt(index);
    else if (!(moved instanceof BigUint64Array)) moved[i] = index;
  }
  return site.constant('indices', dtype, shape, moved);
}

export function resize(site: Site, op: OpOf<'resize'>): ValueId {
  if (op.alignCorners && op.halfPixelCenters) site.unsupported('aligned corners with half-pixel centres');
  return site.done(op, [restored(site, site.x)]);
}

export function mirrorPad(site: Site, op: OpOf<'mirrorPad'>): ValueId {
  return op.before.length === 0 ? site.same(site.x) : site.done(op, [restored(site, site.x)]);
}

export function where(site: Site, op: OpOf<'where'>): ValueId {
  const [condition, a, b] = site.inputs as [ValueId, ValueId, ValueId];
  return site.done(op, [condition, restored(site, a), restored(site, b)]);
}
