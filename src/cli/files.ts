/** Files in and out. What is written is whole or not there: beside the target first, then renamed. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VireoError } from '../errors.ts';
import type { Graph } from '../graph/ir.ts';
import type { Tuning } from '../graph/plan/calls.ts';
import { isOnnx, readOnnx } from '../io/onnx/index.ts';
import { readTflite } from '../io/tflite/index.ts';
import { isVireo, readVireo } from '../io/vireo/index.ts';
import type { Shape } from '../tensor.ts';

/** Where `data:` paths lie: VIREO_DATA, or `data/` in the package's folder. */
export const dataFolder = process.env['VIREO_DATA'] ?? fileURLToPath(new URL('../../data', import.meta.url));

export function readFile(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Lower-case hexadecimal. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

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

export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Where `vireo tune` saves its choices unless told otherwise. */
export const tuningPath = (model: string): string => `${model}.tuning.json`;

/** The choices in a file that `vireo tune` wrote: `path`, or the one beside the model if there is one. */
export function readTuning(model: string, path: string | undefined): Tuning {
  if (path === undefined && !existsSync(tuningPath(model))) return {};
  const from = path ?? tuningPath(model);
  const fail = (what: string): never => {
    throw new VireoError('bad-input', `${from}: expected { "tuning": { node: choice } }, got ${what}`);
  };
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder().decode(readFile(from)));
  } catch (error) {
    if (error instanceof VireoError) throw error;
    fail('no JSON');
  }
  const tuning = (content as { readonly tuning?: unknown } | null)?.tuning;
  if (typeof tuning !== 'object' || tuning === null) return fail('no such object');
  for (const [node, choice] of Object.entries(tuning))
    if (typeof choice !== 'string') fail(`${JSON.stringify(choice)} for "${node}"`);
  return tuning as Tuning;
}

export interface NetworkFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly graph: Graph;
}

/** A network by its content, whatever its name; `shapes` are those of its inputs by name. */
export function readNetwork(path: string, shapes: Readonly<Record<string, Shape>> = {}): NetworkFile {
  const bytes = readFile(path);
  if (isVireo(bytes)) {
    if (Object.keys(shapes).length > 0)
      throw new VireoError('usage', `${path}: a .vireo file fixes the shapes of its inputs`);
    return { path, bytes, graph: readVireo(bytes) };
  }
  if (String.fromCharCode(...bytes.subarray(4, 8)) === 'TFL3')
    return { path, bytes, graph: readTflite(bytes, { shapes }) };
  if (isOnnx(bytes)) return { path, bytes, graph: readOnnx(bytes, { shapes, external: besideModel(path) }) };
  throw new VireoError(
    'bad-file',
    `${path}: expected a TFLite or an ONNX file, or a .vireo one; it is none of them`,
  );
}

/** Weights that an ONNX file keeps in other files of its folder, links followed no further than that. */
function besideModel(path: string): (location: string, offset: number, length: number) => Uint8Array {
  return (location, offset, length) => {
    const whole = join(dirname(path), location);
    try {
      const folder = realpathSync(dirname(path));
      const inside = relative(folder, realpathSync(whole));
      if (inside === '' || inside.startsWith('..') || isAbsolute(inside))
        throw new Error('lies outside of the folder of the model');
      return readPart(whole, offset, length);
    } catch (error) {
      throw new VireoError('io', `${whole}: ${error instanceof Error ? error.message : error}`);
    }
  };
}

/** As many of the bytes as the file has. */
function readPart(path: string, offset: number, length: number): Uint8Array {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(file, bytes, at, bytes.length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
