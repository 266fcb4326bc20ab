/** Bounds on what a network from a stranger may make vireo allocate or compute. */
import { VireoError } from '../errors.ts';
import { byteLength, type DType, type Shape, showShape } from '../tensor.ts';

export interface Limits {
  /** Bytes of any one tensor, of all constants together, and of a session's arena. Default 1 GiB. */
  readonly bytes: number;
  /** Steps of the innermost loops of one inference (`graphWork`). Default 2^35; VGG-19 on 224 × 224 takes 2^34.2. */
  readonly work: number;
  /** Nodes of a graph. Default 100,000. */
  readonly nodes: number;
}

export const defaultLimits: Limits = { bytes: 2 ** 30, work: 2 ** 35, nodes: 100_000 };

/** Throws unless every extent is a whole number of at least 0 and the tensor stays within the limit. */
export function checkTensorSize(where: string, dtype: DType, shape: Shape, limits: Limits): void {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0))
    throw new VireoError(
      'bad-graph',
      `"${where}": shape ${showShape(shape)} expects whole extents of at least 0`,
    );
  // An extent of 0 makes a tensor empty, but loops still run over its other extents.
  const bytes = byteLength(
    dtype,
    shape.map((extent) => extent || 1),
  );
  if (bytes > limits.bytes)
    throw new VireoError(
      'too-large',
      `"${where}": ${dtype}${showShape(shape)} needs ${bytes} bytes, the limit is ${limits.bytes}`,
    );
}
