/**
 * The container of `.vireo` files: data, and named tensors as they lie in memory (docs/vireo-format.md).
 *
 *   0   u8[8]  89 'VIREO' 0A, version 1
 *   8   u32    CRC-32 of all that follows
 *   12  u32    length of the file
 *   16  u32    length of the header here, then unpacked: a block of LZ4, unless the two are equal
 *   24         header, CBOR: [kind, meta, [[name, dtype, shape], …]]
 *              each tensor's elements, from the next multiple of their size on, zeros before; i8 tensors whose
 *              numbers take 4 bits lie two in a byte, and their record goes on: 'i4', bytes
 *
 * Little-endian. A reader looks at tensors where they lie: a copy is made only where the file itself does not lie
 * on a multiple of 8.
 */
import { VireoError } from '../../errors.ts';
import { checkTensorSize, defaultLimits, type Limits } from '../../graph/limits.ts';
import {
  byteLength,
  bytesPerElement,
  type DType,
  elementCount,
  type Shape,
  showShape,
  type Tensor,
  type TensorData,
  viewOf,
} from '../../tensor.ts';
import { type Data, decodeCbor, encodeCbor, show } from './cbor.ts';
import { crc32 } from './crc32.ts';
import { compress, decompress } from './lz4.ts';
import { packNibbles, unpackNibbles } from './nibbles.ts';

