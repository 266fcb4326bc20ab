/** Multiply-accumulates of one operator, by definition: every tap of every output, zeros and padding included. */
import { elementCount, type Shape } from '../../tensor.ts';
import type { Graph } from '../ir.ts';
import type { Op } from '../ops.ts';

export function opMacs(op: Op, inputs: readonly { readonly shape: Shape }[], output: Shape): number {
  const weights = inputs[1]?.shape ?? [];
  switch (op.kind) {
    case 'conv2d':
      return elementCount(output) * weights[1]! * weights[2]! * weights[3]!;
    case 'depthwiseConv2d':
      return elementCount(output) * weights[1]! * weights[2]!;
    case 'transposedConv2d':
      return elementCount(inputs[0]!.shape) * weights[0]! * weights[1]! * weights[2]!;
    case 'dense':
      return elementCount(output) * weights[1]!;
    default:
      return 0;
  }
}

export function graphMacs(graph: Graph): number {
  return graph.nodes.reduce(
    (sum, node) =>
      sum +
      opMacs(
        node.op,
        node.inputs.map((id) => graph.values[id]!),
        graph.values[node.output]!.shape,
      ),
    0,
  );
}
