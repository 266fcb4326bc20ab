/** Operators that calculate each number by itself, or along one axis: activations, sums, conversions. */

import { sameQuantization } from '../../../graph/build.ts';
import type { BinaryFn, Clamp, ReduceFn, UnaryFn } from '../../../kernels/call.ts';
import { noClamp } from '../../../kernels/call.ts';
import { fileType, type Operand, type Operator } from '../operator.ts';
import {
  binaryActivation,
  binaryUnion,
  l2Norm,
  leakyRelu,
  localResponseNormalization,
  reducer,
  softmax,
} from '../schema.ts';

const unary =
  (fn: UnaryFn, alpha = 0) =>
  (op: Operator) =>
    op.compute({ kind: 'unary', fn, alpha }, [op.activation(0).id]);

/** ABS, NEG and SQUARE also take whole numbers. */
const unaryOnNumbers = (fn: UnaryFn) => (op: Operator) =>
  op.compute({ kind: 'unary', fn, alpha: 0 }, [op.number(0).id]);

const clamp = (bounds: Clamp) => (op: Operator) =>
  op.compute({ kind: 'clamp', clamp: bounds }, [op.number(0).id]);

/** Only ADD, SUB, MUL and DIV can have an activation fused. */
const binary =
  (fn: BinaryFn, name?: keyof typeof binaryUnion) =>
  (op: Operator): void => {
    const a = op.number(0);
    const b = op.number(1);
    if (a.value.dtype !== b.value.dtype)
      op.fail(`inputs of types ${fileType(a.value.dtype)} and ${fileType(b.value.dtype)}`);
    const bounds = name ? op.clamp(op.options(binaryUnion[name]).i8(binaryActivation)) : noClamp;
    op.compute({ kind: 'binary', fn, clamp: bounds }, [a.id, b.id]);
  };

/** x (…)  ⇒  reduce, its axes kept as 1  ⇒  reshape without them, unless the file keeps them too */
const reduce =
  (fn: ReduceFn) =>
  (op: Operator): void => {
    const x = op.number(0);
    if (fn !== 'mean' && fn !== 'sum') handsOn(op, x, fn !== 'prod');
    const given = op.integers(1, 'axes').map((a) => op.axis(a, x.shape.length));
    const axes = [...new Set(given)].sort((a, b) => a - b);
    if (op.options(reducer.union).bool(reducer.keepDims)) {
      op.compute({ kind: 'reduce', fn, axes }, [x.id]);
      return;
    }
    const kept = op.step({ kind: 'reduce', fn, axes }, [x.id], op.computedQuantization(x.value.dtype));
    op.compute({ kind: 'reshape', shape: x.shape.filter((_, i) => !axes.includes(i)) }, [kept]);
  };

/** Stored numbers are handed on, or compared: quantised ones have to be alike on both sides. */
function handsOn(op: Operator, x: Operand, isOrder: boolean): void {
  const { dtype, quantization } = x.value;
  if (dtype !== 'i8' && dtype !== 'u8') return;
  if (!isOrder || !sameQuantization(quantization, op.computedQuantization(dtype)))
    op.unsupported(`${fileType(dtype)} input with other parameters than the output`);
}

