/**
 * conv2d → ·γ → +β  ⇒  conv2d            w′ = w·γ,  b′ = b·γ + β
 *
 * γ and β are constants with one element for each output channel, or one for all: what is left of a batch
 * normalisation, γ = g/√(σ²+ε) and β = shift − μ·γ. Also for depthwise and dense layers, and for − and /.
 * The result between the two must have no other reader and no bounds of its own; float32 only.
 */
import { elementCount } from '../../tensor.ts';
import type { Node, Value, ValueId } from '../ir.ts';
import { consumersOf, type Rewrite, removeDead } from '../rewrite.ts';

export const foldScale: Rewrite<number> = (graph) => {
  const values = [...graph.values];
  const consumers = consumersOf(graph);
  const product = new Map<ValueId, Node>(); // by output
  const nodes: Node[] = [];
  const gone = new Set<Node>();
  for (const node of graph.nodes) {
    const [left, right] = node.inputs;
    const layer = product.get(left) ?? product.get(right);
    const constant = layer && values[product.has(left) ? right : left];
    const next =
      layer && constant?.data && consumers[layer.output].length === 1
        ? fold(node, layer, constant, product.has(left), values)
        : null;
    if (layer && next) gone.add(layer);
    const result = next ?? node;
    nodes.push(result);
    if (isProduct(result, values)) product.set(result.output, result);
  }
  const kept = nodes.filter((node) => !gone.has(node));
  return { graph: removeDead({ ...graph, values, nodes: kept }).graph, report: gone.size };
};

function isProduct({ op, inputs, output }: Node, values: readonly Value[]): boolean {
  if (op.kind !== 'conv2d' && op.kind !== 'depthwiseConv2d' && op.kind !== 'dense') return false;
  const unbounded = op.clamp.min === Number.NEGATIVE_INFINITY && op.clamp.max === Number.POSITIVE_INFINITY;
  return unbounded && values[output].dtype === 'f32' && inputs.slice(1).every((id) => values[id].data);
}

/** The layer that does the work of both, or null. */
function fold(node: Node, layer: Node, constant: Value, layerIsLeft: boolean, values: Value[]): Node | null {
  const { op } = node;
  if (op.kind !== 'binary' || !(constant.data instanceof Float32Array)) return null;
  const { shape } = values[node.output];
  const outC = shape[shape.length - 1];
  const count = elementCount(constant.shape);
  if (!(count === 1 || (count === outC && constant.shape[constant.shape.length - 1] === outC))) return null;
  if (elementCount(values[layer.output].shape) !== elementCount(shape)) return null;
  const c = constant.data;
  const at = (n: number): number => c[count === 1 ? 0 : n];
  // y = factor·layer + offset
  const terms: Partial<Record<typeof op.fn, (n: number) => [factor: number, offset: number]>> = {
    add: (n) => [1, at(n)],
    sub: (n) => (layerIsLeft ? [1, -at(n)] : [-1, at(n)]),
    mul: (n) => [at(n), 0],
    ...(layerIsLeft && { div: (n: number): [number, number] => [1 / at(n), 0] }),
  };
  const term = terms[op.fn];
  if (!term) return null;
  const [x, w, b] = layer.inputs;
  const weights = values[w];
  const bias = b === undefined ? null : values[b].data;
  if (!(weights.data instanceof Float32Array) || (bias && !(bias instanceof Float32Array))) return null;
  const old = weights.data;
  const perChannel = old.length / outC;
  const isDepthwise = layer.op.kind === 'depthwiseConv2d';
  const channelOf = (i: number): number => (isDepthwise ? i % outC : Math.floor(i / perChannel));
  const push = (name: string, valueShape: readonly number[], data: Float32Array): ValueId =>
    values.push({ name, dtype: 'f32', shape: valueShape, quantization: null, data }) - 1;
  const newWeights = push(
    `${weights.name}/scaled`,
    weights.shape,
    old.map((v, i) => v * term(channelOf(i))[0]),
  );
  const newBias = push(
    `${node.name}/bias`,
    [outC],
    Float32Array.from({ length: outC }, (_, n) => {
      const [factor, offset] = term(n);
      return (bias ? bias[n] : 0) * factor + offset;
    }),
  );
  if (!('clamp' in layer.op)) return null;
  return {
    ...layer,
    op: { ...layer.op, clamp: op.clamp },
    inputs: [x, newWeights, newBias],
    output: node.output,
  };
}
