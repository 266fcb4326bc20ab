/** Where things lie: the extents of a convolution or pool by name, and indices under broadcasting. */

import { VireoError } from '../errors.ts';
import type { Shape } from '../tensor.ts';
import { denseStrides } from '../tensor.ts';
import type { KernelCall, Pad } from './call.ts';

export interface WindowGeometry {
  readonly n: number;
  readonly inH: number;
  readonly inW: number;
  readonly inC: number;
  readonly outH: number;
  readonly outW: number;
  readonly outC: number;
  readonly kH: number;
  readonly kW: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly dilationH: number;
  readonly dilationW: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly groups: number;
}

/** The extents of conv2d, depthwiseConv2d, codebookConv2d, transposedConv2d and the two pools. */
export function windowGeometry(call: KernelCall): WindowGeometry {
  const { arithmetic: op, inputs, output } = call;
  const [n, inH, inW, inC] = inputs[0].shape;
  const [, outH, outW, outC] = output.shape;
  switch (op.kind) {
    case 'conv2d':
    case 'depthwiseConv2d':
    case 'codebookConv2d':
    case 'transposedConv2d':
    case 'maxPool2d':
    case 'averagePool2d': {
      const { shape } = inputs[op.kind === 'codebookConv2d' ? 2 : 1] ?? inputs[0];
      const [kH, kW] = 'kernel' in op ? op.kernel : [shape[1], shape[2]];
      const [dilationH, dilationW] = 'dilation' in op ? op.dilation : [1, 1];
      const [strideH, strideW] = op.stride;
      const { top: padTop, left: padLeft } = op.pad;
      const groups = op.kind === 'conv2d' ? op.groups : 1;
      const extents = { n, inH, inW, inC, outH, outW, outC, kH, kW };
      return { ...extents, strideH, strideW, dilationH, dilationW, padTop, padLeft, groups };
    }
    default:
      throw new VireoError('bad-graph', `${op.kind} slides no window`);
  }
}

/** Strides that read `shape` as if it were `outShape`: 0 along axes that repeat, missing ones in front. */
export function broadcastStrides(shape: Shape, outShape: Shape): number[] {
  const strides = denseStrides(shape);
  const missing = outShape.length - shape.length;
  return outShape.map((_, axis) =>
    axis < missing || shape[axis - missing] === 1 ? 0 : strides[axis - missing],
  );
}

/** Element `flat` of `shape`, counted row by row, lies at Σ i_d·strides[d]. */
export function indexOf(flat: number, shape: Shape, strides: readonly number[]): number {
  let index = 0;
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index += (rest % shape[axis]) * strides[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return index;
}

/** Π shape[from … to), the number of cells that the axes between span. */
export function extentBetween(shape: Shape, from: number, to: number): number {
  let count = 1;
  for (let axis = from; axis < to; axis++) count *= shape[axis];
  return count;
}

/** A border that is at least as wide on every side. */
export const covers = (have: Pad, want: Pad): boolean =>
  have.top >= want.top && have.left >= want.left && have.bottom >= want.bottom && have.right >= want.right;
