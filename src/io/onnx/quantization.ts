/** Scales and zero points of the file, known or not, and the arithmetic that follows from them. */
import { type DType, elementCount, isBig, type Quantization, showShape } from '../../tensor.ts';
import { type Operand, range } from './emitter.ts';
import type { Operator } from './operator.ts';
import { fileType } from './tensors.ts';

const limits: Partial<Record<DType, readonly [number, number]>> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32768, 32767],
  u16: [0, 65535],
};

export function limitsOf(op: Operator, dtype: DType): readonly [number, number] {
  return limits[dtype] ?? op.unsupported(`quantised numbers of type ${fileType(dtype)}`);
}

/**
 * The parameters as a graph's values carry them: constant, positive scales, one for the whole tensor or one
 * for each index of `axis`. `null` where they are not of that kind.
 */
export function parametersOf(
  op: Operator,
  scale: Operand,
  zeroPoint: Operand | undefined,
  axis: number,
): Quantization | null {
  if (!scale.data || (zeroPoint && !zeroPoint.data) || scale.shape.length > 1) return null;
  if (scale.dtype !== 'f32' || scale.data.length > 2 ** 20) return null;
  const scales = numbersIn(scale);
  const zeroPoints = zeroPoint ? numbersIn(zeroPoint) : scales.map(() => 0);
  if (zeroPoints.length !== scales.length)
    op.fail(`${scales.length} scales but ${zeroPoints.length} zero points`);
  if (!scales.every((s) => s > 0 && Number.isFinite(s))) return null;
  return { scale: scales, zeroPoint: zeroPoints, axis: scales.length === 1 ? 0 : axis };
}

/** One scale and zero point, inputs `i` and `i + 1`, for a quantised operator. */
export function fixedParameters(op: Operator, i: number, what: string): Quantization {
  const scale = op.fixed(i, `the scale of ${what}`);
  const zeroPoint = op.has(i + 1) ? op.fixed(i + 1, `the zero point of ${what}`) : undefined;
  const q = parametersOf(op, scale, zeroPoint, 0);
  if (!q) return op.unsupported(`a scale of ${what} that is no positive number`);
  return q;
}

export function numbersIn(x: Operand): number[] {
  const { data } = x;
  if (!data) return [];
  return isBig(data) ? Array.from(data, Number) : Array.from(data);
}

/**
 * Scales (or zero points) brought to a shape that goes along x: one, one for each index of `axis`, or one
 * for each block of it.
 */
export function along(op: Operator, v: Operand, x: Operand, axis: number, block: number): Operand {
  if (elementCount(v.shape) === 1) return op.reshape(v, []);
  const rank = x.shape.length;
  if (v.shape.length === 1 && block === 0) {
    if (v.shape[0] !== x.shape[axis])
      op.fail(`${v.shape[0]} scales do not fit axis ${axis} of ${showShape(x.shape)}`);
    return op.reshape(v, [...v.shape, ...range(axis + 1, rank).map(() => 1)]);
  }
  const extent = x.shape[axis]!;
  if (v.shape.length !== rank || block < 1 || v.shape[axis] !== Math.ceil(extent / block))
    op.fail(`scales ${showShape(v.shape)} in blocks of ${block} do not fit ${showShape(x.shape)}`);
  return op.pick(
    v,
    axis,
    range(0, extent).map((i) => Math.floor(i / block)),
  );
}

/** round(x/s) + z, halves to even, within the dtype: where the scales are not known before it runs. */
export function quantizeWith(
  op: Operator,
  x: Operand,
  scale: Operand,
  zeroPoint: Operand | undefined,
  dtype: DType,
): Operand {
  const [low, high] = limitsOf(op, dtype);
  const steps = op.unary('round', op.binary('div', x, op.cast(scale, x.dtype)));
  const moved = zeroPoint ? op.binary('add', steps, op.cast(zeroPoint, x.dtype)) : steps;
  return op.cast(op.clamp(moved, low, high), dtype);
}

/** s·(x − z) */
export function dequantizeWith(
  op: Operator,
  x: Operand,
  scale: Operand,
  zeroPoint: Operand | undefined,
): Operand {
  const wide = op.cast(op.plain(x), 'i32');
  const centered = zeroPoint ? op.binary('sub', wide, op.cast(zeroPoint, 'i32')) : wide;
  return op.binary('mul', op.cast(centered, scale.dtype), scale);
}

/** x as integers of value x − z. */
export function centered(op: Operator, x: Operand, zeroPoint: Operand | undefined, dtype: DType): Operand {
  const wide = op.cast(op.plain(x), dtype);
  return zeroPoint ? op.binary('sub', wide, op.cast(zeroPoint, dtype)) : wide;
}
