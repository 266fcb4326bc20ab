/** Runs a graph node by node with the reference kernels, without plan or session. */
import { evaluate } from '../../../src/graph/evaluate.ts';
import type { Graph } from '../../../src/graph/ir.ts';
import type { TensorData } from '../../../src/tensor.ts';

/** `inputs` in the graph's order. */
export function runGraph(graph: Graph, inputs: readonly TensorData[]): TensorData[] {
  const data: (TensorData | null)[] = graph.values.map((value) => value.data);
  graph.inputs.forEach((id, i) => {
    data[id] = inputs[i]!;
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((id) => ({ ...graph.values[id]!, data: data[id] ?? null }));
    const result = evaluate(node.op, operands, graph.values[node.output]!);
    if (!result) throw new Error(`no reference kernel for ${node.op.kind} "${node.name}"`);
    data[node.output] = result;
  }
  return graph.outputs.map((id) => data[id]!);
}
