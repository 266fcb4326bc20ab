/**
 * conv2d → clamp  ⇒  conv2d with the clamp inside        clamp_b ∘ clamp_a = clamp with (b(a.min), b(a.max))
 *
 * Also for depthwise, transposed, dense, pooling and binary operators. The result between the two must
 * have no other reader, and the clamp must not change scale or zero point.
 */
import type { Clamp } from '../../kernels/call.ts';
import { sameQuantization } from '../build.ts';
import type { Node } from '../ir.ts';
import type { Op } from '../ops.ts';
import { consumersOf, producersOf, type Rewrite, removeDead } from '../rewrite.ts';

type Clamped = Extract<Op, { readonly clamp: Clamp }>;
const hasClamp = (op: Op): op is Clamped => 'clamp' in op;

export const fuseClamp: Rewrite<number> = (graph) => {
  const consumers = consumersOf(graph);
  const producers = producersOf(graph);
  const replaced = new Map<Node, Node | null>();
  for (const node of graph.nodes) {
    if (node.op.kind !== 'clamp') continue;
    const first = producers[node.inputs[0]!];
    const producer = first && (replaced.get(first) ?? first);
    if (!first || !producer || !hasClamp(producer.op) || consumers[first.output].length !== 1) continue;
    const before = graph.values[first.output];
    const after = graph.values[node.output];
    if (before.dtype !== after.dtype || !sameQuantization(before.quantization, after.quantization)) continue;
    const outer = node.op.clamp;
    const apply = (bound: number): number => Math.max(outer.min, Math.min(outer.max, bound));
    const clamp = { min: apply(producer.op.clamp.min), max: apply(producer.op.clamp.max) };
    // The fused node takes the clamp's place in the order, and its output.
    replaced.set(first, null);
    replaced.set(node, { ...producer, op: { ...producer.op, clamp }, output: node.output });
    producers[node.output] = node;
  }
  const nodes = graph.nodes
    .map((node) => (replaced.has(node) ? replaced.get(node) : node))
    .filter((node) => node != null);
  return { graph: removeDead({ ...graph, nodes }).graph, report: graph.nodes.length - nodes.length };
};
