/**
 * An input of integers that every reader takes for the same real numbers has their scale itself, as a TFLite file would say:
 *
 *   x i8 ─ DequantizeLinear(s, z) ─ …    ⇒    x i8, s, z ─ …
 *
 * Pictures and recordings can then be stored as the network takes them. What the network computes stays.
 */
import { sameQuantization } from '../../graph/build.ts';
import type { Graph, Value } from '../../graph/ir.ts';
import { consumersOf } from '../../graph/rewrite.ts';
import { sameShape } from '../../tensor.ts';

export function withInputScales(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const values = [...graph.values];
  for (const id of graph.inputs) {
    const { dtype, shape, quantization } = values[id]!;
    if (quantization || !['i8', 'u8', 'i16', 'u16'].includes(dtype)) continue;
    // A scale is given to stored numbers by a reshape that changes nothing else.
    const readers = consumers[id]!.map((node): Value | null =>
      node?.op.kind === 'reshape' ? graph.values[node.output]! : null,
    );
    const given = readers[0]?.quantization;
    const isOne = readers.every(
      (y) => y?.quantization && given && sameShape(y.shape, shape) && sameQuantization(y.quantization, given),
    );
    if (given?.scale.length === 1 && isOne) values[id] = { ...values[id]!, quantization: given };
  }
  return { ...graph, values };
}
