/**
 * ONNX file → graph. The door `vireo-nn/onnx`.
 *
 *   bytes ─wire→ checked messages ─model→ records ─operators→ GraphBuilder → Graph
 *
 * Constants are views of `bytes` wherever their alignment allows: keep the bytes unchanged as long as the
 * graph is in use. The graph feeds and gives tensors in the file's own layout (n, c, h, w); convolutions
 * inside are wrapped in transposes to channels-last, which a rewrite makes cancel. float16 becomes f32.
 *
 * Left out: loops, sequences, maps, optional values, strings, sparse tensors, training.
 */
import { VireoError } from '../../errors.ts';
import type { Graph } from '../../graph/ir.ts';
import { defaultLimits, type Limits } from '../../graph/limits.ts';
import type { Shape, Tensor } from '../../tensor.ts';
import { GraphImporter } from './importer.ts';
import { withInputScales } from './input-scales.ts';
import { decodeModel, decodeTensorFile, looksLikeModel } from './model.ts';
import { type ReadExternal, readTensor } from './tensors.ts';
import { OnnxUnsupported } from './unsupported.ts';

export { OnnxUnsupported, type UnsupportedNode } from './unsupported.ts';

export interface ReadOnnxOptions {
  /** Default: the name that the file gives its graph. */
  readonly name?: string;
  readonly limits?: Partial<Limits>;
  /** Shapes of inputs by name, where the file leaves extents open or other ones are wanted. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Inputs that become constants: what feeds shapes, axes, paddings … (`parameterInputs` names them). */
  readonly bind?: Readonly<Record<string, Tensor>>;
  /**
   * Reads `length` bytes at `offset` of the file `location`, for weights stored beside the model. It is only
   * asked for relative paths that stay inside the model's folder.
   */
  readonly external?: ReadExternal;
}

/**
 * Throws `VireoError`: 'bad-file' where the bytes break their format, 'bad-graph' where shapes do not fit,
 * 'too-large' over the limits, 'usage' where extents are open, and 'unsupported' (an `OnnxUnsupported`)
 * with every node that vireo does not run.
 */
export function readOnnx(bytes: Uint8Array, options: ReadOnnxOptions = {}): Graph {
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const model = decodeModel(bytes, limits.nodes);
  const importer = new GraphImporter(model, {
    name: options.name ?? (model.graph.name || 'network'),
    limits,
    shapes: options.shapes ?? {},
    bind: options.bind ?? {},
    external: options.external,
  });
  return withInputScales(importer.import());
}

/** The graph inputs that some operator needs as constants: pass them as `bind`. */
export function parameterInputs(bytes: Uint8Array, options: ReadOnnxOptions = {}): readonly string[] {
  try {
    readOnnx(bytes, options);
    return [];
  } catch (error) {
    if (error instanceof OnnxUnsupported) return error.parameters;
    throw error;
  }
}

/** Whether these bytes are an ONNX model, by what they hold. */
export function isOnnx(bytes: Uint8Array): boolean {
  return looksLikeModel(bytes);
}

export interface NamedInput {
  readonly name: string;
  readonly kind: 'tensor' | 'sequence' | 'map' | 'optional' | 'sparse tensor' | 'unknown';
  /** A number, a symbol's name, or '' where nothing is known; `undefined` where not even the rank is. */
  readonly shape: readonly (number | string)[] | undefined;
}

/** The inputs that must be fed, in the file's order; those that have initialisers are not among them. */
export function onnxInputs(bytes: Uint8Array): readonly NamedInput[] {
  const { graph } = decodeModel(bytes, defaultLimits.nodes);
  const constant = new Set([...graph.initializers.map((record) => record.name), ...graph.sparse]);
  return graph.inputs
    .filter(({ name }) => !constant.has(name))
    .map(({ name, type }) => ({
      name,
      kind: type?.kind ?? 'unknown',
      shape: type?.kind === 'tensor' ? type.shape : undefined,
    }));
}

/** A tensor stored alone, as a serialised TensorProto. */
export function readOnnxTensor(bytes: Uint8Array, what = 'ONNX tensor'): Tensor {
  const record = decodeTensorFile(bytes, what);
  if (record.type === 0) throw new VireoError('bad-file', `${what}: expected a TensorProto`);
  return readTensor(record, { limits: defaultLimits, external: undefined });
}
