/** Real numbers into a tensor's own data type and back: the step between a front-end and a network. */

import { VireoError } from '../../errors.ts';
import type { DType, Quantization, Shape, TensorData, TensorInfo } from '../../tensor.ts';
import { elementCount, showShape, viewOf } from '../../tensor.ts';

/**
 * How a real number becomes a stored one, with y = real/scale + zeroPoint:
 *
 *   nearest   round(real/scale) + zeroPoint, halves away from zero (TensorFlow Lite's QUANTIZE)
 *   truncate  y without its fraction (a C cast; the official MLPerf Tiny keyword inputs were written so)
 *
 * Both saturate at the ends of the data type.
 */
export type Rounding = 'nearest' | 'truncate';

const ranges: Readonly<Record<'i8' | 'u8' | 'i16' | 'i32', readonly [number, number]>> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32768, 32767],
  i32: [-(2 ** 31), 2 ** 31 - 1],
};

/** round to nearest, halves away from zero (Math.round sends −0.5 to −0). */
export function roundHalfAway(value: number): number {
  return value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
}

/** Values that stand for real numbers, quantised with the tensor's parameters if it has any. */
export function storeReal(
  values: ArrayLike<number>,
  info: TensorInfo,
  rounding: Rounding,
  where: string,
): TensorData {
  const { dtype, quantization = null } = info;
  const data = emptyTensor(info, values.length, where);
  if (dtype === 'f32' || quantization === null || quantization.scale.length === 0) {
    return dtype === 'f32' || rounding === 'truncate'
      ? fill(data, values, dtype, Math.trunc, where)
      : fill(data, values, dtype, roundHalfAway, where);
  }
  const scale = quantization.scale[0];
  const zeroPoint = quantization.zeroPoint[0] ?? 0;
  if (quantization.scale.length > 1 || !(scale > 0)) {
    throw new VireoError(
      'bad-input',
      `${where}: expected one positive scale, got ${quantization.scale.join(', ')}`,
    );
  }
  return rounding === 'truncate'
    ? fill(data, values, dtype, (real) => Math.trunc(real / scale + zeroPoint), where)
    : fill(data, values, dtype, (real) => roundHalfAway(real / scale) + zeroPoint, where);
}

/** Values that are already what the tensor stores; they are rounded and saturated, not scaled. */
export function storeAsIs(values: ArrayLike<number>, info: TensorInfo, where: string): TensorData {
  return fill(emptyTensor(info, values.length, where), values, info.dtype, roundHalfAway, where);
}

/** real = scale·(q − zeroPoint); plain numbers pass as they are. */
export function readReal(data: TensorData, quantization: Quantization | null = null): Float32Array {
  const real = new Float32Array(data.length);
  const quantised = quantization !== null && quantization.scale.length > 0 && !(data instanceof Float32Array);
  const scale = quantised ? quantization.scale[0] : 1;
  const zeroPoint = quantised ? (quantization.zeroPoint[0] ?? 0) : 0;
  for (let i = 0; i < data.length; i++) real[i] = scale * (Number(data[i]) - zeroPoint);
  return real;
}

/** Values of one item: the tensor's shape with its leading (batch) extent counted once. */
export function itemLength(shape: Shape): number {
  return shape.length > 1 && shape[0] > 0 ? elementCount(shape) / shape[0] : elementCount(shape);
}

function emptyTensor(info: TensorInfo, length: number, where: string): TensorData {
  const expected = itemLength(info.shape);
  if (length !== expected) {
    throw new VireoError(
      'bad-input',
      `${where}: the network takes ${expected} values a item (shape ${showShape(info.shape)}), got ${length}`,
    );
  }
  const elementBytes = info.dtype === 'i64' ? 8 : info.dtype === 'f32' || info.dtype === 'i32' ? 4 : 2;
  return viewOf(info.dtype, new ArrayBuffer(length * elementBytes), 0, length);
}

function fill(
  data: TensorData,
  values: ArrayLike<number>,
  dtype: DType,
  toStored: (real: number) => number,
  where: string,
): TensorData {
  if (data instanceof Float32Array) {
    for (let i = 0; i < data.length; i++) data[i] = values[i];
  } else if (data instanceof BigInt64Array) {
    for (let i = 0; i < data.length; i++) data[i] = BigInt(finite(toStored(values[i]), where));
  } else {
    if (dtype === 'bool') throw new VireoError('bad-input', `${where}: a bool input cannot take numbers`);
    const [low, high] = ranges[dtype as keyof typeof ranges];
    for (let i = 0; i < data.length; i++) {
      const stored = finite(toStored(values[i]), where);
      data[i] = Math.min(high, Math.max(low, stored));
    }
  }
  return data;
}

function finite(value: number, where: string): number {
  if (Number.isNaN(value)) throw new VireoError('bad-input', `${where}: NaN cannot be quantised`);
  return value === Number.POSITIVE_INFINITY
    ? Number.MAX_SAFE_INTEGER
    : value === Number.NEGATIVE_INFINITY
      ? Number.MIN_SAFE_INTEGER
      : value;
}
