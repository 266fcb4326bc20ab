/**
 * Graph → TensorFlow Lite file. The door `vireo-nn/tflite/write`, apart from the reader, which most programs need alone.
 *
 *   Graph ─legalize→ nodes that are operators ─operators→ tensors, operators ─flatbuffer→ bytes
 *
 * Inputs and outputs keep their names, shapes and types, other tensors the names of the values. Where the file cannot
 * say exactly what the network computes (ONNX rounds halves another way), it says the nearest, and a note tells.
 */
import { VireoError } from '../../../errors.ts';
import type { Graph } from '../../../graph/ir.ts';
import { verify } from '../../../graph/verify.ts';
import { legalize } from './legalize.ts';
import { unlimited } from './limits.ts';
import { Model } from './model.ts';
import { writeOperators } from './operators.ts';

export interface WriteTfliteOptions {
  /** Texts that go into the file as they are, by name. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Is told, in a sentence each, where the file computes something a little different. */
  readonly onNote?: (note: string) => void;
}

/** The metadata entry that holds the notes, one a line, if there are any. */
export const notesEntry = 'vireo.notes';

/**
 * One subgraph, constants aligned to 16 bytes, equal ones once. The same graph gives the same bytes.
 *
 * Throws `VireoError`: 'unsupported' with everything that TensorFlow Lite's builtin operators cannot express,
 * 'bad-graph' where the graph breaks its own rules, 'too-large' beyond 2 GiB.
 */
export function writeTflite(graph: Graph, options: WriteTfliteOptions = {}): Uint8Array {
  if (typeof TextEncoder === 'undefined')
    throw new VireoError('usage', 'TFLite: writing needs TextEncoder, which this engine lacks');
  verify(graph, unlimited);
  const legal = legalize(graph);
  const model = new Model();
  const { inputs, outputs } = writeOperators(legal, model);
  for (const note of legal.notes) options.onNote?.(note);
  const notes = legal.notes.length > 0 ? { [notesEntry]: legal.notes.join('\n') } : {};
  return model.encode(graph.name, inputs, outputs, { ...notes, ...options.metadata });
}