export interface Container {
  /** What the file holds: `network`, … */
  readonly kind: string;
  /** JSON-like: null, booleans, numbers (any f64), strings, arrays, records. Records come back sorted by key. */
  readonly meta: Data;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A data type is its place here. */
export const dtypes = [
  ...(['f32', 'f64', 'i8', 'u8', 'i16', 'u16', 'i32', 'u32'] as const),
  ...(['i64', 'u64', 'bool'] as const),
] satisfies readonly DType[];

/** The name of the one encoding of tensors. */
const nibbles = 'i4';

/** More axes than any kernel takes. */
export const mostAxes = 32;

const magic = [0x89, 0x56, 0x49, 0x52, 0x45, 0x4f, 0x0a]; // ‰VIREO⏎: no text, and spoilt by whatever changes line ends
const version = 1;
const [crcAt, lengthAt, storedLengthAt, headerLengthAt, headerAt] = [8, 12, 16, 20, 24];

/** Of an unpacked header, at most, for each node that a graph may have; one with its values takes 30 items or so. */
export const [bytesPerNode, itemsPerNode] = [512, 64];

const align = (offset: number, size: number): number => Math.ceil(offset / size) * size;

/** Whether these bytes start as a container does. */
export function isContainer(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** The same container gives the same bytes. Throws `VireoError('too-large')` from 4 GiB on. */
export function writeContainer({ kind, meta, tensors }: Container): Uint8Array<ArrayBuffer> {
  const entries = [...tensors].map(([name, { dtype, shape, data }]) => {
    if (data.byteLength !== byteLength(dtype, shape) || shape.length > mostAxes)
      throw new VireoError(
        'bad-input',
        `tensor "${name}": ${dtype}${showShape(shape)} of at most ${mostAxes} axes does not hold ${data.byteLength} bytes`,
      );
    const packed = packNibbles(data);
    return {
      record: [name, dtypes.indexOf(dtype), shape, ...(packed ? [nibbles, packed.length] : [])],
      dtype,
      data: packed ?? data,
    };
  });
  const records = entries.map(({ record }) => record);
  const header = encodeCbor([kind, meta, records]);
  const packed = compress(header);
  const stored = packed.length < header.length ? packed : header;
  let end = headerAt + stored.length;
  const offsets = entries.map(({ dtype, data }) => {
    const offset = align(end, bytesPerElement[dtype]);
    end = offset + data.byteLength;
    return offset;
  });
  if (end >= 2 ** 32) throw new VireoError('too-large', `${end} bytes: a .vireo file has less than 2^32`);
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  bytes.set([...magic, version]);
  view.setUint32(lengthAt, end, true);
  view.setUint32(storedLengthAt, stored.length, true);
  view.setUint32(headerLengthAt, header.length, true);
  bytes.set(stored, headerAt);
  entries.forEach(({ data }, i) => {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offsets[i]);
  });
  view.setUint32(crcAt, crc32(bytes.subarray(lengthAt)), true);
  return bytes;
}

/**
 * Tensors are views of `bytes` wherever their alignment allows: keep the bytes unchanged as long as they are in use.
 * Throws `VireoError`: 'bad-file' where the bytes break the format, 'unsupported' for what a later version may
 * write, 'too-large' over the limits.
 */
export function readContainer(bytes: Uint8Array, limits: Partial<Limits> = {}): Container {
  const all: Limits = { ...defaultLimits, ...limits };
  const { kind, meta, records, end: start } = readHeader(bytes, all);
  const tensors = new Map<string, Tensor>();
  let end = start;
  records.forEach((record, i) => {
    const { name, dtype, shape, packed } = readRecord(record, `tensor ${i}`);
    if (tensors.has(name)) fail(`tensor "${name}" comes twice`);
    checkTensorSize(name, dtype, shape, all);
    const offset = align(end, bytesPerElement[dtype]);
    end = offset + (packed ?? byteLength(dtype, shape));
    if (end > bytes.length) fail(`tensor "${name}": ends at byte ${end}, the file has ${bytes.length} bytes`);
    const count = elementCount(shape);
    const data =
      packed === null
        ? elements(bytes, offset, dtype, count)
        : unpackNibbles(bytes.subarray(offset, end), count);
    tensors.set(name, { dtype, shape, data } as Tensor); // `viewOf` gives the array that goes with the dtype
  });
  if (end !== bytes.length) fail(`the tensors end at byte ${end}, the file has ${bytes.length} bytes`);
  return { kind, meta, tensors };
}

interface Header extends Omit<Container, 'tensors'> {
  readonly records: readonly Data[];
  /** The first byte behind it. */
  readonly end: number;
}

/** All but the tensors. What a later version adds at the end of the header's array is left aside. */
export function readHeader(bytes: Uint8Array, { nodes }: Limits = defaultLimits): Header {
  if (!isContainer(bytes)) fail('expected a file that starts with 89 56 49 52 45 4F 0A');
  if (bytes.length < headerAt)
    fail(`${bytes.length} bytes, expected ${headerAt} at least: the file is cut off`);
  if (bytes[magic.length] !== version)
    throw new VireoError('unsupported', `.vireo: format version ${bytes[magic.length]}, expected ${version}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(lengthAt, true);
  if (length !== bytes.length)
    fail(
      `expected ${length} bytes, got ${bytes.length}: ${bytes.length < length ? 'the file is cut off' : 'something follows the file'}`,
    );
  if (crc32(bytes.subarray(lengthAt)) !== view.getUint32(crcAt, true))
    fail('the checksum does not agree: the file is damaged');
  const stored = view.getUint32(storedLengthAt, true);
  const unpacked = view.getUint32(headerLengthAt, true);
  const end = headerAt + stored;
  if (end > length) fail(`a header of ${stored} bytes does not fit`);
  if (unpacked > nodes * bytesPerNode)
    throw new VireoError('too-large', `.vireo: a header of ${unpacked} bytes is too much for ${nodes} nodes`);
  const here = bytes.subarray(headerAt, end);
  const where = '.vireo header';
  const data = stored === unpacked ? here : decompress(here, unpacked, where);
  const header = decodeCbor(data, where, nodes * itemsPerNode);
  const [kind, meta, records] = Array.isArray(header) ? header : [];
  if (typeof kind !== 'string' || meta === undefined || !Array.isArray(records))
    return fail('the header expects [kind, meta, tensors]');
  return { kind, meta, records, end };
}

function fail(message: string): never {
  throw new VireoError('bad-file', `.vireo: ${message}`);
}

interface TensorRecord {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Bytes that it takes in nibbles; null where its elements lie as in memory. */
  readonly packed: number | null;
}

function readRecord(record: Data, where: string): TensorRecord {
  const [name, code, shape, encoding, length] = Array.isArray(record) ? record : [];
  if (typeof name !== 'string') return fail(`${where}: expected [name, dtype, shape]`);
  if (encoding !== undefined && encoding !== nibbles)
    throw new VireoError(
      'unsupported',
      `.vireo: tensor "${name}": encoding ${show(encoding)} is not known to this version`,
    );
  const dtype = dtypeOf(code) ?? fail(`tensor "${name}": dtype ${show(code)} is not known`);
  if (!isShape(shape)) return fail(`tensor "${name}": expected a shape of at most ${mostAxes} axes`);
  if (encoding === undefined) return { name, dtype, shape, packed: null };
  const packed = Math.ceil(elementCount(shape) / 2);
  if (dtype !== 'i8' || length !== packed)
    return fail(`tensor "${name}": ${dtype}${showShape(shape)} in ${nibbles} expects i8 and ${packed} bytes`);
  return { name, dtype, shape, packed };
}

export const dtypeOf = (code: Data | undefined): DType | undefined =>
  typeof code === 'number' ? dtypes[code] : undefined;

export const isShape = (data: Data | undefined): data is Shape =>
  Array.isArray(data) &&
  data.length <= mostAxes &&
  data.every((extent) => Number.isSafeInteger(extent) && extent >= 0);

function elements(bytes: Uint8Array, offset: number, dtype: DType, count: number): TensorData {
  const size = bytesPerElement[dtype];
  if ((bytes.byteOffset + offset) % size === 0)
    return viewOf(dtype, bytes.buffer, bytes.byteOffset + offset, count);
  return viewOf(dtype, bytes.slice(offset, offset + count * size).buffer, 0, count);
}
