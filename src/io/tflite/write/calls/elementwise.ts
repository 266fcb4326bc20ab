/** Operators that calculate each number by itself, or along one axis. */
import { VireoError } from '../../../../errors.ts';
import type { Value, ValueId } from '../../../../graph/ir.ts';
import type { Op, OpOf } from '../../../../graph/ops.ts';
import type { BinaryFn, ReduceFn, UnaryFn } from '../../../../kernels/call.ts';
import type { DType } from '../../../../tensor.ts';
import { fileType } from '../../operator.ts';
import {
  argMax as argMaxOptions,
  argMin,
  batchMatMul,
  binaryActivation,
  binaryUnion,
  cast as castOptions,
  l2Norm,
  leakyRelu,
  localResponseNormalization,
  reducer,
  softmax as softmaxOptions,
} from '../../schema.ts';
import { isByte, reluOf } from '../fused.ts';
import {
  activation,
  type Call,
  ends,
  enumeration,
  flag,
  i32,
  ints,
  type NodeOf,
  options,
  typeNumber,
  valueAt,
} from './call.ts';

const unaryCodes: Partial<Record<UnaryFn, string>> = {
  abs: 'ABS',
  neg: 'NEG',
  sign: 'SIGN',
  floor: 'FLOOR',
  ceil: 'CEIL',
  round: 'ROUND',
  square: 'SQUARE',
  sqrt: 'SQRT',
  rsqrt: 'RSQRT',
  exp: 'EXP',
  log: 'LOG',
  sin: 'SIN',
  cos: 'COS',
  not: 'LOGICAL_NOT',
  logistic: 'LOGISTIC',
  tanh: 'TANH',
  hardSwish: 'HARD_SWISH',
  elu: 'ELU',
  leakyRelu: 'LEAKY_RELU',
};

const binaryCodes: Partial<Record<BinaryFn, string>> = {
  add: 'ADD',
  sub: 'SUB',
  mul: 'MUL',
  div: 'DIV',
  min: 'MINIMUM',
  max: 'MAXIMUM',
  pow: 'POW',
  mod: 'FLOOR_MOD',
  equal: 'EQUAL',
  less: 'LESS',
  lessOrEqual: 'LESS_EQUAL',
  greater: 'GREATER',
  greaterOrEqual: 'GREATER_EQUAL',
  and: 'LOGICAL_AND',
  or: 'LOGICAL_OR',
  xor: 'NOT_EQUAL',
};

const reduceCodes: Readonly<Record<ReduceFn, string>> = {
  mean: 'MEAN',
  sum: 'SUM',
  max: 'REDUCE_MAX',
  min: 'REDUCE_MIN',
  prod: 'REDUCE_PROD',
};

function codeOf(code: string | undefined, { kind }: Op, { name }: Value): string {
  if (code === undefined) throw new VireoError('bad-graph', `${kind} "${name}" has no operator`);
  return code;
}

export function unary(node: NodeOf<OpOf<'unary'>>): Call {
  const { op, inputs } = node;
  const call = { code: codeOf(unaryCodes[op.fn], op, ends(node).y), inputs };
  return op.fn === 'leakyRelu'
    ? { ...call, options: options(leakyRelu.union, { [leakyRelu.alpha]: ['f32', op.alpha] }) }
    : call;
}

export function clamp(node: NodeOf<OpOf<'clamp'>>): Call {
  const { y } = ends(node);
  return { code: codeOf(reluOf(node.op.clamp, y)?.name, node.op, y), inputs: node.inputs };
}

const isFused = (code: string): code is keyof typeof binaryUnion => Object.hasOwn(binaryUnion, code);

export function binary(node: NodeOf<OpOf<'binary'>>): Call {
  const { op, inputs } = node;
  const { x: a, w: b, y } = ends(node);
  const code = codeOf(binaryCodes[op.fn], op, y);
  if (!isFused(code)) return { code, inputs };
  const scale = (value: Value): number => Math.fround(value.quantization?.scale[0] ?? 1);
  const rescale = [a, b, y].every(isByte) ? (scale(a) * scale(b)) / scale(y) : 0;
  const fields = { [binaryActivation]: activation(op, y) };
  return { code, inputs, options: options(binaryUnion[code], fields), asked: { rescale } };
}

