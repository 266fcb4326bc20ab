/** A file that a network may look at or listen to, by its content. */
import { VireoError } from '../errors.ts';
import { decodeWav } from '../io/audio/index.ts';
import type { InputSource } from '../io/cards/prepare.ts';
import { decodePng } from '../io/image/index.ts';
import { readFile } from './files.ts';

export function readSource(path: string): InputSource {
  const bytes = readFile(path);
  const starts = String.fromCharCode(...bytes.subarray(0, 4));
  try {
    if (starts === '\x89PNG') return { kind: 'picture', picture: decodePng(bytes) };
    if (starts === 'RIFF') return { kind: 'recording', recording: decodeWav(bytes) };
  } catch (error) {
    if (error instanceof VireoError) throw new VireoError(error.code, `${path}: ${error.message}`);
    throw error;
  }
  throw new VireoError(
    'bad-input',
    `${path}: expected a PNG or WAV file (raw tensors: --raw), it starts with ${JSON.stringify(starts)}`,
  );
}
