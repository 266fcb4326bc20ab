/** Exact numbers of bytes out of a stream that comes in pieces of any size. */

import { VireoError } from '../../errors.ts';

export interface ByteReader {
  /** The next `count` bytes, in an array of their own; throws when the stream ends before. */
  read(count: number, what: string): Promise<Uint8Array<ArrayBuffer>>;
  skip(count: number, what: string): Promise<void>;
  /** Whether no byte is left. */
  atEnd(): Promise<boolean>;
}

/** `where` names the stream in messages. Holds one piece of the stream at a time. */
export function byteReader(pieces: AsyncIterable<Uint8Array>, where: string): ByteReader {
  const source = pieces[Symbol.asyncIterator]();
  let piece = new Uint8Array(0);
  let at = 0;
  let position = 0; // of the stream, for messages

  /** False at the end of the stream. */
  async function more(): Promise<boolean> {
    while (at === piece.length) {
      const next = await source.next();
      if (next.done) return false;
      piece = new Uint8Array(next.value.buffer as ArrayBuffer, next.value.byteOffset, next.value.length);
      at = 0;
    }
    return true;
  }

  async function take(count: number, what: string, out: Uint8Array | undefined): Promise<void> {
    for (let done = 0; done < count; ) {
      if (!(await more())) {
        throw new VireoError(
          'bad-file',
          `${where}: ends at byte ${position}, ${count - done} short of ${what}`,
        );
      }
      const size = Math.min(count - done, piece.length - at);
      out?.set(piece.subarray(at, at + size), done);
      at += size;
      done += size;
      position += size;
    }
  }

  return {
    async read(count, what) {
      const out = new Uint8Array(count);
      await take(count, what, out);
      return out;
    },
    skip: (count, what) => take(count, what, undefined),
    atEnd: async () => !(await more()),
  };
}
