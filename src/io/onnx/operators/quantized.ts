/** Operators of ONNX itself on quantised numbers. Halves go to even. */
import type { DType } from '../../../tensor.ts';
import { convolve } from '../convolution.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import {
  along,
  centered,
  dequantizeWith,
  fixedParameters,
  limitsOf,
  parametersOf,
  quantizeWith,
} from '../quantization.ts';
import { dtypeOf } from '../tensors.ts';
import type { Converters } from './index.ts';
import { product } from './linear.ts';

/** The axis of scales: only looked at where there are several. */
function scaleAxis(op: Operator, x: Operand, scale: Operand): number {
  const given = op.version < 13 ? 1 : op.int('axis', 1);
  return scale.shape.length === 0 || x.shape.length === 0 || scale.data?.length === 1
    ? 0
    : op.axis(given, x.shape.length);
}

export function quantizeLinear(op: Operator): void {
  const x = op.x(0);
  const scale = op.x(1);
  const zeroPoint = op.optional(2);
  const block = op.version < 21 ? 0 : op.int('block_size', 0);
  const named = op.version < 21 ? 0 : op.int('output_dtype', 0);
  op.flag('saturate', true);
  op.int('precision', 0);
  const dtype: DType = zeroPoint?.dtype ?? (named === 0 ? 'u8' : dtypeOf(named));
  limitsOf(op, dtype);
  const axis = scaleAxis(op, x, scale);
  const q = block === 0 && x.dtype === 'f32' ? parametersOf(op, scale, zeroPoint, axis) : null;
  if (q) {
    op.done(op.node({ kind: 'convert', rounding: 'even' }, [x], { dtype, quantization: q }));
    return;
  }
  const real = x.dtype === 'f32' ? x : op.cast(x, 'f32');
  const zero = zeroPoint && along(op, zeroPoint, x, axis, block);
  op.done(quantizeWith(op, real, along(op, scale, x, axis, block), zero, dtype));
}

export function dequantizeLinear(op: Operator): void {
  const x = op.x(0);
  const scale = op.x(1);
  const zeroPoint = op.optional(2);
  const block = op.version < 21 ? 0 : op.int('block_size', 0);
  const named = op.version < 23 ? 0 : op.int('output_dtype', 0);
  const axis = scaleAxis(op, x, scale);
  const q = block === 0 ? parametersOf(op, scale, zeroPoint, axis) : null;
  const dtype = named === 0 ? scale.dtype : dtypeOf(named);
  if (q && dtype === 'f32') {
    op.done(op.dequantize(x, q));
    return;
  }
  const zero = zeroPoint && along(op, zeroPoint, x, axis, block);
  op.done(op.cast(dequantizeWith(op, x, along(op, scale, x, axis, block), zero), dtype));
}

/** Zero points of weights, one or one for each output channel, to go along (outC, …). */
function alongRows(op: Operator, v: Operand | undefined, rank: number): Operand | undefined {
  if (!v || v.shape.length === 0) return v;
  if (v.shape[0] === 1) return op.reshape(v, []);
  return op.reshape(v, [...v.shape, ...range(1, rank).map(() => 1)]);
}

/** Zero points of a matrix: one; on the left one a row, on the right one a column. */
function alongMatrix(op: Operator, v: Operand | undefined, x: Operand, isLeft: boolean): Operand | undefined {
  if (!v || v.shape.length === 0) return v;
  if (v.shape.length === 1 && v.shape[0] === 1) return op.reshape(v, []);
  if (v.shape.length === 1 && isLeft && x.shape.length > 1) return op.reshape(v, [...v.shape, 1]);
  return v;
}

/** (a − zₐ)·(b − z_b), exact: i32 */
function integerProduct(
  op: Operator,
  a: Operand,
  za: Operand | undefined,
  b: Operand,
  zb: Operand | undefined,
): Operand {
  const left = centered(op, a, alongMatrix(op, za, a, true), 'i32');
  const right = centered(op, b, alongMatrix(op, zb, b, false), 'i32');
  return product(op, left, right);
}