export const elementwise: Readonly<Record<string, (op: Operator) => void>> = {
  ADD: binary('add', 'ADD'),
  SUB: binary('sub', 'SUB'),
  MUL: binary('mul', 'MUL'),
  DIV: binary('div', 'DIV'),
  MINIMUM: binary('min'),
  MAXIMUM: binary('max'),
  POW: binary('pow'),
  /** The remainder has the sign of the divisor. */
  FLOOR_MOD(op) {
    if (op.number(0).value.quantization) op.unsupported('quantised input');
    binary('mod')(op);
  },

  ABS: unaryOnNumbers('abs'),
  NEG: unaryOnNumbers('neg'),
  SQUARE: unaryOnNumbers('square'),
  EXP: unary('exp'),
  LOG: unary('log'),
  SQRT: unary('sqrt'),
  RSQRT: unary('rsqrt'),
  FLOOR: unary('floor'),
  CEIL: unary('ceil'),
  ROUND: unary('round'),
  SIN: unary('sin'),
  COS: unary('cos'),
  SIGN: unaryOnNumbers('sign'),
  LOGISTIC: unary('logistic'),
  TANH: unary('tanh'),
  ELU: unary('elu', 1),
  HARD_SWISH: unary('hardSwish'),
  LEAKY_RELU(op) {
    const alpha = op.options(leakyRelu.union).f32(leakyRelu.alpha);
    if (!Number.isFinite(alpha)) op.fail(`slope ${alpha}`);
    op.compute({ kind: 'unary', fn: 'leakyRelu', alpha }, [op.activation(0).id]);
  },

  RELU: clamp({ min: 0, max: Number.POSITIVE_INFINITY }),
  RELU6: clamp({ min: 0, max: 6 }),
  RELU_N1_TO_1: clamp({ min: -1, max: 1 }),
  RELU_0_TO_1: clamp({ min: 0, max: 1 }),
  PRELU(op) {
    const x = op.activation(0);
    const slope = op.activation(1);
    if (slope.value.dtype !== x.value.dtype)
      op.fail(`${fileType(slope.value.dtype)} slopes of ${fileType(x.value.dtype)} input`);
    op.compute({ kind: 'prelu' }, [x.id, slope.id]);
  },

  SOFTMAX(op) {
    const beta = op.options(softmax.union).f32(softmax.beta);
    if (!Number.isFinite(beta)) op.fail(`beta ${beta}`);
    op.compute({ kind: 'softmax', beta, log: false }, [op.activation(0).id]);
  },
  LOG_SOFTMAX(op) {
    const x = op.activation(0);
    if (x.value.dtype !== 'f32') op.unsupported('an input that is not float32');
    op.compute({ kind: 'softmax', beta: 1, log: true }, [x.id]);
  },
  L2_NORMALIZATION(op) {
    op.clamp(op.options(l2Norm.union).i8(l2Norm.activation)); // the schema ignores it; an unknown one is refused
    op.compute({ kind: 'l2Normalize' }, [op.activation(0).id]);
  },

  /** The schema's alpha is that of each square, the operator's that of their mean. */
  LOCAL_RESPONSE_NORMALIZATION(op) {
    const o = localResponseNormalization;
    const options = op.options(o.union);
    const x = op.activation(0);
    const [radius, bias] = [options.i32(o.radius), options.f32(o.bias)];
    const [alpha, beta] = [options.f32(o.alpha), options.f32(o.beta)];
    if (x.value.dtype !== 'f32') op.unsupported('an input that is not float32');
    if (radius < 0 || ![bias, alpha, beta].every(Number.isFinite))
      op.fail(`radius ${radius}, bias ${bias}, alpha ${alpha}, beta ${beta}`);
    const size = 2 * radius + 1;
    op.compute({ kind: 'lrn', size, alpha: alpha * size, beta, bias }, [x.id]);
  },

  MEAN: reduce('mean'),
  SUM: reduce('sum'),
  REDUCE_MAX: reduce('max'),
  REDUCE_MIN: reduce('min'),
  REDUCE_PROD: reduce('prod'),

  QUANTIZE(op) {
    const x = op.activation(0);
    const { name, type, dtype } = op.output();
    if (dtype !== 'i8' && dtype !== 'u8') op.unsupported(`${type} output`);
    const quantization = op.computedQuantization(dtype);
    op.finish(op.builder.add({ kind: 'convert', rounding: 'away' }, [x.id], { name, dtype, quantization }));
  },

  /** Constants become float at once; float16 ones already are. */
  DEQUANTIZE(op) {
    const x = op.plain(0);
    const { name, type } = op.output();
    if (type !== 'float32') op.unsupported(`${type} output`);
    if (x.value.dtype === 'f32') op.finish(x.id);
    else if (x.value.data && x.value.quantization) op.finish(op.dequantized(0));
    else {
      const { id } = op.activation(0);
      const output = { name, dtype: 'f32', quantization: null } as const;
      op.finish(op.builder.add({ kind: 'convert', rounding: 'away' }, [id], output));
    }
  },

  CAST(op) {
    const x = op.plain(0);
    const { name, type, dtype, quantization } = op.output();
    if (type === 'float16' || type === 'complex64') op.unsupported(`${type} output`);
    op.finish(op.builder.add({ kind: 'cast' }, [x.id], { name, dtype, quantization }));
  },
};
