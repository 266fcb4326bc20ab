/**
 * pad with 0 → conv2d  ⇒  conv2d with a larger border
 *
 * Also for depthwise. Only rows and columns; a pooling window would count the border's cells, so it keeps
 * its pad. 0 is the zero point in an integer tensor, which is what a convolution's border holds too.
 */
import { sameQuantization } from '../build.ts';
import type { Node } from '../ir.ts';
import { producersOf, type Rewrite, removeDead } from '../rewrite.ts';

export const fusePad: Rewrite<number> = (graph) => {
  const producers = producersOf(graph);
  let fused = 0;
  const nodes = graph.nodes.map((node): Node => {
    const { op } = node;
    if (op.kind !== 'conv2d' && op.kind !== 'depthwiseConv2d') return node;
    const padding = producers[node.inputs[0]!];
    if (padding?.op.kind !== 'pad') return node;
    const { before, after, value } = padding.op;
    const spatial = before.length === 4 && [0, 3].every((axis) => before[axis] === 0 && after[axis] === 0);
    const inner = graph.values[padding.inputs[0]!];
    if (
      !spatial ||
      value !== 0 ||
      !sameQuantization(inner.quantization, graph.values[padding.output].quantization)
    )
      return node;
    fused++;
    const pad = {
      top: op.pad.top + before[1],
      left: op.pad.left + before[2],
      bottom: op.pad.bottom + after[1],
      right: op.pad.right + after[2],
    };
    return { ...node, op: { ...op, pad }, inputs: [padding.inputs[0], ...node.inputs.slice(1)] };
  });
  return { graph: removeDead({ ...graph, nodes }).graph, report: fused };
};
