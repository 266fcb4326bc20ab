/** Pools and resizing of pictures, as (n, c, …). Cells outside a picture never count. */
import { windowCount } from '../../../../graph/shapes.ts';
import type { MaxPoolIndices, Pad, Pool, PoolNd, Resize } from '../../../../kernels/call.ts';
import { channelsFirst, type Perm } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { Attribute } from '../proto.ts';
import { isQuantized } from '../values.ts';
import type { Writers } from './index.ts';

type Attributes = Readonly<Record<string, Attribute>>;

function spatial({ top, left, bottom, right }: Pad): { ints: readonly number[] } {
  return { ints: [top, left, bottom, right] };
}

function averagePool2d(n: NodeWriter, op: Pool): void {
  const perm = channelsFirst(4);
  const attributes: Attributes = {
    kernel_shape: { ints: op.kernel },
    strides: { ints: op.stride },
    pads: spatial(op.pad),
    count_include_pad: { i: 0 },
  };
  const options = { shape: n.shapeIn(perm), attributes };
  n.done(n.emit('AveragePool', [n.number(0, perm)], options), perm, op.clamp);
}

function maxPool2d(n: NodeWriter, op: Pool): void {
  const perm = channelsFirst(4);
  const attributes: Attributes = {
    kernel_shape: { ints: op.kernel },
    strides: { ints: op.stride },
    pads: spatial(op.pad),
  };
  const options = { shape: n.shapeIn(perm), attributes };
  if (isQuantized(n.output) && n.movable() === 'stored')
    n.quantized(n.emit('MaxPool', [n.stored(0, perm)], options), perm, op.clamp);
  else n.done(n.emit('MaxPool', [n.number(0, perm)], options), perm, op.clamp);
}

/** The windows of a pool over any number of axes: as many as the output has cells. */
function windowsNd(n: NodeWriter, op: PoolNd | MaxPoolIndices): Attributes {
  const { kernel, stride, dilation, before, after } = op;
  const size = n.value(0).shape.slice(1, -1);
  const out = n.output.shape.slice(1, -1);
  const isDilated = dilation.some((d) => d !== 1);
  if (isDilated && 'fn' in op && op.fn !== 'max')
    n.fail(`dilated ${op.fn} pool; opset 14 dilates only MaxPool`);
  const ends = out.map(
    (o, i) => (o - 1) * stride[i]! + (kernel[i]! - 1) * dilation[i]! + 1 - before[i]! - size[i]!,
  );
  // Cells behind the padding do not count, nor do those within it, but where a mean counts them.
  const countPad = 'fn' in op && op.fn === 'average' && op.countPad;
  const last = countPad ? after : after.map((_, i) => Math.max(0, ends[i]!));
  const counts = kernel.map((k, i) =>
    windowCount(size[i]!, k, stride[i]!, dilation[i]!, before[i]! + last[i]!),
  );
  const isCeil = counts.some((count, i) => count < out[i]!);
  const isLess = counts.some((count, i) => count > out[i]!);
  if (isLess || (isCeil && counts.some((count, i) => count === out[i] && ends[i]! !== last[i])))
    n.fail('windows that end where neither floor nor ceil does');
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: [...before, ...last] },
    ...(isDilated ? { dilations: { ints: dilation } } : {}),
    ...(isCeil ? { ceil_mode: { i: 1 } } : {}),
  };
}

/** Nearest and bilinear, in the words of Resize. */
function sampling(n: NodeWriter, { mode, alignCorners, halfPixelCenters }: Resize): Attributes {
  if (alignCorners && halfPixelCenters) n.fail('aligned corners with half-pixel centres');
  const coordinates = alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';
  const rule: Attributes = { coordinate_transformation_mode: { s: coordinates } };
  if (mode === 'bilinear') return { ...rule, mode: { s: 'linear' } };
  // ⌊(o + ½)·s⌋ is (o + ½)·s − ½ rounded, halves up.
  const nearest = alignCorners || halfPixelCenters ? 'round_prefer_ceil' : 'floor';
  return { ...rule, mode: { s: 'nearest' }, nearest_mode: { s: nearest } };
}

const poolTypes = { max: 'MaxPool', average: 'AveragePool', lp: 'LpPool' } as const;

export const pooling: Writers<'maxPool2d' | 'averagePool2d' | 'poolNd' | 'maxPoolIndices' | 'resize'> = {
  maxPool2d,
  averagePool2d,

  poolNd(n, op) {
    const perm = channelsFirst(n.rank(0));
    const attributes: Attributes = {
      ...windowsNd(n, op),
      ...(op.fn === 'average' ? { count_include_pad: { i: Number(op.countPad) } } : {}),
      ...(op.fn === 'lp' ? { p: { i: op.p } } : {}),
    };
    const x = op.fn === 'max' ? n.stored(0, perm) : n.number(0, perm);
    n.moved('stored', n.emit(poolTypes[op.fn], [x], { shape: n.shapeIn(perm), attributes }), perm);
  },

  /** The second output of MaxPool. */
  maxPoolIndices(n, op) {
    const perm = channelsFirst(n.rank(0));
    const x = n.stored(0, perm);
    const shape = n.shapeIn(perm);
    const indices = { dtype: 'i64', shape } as const;
    const attributes = { ...windowsNd(n, op), storage_order: { i: Number(op.columnMajor) } };
    n.emission.node('MaxPool', [x], `${n.label}/values`, { shape, attributes }, [indices]);
    n.moved('stored', indices, perm);
  },

  resize(n, op) {
    const perm: Perm = channelsFirst(4);
    const shape = n.shapeIn(perm);
    const options = { shape, attributes: sampling(n, op) };
    const sizes = n.integers('sizes', shape);
    if (op.mode === 'bilinear')
      return n.done(n.emit('Resize', [n.number(0, perm), null, null, sizes], options), perm);
    const what = n.movable();
    const x = n.values.get(what, n.id(0), perm);
    n.moved(what, n.emit('Resize', [x, null, null, sizes], options), perm);
  },
};
