/** Operators that compare and choose, and products of matrices, with numbers worked out by hand. */
import * as o from '../../../src/io/tflite/schema.ts';
import type { Case } from './cases.ts';
import { bool, constant, f32, i8, i32, i64, scalar, u8 } from './write.ts';

const pairs = [f32([3], [1, 2, 3]), f32([3], [2, 2, 2])];
const compared = (code: string, y: number[]): Case => ({
  label: 'f32',
  code,
  in: pairs,
  out: [bool([3], y)],
});
const logic = (code: string, y: number[]): Case => ({
  label: 'bool',
  code,
  in: [bool([4], [0, 0, 1, 1]), bool([4], [0, 1, 0, 1])],
  out: [bool([4], y)],
});
const transposed = (a: number, b: number) =>
  ({
    union: o.batchMatMul.union,
    fields: { [o.batchMatMul.transposeA]: ['bool', a], [o.batchMatMul.transposeB]: ['bool', b] },
  }) as const;

export const choiceCases: readonly Case[] = [
  compared('EQUAL', [0, 1, 0]),
  compared('NOT_EQUAL', [1, 0, 1]),
  compared('LESS', [1, 0, 0]),
  compared('LESS_EQUAL', [1, 1, 0]),
  compared('GREATER', [0, 0, 1]),
  compared('GREATER_EQUAL', [0, 1, 1]),
  {
    label: 'broadcasts',
    code: 'LESS',
    in: [i32([2, 1], [1, 3]), i32([2], [2, 4])],
    out: [bool([2, 2], [1, 1, 0, 1])],
  },
  { label: 'int64', code: 'GREATER', in: [i64([2], [1, 3]), i64([], [2])], out: [bool([2], [0, 1])] },
  {
    label: 'int8',
    code: 'EQUAL',
    in: [i8([2], [1, 3], 0.5, 1), i8([2], [1, 2], 0.5, 1)],
    out: [bool([2], [1, 0])],
  },
  logic('LOGICAL_AND', [0, 0, 0, 1]),
  logic('LOGICAL_OR', [0, 1, 1, 1]),
  logic('NOT_EQUAL', [0, 1, 1, 0]),
  { label: 'bool', code: 'LOGICAL_NOT', in: [bool([2], [0, 1])], out: [bool([2], [1, 0])] },
  {
    label: 'broadcasts',
    code: 'SELECT_V2',
    in: [bool([2, 1], [1, 0]), f32([2], [1, 2]), f32([], [9])],
    out: [f32([2, 2], [1, 2, 9, 9])],
  },
  {
    label: 'uint8',
    code: 'SELECT',
    in: [bool([2], [1, 0]), u8([2], [1, 2], 0.5, 3), u8([2], [5, 6], 0.5, 3)],
    out: [u8([2], [1, 6], 0.5, 3)],
  },
  {
    label: 'to int32',
    code: 'ARG_MIN',
    in: [f32([2, 3], [3, 1, 1, 9, 2, 4]), scalar(-1)],
    out: [i32([2], [1, 1])],
  },
  {
    label: 'values and where they are, the first of equals first',
    code: 'TOPK_V2',
    in: [f32([2, 4], [1, 3, 3, 2, 9, 7, 8, 9]), scalar(3)],
    out: [f32([2, 3], [3, 3, 2, 9, 9, 8]), i32([2, 3], [1, 2, 3, 0, 3, 2])],
  },
  {
    label: 'rows',
    code: 'GATHER_ND',
    in: [f32([3, 2], [1, 2, 3, 4, 5, 6]), constant(i32([2, 1], [2, 0]))],
    out: [f32([2, 2], [5, 6, 1, 2])],
  },
  {
    label: 'elements of int8',
    code: 'GATHER_ND',
    in: [i8([2, 2], [1, 2, 3, 4], 0.5, 7), constant(i64([2, 2], [1, 0, 0, 1]))],
    out: [i8([2], [3, 2], 0.5, 7)],
  },
  {
    label: 'a batch of two, one matrix for both',
    code: 'BATCH_MATMUL',
    in: [f32([2, 1, 2], [1, 2, 3, 4]), f32([2, 2], [1, 2, 3, 4])],
    out: [f32([2, 1, 2], [7, 10, 15, 22])],
    options: transposed(0, 0),
  },
  {
    label: 'the second transposed',
    code: 'BATCH_MATMUL',
    in: [f32([1, 2], [1, 2]), f32([2, 2], [1, 2, 3, 4])],
    out: [f32([1, 2], [5, 11])],
    options: transposed(0, 1),
  },
  {
    label: 'the first transposed',
    code: 'BATCH_MATMUL',
    in: [f32([2, 1], [1, 2]), f32([2, 2], [1, 2, 3, 4])],
    out: [f32([1, 2], [7, 10])],
    options: transposed(1, 0),
  },
];
