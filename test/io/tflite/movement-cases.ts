/** Operators that move numbers, with numbers worked out by hand. */
import * as o from '../../../src/io/tflite/schema.ts';
import type { Case } from './cases.ts';
import { constant, f32, i8, i32, i64, numbers, type OptionsSpec, scalar, u8 } from './write.ts';

const range = (n: number, from = 1) => Array.from({ length: n }, (_, i) => from + i);
const ints = (union: number, field: number, values: number[]): OptionsSpec => ({
  union,
  fields: { [field]: ['ints', values] },
});
const int = (union: number, field: number, value: number): OptionsSpec => ({
  union,
  fields: { [field]: ['i32', value] },
});
const sliceMasks = (masks: {
  begin?: number;
  end?: number;
  ellipsis?: number;
  newAxis?: number;
  shrink?: number;
  offset?: number;
}): OptionsSpec => ({
  union: o.stridedSlice.union,
  fields: {
    [o.stridedSlice.beginMask]: ['i32', masks.begin ?? 0],
    [o.stridedSlice.endMask]: ['i32', masks.end ?? 0],
    [o.stridedSlice.ellipsisMask]: ['i32', masks.ellipsis ?? 0],
    [o.stridedSlice.newAxisMask]: ['i32', masks.newAxis ?? 0],
    [o.stridedSlice.shrinkAxisMask]: ['i32', masks.shrink ?? 0],
    [o.stridedSlice.offset]: ['bool', masks.offset ?? 0],
  },
});
const resized = (
  fields: typeof o.resizeBilinear | typeof o.resizeNearest,
  alignCorners: number,
  halfPixelCenters: number,
): OptionsSpec => ({
  union: fields.union,
  fields: {
    [fields.alignCorners]: ['bool', alignCorners],
    [fields.halfPixelCenters]: ['bool', halfPixelCenters],
  },
});

const x23 = f32([2, 3], range(6));
const sixteen = f32([1, 4, 4, 1], range(16));
const four = f32([4], range(4, 0));
const cube = f32([2, 2, 2], range(8, 0));
const pair = f32([1, 1, 2, 1], [0, 4]);
const paired = f32([2, 2, 4, 1], range(16));
const batches = [
  [0, 1, 3],
  [0, 9, 11],
  [0, 2, 4],
  [0, 10, 12],
  [0, 5, 7],
  [0, 13, 15],
  [0, 6, 8],
  [0, 14, 16],
];

