/** The formats that networks are written in. */
import { VireoError } from '../errors.ts';
import type { Graph } from '../graph/ir.ts';
import { writeOnnx } from '../io/onnx/write/index.ts';
import { writeTflite } from '../io/tflite/write/index.ts';
import { withoutUnused, writeVireo } from '../io/vireo/index.ts';

export interface Format {
  /** The ending of its files, without the dot. */
  readonly name: string;
  /** `onNote` takes what a user should know of the file, one sentence each. */
  readonly write: (
    graph: Graph,
    metadata: Readonly<Record<string, string>>,
    onNote: (note: string) => void,
  ) => Uint8Array;
}

const formats: readonly Format[] = [
  { name: 'vireo', write: (graph, metadata) => writeVireo(withoutUnused(graph), { metadata }) },
  { name: 'onnx', write: (graph, metadata) => writeOnnx(graph, { metadata }) },
  { name: 'tflite', write: (graph, metadata, onNote) => writeTflite(graph, { metadata, onNote }) },
];

export const formatNames = formats.map(({ name }) => name).join('|');

/** The format of that name, else the one that the file's ending asks for. */
export function formatOf(path: string, name?: string): Format {
  const found = formats.find((format) =>
    name === undefined ? path.endsWith(`.${format.name}`) : format.name === name,
  );
  if (found) return found;
  throw new VireoError(
    'usage',
    name === undefined
      ? `${path}: expected a name that ends in ${formats.map((format) => `.${format.name}`).join(', ')}`
      : `--to expects ${formatNames}, got ${JSON.stringify(name)}`,
  );
}
