/**
 * Numbers from −8 to 7 in half a byte each, two's complement, the first of two in the low half. What is left of the last
 * byte is 0.
 */
import type { TensorData } from '../../tensor.ts';

/** Fewer numbers than this are not worth the words that say so. */
const fewest = 32;

/** Null where the numbers are no int8, do not fit, or are too few. */
export function packNibbles(data: TensorData): Uint8Array | null {
  if (!(data instanceof Int8Array) || data.length < fewest) return null;
  for (let i = 0; i < data.length; i++) if (data[i]! < -8 || data[i]! > 7) return null;
  const packed = new Uint8Array(Math.ceil(data.length / 2));
  for (let i = 0; i < data.length; i++) packed[i >> 1]! |= (data[i]! & 15) << (4 * (i & 1));
  return packed;
}

/** `count` numbers of ⌈count/2⌉ bytes. */
export function unpackNibbles(packed: Uint8Array, count: number): Int8Array {
  const data = new Int8Array(count);
  for (let i = 0; i < count; i++) data[i] = (packed[i >> 1]! << (i & 1 ? 24 : 28)) >> 28;
  return data;
}
