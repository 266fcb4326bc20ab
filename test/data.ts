/**
 * Where the public test data lie, and how a test skips by name when they are not there.
 *
 * The folder is VIREO_DATA, or `data/` in the project's root; docs/data.md says how to fill it.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { it } from 'vitest';

export const dataFolder = process.env['VIREO_DATA'] ?? fileURLToPath(new URL('../data', import.meta.url));

export function dataPath(path: string): string {
  return join(dataFolder, path);
}

export function hasData(...paths: string[]): boolean {
  return paths.every((path) => existsSync(dataPath(path)));
}

/** The bytes of a data file, in a buffer of their own (so that any typed array can lie over it). */
export function readData(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(dataPath(path)));
}

/** `it`, but skipped, with the missing files in its name, when the data are not there. */
export function itWithData(
  name: string,
  paths: readonly string[],
  body: () => void | Promise<void>,
  timeoutMs?: number,
): void {
  const missing = paths.filter((path) => !hasData(path));
  if (missing.length === 0) it(name, body, timeoutMs);
  else it.skip(`${name} [data missing: ${missing.join(', ')}]`, body);
}

/** A small generator with a seed (xorshift32): whole numbers below `limit`. */
export function seeded(seed: number): (limit: number) => number {
  let state = Math.imul(seed + 1, 2654435769) >>> 0 || 1;
  return (limit) => {
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
