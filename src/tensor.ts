/** Data types, shapes, quantisation parameters and tensors: the nouns that every room shares. */

/** The typed array that holds each data type. `bool` is one byte, 0 or 1. */
export interface DataOf {
  f32: Float32Array;
  f64: Float64Array;
  i8: Int8Array;
  u8: Uint8Array;
  i16: Int16Array;
  u16: Uint16Array;
  i32: Int32Array;
  u32: Uint32Array;
  i64: BigInt64Array;
  u64: BigUint64Array;
  bool: Uint8Array;
}
export type DType = keyof DataOf;
export type TensorData = DataOf[DType];
/** Elements that no `number` can hold. */
export type BigData = BigInt64Array | BigUint64Array;
export type NumberData = Exclude<TensorData, BigData>;

/** Row-major extents, outermost first. Activations are NHWC. */
export type Shape = readonly number[];

/**
 * real = scale·(q − zeroPoint)
 *
 * Per tensor: both arrays have one element. Per axis: one element for each index of `axis`.
 * Source: Jacob et al. 2018, arXiv:1712.05877, eq. 1.
 */
export interface Quantization {
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  readonly axis: number;
}

/** What a network says of one of its inputs or outputs. */
export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Absent or null: the numbers mean themselves. */
  readonly quantization?: Quantization | null;
}

/** A tensor with its values, dense and row-major. */
export type Tensor = {
  [D in DType]: { readonly dtype: D; readonly shape: Shape; readonly data: DataOf[D] };
}[DType];

export const bytesPerElement: Readonly<Record<DType, number>> = {
  f32: 4,
  f64: 8,
  i8: 1,
  u8: 1,
  i16: 2,
  u16: 2,
  i32: 4,
  u32: 4,
  i64: 8,
  u64: 8,
  bool: 1,
};

export function isBig(data: TensorData): data is BigData {
  return data instanceof BigInt64Array || data instanceof BigUint64Array;
}

export function elementCount(shape: Shape): number {
  let count = 1;
  for (const extent of shape) count *= extent;
  return count;
}

export function byteLength(dtype: DType, shape: Shape): number {
  return elementCount(shape) * bytesPerElement[dtype];
}

/** Row-major strides in elements: `strides[i] = Π shape[i+1…]`. */
export function denseStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  for (let i = shape.length - 1, step = 1; i >= 0; step *= shape[i--]) strides[i] = step;
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** A typed array over `buffer`; `byteOffset` must suit the element size. */
export function viewOf(
  dtype: DType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): TensorData {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, byteOffset, length);
    case 'f64':
      return new Float64Array(buffer, byteOffset, length);
    case 'i8':
      return new Int8Array(buffer, byteOffset, length);
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer, byteOffset, length);
    case 'i16':
      return new Int16Array(buffer, byteOffset, length);
    case 'u16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'i32':
      return new Int32Array(buffer, byteOffset, length);
    case 'u32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'i64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'u64':
      return new BigUint64Array(buffer, byteOffset, length);
  }
}
