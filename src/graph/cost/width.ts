/** Which share of each value's channels is left when a network is made narrower and its ends stay as they are. */
import type { Graph } from '../ir.ts';
import type { OpKind } from '../ops.ts';
import { consumersOf } from '../rewrite.ts';

const mixesChannels = new Set<OpKind>([
  'conv2d',
  'transposedConv2d',
  'dense',
  'matmul',
  'convNd',
  'transposedConvNd',
]);

/**
 * For each value 1 or `width`: inputs, constants, and all that comes of the last layers of products keep their
 * channels; what other such layers make has `width` of them, and the rest follows what it reads.
 */
export function widthFactors(graph: Graph, width: number): number[] {
  const isEnd = endsOf(graph);
  const factors = graph.values.map(() => 1);
  for (const { op, inputs, output } of graph.nodes) {
    const from = inputs.filter((id) => !graph.values[id].data).map((id) => factors[id]);
    factors[output] = mixesChannels.has(op.kind)
      ? isEnd[output]
        ? 1
        : width
      : from.reduce((sum, f) => sum + f, 0) / Math.max(1, from.length);
  }
  return factors;
}

/** Values that reach an output of the graph without passing another layer of products. */
function endsOf(graph: Graph): boolean[] {
  const consumers = consumersOf(graph);
  const isEnd = graph.values.map(() => false);
  for (const id of graph.outputs) isEnd[id] = true;
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const { output } = graph.nodes[i];
    isEnd[output] ||= consumers[output].some(
      (reader) => reader && !mixesChannels.has(reader.op.kind) && isEnd[reader.output],
    );
  }
  return isEnd;
}
