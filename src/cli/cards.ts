/** Cards from the file system. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { VireoError } from '../errors.ts';
import type { CardFiles, FoundCard } from '../io/cards/find.ts';
import { cardPathOf, findCard } from '../io/cards/find.ts';
import { sha256, writeWhole } from './files.ts';

/** Folder of the package's own cards: `networks/` and `data/` are in it. */
export const builtInCards = fileURLToPath(new URL('../../weights/cards', import.meta.url));

export const diskFiles: CardFiles = {
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  },
  list(folder) {
    try {
      return readdirSync(folder).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw new VireoError('io', `${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  },
};

/** The card of the network whose file has these bytes; undefined if there is none. */
export function findNetworkCard(
  network: string,
  bytes: Uint8Array,
  options: { readonly card?: string | undefined; readonly dataFolder?: string | undefined } = {},
): FoundCard | undefined {
  return findCard(
    {
      network,
      sha256: () => sha256(bytes),
      card: options.card,
      dataFolder: options.dataFolder,
      builtIn: `${builtInCards}/networks`,
    },
    diskFiles,
  );
}

/**
 * Writes the card that was found for one form of a network beside another form of it, and gives its path. The names of
 * classes go into it, since files that it names may lie elsewhere; `inputs`, where given, take the place of its own.
 */
export function writeCardBeside(
  network: string,
  bytes: Uint8Array,
  { card, path }: FoundCard,
  inputs?: readonly object[],
): string {
  const content: { outputs: { labels?: unknown }[]; inputs: unknown; sha256: unknown } = JSON.parse(
    diskFiles.read(path) ?? '{}',
  );
  if (inputs) content.inputs = inputs;
  content.sha256 = [sha256(bytes)];
  card.outputs.forEach((output, i) => {
    if ('labels' in output && output.labels.names.length > 0) content.outputs[i].labels = output.labels.names;
  });
  const beside = cardPathOf(network);
  writeWhole(beside, new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`));
  return beside;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
