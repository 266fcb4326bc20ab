/**
 * Data sets from the file system, read as a stream: at no time more than one block or one file is in memory.
 */

import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { VireoError } from '../errors.ts';
import { decodeWav } from '../io/audio/wav.ts';
import { readColumn, readLines } from '../io/cards/csv.ts';
import type { PathContext } from '../io/cards/paths.ts';
import { resolvePath } from '../io/cards/paths.ts';
import type { InputSource } from '../io/cards/prepare.ts';
import type { ByteReader } from '../io/datasets/byte-reader.ts';
import { byteReader } from '../io/datasets/byte-reader.ts';
import type { ColumnCard, DataCard, ItemRole, ItemsCard, LabelsCard } from '../io/datasets/data-card.ts';
import { parseDataCard } from '../io/datasets/data-card.ts';
import { fromBigEndian, readIdxHeader } from '../io/datasets/idx.ts';
import { readTar } from '../io/datasets/tar.ts';
import { decodePng } from '../io/image/png.ts';
import type { DType, Quantization, Shape, Tensor } from '../tensor.ts';
import { byteLength, bytesPerElement, elementCount, viewOf } from '../tensor.ts';

export interface DataItem {
  /** Position in the files, whatever the card selects. */
  readonly index: number;
  /** The file's name, or the position as text. */
  readonly name: string;
  readonly label: number | undefined;
  readonly source: InputSource;
}

export interface DataSet {
  readonly name: string;
  readonly card: DataCard;
  /** Names of the classes 0, 1, …; empty when the card gives none. */
  readonly classes: readonly string[];
  /** Items that `items()` gives; undefined when only reading will tell. */
  readonly count: number | undefined;
  /** The items in the order of the files. Ends with an error if they are not as many as the card says. */
  items(): AsyncGenerator<DataItem>;
}

/** Bytes read at a time from a file of raw items. */
const blockBytes = 1 << 20;

export async function openDataSet(
  cardPath: string,
  options: { readonly dataFolder?: string | undefined } = {},
): Promise<DataSet> {
  const card = parseDataCard(await readText(cardPath), cardPath);
  const context: PathContext = { card: cardPath, dataFolder: options.dataFolder };
  const classes = isList(card.classes) ? card.classes : await readNames(card.classes, context);
  const indices = await selectedIndices(card, context);
  const source = await openItems(card.items, context);
  const labels = await openLabels(card.labels, context, classes);
  if (source.count !== undefined) checkLabelCount(card, labels, source.count);

  /** Whether the card wants this item. */
  const wanted = (index: number, name: string): boolean =>
    (indices === undefined || indices.has(index)) && (card.select.names?.test(name) ?? true);
  const count = countOf(card, source, indices);

  return {
    name: card.name,
    card,
    classes,
    count,
    async *items() {
      let delivered = 0;
      let seen = 0;
      for await (const { index, name, load } of source.entries(wanted)) {
        seen = index + 1;
        if (!wanted(index, name)) continue;
        const label = labels?.of(index, name);
        if (label !== undefined && classes.length > 0 && label >= classes.length) {
          throw new VireoError(
            'bad-file',
            `${cardPath}: item ${name} has label ${label} of ${classes.length} classes`,
          );
        }
        yield { index, name, label, source: await load() };
        delivered++;
      }
      if (source.count === undefined) checkLabelCount(card, labels, seen);
      if (card.count !== undefined && delivered !== card.count) {
        throw new VireoError(
          'bad-file',
          `${cardPath}: count is ${card.count}, the files give ${delivered} items`,
        );
      }
    },
  };
}

// Items ———————————————————————————————————————————————————————————————————————————————————————————————————————————————

interface Entry {
  readonly index: number;
  readonly name: string;
  readonly load: () => InputSource | Promise<InputSource>;
}

interface Source {
  readonly count: number | undefined;
  readonly where: string;
  /** Entries in order; those that `wanted` refuses may be left out. */
  entries(wanted: (index: number, name: string) => boolean): AsyncGenerator<Entry>;
}

async function openItems(items: ItemsCard, context: PathContext): Promise<Source> {
  switch (items.kind) {
    case 'raw':
      return openRaw(items, resolvePath(items.file, context, `${context.card}: items.file`));
    case 'idx':
      return openIdx(items.role, resolvePath(items.file, context, `${context.card}: items.file`));
    case 'tar':
      return openTar(items.files, resolvePath(items.path, context, `${context.card}: items.file`));
    case 'folder':
      return openFolder(items.files, resolvePath(items.path, context, `${context.card}: items.folder`));
  }
}

