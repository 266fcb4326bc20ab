/** Container files of any header, with lengths and checksum that agree: only what is meant to be wrong is. */
import { type Data, encodeCbor } from '../../../src/io/vireo/cbor.ts';
import { crc32 } from '../../../src/io/vireo/crc32.ts';
import { decompress } from '../../../src/io/vireo/lz4.ts';

export function sealed(header: Data, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  return sealedBytes(encodeCbor(header), data);
}

const start = [0x89, 0x56, 0x49, 0x52, 0x45, 0x4f, 0x0a, 1];

export function sealedBytes(header: Uint8Array, data: Uint8Array): Uint8Array {
  const file = new Uint8Array(24 + header.length + data.length);
  file.set(start);
  file.set(header, 24);
  file.set(data, 24 + header.length);
  const view = new DataView(file.buffer);
  view.setUint32(12, file.length, true);
  view.setUint32(16, header.length, true);
  view.setUint32(20, header.length, true);
  return reseal(file);
}

/** The checksum made right, in place. */
export function reseal(file: Uint8Array): Uint8Array {
  if (file.length >= 12)
    new DataView(file.buffer, file.byteOffset).setUint32(8, crc32(file.subarray(12)), true);
  return file;
}

/** The header as it was before it was packed, and all that follows it. */
export function parts(file: Uint8Array): { readonly header: Uint8Array; readonly data: Uint8Array } {
  const view = new DataView(file.buffer, file.byteOffset);
  const stored = file.subarray(24, 24 + view.getUint32(16, true));
  const length = view.getUint32(20, true);
  return {
    header: stored.length === length ? stored : decompress(stored, length, 'test'),
    data: file.subarray(24 + stored.length),
  };
}
