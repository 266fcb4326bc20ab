/**
 * The tensors of a TFLite file: dtype, shape, quantisation, and the bytes of the constant ones.
 * A tensor is read when something first asks for it, so a part of the file that nothing uses cannot hurt.
 */
import { VireoError } from '../../errors.ts';
import {
  bytesPerElement,
  type DType,
  elementCount,
  isBig,
  type Quantization,
  type Shape,
  showShape,
  type TensorData,
  viewOf,
} from '../../tensor.ts';
import type { FlatFile, Table, TableVector } from './flatbuffer.ts';
import { buffer, graphTypes, quantization as q, tensor as t, tensorTypes } from './schema.ts';

/** More axes than any TensorFlow Lite kernel takes. */
export const maxRank = 8;

export interface TensorRecord {
  readonly index: number;
  readonly name: string;
  /** As the schema calls it, in small letters. */
  readonly type: string;
  /** float16 is f32 here, because constants are widened. */
  readonly dtype: DType;
  /** The file's claim; only inputs and constants are held to it. */
  readonly shape: Shape;
  /** `shape` with −1 where the extent is open, or empty. */
  readonly signature: Shape;
  readonly quantization: Quantization | null;
  /** Constants only: exactly as many as dtype and shape ask for. */
  readonly bytes: Uint8Array | null;
  readonly isVariable: boolean;
  /** Why vireo cannot hold this tensor, or ''. */
  readonly unsupported: string;
}

export class Tensors {
  readonly #file: FlatFile;
  readonly #tensors: TableVector;
  readonly #buffers: TableVector;
  readonly #records = new Map<number, TensorRecord>();

  constructor(file: FlatFile, tensors: TableVector, buffers: TableVector) {
    this.#file = file;
    this.#tensors = tensors;
    this.#buffers = buffers;
  }

  at(index: number): TensorRecord {
    const known = this.#records.get(index);
    if (known) return known;
    if (index < 0 || index >= this.#tensors.length)
      this.#file.fail(`tensor ${index} does not exist; there are ${this.#tensors.length}`);
    const record = this.#read(this.#tensors.at(index), index);
    this.#records.set(index, record);
    return record;
  }

  #read(table: Table, index: number): TensorRecord {
    const name = table.string(t.name) || `tensor ${index}`;
    const fail = (message: string): never => this.#file.fail(`tensor "${name}": ${message}`);
    const code = table.i8(t.type);
    const type = tensorTypes[code] ?? `type ${code}`;
    const dtype = graphTypes[type];
    const shape = table.ints(t.shape);
    const signature = table.ints(t.shapeSignature);
    let unsupported = '';
    if (!dtype) unsupported = `${type} data`;
    else if (shape.length > maxRank) unsupported = `rank ${shape.length}, at most ${maxRank}`;
    else if (table.has(t.sparsity)) unsupported = 'sparse data';
    const parameters = table.table(t.quantization);
    if (unsupported === '' && parameters && parameters.u8(q.detailsType) !== 0)
      unsupported = 'custom quantisation parameters';
    const usable = unsupported === '' && dtype !== undefined;
    return {
      index,
      name,
      type,
      dtype: dtype ?? 'u8',
      shape,
      signature,
      quantization: usable && parameters ? readQuantization(parameters, dtype, shape, fail) : null,
      bytes: usable ? this.#bytes(table.u32(t.buffer), type, dtype, shape, fail) : null,
      isVariable: table.bool(t.isVariable),
      unsupported,
    };
  }

  /** The constant's bytes: inside its Buffer table, or (files over 2 GB) at an offset from the file's start. */
  #bytes(
    index: number,
    type: string,
    dtype: DType,
    shape: Shape,
    fail: (message: string) => never,
  ): Uint8Array | null {
    if (index === 0) return null; // the sentinel: no data
    if (index >= this.#buffers.length)
      return fail(`buffer ${index} does not exist; there are ${this.#buffers.length}`);
    const table = this.#buffers.at(index);
    let bytes = table.bytes(buffer.data);
    const offset = table.u64(buffer.offset);
    if (bytes.length === 0 && offset > 1) {
      const size = table.u64(buffer.size);
      this.#file.check(offset, size, `buffer ${index}`);
      bytes = this.#file.bytes.subarray(offset, offset + size);
    }
    if (bytes.length === 0) return null;
    const expected = elementCount(shape) * (type === 'float16' ? 2 : bytesPerElement[dtype]);
    if (shape.some((extent) => extent < 0) || bytes.length !== expected)
      return fail(`${type}${showShape(shape)} expects ${expected} bytes, got ${bytes.length}`);
    return bytes;
  }
}

