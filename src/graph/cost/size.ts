/**
 * What a network's constants take when they are stored: 4 bits a number where all numbers of a quantised int8 constant lie
 * in −8 … 7, else as many as the dtype has. That needs no dtype of its own: the numbers say it, and in memory they are int8,
 * which is what the kernels multiply.
 */
import { bytesPerElement, elementCount } from '../../tensor.ts';
import type { Graph, Value } from '../ir.ts';

/** Bits in which each number of a constant can be stored without loss. */
export function storedBits({ dtype, data, quantization }: Value): number {
  if (dtype !== 'i8' || !(data instanceof Int8Array) || !quantization) return 8 * bytesPerElement[dtype];
  for (let i = 0; i < data.length; i++) if (data[i] < -8 || data[i] > 7) return 8;
  return 4;
}

export interface StoredSize {
  /** Bytes of all constants that some node reads, each once. */
  readonly constants: number;
  /** Bytes of their scales, one f32 each; biases have none of their own. */
  readonly scales: number;
}

export function storedSize(graph: Graph): StoredSize {
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs).filter((id) => graph.values[id].data));
  let constants = 0;
  let scales = 0;
  for (const id of used) {
    const value = graph.values[id];
    constants += Math.ceil((elementCount(value.shape) * storedBits(value)) / 8);
    if (value.quantization && value.dtype !== 'i32') scales += 4 * value.quantization.scale.length;
  }
  return { constants, scales };
}
