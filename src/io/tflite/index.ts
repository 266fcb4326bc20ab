/**
 * TensorFlow Lite file → graph. The door `vireo-nn/tflite`; the way back is `vireo-nn/tflite/write`.
 *
 *   bytes ─flatbuffer→ checked tables ─tensors→ constants ─operators→ GraphBuilder → Graph
 *
 * Constants are views of `bytes` wherever their alignment allows: keep the bytes unchanged as long as the
 * graph is in use. Integer weights under float activations become float32; what TensorFlow Lite's hybrid
 * kernels then do to the activations is a `fakeQuantize` before the layer (option `hybrid`).
 *
 * Left out: control flow and other subgraphs, state kept between inferences, sparse weights, int16
 * activations, custom operators.
 */
import { VireoError } from '../../errors.ts';
import type { Graph } from '../../graph/ir.ts';
import type { Limits } from '../../graph/limits.ts';
import type { Shape } from '../../tensor.ts';
import { FlatFile } from './flatbuffer.ts';
import { SubgraphImporter } from './importer.ts';
import { fileIdentifier, model as m, subgraph as s, schemaVersion } from './schema.ts';

export interface ReadTfliteOptions {
  /** Default: the name that the file gives its subgraph. */
  readonly name?: string;
  readonly limits?: Partial<Limits>;
  /** Shapes of inputs by name, instead of the file's; all other shapes follow from them. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /**
   * Layers with float activations and integer weights ("dynamic range quantisation"). 'as-tflite', the
   * default, rounds their input to int8 levels in each inference, as TensorFlow Lite's kernels do, and so
   * gives its results. 'float' leaves activations unrounded: the weights are those of the file, all else is
   * float32. It saves the rounding's time, and its answers may be others than TensorFlow Lite's.
   */
  readonly hybrid?: 'as-tflite' | 'float';
}

/**
 * Throws `VireoError`: 'bad-file' where the bytes break their format, 'bad-graph' where shapes do not fit,
 * 'too-large' over the limits, and 'unsupported' with everything in the file that vireo does not run.
 */
export function readTflite(bytes: Uint8Array, options: ReadTfliteOptions = {}): Graph {
  const file = new FlatFile(bytes, 'TFLite');
  const model = file.root(fileIdentifier);
  const version = model.u32(m.version);
  if (version !== schemaVersion)
    throw new VireoError('unsupported', `TFLite: schema version ${version}, expected ${schemaVersion}`);
  const subgraphs = model.tables(m.subgraphs);
  if (subgraphs.length === 0) file.fail('there is no subgraph');
  const subgraph = subgraphs.at(0);
  const importer = new SubgraphImporter(file, model, subgraph, {
    name: options.name ?? (subgraph.string(s.name) || 'network'),
    limits: options.limits ?? {},
    shapes: options.shapes ?? {},
    hybrid: options.hybrid ?? 'as-tflite',
  });
  if (subgraphs.length > 1)
    importer.builder.note(
      `The file has ${subgraphs.length} subgraphs; the first one is the network, and it calls no other.`,
    );
  return importer.import(subgraph, options.shapes ?? {});
}
