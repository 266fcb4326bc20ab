/**
 * What must be known of compressed pixels before pngjs may see them: their size and their checksums.
 *
 * pngjs inflates interlaced pictures without any bound, so a small file could ask for gigabytes. This file uses
 * node:zlib, as pngjs itself does.
 */

import { crc32, inflateSync } from 'node:zlib';
import { VireoError } from '../../errors.ts';

/** Deflate turns a byte into at most 1032 bytes (zlib, "Technical Details": the limit is 1032:1). */
const maxExpansion = 1032;

/** Throws unless the zlib stream `bytes` holds exactly `expected` bytes; allocates in proportion to them. */
export function checkInflatedSize(bytes: Uint8Array, expected: number, where: string): void {
  if (expected > bytes.length * maxExpansion) {
    throw new VireoError(
      'bad-file',
      `${where}: ${bytes.length} compressed bytes cannot hold the ${expected} bytes that the header promises`,
    );
  }
  let size: number;
  try {
    size = inflateSync(bytes, { maxOutputLength: expected + 1, chunkSize: 1 << 18 }).length;
  } catch (error) {
    if (error instanceof RangeError) {
      throw new VireoError('bad-file', `${where}: more than the expected ${expected} bytes of pixels`);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new VireoError('bad-file', `${where}: the compressed pixels cannot be read: ${reason}`);
  }
  if (size !== expected) {
    const count = size > expected ? 'more' : `${size}`;
    throw new VireoError('bad-file', `${where}: expected ${expected} bytes of pixels, the file has ${count}`);
  }
}

/** The checksum of a PNG chunk: CRC-32 of its name and content. */
export function checksum(bytes: Uint8Array): number {
  return crc32(bytes);
}
