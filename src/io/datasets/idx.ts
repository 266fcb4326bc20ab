/**
 * The header of an idx file: arrays of numbers, big-endian, as the MNIST digits come.
 *
 *   0, 0, type, dimensions, then one 32-bit extent for each dimension, then the values
 *
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", "File formats".
 */

import { VireoError } from '../../errors.ts';
import type { DType, Shape } from '../../tensor.ts';
import { bytesPerElement, elementCount } from '../../tensor.ts';
import type { ByteReader } from './byte-reader.ts';

export interface IdxHeader {
  readonly dtype: DType;
  readonly count: number;
  /** Of one item. */
  readonly shape: Shape;
}

const types: Readonly<Record<number, DType>> = { 8: 'u8', 9: 'i8', 11: 'i16', 12: 'i32', 13: 'f32' };

export async function readIdxHeader(reader: ByteReader, where: string): Promise<IdxHeader> {
  const start = await reader.read(4, 'the idx header');
  const dtype = types[start[2]];
  const dimensions = start[3];
  if (start[0] !== 0 || start[1] !== 0 || dtype === undefined || dimensions < 1 || dimensions > 8) {
    throw new VireoError(
      'bad-file',
      `${where}: not an idx file (it starts with ${Array.from(start).join(', ')})`,
    );
  }
  const extents = await reader.read(4 * dimensions, 'the idx header');
  const view = new DataView(extents.buffer);
  const [count, ...shape] = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 * i));
  const bytes = elementCount(shape) * bytesPerElement[dtype];
  if (bytes > 1 << 28) throw new VireoError('too-large', `${where}: items of ${bytes} bytes`);
  return { dtype, count, shape };
}

/** Big-endian values to this machine's order, in place. */
export function fromBigEndian(bytes: Uint8Array, dtype: DType): void {
  const size = bytesPerElement[dtype];
  for (let at = 0; size > 1 && at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
