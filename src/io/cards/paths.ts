/**
 * The paths that cards contain: relative to the card's own folder, or, with the prefix `data:`, to the data folder.
 * They use `/` on every system.
 */

import { VireoError } from '../../errors.ts';

export interface PathContext {
  /** The card's path; relative paths start from its folder. */
  readonly card: string;
  /** What `data:` stands for; undefined when nobody said. */
  readonly dataFolder?: string | undefined;
}

/** The path to open. `where` names the place in the card. */
export function resolvePath(path: string, context: PathContext, where: string): string {
  const inData = path.startsWith('data:');
  const tail = inData ? path.slice('data:'.length) : path;
  if (tail === '' || tail.startsWith('/') || tail.startsWith('\\') || /^[A-Za-z]:/u.test(tail)) {
    throw new VireoError('bad-file', `${where}: expected a relative path, got ${JSON.stringify(path)}`);
  }
  if (!inData) return joined(folderOf(context.card), tail);
  if (context.dataFolder === undefined) {
    throw new VireoError('io', `${where}: ${path} lies in the data folder, and none is set (VIREO_DATA)`);
  }
  return joined(context.dataFolder, tail);
}

export function folderOf(path: string): string {
  const end = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return end < 0 ? '' : path.slice(0, Math.max(end, 1));
}

export function joined(folder: string, tail: string): string {
  return folder === '' ? tail : folder.endsWith('/') ? folder + tail : `${folder}/${tail}`;
}
