/** Files in and out. What is written is whole or not there: beside the target first, then renamed. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { VireoError } from '../errors.ts';
import type { Graph } from '../graph/ir.ts';
import { readTflite } from '../io/tflite/index.ts';

/** Where `data:` paths lie: VIREO_DATA, or `data/` in the package's folder. */
export const dataFolder = process.env['VIREO_DATA'] ?? fileURLToPath(new URL('../../data', import.meta.url));

export function readFile(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : error}`);
  }
}

export function writeWhole(path: string, bytes: Uint8Array): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    writeFileSync(partial, bytes);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : error}`);
  }
}

export interface NetworkFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly graph: Graph;
}

/** A network by its content, whatever its name. */
export function readNetwork(path: string): NetworkFile {
  const bytes = readFile(path);
  const identifier = String.fromCharCode(...bytes.subarray(4, 8));
  if (identifier !== 'TFL3')
    throw new VireoError(
      'bad-file',
      `${path}: expected a TFLite file ("TFL3" at byte 4), got ${JSON.stringify(identifier)}`,
    );
  return { path, bytes, graph: readTflite(bytes) };
}
