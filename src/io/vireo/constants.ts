/**
 * The numbers of a network's constants, each stored once.
 *
 * Float32 constants that are integer ones of the same network times their scale, as hybrid TFLite networks have
 * them, are not stored at all:  w = f32(scale·(q − zero point)), the product exact before it is rounded.
 */
import type { Graph, Value, ValueId } from '../../graph/ir.ts';
import { consumersOf, removeDead } from '../../graph/rewrite.ts';
import { type DType, elementCount, isBig, type Shape, type Tensor, type TensorData } from '../../tensor.ts';
import { crc32 } from './crc32.ts';

const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The tensors of a file, under the names 0, 1, 2 …; what is equal to the byte is one. */
export class TensorPool {
  readonly tensors = new Map<string, Tensor>();
  readonly #byContent = new Map<string, number[]>();

  add(dtype: DType, shape: Shape, data: TensorData): number {
    const bytes = bytesOf(data);
    const key = `${dtype}/${shape.join()}/${crc32(bytes)}`;
    const alike = this.#byContent.get(key) ?? [];
    this.#byContent.set(key, alike);
    const same = alike.find((index) => {
      const other = bytesOf(this.tensors.get(String(index))!.data);
      return bytes.every((byte, i) => byte === other[i]);
    });
    if (same !== undefined) return same;
    const index = this.tensors.size;
    this.tensors.set(String(index), { dtype, shape, data } as Tensor); // a graph's data go with their dtype
    alike.push(index);
    return index;
  }
}

const narrow: readonly DType[] = ['i8', 'u8', 'i16', 'u16'];

/** Whether a float constant may be told by this one. */
export const isNarrow = ({ dtype, data, quantization }: Value): boolean =>
  data !== null && quantization !== null && narrow.includes(dtype);

/** For each float32 constant that is an earlier constant dequantised, which one. */
export function findDequantized(graph: Graph): ReadonlyMap<ValueId, ValueId> {
  const byShape = new Map<string, ValueId[]>();
  graph.values.forEach((value, id) => {
    if (!isNarrow(value)) return;
    const key = value.shape.join();
    byShape.set(key, [...(byShape.get(key) ?? []), id]);
  });
  const found = new Map<ValueId, ValueId>();
  graph.values.forEach(({ dtype, shape, data }, id) => {
    if (dtype !== 'f32' || !data || data.length === 0 || isBig(data)) return;
    const isFrom = (source: ValueId): boolean => {
      if (source > id) return false;
      // Most differ soon: the whole is computed only where the start agrees.
      const value = graph.values[source]!;
      const agrees = (count: number): boolean => {
        const expected = dequantize(value, count);
        return expected.every((number, i) => Object.is(number, data[i]));
      };
      return agrees(Math.min(64, data.length)) && agrees(data.length);
    };
    const from = byShape.get(shape.join())?.find(isFrom);
    if (from !== undefined) found.set(id, from);
  });
  return found;
}

/** The first `count` numbers that a narrow constant means. */
export function dequantize(value: Value, count = value.data!.length): Float32Array {
  const { scale, zeroPoint, axis } = value.quantization!;
  const q = value.data as Int8Array; // or any other that `isNarrow` lets pass
  const isPerAxis = scale.length > 1;
  const inner = isPerAxis ? elementCount(value.shape.slice(axis + 1)) : count;
  const out = new Float32Array(count);
  for (let i = 0, c = 0; i < count; c = c + 1 === scale.length ? 0 : c + 1) {
    const s = Math.fround(scale[c]!);
    const z = zeroPoint[c]!;
    for (const end = Math.min(count, i + inner); i < end; i++) out[i] = s * (q[i]! - z);
  }
  return out;
}

/**
 * The graph without nodes that nobody needs and constants that nobody reads, as readers leave behind where they
 * fold; what a constant that is read is told by (`findDequantized`) stays. Ids are renumbered.
 */
export function withoutUnused(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const sources = [...findDequantized(graph)].flatMap(([id, source]) =>
    consumers[id]!.length > 0 ? source : [],
  );
  const { outputs } = graph;
  const kept = removeDead({ ...graph, outputs: [...outputs, ...new Set(sources)] }).graph;
  return { ...kept, outputs: kept.outputs.slice(0, outputs.length) };
}
