/** Operators with weights or a window, with numbers worked out by hand. */
import * as o from '../../../src/io/tflite/schema.ts';
import type { Case } from './cases.ts';
import { constant, f32, i8, i32, numbers, type OptionsSpec, u8, withParams } from './write.ts';

export const same = 0;
export const valid = 1;

export const conv = (padding: number, stride = 1, activation = 0, dilation = 1): OptionsSpec => ({
  union: o.conv2d.union,
  fields: {
    [o.conv2d.padding]: ['i8', padding],
    [o.conv2d.strideW]: ['i32', stride],
    [o.conv2d.strideH]: ['i32', stride],
    [o.conv2d.activation]: ['i8', activation],
    [o.conv2d.dilationW]: ['i32', dilation],
    [o.conv2d.dilationH]: ['i32', dilation],
  },
});
export const depthwise = (padding: number, strideH: number, strideW: number, dilationW = 1): OptionsSpec => ({
  union: o.depthwiseConv2d.union,
  fields: {
    [o.depthwiseConv2d.padding]: ['i8', padding],
    [o.depthwiseConv2d.strideW]: ['i32', strideW],
    [o.depthwiseConv2d.strideH]: ['i32', strideH],
    [o.depthwiseConv2d.dilationW]: ['i32', dilationW],
  },
});
export const transposed = (padding: number, stride: number): OptionsSpec => ({
  union: o.transposeConv.union,
  fields: {
    [o.transposeConv.padding]: ['i8', padding],
    [o.transposeConv.strideW]: ['i32', stride],
    [o.transposeConv.strideH]: ['i32', stride],
  },
});
export const full = (keepNumDims = 0, activation = 0, asymmetricInputs = 0): OptionsSpec => ({
  union: o.fullyConnected.union,
  fields: {
    [o.fullyConnected.keepNumDims]: ['bool', keepNumDims],
    [o.fullyConnected.activation]: ['i8', activation],
    [o.fullyConnected.asymmetricQuantizeInputs]: ['bool', asymmetricInputs],
  },
});
const pool = (padding: number, stride: number, kernelH: number, kernelW: number): OptionsSpec => ({
  union: o.pool2d.union,
  fields: {
    [o.pool2d.padding]: ['i8', padding],
    [o.pool2d.strideW]: ['i32', stride],
    [o.pool2d.strideH]: ['i32', stride],
    [o.pool2d.kernelW]: ['i32', kernelW],
    [o.pool2d.kernelH]: ['i32', kernelH],
  },
});

