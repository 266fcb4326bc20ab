/**
 * codebookConv2d(x, codebook, indices)  ⇒  conv2d(x, weights)
 *
 * For formats without codebooks. A codebook that is no constant stays.
 */
import type { Value } from '../ir.ts';
import { type Rewrite, removeDead } from '../rewrite.ts';

/**
 * weights[…, m·r + i] = codebook[m, indices[…, m], i]
 *
 *   codebook  (M, K, r)
 *   indices   (…, M)       below K
 *   weights   (…, M·r)
 */
export function decodeCodebook(
  codebook: Float32Array,
  [M, K, r]: readonly [number, number, number],
  indices: Uint8Array,
): Float32Array {
  const weights = new Float32Array(indices.length * r);
  for (let at = 0; at < indices.length; at++) {
    const word = ((at % M) * K + indices[at]) * r;
    for (let i = 0; i < r; i++) weights[at * r + i] = codebook[word + i];
  }
  return weights;
}

export const decodeCodebooks: Rewrite<number> = (graph) => {
  const values: Value[] = [...graph.values];
  let report = 0;
  const nodes = graph.nodes.map((node) => {
    if (node.op.kind !== 'codebookConv2d') return node;
    const [x, codebook, indices, ...bias] = node.inputs;
    const words = graph.values[codebook];
    const { name, data, shape } = graph.values[indices];
    if (!(words.data instanceof Float32Array) || !(data instanceof Uint8Array)) return node;
    const [M, K, r] = words.shape as [number, number, number];
    const weights = values.length;
    values.push({
      name: `${name}/decoded`,
      dtype: 'f32',
      shape: [...shape.slice(0, 3), M * r],
      quantization: null,
      data: decodeCodebook(words.data, [M, K, r], data),
    });
    report++;
    return { ...node, op: { ...node.op, kind: 'conv2d' as const, groups: 1 }, inputs: [x, weights, ...bias] };
  });
  if (report === 0) return { graph, report };
  return { graph: removeDead({ ...graph, values, nodes }).graph, report };
};