async function openRaw(items: ItemsCard & { readonly kind: 'raw' }, path: string): Promise<Source> {
  const { dtype, shape, headerBytes, role, quantization } = items;
  const itemBytes = byteLength(dtype, shape);
  const size = await fileSize(path);
  const count = (size - headerBytes) / itemBytes;
  if (!Number.isInteger(count) || count < 0) {
    const content = headerBytes > 0 ? `${headerBytes} of header and items` : 'items';
    throw new VireoError('bad-file', `${path}: ${size} bytes are not ${content} of ${itemBytes}`);
  }
  const perBlock = Math.max(1, Math.floor(blockBytes / itemBytes));
  return {
    count,
    where: path,
    async *entries(wanted) {
      const file = await opened(path);
      try {
        const block = new Uint8Array(perBlock * itemBytes);
        for (let first = 0; first < count; first += perBlock) {
          const inBlock = Math.min(perBlock, count - first);
          let any = false;
          for (let i = 0; i < inBlock && !any; i++) any = wanted(first + i, String(first + i));
          if (!any) continue;
          const { bytesRead } = await file.read(
            block,
            0,
            inBlock * itemBytes,
            headerBytes + first * itemBytes,
          );
          if (bytesRead !== inBlock * itemBytes) {
            throw new VireoError(
              'bad-file',
              `${path}: ends inside item ${first + Math.floor(bytesRead / itemBytes)}`,
            );
          }
          for (let i = 0; i < inBlock; i++) {
            const bytes = block.slice(i * itemBytes, (i + 1) * itemBytes);
            const load = (): InputSource => sourceOf(bytes, dtype, shape, role, quantization);
            yield { index: first + i, name: String(first + i), load };
          }
        }
      } finally {
        await file.close();
      }
    },
  };
}

async function openIdx(role: ItemRole, path: string): Promise<Source> {
  const { dtype, count, shape } = await withStream(path, (reader) => readIdxHeader(reader, path));
  if (role === 'picture' && (dtype !== 'u8' || shape.length < 2 || shape.length > 3)) {
    throw new VireoError('bad-file', `${path}: items of ${dtype} [${shape.join(', ')}] are not pictures`);
  }
  return {
    count,
    where: path,
    async *entries() {
      const stream = openStream(path);
      try {
        const reader = byteReader(guarded(stream, path), path);
        await readIdxHeader(reader, path);
        for (let index = 0; index < count; index++) {
          const bytes = await reader.read(byteLength(dtype, shape), `item ${index} of ${count}`);
          fromBigEndian(bytes, dtype);
          yield { index, name: String(index), load: () => sourceOf(bytes, dtype, shape, role, null) };
        }
        if (!(await reader.atEnd())) {
          throw new VireoError('bad-file', `${path}: goes on after the ${count} items of its header`);
        }
      } finally {
        stream.destroy();
      }
    },
  };
}

async function openTar(files: RegExp, path: string): Promise<Source> {
  await fileSize(path);
  return {
    count: undefined,
    where: path,
    async *entries() {
      const stream = openStream(path);
      try {
        let index = 0;
        for await (const entry of readTar(byteReader(guarded(stream, path), path), path)) {
          if (!files.test(entry.name)) continue;
          yield { index, name: entry.name, load: async () => decoded(await entry.read(), entry.name, path) };
          index++;
        }
      } finally {
        stream.destroy();
      }
    },
  };
}

async function openFolder(files: RegExp, path: string): Promise<Source> {
  const info = await refusedAs('io', path, () => stat(path));
  if (!info.isDirectory()) throw new VireoError('io', `${path}: not a folder`);
  return {
    count: undefined,
    where: path,
    async *entries() {
      let index = 0;
      for await (const name of namesIn(path, '')) {
        if (!files.test(name)) continue;
        const file = join(path, name);
        const load = async (): Promise<InputSource> => decoded(await readBytes(file), name, path);
        yield { index, name, load };
        index++;
      }
    },
  };
}

/** Files under a folder by their path from it, with `/` between the parts, sorted within every folder. */
async function* namesIn(root: string, folder: string): AsyncGenerator<string> {
  const found = await refusedAs('io', join(root, folder), () =>
    readdir(join(root, folder), { withFileTypes: true }),
  );
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of found) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* namesIn(root, name);
    else yield name;
  }
}

