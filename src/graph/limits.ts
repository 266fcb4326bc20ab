/** Bounds on what a network from a stranger may make vireo allocate or compute. */
import { VireoError } from '../errors.ts';
import { byteLength, type DType, type Shape, showShape } from '../tensor.ts';

export interface Limits {
  /** Bytes of any one tensor, of all constants together, and of a session's arena. Default 1 GiB. */
  readonly bytes: number;
  /** Multiply-accumulates of one inference. Default 2^35, three times VGG-19's two 224 × 224 pictures. */
  readonly macs: number;
  /** Nodes of a graph. Default 100,000. */
  readonly nodes: number;
}

export const defaultLimits: Limits = { bytes: 2 ** 30, macs: 2 ** 35, nodes: 100_000 };

/** Throws unless every extent is a whole number of at least 0 and the tensor stays within the limit. */
export function checkTensorSize(where: string, dtype: DType, shape: Shape, limits: Limits): void {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0))
    throw new VireoError(
      'bad-graph',
      `"${where}": shape ${showShape(shape)} expects whole extents of at least 0`,
    );
  const bytes = byteLength(dtype, shape);
  if (bytes > limits.bytes)
    throw new VireoError(
      'too-large',
      `"${where}": ${dtype}${showShape(shape)} needs ${bytes} bytes, the limit is ${limits.bytes}`,
    );
}
