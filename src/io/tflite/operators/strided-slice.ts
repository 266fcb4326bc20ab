/**
 * STRIDED_SLICE: Python's x[begin:end:step, …, newaxis, index] as numbers and bit masks.
 *
 *   entry i of begin, end, step   bit i of a mask says what the entry is
 *   ellipsis                      as many whole axes as are left over
 *   new axis                      an axis of 1 in the output, none of the input's
 *   begin, end                    that side is open
 *   shrink                        one index, and the axis goes
 *
 * Source: TensorFlow, "tf.strided_slice"; the ellipsis wins over the new axis, and that over the shrinking.
 */
import { type Shape, showShape } from '../../../tensor.ts';
import type { Operator } from '../operator.ts';
import { stridedSlice as o } from '../schema.ts';

export interface SliceRange {
  readonly begin: number[];
  readonly size: number[];
  readonly step: number[];
  /** The slice's shape with the new axes put in and the shrunk ones left out. */
  readonly shape: number[];
}

export function stridedSliceOf(op: Operator, x: Shape): SliceRange {
  const options = op.options(o.union);
  const begins = op.integers(1, 'begins');
  const ends = op.integers(2, 'ends');
  const steps = op.has(3) ? op.integers(3, 'steps') : begins.map(() => 1);
  const entries = begins.length;
  if (ends.length !== entries || steps.length !== entries || entries > 31)
    op.fail(`${entries} begins, ${ends.length} ends and ${steps.length} steps`);
  const mask = (field: number) => {
    const bits = options.i32(field);
    return (i: number) => ((bits >> i) & 1) === 1;
  };
  const isEllipsis = mask(o.ellipsisMask);
  const isNewAxis = mask(o.newAxisMask);
  const isShrunk = mask(o.shrinkAxisMask);
  const beginIsOpen = mask(o.beginMask);
  const endIsOpen = mask(o.endMask);
  const endIsOffset = options.bool(o.offset);

  const range: SliceRange = { begin: [], size: [], step: [], shape: [] };
  const whole = () => {
    const extent = x[range.begin.length]!;
    range.begin.push(0);
    range.size.push(extent);
    range.step.push(1);
    range.shape.push(extent);
  };
  const indices = Array.from({ length: entries }, (_, i) => i);
  const taken = indices.filter((i) => !isEllipsis(i) && !isNewAxis(i)).length;
  if (indices.filter(isEllipsis).length > 1) op.fail('more than one ellipsis');
  if (taken > x.length) op.fail(`${taken} ranges for ${showShape(x)}`);

  for (const i of indices) {
    if (isEllipsis(i)) {
      for (let left = x.length - taken; left > 0; left--) whole();
      continue;
    }
    if (isNewAxis(i)) {
      range.shape.push(1);
      continue;
    }
    const extent = x[range.begin.length]!;
    const step = steps[i]!;
    if (step === 0) op.fail('a step of 0');
    const low = step > 0 ? 0 : -1;
    const clip = (v: number) => Math.min(low + extent, Math.max(low, v < 0 ? v + extent : v));
    if (isShrunk(i)) {
      const at = begins[i]! < 0 ? begins[i]! + extent : begins[i]!;
      if (at < 0 || at >= extent || step < 0)
        op.fail(`index ${begins[i]} of an axis of ${extent}, step ${step}`);
      range.begin.push(at);
      range.size.push(1);
      range.step.push(1);
      continue;
    }
    const end = endIsOffset ? begins[i]! + ends[i]! : ends[i]!;
    const from = beginIsOpen(i) ? (step > 0 ? 0 : extent - 1) : clip(begins[i]!);
    const to = endIsOpen(i) ? (step > 0 ? extent : -1) : clip(end);
    const size = Math.max(0, Math.ceil((to - from) / step));
    range.begin.push(from);
    range.size.push(size);
    range.step.push(step);
    range.shape.push(size);
  }
  while (range.begin.length < x.length) whole();
  return range;
}