/** A PNG or WAV file by its first bytes. */
function decoded(bytes: Uint8Array, name: string, where: string): InputSource {
  try {
    if (bytes[0] === 0x89) return { kind: 'picture', picture: decodePng(bytes) };
    if (bytes[0] === 0x52) return { kind: 'recording', recording: decodeWav(bytes) };
  } catch (error) {
    if (error instanceof VireoError) throw new VireoError(error.code, `${where}: ${name}: ${error.message}`);
    throw error;
  }
  throw new VireoError('bad-file', `${where}: ${name}: neither a PNG nor a WAV file`);
}

/** `bytes` start at offset 0 of their buffer. */
function sourceOf(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: DType,
  shape: Shape,
  role: ItemRole,
  quantization: Quantization | null,
): InputSource {
  if (role === 'tensor') {
    const data = viewOf(dtype, bytes.buffer, 0, elementCount(shape));
    return { kind: 'tensor', tensor: { dtype, shape, data } as Tensor, quantization }; // viewOf pairs the two
  }
  const [height, width] = shape;
  const channels = shape[2] ?? 1;
  if (channels !== 1 && channels !== 2 && channels !== 3 && channels !== 4) {
    throw new VireoError('bad-file', `a picture of ${channels} channels; expected 1 to 4`);
  }
  return { kind: 'picture', picture: { width, height, channels, data: bytes } };
}

// Labels, classes, selection ——————————————————————————————————————————————————————————————————————————————————————————

interface LabelSource {
  /** How many there are, if they go by position. */
  readonly count: number | undefined;
  readonly where: string;
  of(index: number, name: string): number;
}

async function openLabels(
  card: LabelsCard | undefined,
  context: PathContext,
  classes: readonly string[],
): Promise<LabelSource | undefined> {
  if (card === undefined) return undefined;
  if (card.kind === 'name') {
    const where = `${context.card}: labels.pattern`;
    const of = (_: number, name: string): number => {
      const match = card.pattern.exec(name);
      if (match?.[1] === undefined) throw new VireoError('bad-file', `${where}: finds no group in ${name}`);
      return classOf(match[1], classes, `${where}: ${name}`);
    };
    return { count: undefined, where, of };
  }
  const path = resolvePath(card.file, context, `${context.card}: labels.file`);
  switch (card.kind) {
    case 'raw': {
      const bytes = (await readBytes(path)).slice(card.headerBytes);
      if (bytes.length % bytesPerElement[card.dtype] !== 0) {
        throw new VireoError(
          'bad-file',
          `${path}: ${bytes.length} bytes are not whole labels of type ${card.dtype}`,
        );
      }
      const data = viewOf(card.dtype, bytes.buffer, 0, bytes.length / bytesPerElement[card.dtype]);
      return byPosition(Array.from(data, Number), path);
    }
    case 'idx':
      return byPosition(await readIdxLabels(path), path);
    case 'lines': {
      const lines = readLines(await readText(path));
      return byPosition(
        lines.map((line, i) => classOf(line, classes, `${path}: line ${i + 1}`)),
        path,
      );
    }
    case 'csv': {
      const text = await readText(path);
      const values = readColumn(text, card.column, path).map((value, i) =>
        classOf(value, classes, `${path}: row ${i + 1}`),
      );
      if (card.key === undefined) return byPosition(values, path);
      const byName = new Map(readColumn(text, card.key, path).map((name, i) => [name, values[i]]));
      const of = (_: number, name: string): number => {
        const label = byName.get(name);
        if (label === undefined) throw new VireoError('bad-file', `${path}: no row for ${name}`);
        return label;
      };
      return { count: undefined, where: path, of };
    }
  }
}

function byPosition(labels: readonly number[], where: string): LabelSource {
  return {
    count: labels.length,
    where,
    of: (index) => {
      const label = labels[index];
      if (label === undefined) {
        throw new VireoError('bad-file', `${where}: ${labels.length} labels, none for item ${index}`);
      }
      return label;
    },
  };
}

async function readIdxLabels(path: string): Promise<number[]> {
  return withStream(path, async (reader) => {
    const { dtype, count, shape } = await readIdxHeader(reader, path);
    if (shape.length !== 0 || dtype === 'f32') {
      throw new VireoError(
        'bad-file',
        `${path}: labels are one whole number each, got ${dtype} [${shape.join(', ')}]`,
      );
    }
    if (count > 1 << 26) throw new VireoError('too-large', `${path}: ${count} labels`);
    const labels: number[] = [];
    while (labels.length < count) {
      const size = Math.min(blockBytes, count - labels.length);
      const bytes = await reader.read(size * bytesPerElement[dtype], `label ${labels.length} of ${count}`);
      fromBigEndian(bytes, dtype);
      for (const value of viewOf(dtype, bytes.buffer, 0, size)) labels.push(Number(value));
    }
    return labels;
  });
}

