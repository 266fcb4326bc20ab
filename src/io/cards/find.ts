/**
 * Which card belongs to a network, and the names of its classes.
 *
 *   1. the card that was asked for
 *   2. `net.card.json` beside `net.tflite`
 *   3. the package's own card with the network's SHA-256
 *
 * Files come through `CardFiles`, so this runs without a file system; `node.ts` has the one that reads disks.
 */

import { VireoError } from '../../errors.ts';
import { readColumn, readLines } from './csv.ts';
import type { LabelFile, Labels, NetworkCard, OutputCard } from './network-card.ts';
import { parseNetworkCard } from './network-card.ts';
import type { PathContext } from './paths.ts';
import { joined, resolvePath } from './paths.ts';

export interface CardFiles {
  /** The text of a file; undefined if there is none. */
  read(path: string): string | undefined;
  /** Names of the files in a folder; none if there is no such folder. */
  list(folder: string): readonly string[];
}

export interface CardRequest {
  /** Path of the network's file. */
  readonly network: string;
  /** SHA-256 of its bytes in hexadecimal; called only when no card lies beside the network. */
  readonly sha256: () => string;
  /** Path of the card that was asked for. */
  readonly card?: string | undefined;
  /** Folder of the package's own cards. */
  readonly builtIn?: string | undefined;
  /** What `data:` stands for in a card. */
  readonly dataFolder?: string | undefined;
}

export interface FoundCard {
  readonly card: NetworkCard;
  /** Where it was. */
  readonly path: string;
  /** What the reader should know, e.g. that a list of labels is missing. */
  readonly notes: readonly string[];
}

/** The network's card with its labels read; undefined if there is none. */
export function findCard(request: CardRequest, files: CardFiles): FoundCard | undefined {
  const path = request.card ?? cardPathOf(request.network);
  const text = files.read(path);
  if (text !== undefined) {
    return withLabels(parseNetworkCard(text, path), { card: path, dataFolder: request.dataFolder }, files);
  }
  if (request.card !== undefined) throw new VireoError('io', `${request.card}: no such card`);
  if (request.builtIn === undefined) return undefined;
  const hash = request.sha256();
  for (const name of files.list(request.builtIn)) {
    const builtIn = joined(request.builtIn, name);
    const content = name.endsWith('.json') ? files.read(builtIn) : undefined;
    // Reading every card in full would be slow and would make one bad card spoil all.
    if (!content?.includes(hash)) continue;
    return withLabels(
      parseNetworkCard(content, builtIn),
      { card: builtIn, dataFolder: request.dataFolder },
      files,
    );
  }
  return undefined;
}

/** `dir/net.tflite` → `dir/net.card.json` */
export function cardPathOf(network: string): string {
  return `${network.replace(/\.[^./\\]*$/u, '')}.card.json`;
}

function withLabels(card: NetworkCard, context: PathContext, files: CardFiles): FoundCard {
  const notes: string[] = [];
  const outputs = card.outputs.map((output): OutputCard => {
    if (output.kind === 'regression' || output.kind === 'raw' || output.labels.file === undefined) {
      return output;
    }
    return { ...output, labels: loadLabels(output.labels.file, context, files, notes) };
  });
  return { card: { ...card, outputs }, path: context.card, notes };
}

function loadLabels(file: LabelFile, context: PathContext, files: CardFiles, notes: string[]): Labels {
  let path = file.path;
  let text: string | undefined;
  if (context.dataFolder !== undefined || !file.path.startsWith('data:')) {
    path = resolvePath(file.path, context, context.card);
    text = files.read(path);
  }
  if (text === undefined) {
    notes.push(`${path} is missing, so classes are shown by number`);
    return { names: [], file };
  }
  const all = file.column === undefined ? readLines(text) : readColumn(text, file.column, path);
  return { names: all.slice(file.offset), file };
}
