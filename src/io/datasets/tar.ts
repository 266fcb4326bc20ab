/**
 * The files in a tar archive, one after another, as the archive streams by.
 *
 * Reads ustar with the usual extensions for long names (pax `path`, GNU `L`). Left out: sparse files, links, devices
 * (skipped), and writing.
 *
 * Source: IEEE Std 1003.1-2017, `pax`, "ustar Interchange Format" and "pax Extended Header".
 */

import { VireoError } from '../../errors.ts';
import type { ByteReader } from './byte-reader.ts';

export interface TarEntry {
  readonly name: string;
  /** The file's bytes; to be called before the next entry is asked for, or not at all. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

const block = 512;
/** A picture or a recording is far smaller; a damaged header may claim gigabytes. */
const maxEntryBytes = 1 << 28;

/** Regular files only; `where` names the archive in messages. */
export async function* readTar(reader: ByteReader, where: string): AsyncGenerator<TarEntry> {
  let longName: string | undefined;
  for (let number = 0; ; number++) {
    const what = `the header of entry ${number}`;
    if (await reader.atEnd())
      throw new VireoError('bad-file', `${where}: ends without an end-of-archive mark`);
    const header = await reader.read(block, what);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header, where, number);
    const size = sizeOf(header, where, number);
    const padding = (block - (size % block)) % block;
    const type = String.fromCharCode(header[156]);
    const name = longName ?? nameOf(header);
    const content = `the ${size} bytes of ${name}`;
    if (type === 'L' || type === 'x') {
      const bytes = await reader.read(size, content);
      await reader.skip(padding, content);
      longName = type === 'L' ? textIn(bytes, 0, size) : (paxPath(bytes) ?? longName);
      continue;
    }
    longName = undefined;
    let left = size;
    if (type === '0' || type === '\0') {
      yield {
        name,
        read: async () => {
          const bytes = await reader.read(left, content);
          left = 0;
          return bytes;
        },
      };
    }
    await reader.skip(left + padding, content);
  }
}

/** The sum of the header's bytes, with the sum's own field taken as spaces. */
function checkSum(header: Uint8Array, where: string, number: number): void {
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : header[i];
  const stated = Number.parseInt(textIn(header, 148, 8).trim(), 8);
  if (sum !== stated) {
    throw new VireoError(
      'bad-file',
      `${where}: entry ${number} is no tar header (checksum ${sum}, it says ${stated})`,
    );
  }
}

function sizeOf(header: Uint8Array, where: string, number: number): number {
  const text = textIn(header, 124, 12).trim();
  const size = /^[0-7]+$/u.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  if (Number.isNaN(size)) throw new VireoError('bad-file', `${where}: entry ${number} has no readable size`);
  if (size > maxEntryBytes) {
    throw new VireoError(
      'too-large',
      `${where}: entry ${number} has ${size} bytes, the limit is ${maxEntryBytes}`,
    );
  }
  return size;
}

function nameOf(header: Uint8Array): string {
  const prefix = textIn(header, 257, 5) === 'ustar' ? textIn(header, 345, 155) : '';
  const name = textIn(header, 0, 100);
  return (prefix === '' ? name : `${prefix}/${name}`).replace(/^\.\//u, '');
}

/** Bytes up to the first zero, as UTF-8. */
function textIn(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** The `path` of pax records: "<length> <key>=<value>\n", one after another. */
function paxPath(bytes: Uint8Array): string | undefined {
  for (const record of new TextDecoder().decode(bytes).split('\n')) {
    const match = /^\d+ path=(.*)$/u.exec(record);
    if (match !== null) return match[1];
  }
  return undefined;
}