/** A class by its name or by its number. */
function classOf(text: string, classes: readonly string[], where: string): number {
  const named = classes.indexOf(text);
  if (named >= 0) return named;
  if (!/^\d+$/u.test(text)) throw new VireoError('bad-file', `${where}: ${JSON.stringify(text)} is no class`);
  return Number(text);
}

async function readNames(card: ColumnCard, context: PathContext): Promise<string[]> {
  const path = resolvePath(card.file, context, context.card);
  const text = await readText(path);
  return card.column === undefined ? readLines(text) : readColumn(text, card.column, path);
}

async function selectedIndices(card: DataCard, context: PathContext): Promise<Set<number> | undefined> {
  const { indices } = card.select;
  if (indices === undefined) return undefined;
  if (isList(indices)) return new Set(indices);
  const names = await readNames(indices, context);
  return new Set(
    names.map((name) => {
      if (!/^\d+$/u.test(name)) {
        throw new VireoError(
          'bad-file',
          `${context.card}: select.indices: ${JSON.stringify(name)} is no position`,
        );
      }
      return Number(name);
    }),
  );
}

function countOf(
  card: DataCard,
  source: Source,
  indices: ReadonlySet<number> | undefined,
): number | undefined {
  if (source.count === undefined || card.select.names !== undefined) return card.count;
  let count = source.count;
  if (indices !== undefined) {
    count = 0;
    for (const index of indices) if (index < source.count) count++;
  }
  if (card.count !== undefined && card.count !== count) {
    throw new VireoError(
      'bad-file',
      `${source.where}: gives ${count} items, the card's count is ${card.count}`,
    );
  }
  return count;
}

function checkLabelCount(card: DataCard, labels: LabelSource | undefined, items: number): void {
  if (labels?.count !== undefined && labels.count !== items) {
    throw new VireoError(
      'bad-file',
      `${labels.where}: ${labels.count} labels for the ${items} items of ${card.name}`,
    );
  }
}

// Files ———————————————————————————————————————————————————————————————————————————————————————————————————————————————

type ByteStream = AsyncIterable<Uint8Array> & { destroy(): unknown };

/** The bytes of a file, decompressed if its name ends in .gz or .tgz. */
function openStream(path: string): ByteStream {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  if (!/\.t?gz$/u.test(path)) return file;
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  pipeline(file, gunzip, () => {}); // an error of either reaches whoever reads gunzip
  return gunzip;
}

/** Errors of the file system or of gzip, as VireoErrors that name the file. */
async function* guarded(stream: ByteStream, path: string): AsyncGenerator<Uint8Array> {
  const pieces = stream[Symbol.asyncIterator]();
  for (;;) {
    const next = await refusedAs(undefined, path, () => pieces.next());
    if (next.done) return;
    yield next.value;
  }
}

async function withStream<T>(path: string, use: (reader: ByteReader) => Promise<T>): Promise<T> {
  await fileSize(path);
  const stream = openStream(path);
  try {
    return await use(byteReader(guarded(stream, path), path));
  } finally {
    stream.destroy();
  }
}

async function opened(path: string): Promise<Awaited<ReturnType<typeof open>>> {
  return refusedAs('io', path, () => open(path));
}

async function readBytes(path: string): Promise<Uint8Array> {
  return new Uint8Array(await refusedAs('io', path, () => readFile(path)));
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

async function fileSize(path: string): Promise<number> {
  const info = await refusedAs('io', path, () => stat(path));
  if (!info.isFile()) throw new VireoError('io', `${path}: not a file`);
  return info.size;
}

/** What the deed throws, as a VireoError; without a code, zlib's complaints are a bad file, others the disk's. */
async function refusedAs<T>(code: 'io' | undefined, path: string, deed: () => Promise<T>): Promise<T> {
  try {
    return await deed();
  } catch (error) {
    if (error instanceof VireoError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const fromZlib = error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
    throw new VireoError(code ?? (fromZlib ? 'bad-file' : 'io'), `${path}: ${reason}`);
  }
}

/** Array.isArray, for readonly arrays. */
function isList<T>(value: readonly T[] | ColumnCard): value is readonly T[] {
  return Array.isArray(value);
}
