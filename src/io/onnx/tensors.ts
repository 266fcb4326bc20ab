/**
 * ONNX tensors → typed arrays. float16 is widened to f32; what has no counterpart (strings, complex
 * numbers, bfloat16 and the 8-, 4- and 2-bit types) is refused by name.
 */
import { VireoError } from '../../errors.ts';
import { checkTensorSize, type Limits } from '../../graph/limits.ts';
import {
  bytesPerElement,
  type DType,
  elementCount,
  type Shape,
  showShape,
  type Tensor,
  type TensorData,
  viewOf,
} from '../../tensor.ts';
import type { TensorRecord } from './model.ts';

/** The names of TensorProto.DataType, by number. */
const typeNames: readonly string[] = [
  'undefined',
  'float',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'double',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
];

const graphTypes: Readonly<Record<string, DType>> = {
  float: 'f32',
  uint8: 'u8',
  int8: 'i8',
  uint16: 'u16',
  int16: 'i16',
  int32: 'i32',
  int64: 'i64',
  bool: 'bool',
  float16: 'f32',
  double: 'f64',
  uint32: 'u32',
  uint64: 'u64',
};

export function typeName(type: number): string {
  return typeNames[type] ?? `type ${type}`;
}

/** How ONNX calls a dtype of the graph. */
export function fileType(dtype: DType): string {
  return Object.keys(graphTypes).find((name) => graphTypes[name] === dtype) ?? dtype;
}

/** TensorProto.DataType of a dtype of the graph. */
export function typeNumber(dtype: DType): number {
  return typeNames.indexOf(fileType(dtype));
}

/** The dtype that holds a file's type; throws 'unsupported' where none does. */
export function dtypeOf(type: number): DType {
  const dtype = graphTypes[typeName(type)];
  if (!dtype) throw new VireoError('unsupported', `${typeName(type)} data`);
  return dtype;
}

export const isHalf = (type: number): boolean => typeName(type) === 'float16';

/** Bytes of a file beside the model, or an error. */
export type ReadExternal = (location: string, offset: number, length: number) => Uint8Array;

export interface TensorContext {
  readonly limits: Limits;
  readonly external: ReadExternal | undefined;
}

/** The numbers of a tensor: a view of the file's own bytes where they are aligned, a copy where not. */
export function readTensor(record: TensorRecord, context: TensorContext): Tensor {
  const where = `tensor "${record.name}"`;
  const fail = (message: string): never => {
    throw new VireoError('bad-file', `ONNX ${where}: ${message}`);
  };
  const { dims: shape } = record;
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0))
    fail(`extents expect whole numbers of at least 0, got ${showShape(shape.slice(0, 8))}`);
  if (shape.length > maxRank) throw new VireoError('unsupported', `rank ${shape.length}, at most ${maxRank}`);
  const dtype = dtypeOf(record.type);
  checkTensorSize(record.name, dtype, shape, context.limits);
  const count = elementCount(shape);
  const half = isHalf(record.type);
  const size = count * (half ? 2 : bytesPerElement[dtype]);
  const raw = record.external ? readExternal(record, size, context, fail) : record.raw;
  if (raw !== undefined && (raw.length > 0 || count === 0)) {
    if (raw.length !== size)
      fail(`${typeName(record.type)}${showShape(shape)} expects ${size} bytes, got ${raw.length}`);
    return tensorOf(dtype, shape, half ? widenHalf(raw, count) : viewBytes(dtype, raw, count));
  }
  return tensorOf(dtype, shape, typedData(record, dtype, count, fail));
}

/** More axes than any kernel walks. */
export const maxRank = 16;

export function tensorOf(dtype: DType, shape: Shape, data: TensorData): Tensor {
  // `data` was made for `dtype`; the union cannot show it.
  return { dtype, shape, data } as Tensor;
}

function viewBytes(dtype: DType, raw: Uint8Array, count: number): TensorData {
  const aligned = raw.byteOffset % bytesPerElement[dtype] === 0;
  const source = aligned ? raw : new Uint8Array(raw); // a Buffer's slice would be no copy
  const data = viewOf(dtype, source.buffer, source.byteOffset, count);
  return dtype === 'bool' ? Uint8Array.from(raw, (byte) => Number(byte !== 0)) : data;
}

/** The fields that hold numbers as varints or floats: which one depends on the type. */
function typedData(
  record: TensorRecord,
  dtype: DType,
  count: number,
  fail: (message: string) => never,
): TensorData {
  const expect = <T>(numbers: readonly T[]): readonly T[] =>
    numbers.length === count
      ? numbers
      : fail(
          `${typeName(record.type)}${showShape(record.dims)} expects ${count} numbers, got ${numbers.length}`,
        );
  switch (dtype) {
    case 'f32':
      if (!isHalf(record.type)) return Float32Array.from(expect(record.floats));
      return widenHalf(new Uint8Array(Uint16Array.from(expect(record.int32s)).buffer), count);
    case 'f64':
      return Float64Array.from(expect(record.doubles));
    case 'i64':
      return BigInt64Array.from(expect(record.int64s));
    case 'u64':
      return BigUint64Array.from(expect(record.uint64s));
    case 'u32':
      return Uint32Array.from(expect(record.uint64s), Number);
    case 'i32':
      return Int32Array.from(expect(record.int32s));
    case 'i16':
      return Int16Array.from(expect(record.int32s));
    case 'u16':
      return Uint16Array.from(expect(record.int32s));
    case 'i8':
      return Int8Array.from(expect(record.int32s));
    case 'u8':
      return Uint8Array.from(expect(record.int32s));
    case 'bool':
      return Uint8Array.from(expect(record.int32s), (value) => Number(value !== 0));
  }
}

function readExternal(
  record: TensorRecord,
  size: number,
  { external }: TensorContext,
  fail: (message: string) => never,
): Uint8Array {
  const location = record.external?.get('location') ?? fail('external data without a location');
  checkLocation(location, fail);
  const offset = wholeNumber(record.external?.get('offset') ?? '0', fail);
  const length = wholeNumber(record.external?.get('length') ?? String(size), fail);
  if (length !== size) fail(`expects ${size} external bytes, the file says ${length}`);
  if (!external)
    throw new VireoError(
      'unsupported',
      `data in another file, ${JSON.stringify(location)}, and no way to read it`,
    );
  const bytes = external(location, offset, length);
  if (bytes.length !== size) fail(`${JSON.stringify(location)}: expected ${size} bytes, got ${bytes.length}`);
  return bytes;
}

/** Only a relative path that stays below the model's folder, whatever system opens it. */
function checkLocation(location: string, fail: (message: string) => never): void {
  const parts = location.split('/');
  if (
    location === '' ||
    location.length > 1024 ||
    /[\\:\0]/u.test(location) ||
    parts.some((part) => part === '..' || part === '')
  )
    fail(
      `external data in ${JSON.stringify(location.slice(0, 80))}: expected a path inside the model's folder`,
    );
}

function wholeNumber(text: string, fail: (message: string) => never): number {
  const value = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN;
  return Number.isNaN(value) ? fail(`external data at ${JSON.stringify(text.slice(0, 40))}`) : value;
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
