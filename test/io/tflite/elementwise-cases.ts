/** Operators that calculate, with numbers worked out by hand. */
import * as o from '../../../src/io/tflite/schema.ts';
import type { Case } from './cases.ts';
import { bool, f32, i8, i32, i64, numbers, type OptionsSpec, scalar, u8 } from './write.ts';

const fused = (union: number, activation: number): OptionsSpec => ({
  union,
  fields: { [o.binaryActivation]: ['i8', activation] },
});
const keepDims = (keep: number): OptionsSpec => ({
  union: o.reducer.union,
  fields: { [o.reducer.keepDims]: ['bool', keep] },
});

/** One f32 row in, one out. */
const map = (code: string, x: number[], y: number[], options?: OptionsSpec): Case => {
  const item = { label: 'f32', code, in: [f32([x.length], x)], out: [f32([y.length], y)] };
  return options ? { ...item, options } : item;
};

const grid = f32([1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);

export const elementwiseCases: readonly Case[] = [
  {
    label: 'broadcasts',
    code: 'ADD',
    in: [f32([2, 1], [1, 2]), f32([2], [10, 20])],
    out: [f32([2, 2], [11, 21, 12, 22])],
  },
  {
    label: 'int8, three scales',
    code: 'ADD',
    in: [i8([2], [1, 2], 1), i8([2], [2, 4], 0.5)],
    out: [i8([2], [1, 3], 1, -1)],
    options: fused(11, 0),
  },
  { label: 'int32', code: 'ADD', in: [i32([2], [1, 2]), i32([], [5])], out: [i32([2], [6, 7])] },
  {
    label: 'RELU',
    code: 'SUB',
    in: [f32([2], [1, 5]), f32([2], [3, 2])],
    out: [f32([2], [0, 3])],
    options: fused(28, 1),
  },
  {
    label: 'RELU_N1_TO_1',
    code: 'MUL',
    in: [f32([2], [0.5, 2]), f32([2], [-4, 1])],
    out: [f32([2], [-1, 1])],
    options: fused(21, 2),
  },
  {
    label: 'uint8',
    code: 'MUL',
    in: [u8([2], [2, 4], 1, 0), u8([2], [12, 8], 0.5, 10)], // 2·1, 4·−1
    out: [u8([2], [102, 96], 1, 100)],
  },
  { label: 'int64', code: 'MUL', in: [i64([2], [3, 4]), i64([2], [5, -6])], out: [i64([2], [15, -24])] },
  {
    label: 'RELU6',
    code: 'DIV',
    in: [f32([2], [1, 90]), f32([2], [2, 3])],
    out: [f32([2], [0.5, 6])],
    options: fused(29, 3),
  },
  { label: 'f32', code: 'MINIMUM', in: [f32([2], [1, 5]), f32([1], [3])], out: [f32([2], [1, 3])] },
  { label: 'f32', code: 'MAXIMUM', in: [f32([2], [1, 5]), f32([1], [3])], out: [f32([2], [3, 5])] },
  { label: 'int8', code: 'MAXIMUM', in: [i8([2], [1, 5]), i8([1], [3])], out: [i8([2], [3, 5])] },
  { label: 'f32', code: 'POW', in: [f32([2], [2, 3]), f32([2], [3, 2])], out: [f32([2], [8, 9])] },

  { label: 'f32', code: 'FLOOR_MOD', in: [f32([2], [5, -5]), f32([1], [3])], out: [f32([2], [2, 1])] },
  { label: 'int32', code: 'FLOOR_MOD', in: [i32([2], [5, -5]), i32([], [-3])], out: [i32([2], [-1, -2])] },

  map('ABS', [-1.5, 2], [1.5, 2]),
  map('NEG', [-1.5, 2], [1.5, -2]),
  map('SQUARE', [-3, 2], [9, 4]),
  map('EXP', [0, 1], [1, Math.E]),
  map('LOG', [1, Math.E], [0, 1]),
  map('SQRT', [4, 9], [2, 3]),
  map('RSQRT', [4, 0.25], [0.5, 2]),
  map('FLOOR', [1.7, -1.2], [1, -2]),
  map('CEIL', [1.2, -1.7], [2, -1]),
  map('ROUND', [0.5, 1.5, -2.5, 1.2], [0, 2, -2, 1]),
  map('SIN', [0, Math.PI / 2], [0, 1]),
  map('COS', [0, Math.PI], [1, -1]),
  map('SIGN', [-3, 0, 2], [-1, 0, 1]),
  map('LOGISTIC', [0, Math.log(3)], [0.5, 0.75]),
  map('TANH', [0, Math.atanh(0.5)], [0, 0.5]),
  map('ELU', [1, -1], [1, 1 / Math.E - 1]),
  map('HARD_SWISH', [-4, 0, 1, 4], [0, 0, 4 / 6, 4]),
  map('LEAKY_RELU', [-4, 4], [-1, 4], {
    union: o.leakyRelu.union,
    fields: { [o.leakyRelu.alpha]: ['f32', 0.25] },
  }),
  map('RELU', [-2, 3, 9], [0, 3, 9]),
  map('RELU6', [-2, 3, 9], [0, 3, 6]),
  map('RELU_N1_TO_1', [-2, 0.5, 9], [-1, 0.5, 1]),
  map('RELU_0_TO_1', [-2, 0.5, 9], [0, 0.5, 1]),
  {
    label: 'int8 to another scale',
    code: 'RELU',
    in: [i8([3], [-4, 2, 6], 1)],
    out: [i8([3], [1, 2, 4], 2, 1)],
  },
  { label: 'int8', code: 'LOGISTIC', in: [i8([1], [0], 0.1)], out: [i8([1], [0], 1 / 256, -128)] },
  {
    label: 'a slope for each channel',
    code: 'PRELU',
    in: [f32([1, 1, 2, 2], [-2, 3, 4, -4]), f32([1, 1, 2], [0.5, 0.25])],
    out: [f32([1, 1, 2, 2], [-1, 3, 4, -1])],
  },
  map('SOFTMAX', [0, Math.log(3)], [0.25, 0.75], {
    union: o.softmax.union,
    fields: { [o.softmax.beta]: ['f32', 1] },
  }),
  {
    label: 'int8',
    code: 'SOFTMAX',
    in: [i8([1, 2], [5, 5], 0.1)],
    out: [i8([1, 2], [0, 0], 1 / 256, -128)],
    options: { union: o.softmax.union, fields: { [o.softmax.beta]: ['f32', 1] } },
  },
  map('LOG_SOFTMAX', [0, Math.log(3)], [Math.log(0.25), Math.log(0.75)]),
  map('L2_NORMALIZATION', [3, 4], [0.6, 0.8]),
  {
    label: 'the channel and its neighbours, alpha times the sum',
    code: 'LOCAL_RESPONSE_NORMALIZATION',
    in: [f32([1, 1, 1, 4], [1, 2, 3, 4])],
    out: [f32([1, 1, 1, 4], [1 / (2 + 5 / 2), 2 / (2 + 14 / 2), 3 / (2 + 29 / 2), 4 / (2 + 25 / 2)])],
    options: {
      union: o.localResponseNormalization.union,
      fields: {
        [o.localResponseNormalization.radius]: ['i32', 1],
        [o.localResponseNormalization.bias]: ['f32', 2],
        [o.localResponseNormalization.alpha]: ['f32', 0.5],
        [o.localResponseNormalization.beta]: ['f32', 1],
      },
    },
  },

  {
    label: 'drops its axes',
    code: 'MEAN',
    in: [grid, numbers(1, 2)],
    out: [f32([1, 2], [4, 5])],
    options: keepDims(0),
  },
  {
    label: 'keeps its axes',
    code: 'MEAN',
    in: [grid, numbers(2, 1)],
    out: [f32([1, 1, 1, 2], [4, 5])],
    options: keepDims(1),
  },
  {
    label: 'int8',
    code: 'MEAN',
    in: [i8([1, 1, 2, 2], [2, 4, 6, 8], 0.5, 0), numbers(1, 2)],
    out: [i8([1, 2], [2, 3], 1, 0)],
    options: keepDims(0),
  },
  {
    label: 'axes from behind and twice',
    code: 'SUM',
    in: [grid, numbers(-1, 3)],
    out: [f32([1, 2, 2], [3, 7, 11, 15])],
    options: keepDims(0),
  },
  {
    label: 'one axis, as a scalar',
    code: 'SUM',
    in: [f32([2, 2], [1, 2, 3, 4]), scalar(0)],
    out: [f32([2], [4, 6])],
  },

  {
    label: 'drops its axes',
    code: 'REDUCE_MAX',
    in: [grid, numbers(1, 2)],
    out: [f32([1, 2], [7, 8])],
    options: keepDims(0),
  },
  {
    label: 'int8',
    code: 'REDUCE_MIN',
    in: [i8([2, 2], [2, 4, -6, 8], 0.5, 3), numbers(1)],
    out: [i8([2, 1], [2, -6], 0.5, 3)],
    options: keepDims(1),
  },
  {
    label: 'int32',
    code: 'REDUCE_PROD',
    in: [i32([2, 2], [2, 4, -6, 8]), numbers(0)],
    out: [i32([2], [-12, 32])],
    options: keepDims(0),
  },

  {
    label: 'to int64',
    code: 'ARG_MAX',
    in: [f32([2, 3], [1, 3, 3, 9, 2, 1]), scalar(-1)],
    out: [i64([2], [1, 0])],
  },
  {
    label: 'of uint8, to int32',
    code: 'ARG_MAX',
    in: [u8([2, 2], [1, 200, 3, 100]), scalar(0)],
    out: [i32([2], [1, 0])],
  },

  {
    label: 'f32 to int8',
    code: 'QUANTIZE',
    in: [f32([4], [-1, 0, 0.26, 1000])],
    out: [i8([4], [1, 3, 4, 127], 0.5, 3)],
  },
  {
    label: 'uint8 to int8',
    code: 'QUANTIZE',
    in: [u8([3], [0, 128, 255], 0.5, 128)],
    out: [i8([3], [-128, 0, 127], 0.5, 0)],
  },
  {
    label: 'int8 to a coarser int8',
    code: 'QUANTIZE',
    in: [i8([2], [8, -4], 0.5, 0)],
    out: [i8([2], [3, -3], 1, -1)],
  },
  {
    label: 'int8 to f32',
    code: 'DEQUANTIZE',
    in: [i8([3], [-128, 1, 3], 0.5, 1)],
    out: [f32([3], [-64.5, 0, 1])],
  },
  { label: 'f32 to int32', code: 'CAST', in: [f32([2], [1.9, -1.9])], out: [i32([2], [1, -1])] },
  { label: 'int32 to f32', code: 'CAST', in: [i32([2], [3, -4])], out: [f32([2], [3, -4])] },
  { label: 'int32 to int64', code: 'CAST', in: [i32([2], [3, -4])], out: [i64([2], [3, -4])] },
  { label: 'bool to f32', code: 'CAST', in: [bool([2], [0, 1])], out: [f32([2], [0, 1])] },
];
