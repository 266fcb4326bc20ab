/** Which cell a tap of a window meets, for any number of spatial axes. */

import type { Shape } from '../../tensor.ts';

/** The spatial extents and steps of a window; each list has one element an axis. */
export interface Taps {
  readonly inSize: Shape;
  readonly outSize: Shape;
  readonly kernel: Shape;
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
}

/** (o, k) ↦ the cell of the input under tap k of output o, −1 outside; all three counted row by row. */
export type CellUnder = (o: number, k: number) => number;

/** i = o·stride + k·dilation − before */
export function cellUnder({ inSize, outSize, kernel, stride, dilation, before }: Taps): CellUnder {
  return (o, k) => {
    let cell = 0;
    for (let axis = inSize.length - 1, step = 1; axis >= 0; step *= inSize[axis--]) {
      const i = (o % outSize[axis]) * stride[axis] + (k % kernel[axis]) * dilation[axis] - before[axis];
      if (i < 0 || i >= inSize[axis]) return -1;
      cell += i * step;
      o = Math.floor(o / outSize[axis]);
      k = Math.floor(k / kernel[axis]);
    }
    return cell;
  };
}

/** The same for a transposed convolution: the i with o = i·stride + k·dilation − before, if there is one. */
export function cellAbove({ inSize, outSize, kernel, stride, dilation, before }: Taps): CellUnder {
  return (o, k) => {
    let cell = 0;
    for (let axis = inSize.length - 1, step = 1; axis >= 0; step *= inSize[axis--]) {
      const distance = (o % outSize[axis]) + before[axis] - (k % kernel[axis]) * dilation[axis];
      const i = distance / stride[axis];
      if (distance % stride[axis] !== 0 || i < 0 || i >= inSize[axis]) return -1;
      cell += i * step;
      o = Math.floor(o / outSize[axis]);
      k = Math.floor(k / kernel[axis]);
    }
    return cell;
  };
}