export function matmul({ inputs }: NodeOf<OpOf<'matmul'>>): Call {
  const { union, transposeA, transposeB } = batchMatMul;
  const fields = { [transposeA]: flag(false), [transposeB]: flag(false) };
  return { code: 'BATCH_MATMUL', inputs, options: options(union, fields) };
}

export function softmax({ op, inputs }: NodeOf<OpOf<'softmax'>>): Call {
  if (op.log) return { code: 'LOG_SOFTMAX', inputs };
  const fields = { [softmaxOptions.beta]: ['f32', op.beta] } as const;
  return { code: 'SOFTMAX', inputs, options: options(softmaxOptions.union, fields) };
}

export function l2Normalize({ inputs }: NodeOf<OpOf<'l2Normalize'>>): Call {
  const fields = { [l2Norm.activation]: enumeration(0) };
  return { code: 'L2_NORMALIZATION', inputs, options: options(l2Norm.union, fields) };
}

/** Its alpha multiplies the sum, not the mean; its radius leaves the middle out. */
export function lrn({ op, inputs }: NodeOf<OpOf<'lrn'>>): Call {
  const o = localResponseNormalization;
  const fields = {
    [o.radius]: i32((op.size - 1) / 2),
    [o.bias]: ['f32', op.bias],
    [o.alpha]: ['f32', op.alpha / op.size],
    [o.beta]: ['f32', op.beta],
  } as const;
  return { code: 'LOCAL_RESPONSE_NORMALIZATION', inputs, options: options(o.union, fields) };
}

/** `dropped`: what a reshape behind it makes, where the operator does its work too. */
export function reduce(node: NodeOf<OpOf<'reduce'>>, dropped: ValueId | null): Call {
  const { op, inputs, output } = node;
  return {
    code: reduceCodes[op.fn],
    inputs: [inputs[0]!, ints(valueAt(node, dropped ?? output), 'axes', op.axes)],
    outputs: [dropped ?? output],
    options: options(reducer.union, { [reducer.keepDims]: flag(dropped === null) }),
  };
}

export function argMax(node: NodeOf<OpOf<'argMax'>>): Call {
  const { op, inputs } = node;
  const { y } = ends(node);
  const o = op.least ? argMin : argMaxOptions;
  return {
    code: op.least ? 'ARG_MIN' : 'ARG_MAX',
    inputs: [inputs[0]!, ints(y, 'axis', [op.axis], [])],
    options: options(o.union, { [o.outputType]: typeNumber(y.dtype) }),
  };
}

/** TOPK_V2 makes both, values and int32 indices. */
export function topK(node: NodeOf<OpOf<'topK'>>): Call[] {
  const { op, inputs, output } = node;
  const { x, y } = ends(node);
  const operands = [inputs[0]!, ints(y, 'k', [op.k], [])];
  const indices = { name: `${y.name}/int32`, type: 'int32', shape: y.shape };
  if (!op.indices) return [{ code: 'TOPK_V2', inputs: operands, outputs: [output, indices] }];
  const { quantization, dtype } = x;
  const values = { name: `${y.name}/values`, type: fileType(dtype), shape: y.shape, quantization };
  return [
    { code: 'TOPK_V2', inputs: operands, outputs: [values, indices] },
    { ...casting('i32', 'i64'), inputs: [indices] },
  ];
}

export function convert(node: NodeOf<OpOf<'convert'>>): Call {
  return { code: ends(node).y.dtype === 'f32' ? 'DEQUANTIZE' : 'QUANTIZE', inputs: node.inputs };
}

export function cast(node: NodeOf<OpOf<'cast'>>): Call {
  const { inputs, output } = node;
  return { ...casting(valueAt(node, inputs[0]!).dtype, valueAt(node, output).dtype), inputs };
}

function casting(from: DType, to: DType): Omit<Call, 'inputs'> {
  const fields = { [castOptions.from]: typeNumber(from), [castOptions.to]: typeNumber(to) };
  return { code: 'CAST', options: options(castOptions.union, fields) };
}