const nine = f32([1, 3, 3, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
const ones = (n: number) => new Array<number>(n).fill(1);
const row = f32([1, 1, 3, 1], [-2, 3, 9]);
const one = constant(f32([1, 1, 1, 1], [1]));

export const windowsCases: readonly Case[] = [
  {
    label: 'two layers on two, RELU',
    code: 'CONV_3D',
    in: [
      f32([1, 2, 1, 2, 1], [1, 2, 3, -4]),
      constant(f32([2, 1, 1, 1, 2], [1, 10, 2, 20])),
      constant(f32([2], [0.5, 0])),
    ],
    out: [f32([1, 1, 1, 2, 2], [7.5, 70, 0, 0])],
    options: {
      union: o.conv3d.union,
      fields: {
        [o.conv3d.padding]: ['i8', 1],
        [o.conv3d.strideD]: ['i32', 1],
        [o.conv3d.strideH]: ['i32', 1],
        [o.conv3d.strideW]: ['i32', 1],
        [o.conv3d.activation]: ['i8', 1],
      },
    },
  },
  {
    label: 'VALID, bias',
    code: 'CONV_2D',
    in: [nine, constant(f32([1, 2, 2, 1], [1, 0, 0, 1])), constant(f32([1], [10]))],
    out: [f32([1, 2, 2, 1], [16, 18, 22, 24])],
    options: conv(valid),
  },
  {
    label: 'SAME with stride 2 puts the odd cell at the end',
    code: 'CONV_2D',
    in: [f32([1, 4, 4, 1], ones(16)), constant(f32([1, 3, 3, 1], ones(9)))],
    out: [f32([1, 2, 2, 1], [9, 6, 6, 4])],
    options: conv(same, 2),
  },
  {
    label: 'SAME with dilation 2',
    code: 'CONV_2D',
    in: [f32([1, 3, 3, 1], ones(9)), constant(f32([1, 3, 3, 1], ones(9))), null],
    out: [f32([1, 3, 3, 1], [4, 2, 4, 2, 1, 2, 4, 2, 4])],
    options: conv(same, 1, 0, 2),
  },
  {
    label: 'two groups',
    code: 'CONV_2D',
    in: [f32([1, 1, 1, 4], [1, 2, 3, 4]), constant(f32([2, 1, 1, 2], ones(4)))],
    out: [f32([1, 1, 1, 2], [3, 7])],
    options: conv(valid),
  },
  {
    label: 'RELU',
    code: 'CONV_2D',
    in: [row, one],
    out: [f32([1, 1, 3, 1], [0, 3, 9])],
    options: conv(valid, 1, 1),
  },
  {
    label: 'RELU_N1_TO_1',
    code: 'CONV_2D',
    in: [row, one],
    out: [f32([1, 1, 3, 1], [-1, 1, 1])],
    options: conv(valid, 1, 2),
  },
  {
    label: 'RELU6',
    code: 'CONV_2D',
    in: [row, one],
    out: [f32([1, 1, 3, 1], [0, 3, 6])],
    options: conv(valid, 1, 3),
  },
  {
    label: 'int8, one scale for each output channel',
    code: 'CONV_2D',
    in: [
      i8([1, 1, 1, 2], [3, 5], 0.5, -1), // 2, 3
      constant(
        withParams(i8([2, 1, 1, 2], [2, 4, 4, -8]), { scale: [0.5, 0.25], zeroPoint: [0, 0], axis: 0 }), // 1, 2; 1, −2
      ),
      // The axis of a vector's parameters is ignored where it cannot be.
      constant(withParams(i32([2], [4, 8]), { scale: [0.25, 0.125], zeroPoint: [0, 0], axis: 3 })), // 1; 1
    ],
    out: [i8([1, 1, 1, 2], [10, -2], 1, 1)], // 9, −3
    options: conv(valid),
  },
  {
    label: 'uint8 with zero points on both sides',
    code: 'CONV_2D',
    in: [u8([1, 1, 1, 2], [130, 126], 1, 128), constant(u8([1, 1, 1, 2], [102, 104], 0.5, 100))],
    out: [u8([1, 1, 1, 1], [6], 0.5, 10)],
    options: conv(valid),
  },
  {
    label: 'multiplier 2',
    code: 'DEPTHWISE_CONV_2D',
    in: [f32([1, 1, 1, 2], [3, 5]), constant(f32([1, 1, 1, 4], [1, 2, 3, 4]))],
    out: [f32([1, 1, 1, 4], [3, 6, 15, 20])],
    options: depthwise(valid, 1, 1),
  },
  {
    label: 'dilation along w',
    code: 'DEPTHWISE_CONV_2D',
    in: [f32([1, 1, 3, 1], [1, 2, 3]), constant(f32([1, 1, 2, 1], [1, 10]))],
    out: [f32([1, 1, 1, 1], [31])],
    options: depthwise(valid, 1, 1, 2),
  },
  {
    label: 'SAME, strides 2 and 1, bias',
    code: 'DEPTHWISE_CONV_2D',
    in: [nine, constant(f32([1, 3, 3, 1], [0, 0, 0, 0, 1, 0, 0, 1, 0])), constant(f32([1], [100]))],
    out: [f32([1, 2, 3, 1], [105, 107, 109, 107, 108, 109])],
    options: depthwise(same, 2, 1),
  },
  {
    label: 'int8, one scale for each channel',
    code: 'DEPTHWISE_CONV_2D',
    in: [
      i8([1, 1, 1, 2], [4, 4], 0.5, 0), // 2, 2
      constant(withParams(i8([1, 1, 1, 2], [2, 2]), { scale: [0.5, 2], zeroPoint: [0, 0], axis: 3 })), // 1, 4
      constant(i32([2], [0, 1])), // 0, 1
    ],
    out: [i8([1, 1, 1, 2], [2, 9], 1, 0)],
    options: depthwise(valid, 1, 1),
  },
  {
    label: 'VALID, stride 2',
    code: 'TRANSPOSE_CONV',
    in: [numbers(1, 4, 4, 1), constant(f32([1, 2, 2, 1], [1, 2, 3, 4])), f32([1, 2, 2, 1], [1, 2, 3, 4])],
    out: [f32([1, 4, 4, 1], [1, 2, 2, 4, 3, 4, 6, 8, 3, 6, 4, 8, 9, 12, 12, 16])],
    options: transposed(valid, 2),
  },
  {
    label: 'SAME cuts the last window, bias',
    code: 'TRANSPOSE_CONV',
    in: [
      numbers(1, 1, 4, 1),
      constant(f32([1, 1, 3, 1], [1, 10, 100])),
      f32([1, 1, 2, 1], [1, 2]),
      constant(f32([1], [5])),
    ],
    out: [f32([1, 1, 4, 1], [6, 15, 107, 25])],
    options: transposed(same, 2),
  },
  {
    label: 'an input of rank 3 becomes rows',
    code: 'FULLY_CONNECTED',
    in: [
      f32([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
      constant(f32([2, 4], [1, 1, 1, 1, 1, 0, 0, 0])),
      constant(f32([2], [0, 10])),
    ],
    out: [f32([2, 2], [10, 11, 26, 15])],
    options: full(),
  },
  {
    label: 'keep_num_dims',
    code: 'FULLY_CONNECTED',
    in: [f32([1, 2, 2], [1, 2, 3, 4]), constant(f32([1, 2], [1, 2])), null],
    out: [f32([1, 2, 1], [5, 11])],
    options: full(1),
  },
  {
    label: 'int8, RELU6',
    code: 'FULLY_CONNECTED',
    in: [
      i8([1, 2], [3, 4], 1, 1), // 2, 3
      constant(i8([2, 2], [1, 0, 3, 4])),
      constant(i32([2], [1, 1])),
    ],
    out: [i8([1, 2], [-4, 2], 0.5, -10)], // 3, 19 → 6
    options: full(0, 3),
  },
  {
    label: 'SAME leaves the padding out of the average',
    code: 'AVERAGE_POOL_2D',
    in: [nine],
    out: [f32([1, 2, 2, 1], [3, 4.5, 7.5, 9])],
    options: pool(same, 2, 2, 2),
  },
  {
    label: 'VALID',
    code: 'MAX_POOL_2D',
    in: [nine],
    out: [f32([1, 2, 2, 1], [5, 6, 8, 9])],
    options: pool(valid, 1, 2, 2),
  },
  {
    label: 'int8 to another scale',
    code: 'MAX_POOL_2D',
    in: [i8([1, 1, 2, 1], [2, 4], 1, 0)],
    out: [i8([1, 1, 1, 1], [3], 2, 1)],
    options: pool(valid, 1, 1, 2),
  },
];