export const movementCases: readonly Case[] = [
  {
    label: 'one extent left open',
    code: 'RESHAPE',
    in: [x23, numbers(3, -1)],
    out: [f32([3, 2], range(6))],
  },
  {
    label: 'shape in the options only',
    code: 'RESHAPE',
    in: [x23],
    out: [f32([6], range(6))],
    options: ints(o.reshape.union, o.reshape.newShape, [-1]),
  },
  {
    label: 'to a scalar, as old files write it',
    code: 'RESHAPE',
    in: [f32([1], [7])],
    out: [f32([], [7])],
    options: ints(o.reshape.union, o.reshape.newShape, [0]),
  },
  {
    label: 'to a scalar, by an empty vector without data',
    code: 'RESHAPE',
    in: [f32([1], [7]), constant(i32([0]))],
    out: [f32([], [7])],
  },
  { label: 'all of them', code: 'SQUEEZE', in: [f32([1, 2, 1], [1, 2])], out: [f32([2], [1, 2])] },
  {
    label: 'one, counted from behind',
    code: 'SQUEEZE',
    in: [f32([1, 2, 1], [1, 2])],
    out: [f32([1, 2], [1, 2])],
    options: ints(o.squeeze.union, o.squeeze.axes, [-1]),
  },
  { label: 'at the end', code: 'EXPAND_DIMS', in: [x23, scalar(-1)], out: [f32([2, 3, 1], range(6))] },
  { label: 'at the front', code: 'EXPAND_DIMS', in: [x23, numbers(0)], out: [f32([1, 2, 3], range(6))] },
  { label: 'int32', code: 'SHAPE', in: [x23], out: [i32([2], [2, 3])] },
  { label: 'int64', code: 'SHAPE', in: [x23], out: [i64([2], [2, 3])] },
  {
    label: 'rank 2',
    code: 'TRANSPOSE',
    in: [x23, numbers(1, 0)],
    out: [f32([3, 2], [1, 4, 2, 5, 3, 6])],
  },
  {
    label: 'NCHW to NHWC',
    code: 'TRANSPOSE',
    in: [f32([1, 2, 1, 3], range(6)), numbers(0, 2, 3, 1)],
    out: [f32([1, 1, 3, 2], [1, 4, 2, 5, 3, 6])],
  },
  {
    label: 'axis counted from behind',
    code: 'CONCATENATION',
    in: [x23, f32([2, 1], [7, 8])],
    out: [f32([2, 4], [1, 2, 3, 7, 4, 5, 6, 8])],
    options: int(o.concatenation.union, o.concatenation.axis, -1),
  },
  {
    label: 'uint8 of another scale is converted first',
    code: 'CONCATENATION',
    in: [u8([2], [2, 4], 0.5, 0), u8([2], [11, 12], 1, 10)],
    out: [u8([4], [1, 2, 1, 2], 1, 0)],
    options: int(o.concatenation.union, o.concatenation.axis, 0),
  },
  {
    label: 'along a new last axis',
    code: 'PACK',
    in: [f32([2], [1, 2]), f32([2], [3, 4])],
    out: [f32([2, 2], [1, 3, 2, 4])],
    options: { union: o.pack.union, fields: { [o.pack.count]: ['i32', 2], [o.pack.axis]: ['i32', -1] } },
  },
  {
    label: 'scalars to a vector',
    code: 'PACK',
    in: [i32([], [5]), i32([], [6]), i32([], [7])],
    out: [i32([3], [5, 6, 7])],
    options: { union: o.pack.union, fields: { [o.pack.count]: ['i32', 3] } },
  },
  {
    label: 'axis 1',
    code: 'UNPACK',
    in: [x23],
    out: [f32([2], [1, 4]), f32([2], [2, 5]), f32([2], [3, 6])],
    options: { union: o.unpack.union, fields: { [o.unpack.count]: ['i32', 3], [o.unpack.axis]: ['i32', 1] } },
  },
  {
    label: 'in three',
    code: 'SPLIT',
    in: [scalar(-1), x23],
    out: [f32([2, 1], [1, 4]), f32([2, 1], [2, 5]), f32([2, 1], [3, 6])],
  },
  {
    label: 'one size left open',
    code: 'SPLIT_V',
    in: [x23, numbers(-1, 1), scalar(1)],
    out: [f32([2, 2], [1, 2, 4, 5]), f32([2, 1], [3, 6])],
  },
  {
    label: '−1 goes to the end',
    code: 'SLICE',
    in: [x23, numbers(0, 1), numbers(1, -1)],
    out: [f32([1, 2], [2, 3])],
  },
  {
    label: 'int8 keeps its scale',
    code: 'SLICE',
    in: [i8([3], [1, 2, 3], 0.5, 1), numbers(1), numbers(2)],
    out: [i8([2], [2, 3], 0.5, 1)],
  },

  {
    label: 'x[-3:-1]',
    code: 'STRIDED_SLICE',
    in: [four, numbers(-3), numbers(-1), numbers(1)],
    out: [f32([2], [1, 2])],
  },
  {
    label: 'x[::-1]',
    code: 'STRIDED_SLICE',
    in: [four, numbers(0), numbers(0), numbers(-1)],
    out: [f32([4], [3, 2, 1, 0])],
    options: sliceMasks({ begin: 1, end: 1 }),
  },
  {
    label: 'x[3:0:-2]',
    code: 'STRIDED_SLICE',
    in: [four, numbers(3), numbers(0), numbers(-2)],
    out: [f32([2], [3, 1])],
  },
  {
    label: 'x[1, ::3]',
    code: 'STRIDED_SLICE',
    in: [f32([2, 4], range(8, 0)), numbers(1, 0), numbers(2, 0), numbers(1, 3)],
    out: [f32([2], [4, 7])],
    options: sliceMasks({ end: 2, shrink: 1 }),
  },
  {
    label: 'x[..., 0:1]',
    code: 'STRIDED_SLICE',
    in: [cube, numbers(0, 0), numbers(0, 1), numbers(1, 1)],
    out: [f32([2, 2, 1], [0, 2, 4, 6])],
    options: sliceMasks({ ellipsis: 1 }),
  },
  {
    label: 'x[newaxis, 1:3]',
    code: 'STRIDED_SLICE',
    in: [four, numbers(0, 1), numbers(0, 3), numbers(1, 1)],
    out: [f32([1, 2], [1, 2])],
    options: sliceMasks({ newAxis: 1 }),
  },
  {
    label: 'x[-1, newaxis, ..., 0]',
    code: 'STRIDED_SLICE',
    in: [cube, numbers(-1, 0, 0, 0), numbers(0, 0, 0, 0), numbers(1, 1, 1, 1)],
    out: [f32([1, 2], [4, 6])],
    options: sliceMasks({ newAxis: 2, ellipsis: 4, shrink: 9 }),
  },
  {
    label: 'the rest of the axes stays whole',
    code: 'STRIDED_SLICE',
    in: [cube, numbers(1), numbers(99), numbers(1)],
    out: [f32([1, 2, 2], [4, 5, 6, 7])],
  },
  {
    label: 'the end as an offset of the begin',
    code: 'STRIDED_SLICE',
    in: [four, numbers(1), numbers(2), numbers(1)],
    out: [f32([2], [1, 2])],
    options: sliceMasks({ offset: 1 }),
  },

  {
    label: 'axis 1',
    code: 'GATHER',
    in: [x23, numbers(2, 0)],
    out: [f32([2, 2], [3, 1, 6, 4])],
    options: int(o.gather.union, o.gather.axis, 1),
  },
  {
    label: 'a batch dimension',
    code: 'GATHER',
    in: [x23, constant(i32([2, 1], [2, 0]))],
    out: [f32([2, 1], [3, 4])],
    options: {
      union: o.gather.union,
      fields: { [o.gather.axis]: ['i32', 1], [o.gather.batchDims]: ['i32', 1] },
    },
  },
  {
    label: 'f32',
    code: 'PAD',
    in: [f32([1, 2], [1, 2]), constant(i32([2, 2], [1, 0, 0, 2]))],
    out: [f32([2, 4], [0, 0, 0, 0, 1, 2, 0, 0])],
  },
  {
    label: 'int8 with its zero point',
    code: 'PAD',
    in: [i8([2], [1, 2], 0.5, -7), constant(i32([1, 2], [1, 1]))],
    out: [i8([4], [-7, 1, 2, -7], 0.5, -7)],
  },
  {
    label: 'f32',
    code: 'PADV2',
    in: [f32([2], [1, 2]), constant(i64([1, 2], [1, 0])), constant(f32([], [9]))],
    out: [f32([3], [9, 1, 2])],
  },
  {
    label: 'int8',
    code: 'PADV2',
    in: [i8([2], [1, 2], 0.3, 4), constant(i32([1, 2], [0, 1])), constant(i8([], [-11], 0.3, 4))],
    out: [i8([3], [1, 2, -11], 0.3, 4)],
  },
  {
    label: 'reflect',
    code: 'MIRROR_PAD',
    in: [f32([3], [1, 2, 3]), constant(i32([1, 2], [2, 1]))],
    out: [f32([6], [3, 2, 1, 2, 3, 2])],
  },
  {
    label: 'symmetric',
    code: 'MIRROR_PAD',
    in: [f32([3], [1, 2, 3]), constant(i32([1, 2], [2, 1]))],
    out: [f32([6], [2, 1, 1, 2, 3, 3])],
    options: { union: o.mirrorPad.union, fields: { [o.mirrorPad.mode]: ['i8', 1] } },
  },

  {
    label: '4 × 4 in blocks of 2',
    code: 'SPACE_TO_BATCH_ND',
    in: [sixteen, numbers(2, 2), constant(i32([2, 2], [0, 0, 0, 0]))],
    out: [f32([4, 2, 2, 1], [1, 3, 9, 11, 2, 4, 10, 12, 5, 7, 13, 15, 6, 8, 14, 16])],
  },
  {
    label: 'padded',
    code: 'SPACE_TO_BATCH_ND',
    in: [paired, numbers(2, 2), constant(i32([2, 2], [0, 0, 2, 0]))],
    out: [f32([8, 1, 3, 1], batches.flat())],
  },
  {
    label: 'rank 3',
    code: 'SPACE_TO_BATCH_ND',
    in: [f32([1, 4, 1], range(4)), numbers(2), constant(i32([1, 2], [0, 0]))],
    out: [f32([2, 2, 1], [1, 3, 2, 4])],
  },
  {
    label: 'cropped',
    code: 'BATCH_TO_SPACE_ND',
    in: [f32([8, 1, 3, 1], batches.flat()), numbers(2, 2), constant(i32([2, 2], [0, 0, 2, 0]))],
    out: [paired],
  },
  {
    label: '2 × 2 of 4 channels',
    code: 'DEPTH_TO_SPACE',
    in: [f32([1, 2, 2, 4], range(16))],
    out: [f32([1, 4, 4, 1], [1, 2, 5, 6, 3, 4, 7, 8, 9, 10, 13, 14, 11, 12, 15, 16])],
    options: int(o.depthToSpace.union, o.depthToSpace.blockSize, 2),
  },
  {
    label: '4 × 4 in blocks of 2',
    code: 'SPACE_TO_DEPTH',
    in: [f32([1, 4, 4, 1], [1, 2, 5, 6, 3, 4, 7, 8, 9, 10, 13, 14, 11, 12, 15, 16])],
    out: [f32([1, 2, 2, 4], range(16))],
    options: int(o.spaceToDepth.union, o.spaceToDepth.blockSize, 2),
  },

  {
    label: 'plain',
    code: 'RESIZE_BILINEAR',
    in: [pair, numbers(1, 4)],
    out: [f32([1, 1, 4, 1], [0, 2, 4, 4])],
    options: resized(o.resizeBilinear, 0, 0),
  },
  {
    label: 'align_corners',
    code: 'RESIZE_BILINEAR',
    in: [pair, numbers(1, 4)],
    out: [f32([1, 1, 4, 1], [0, 4 / 3, 8 / 3, 4])],
    options: resized(o.resizeBilinear, 1, 0),
  },
  {
    label: 'half_pixel_centers',
    code: 'RESIZE_BILINEAR',
    in: [pair, numbers(1, 4)],
    out: [f32([1, 1, 4, 1], [0, 1, 3, 4])],
    options: resized(o.resizeBilinear, 0, 1),
  },
  {
    label: 'plain',
    code: 'RESIZE_NEAREST_NEIGHBOR',
    in: [pair, numbers(1, 4)],
    out: [f32([1, 1, 4, 1], [0, 0, 4, 4])],
    options: resized(o.resizeNearest, 0, 0),
  },
];
