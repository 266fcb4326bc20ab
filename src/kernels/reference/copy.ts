/** Moving data: copy, fill, mirrorPad. */

import { denseStrides, elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { indexOf } from '../geometry.ts';
import { cellsOf, isBigType, type Of, offer, type Scalar } from './support.ts';

/**
 * y[outBegin_j + i_j] = x[begin_p + step_p·i_j],  p = perm[j],  0 ≤ i_j < extent[j]
 *
 * Elements move as they are stored; the rest of y is left alone.
 */
export function copy(call: KernelCall, op: Of<'copy'>): Offer | null {
  const [x] = call.inputs;
  if (x.dtype !== call.output.dtype) return null;
  const inStrides = denseStrides(x.shape);
  const outStrides = denseStrides(call.output.shape);
  const xStrides = op.perm.map((p) => inStrides[p] * op.step[p]);
  const first = op.begin.reduce((sum, begin, p) => sum + begin * inStrides[p], 0);
  const outFirst = op.outBegin.reduce((sum, begin, j) => sum + begin * outStrides[j], 0);
  const count = elementCount(op.extent);
  return offer(`copy-${x.dtype}`, ([xView], yView) => {
    const from = cellsOf<Scalar>(xView);
    const to = cellsOf<Scalar>(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        const xAt = xView.offset + first + indexOf(i, op.extent, xStrides);
        const yAt = yView.offset + outFirst + indexOf(i, op.extent, outStrides);
        to[yAt] = from[xAt];
      }
    };
  });
}

/** y[i] = value, as stored. */
export function fill(call: KernelCall, op: Of<'fill'>): Offer {
  const count = elementCount(call.output.shape);
  return offer(`fill-${call.output.dtype}`, (_, yView) => {
    // The view's elements are of the output's dtype, and so is the value.
    const value = (isBigType(call.output.dtype) ? BigInt(op.value) : op.value) as never;
    return () => yView.data.fill(value, yView.offset, yView.offset + count);
  });
}

/**
 * y[o] = x[o − before], where indices outside are reflected at the edge:
 *
 *   reflect     −1 → 1,  N → N−2      the edge cell is the mirror
 *   symmetric   −1 → 0,  N → N−1      the mirror stands behind the edge cell
 */
export function mirrorPad(call: KernelCall, op: Of<'mirrorPad'>): Offer | null {
  const [x] = call.inputs;
  if (x.dtype !== call.output.dtype) return null;
  const { shape } = call.output;
  const strides = denseStrides(x.shape);
  const count = elementCount(shape);
  const edge = op.mode === 'symmetric' ? 1 : 0;
  return offer(`mirror-pad-${x.dtype}`, ([xView], yView) => {
    const from = cellsOf<Scalar>(xView);
    const to = cellsOf<Scalar>(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        let at = xView.offset;
        let rest = i;
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          const extent = x.shape[axis];
          let p = (rest % shape[axis]) - op.before[axis];
          if (p < 0) p = -p - edge;
          if (p >= extent) p = 2 * extent - 2 - p + edge;
          at += p * strides[axis];
          rest = Math.floor(rest / shape[axis]);
        }
        to[yView.offset + i] = from[at];
      }
    };
  });
}
