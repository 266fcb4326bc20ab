/**
 * A float network as it is measured and quantised: what runs as one layer is one node.
 *
 *   fakeQuantize(x)                     ⇒  x                       rounding that the new scales take the place of
 *   conv2d → ·γ → +β                    ⇒  conv2d                  batch normalisation folded (passes/fold-scale.ts)
 *   x·γ + β, one each for a channel     ⇒  1×1 depthwise layer     int8 by channel instead of two roundings by tensor
 *   averagePool2d over a whole picture  ⇒  mean over its axes      which may have a scale of its own
 *
 * Every node has its value's name, and no two values have one name.
 */
import { GraphBuilder } from '../graph/build.ts';
import type { Graph, Node, Value, ValueId } from '../graph/ir.ts';
import { optimize } from '../graph/optimize.ts';
import { consumersOf, type Rewrite, removeDead } from '../graph/rewrite.ts';
import { noClamp, noPad } from '../kernels/call.ts';
import { elementCount, sameShape } from '../tensor.ts';
import { tasksOf } from './outputs.ts';

export const prepare: Rewrite<Readonly<Record<string, number>>> = (graph) => {
  const unrounded = dropRounding(graph);
  const optimized = optimize(unrounded.graph);
  const scaled = scalesToLayers(optimized.graph);
  const again = optimize(scaled.graph); // a clamp behind a new layer goes into it
  const pooled = poolsToMeans(again.graph);
  return {
    graph: renamed(pooled.graph),
    report: {
      ...optimized.report,
      fakeQuantizeDropped: unrounded.report,
      scalesToLayers: scaled.report,
      poolsToMeans: pooled.report,
    },
  };
};

const dropRounding: Rewrite<number> = (graph) => {
  const instead = new Map<ValueId, ValueId>();
  const at = (id: ValueId): ValueId => instead.get(id) ?? id;
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const kept = { ...node, inputs: node.inputs.map(at) };
    if (node.op.kind === 'fakeQuantize') instead.set(node.output, kept.inputs[0]);
    else nodes.push(kept);
  }
  const outputs = graph.outputs.map(at);
  return { graph: removeDead({ ...graph, nodes, outputs }).graph, report: instead.size };
};

/** mul or add of a rank-4 value and a constant for each channel, or both one after the other. */
const scalesToLayers: Rewrite<number> = (graph) => {
  const values = [...graph.values];
  const consumers = consumersOf(graph);
  const nodes: Node[] = [];
  const done = new Set<Node>();
  let made = 0;
  for (const node of graph.nodes) {
    if (done.has(node)) continue;
    const first = channelConstant(node, values);
    if (first?.fn !== 'mul' || !('clamp' in node.op)) {
      nodes.push(node);
      continue;
    }
    const [next] = consumers[node.output];
    const alone = consumers[node.output].length === 1 && next && isUnbounded(node);
    const second = alone ? channelConstant(next, values) : null;
    const last = next && second?.fn === 'add' && second.x === node.output ? next : node;
    done.add(last);
    const C = values[node.output].shape[3];
    const push = (name: string, shape: readonly number[], data: Float32Array): ValueId =>
      values.push({ name, dtype: 'f32', shape, quantization: null, data }) - 1;
    const weights = push(`${last.name}/scale`, [1, 1, 1, C], first.constant);
    const bias = last === node ? [] : [push(`${last.name}/shift`, [C], second!.constant)];
    const clamp = 'clamp' in last.op ? last.op.clamp : noClamp;
    nodes.push({
      name: last.name,
      op: { kind: 'depthwiseConv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, clamp },
      inputs: [first.x, weights, ...bias],
      output: last.output,
    });
    made++;
  }
  return { graph: removeDead({ ...graph, values, nodes }).graph, report: made };
};

const isUnbounded = ({ op }: Node): boolean =>
  'clamp' in op && op.clamp.min === Number.NEGATIVE_INFINITY && op.clamp.max === Number.POSITIVE_INFINITY;

function channelConstant(
  { op, inputs, output }: Node,
  values: readonly Value[],
): { readonly fn: 'mul' | 'add'; readonly x: ValueId; readonly constant: Float32Array } | null {
  if (op.kind !== 'binary' || (op.fn !== 'mul' && op.fn !== 'add')) return null;
  const { shape, dtype } = values[output];
  if (shape.length !== 4 || dtype !== 'f32') return null;
  for (const [x, c] of [inputs, [inputs[1], inputs[0]]]) {
    const { data, shape: extents } = values[c];
    if (!(data instanceof Float32Array) || !sameShape(values[x].shape, shape)) continue;
    const C = shape[3];
    const byChannel = extents[extents.length - 1] === C && elementCount(extents) === C;
    if (byChannel && C > 1) return { fn: op.fn, x, constant: data };
  }
  return null;
}

const poolsToMeans: Rewrite<number> = (graph) => {
  let changed = 0;
  const nodes = graph.nodes.map((node): Node => {
    const { op } = node;
    if (op.kind !== 'averagePool2d' || !isUnbounded(node)) return node;
    const [, h, w] = graph.values[node.inputs[0]].shape;
    const [, outH, outW] = graph.values[node.output].shape;
    const whole = op.kernel[0] >= h && op.kernel[1] >= w && outH === 1 && outW === 1;
    const bare = Object.values(op.pad).every((cells) => cells === 0);
    if (!whole || !bare) return node;
    changed++;
    return { ...node, op: { kind: 'reduce', fn: 'mean', axes: [1, 2] } };
  });
  return { graph: { ...graph, nodes }, report: changed };
};

/** Built anew: unique names, and constants folded. */
function renamed(graph: Graph): Graph {
  const builder = new GraphBuilder(graph.name);
  const ids = new Map<ValueId, ValueId>();
  for (const id of graph.inputs) {
    const { name, dtype, shape, quantization } = graph.values[id];
    ids.set(id, builder.input(name, dtype, shape, quantization));
  }
  graph.values.forEach(({ name, dtype, shape, data, quantization }, id) => {
    if (data) ids.set(id, builder.constant(name, dtype, shape, data, quantization));
  });
  for (const { op, inputs, output } of graph.nodes)
    ids.set(
      output,
      builder.add(
        op,
        inputs.map((id) => ids.get(id)!),
        graph.values[output],
      ),
    );
  for (const note of graph.notes) builder.note(note);
  return { ...builder.finish(graph.outputs.map((id) => ids.get(id)!)), ...tasksOf(graph) };
}
