/**
 * x (u8) → reshape to its own shape, with a scale   ⇒   x (u8, with a scale)          and the same before an output
 *
 * ONNX says what stored numbers stand for beside the tensor; TFLite says it of the tensor. The numbers themselves,
 * fed and read, stay the same.
 */
import { sameQuantization } from '../../../graph/build.ts';
import type { Graph, Node, Value, ValueId } from '../../../graph/ir.ts';
import { consumersOf, producersOf, type Rewrite, removeDead } from '../../../graph/rewrite.ts';
import { sameShape } from '../../../tensor.ts';

const isByte = ({ dtype }: Value): boolean => dtype === 'i8' || dtype === 'u8';

export const tagEnds: Rewrite<number> = (graph) => {
  const values = [...graph.values];
  const instead = new Map<ValueId, ValueId>();
  const consumers = consumersOf(graph);
  const producers = producersOf(graph);
  for (const id of graph.inputs) {
    const readers = consumers[id]!;
    const [first] = readers;
    const q = first ? graph.values[first.output]!.quantization : null;
    const allTag = readers.every(
      (node) => node && tags(graph, node) && sameQuantization(graph.values[node.output]!.quantization, q),
    );
    if (!q || graph.values[id]!.quantization || !allTag) continue;
    values[id] = { ...graph.values[id]!, quantization: q };
    for (const node of readers) instead.set(node!.output, id);
  }
  for (const id of graph.outputs) {
    const node = producers[id];
    const source = node?.inputs[0];
    if (
      !node ||
      source === undefined ||
      !producers[source] ||
      !tags(graph, node) ||
      graph.values[id]!.quantization
    )
      continue;
    if (consumers[id]!.length > 1 || graph.outputs.includes(source)) continue;
    values[source] = { ...graph.values[source]!, name: graph.values[id]!.name };
    instead.set(id, source);
  }
  if (instead.size === 0) return { graph, report: 0 };
  const at = (id: ValueId): ValueId => {
    const next = instead.get(id);
    return next === undefined ? id : at(next);
  };
  const nodes = graph.nodes
    .filter((node) => !instead.has(node.output))
    .map((node) => ({ ...node, inputs: node.inputs.map(at) }));
  return {
    graph: removeDead({ ...graph, values, nodes, outputs: graph.outputs.map(at) }).graph,
    report: instead.size,
  };
};

/** A reshape that changes only what its numbers stand for. */
function tags({ values }: Graph, { op, inputs, output }: Node): boolean {
  const [x, y] = [values[inputs[0]!]!, values[output]!];
  const isTag = op.kind === 'reshape' && sameShape(x.shape, y.shape) && x.dtype === y.dtype && isByte(x);
  return isTag && (x.quantization === null) !== (y.quantization === null);
}