/**
 * The operator's text saturates int8 results; ONNX's reference implementation, alone in taking float16 scales,
 * lets them wrap around. With float32 scales there is no doubt: runtimes saturate.
 */
const halfScales = 'int8 results with float16 scales, which ONNX defines in two ways';

export const quantized: Converters = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,

  /** s = (max x − min x)/255 with 0 among the x, z = clamp(round(−min x/s)), y = clamp(round(x/s) + z) */
  DynamicQuantizeLinear(op) {
    const x = op.float(0);
    const all = range(0, x.shape.length);
    const high = op.withNumber('max', op.reduce('max', x, all, false), 0);
    const low = op.withNumber('min', op.reduce('min', x, all, false), 0);
    const scale = op.withNumber('div', op.binary('sub', high, low), 255);
    const zero = op.clamp(op.unary('round', op.binary('div', op.unary('neg', low), scale)), 0, 255);
    const zeroPoint = op.cast(zero, 'u8');
    op.done(quantizeWith(op, x, scale, zeroPoint, 'u8'));
    op.done(scale, 1);
    op.done(zeroPoint, 2);
  },

  QLinearConv(op) {
    const x = op.picture(0);
    const w = op.x(3);
    const out = fixedParameters(op, 6, 'the output');
    const weightScale = op.fixed(4, 'the scale of the weights');
    const weightZero = op.has(5) ? op.fixed(5, 'the zero point of the weights') : undefined;
    const zeros =
      weightZero && weightZero.data!.length === 1 && weightScale.data!.length > 1
        ? op.expand(op.reshape(weightZero, []), weightScale.shape)
        : weightZero;
    const weightQuantization =
      parametersOf(op, weightScale, zeros, 0) ??
      op.unsupported('a scale of the weights that is no positive number');
    const dtype = op.has(7) ? op.x(7).dtype : x.dtype;
    op.done(
      convolve(op, {
        x: op.tagged(x, fixedParameters(op, 1, 'the input')),
        w: op.plain(w),
        bias: op.optional(8),
        weightQuantization,
        output: { dtype, quantization: out },
        rounding: 'even',
      }),
    );
  },

  /** The sum exact in f64, then s_a·s_b/s_y·sum + z_y with halves to even. */
  QLinearMatMul(op) {
    const [a, b] = [op.x(0), op.x(3)];
    if (a.dtype === 'i8' && op.importer.isHalf(op.x(6).id)) op.unsupported(halfScales);
    const sum = op.cast(integerProduct(op, a, op.optional(2), b, op.optional(5)), 'f64');
    const scale = (i: number, x: Operand, isLeft: boolean) =>
      op.cast(alongMatrix(op, op.x(i), x, isLeft) ?? op.x(i), 'f64');
    const factor = op.binary(
      'div',
      op.binary('mul', scale(1, a, true), scale(4, b, false)),
      op.cast(op.x(6), 'f64'),
    );
    const zero = op.optional(7);
    const dtype = zero?.dtype ?? a.dtype;
    const [low, high] = limitsOf(op, dtype);
    const steps = op.unary('round', op.binary('mul', sum, factor));
    const moved = zero ? op.binary('add', steps, op.cast(zero, 'f64')) : steps;
    op.done(op.cast(op.clamp(moved, low, high), dtype));
  },

  MatMulInteger: (op) => op.done(integerProduct(op, op.x(0), op.optional(2), op.x(1), op.optional(3))),

  /** Sums of products under 2^16 are exact in f64. */
  ConvInteger(op) {
    const x = centered(op, op.picture(0), op.optional(2), 'f64');
    const w = centered(op, op.x(1), alongRows(op, op.optional(3), op.x(1).shape.length), 'f64');
    op.done(op.cast(convolve(op, { x, w, bias: undefined }), 'i32'));
  },
};