const zeroPointRange: Partial<Record<DType, readonly [number, number]>> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32768, 32767],
  i32: [-2147483648, 2147483647],
};

/** `null` where the tensor has none. On types that are not quantised the file's word is ignored. */
function readQuantization(
  table: Table,
  dtype: DType,
  shape: Shape,
  fail: (message: string) => never,
): Quantization | null {
  const range = zeroPointRange[dtype];
  if (!range) return null;
  const scale = table.floats(q.scale);
  if (scale.length === 0) return null;
  const given = table.longs(q.zeroPoint);
  const zeroPoint = given.length === 0 ? scale.map(() => 0) : given;
  if (!scale.every((s) => Number.isFinite(s) && s > 0)) {
    // A bias has the product of two scales, which may have become 0; nothing reads it.
    if (dtype === 'i32') return null;
    return fail(`scales expect finite positive numbers, got ${scale.slice(0, 4).join(', ')}`);
  }
  if (zeroPoint.length !== scale.length)
    return fail(`${scale.length} scales but ${zeroPoint.length} zero points`);
  const [low, high] = range;
  if (!zeroPoint.every((z) => z >= low && z <= high))
    return fail(`zero points expect ${low} to ${high}, got ${zeroPoint.slice(0, 4).join(', ')}`);
  if (scale.length === 1) return { scale, zeroPoint, axis: 0 };
  // The axis of a vector can only be 0, whatever the file says.
  const axis = shape.length === 1 ? 0 : table.i32(q.axis);
  if (axis < 0 || axis >= shape.length || shape[axis] !== scale.length)
    return fail(`${scale.length} scales do not fit axis ${axis} of ${showShape(shape)}`);
  return { scale, zeroPoint, axis };
}

/** A view of the file's own bytes where they are aligned, a copy where not; float16 is widened. */
export function constantData(record: TensorRecord): TensorData {
  const { dtype, type, shape } = record;
  const bytes = record.bytes ?? new Uint8Array(0);
  const count = elementCount(shape);
  if (type === 'float16') return widenHalf(bytes, count);
  const aligned = bytes.byteOffset % bytesPerElement[dtype] === 0;
  const source = aligned ? bytes : new Uint8Array(bytes); // a Buffer's slice would be no copy
  return viewOf(dtype, source.buffer, source.byteOffset, count);
}

/** binary16 → binary32, exact: (−1)^s · 2^(e−15) · (1 + f/1024), and f·2^−24 where e = 0. */
function widenHalf(bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const h = bytes[2 * i]! | (bytes[2 * i + 1]! << 8);
    const e = (h >> 10) & 31;
    const f = h & 1023;
    let value = e === 0 ? f * 2 ** -24 : (1 + f / 1024) * 2 ** (e - 15);
    if (e === 31) value = f === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    out[i] = h & 0x8000 ? -value : value;
  }
  return out;
}

/** scale·(q − zeroPoint), rounded once to float32, as TensorFlow Lite's DEQUANTIZE does. */
export function dequantize(data: TensorData, shape: Shape, quantization: Quantization): Float32Array {
  if (isBig(data)) throw new VireoError('unsupported', 'dequantising int64 data');
  const { scale, zeroPoint, axis } = quantization;
  const channels = scale.length;
  const inner = channels === 1 ? data.length : elementCount(shape.slice(axis + 1));
  const out = new Float32Array(data.length);
  for (let i = 0, c = 0; i < data.length; c = (c + 1) % channels) {
    const s = scale[c]!;
    const z = zeroPoint[c]!;
    for (const end = i + inner; i < end; i++) out[i] = s * (data[i]! - z);
  }
  return out;
}
