/**
 * q i8, zero point z  ⇒  q + 128 u8, zero point z + 128          the same real numbers
 *
 * Of all quantised activations between the inputs and the outputs, which keep their type: a `convert` stands behind
 * each int8 input and before each int8 output. Weights stay int8. On x86-64 onnxruntime makes integer operators
 * only of pairs of uint8; it turns int8 pairs into such where nobody else reads the integers, and what lies between
 * one kind and the other it computes in floats.
 */
import type { Graph, Node, Value, ValueId } from '../../../graph/ir.ts';
import type { Op } from '../../../graph/ops.ts';
import type { Rewrite } from '../../../graph/rewrite.ts';
import type { TensorData } from '../../../tensor.ts';

const products: ReadonlySet<Op['kind']> = new Set(['conv2d', 'depthwiseConv2d', 'transposedConv2d', 'dense']);

const isSigned = ({ dtype, quantization: q }: Value): boolean => dtype === 'i8' && q?.scale.length === 1;

/** Reports how many activations changed their type. */
export const unsigned: Rewrite<number> = (graph) => {
  const values = [...graph.values];
  const nodes: Node[] = [];
  const others = new Map<ValueId, ValueId>(); // int8 ↦ uint8
  const convert = (id: ValueId, output: ValueId): void => {
    const op: Op = { kind: 'convert', rounding: 'even' };
    nodes.push({ name: values[output]!.name, op, inputs: [id], output });
  };
  const otherOf = (id: ValueId): ValueId => {
    const known = others.get(id);
    if (known !== undefined) return known;
    const value = values[id]!;
    const other = values.push({ ...shifted(value), name: `${value.name}/uint8` }) - 1;
    others.set(id, other);
    if (!value.data) convert(id, other);
    return other;
  };
  for (const node of graph.nodes) {
    // What looks at the integers themselves, or gives them another meaning, sees them as they were.
    const isPlain = node.op.kind === 'cast' || !isUniform(graph, node);
    const signed = (id: ValueId, i: number) =>
      isSigned(values[id]!) && !isPlain && !(i > 0 && products.has(node.op.kind));
    const inputs = node.inputs.map((id, i) => (signed(id, i) ? otherOf(id) : id));
    const { output } = node;
    if (!isSigned(values[output]!) || isPlain) {
      nodes.push({ ...node, inputs });
      continue;
    }
    const value = values[output]!;
    const other = values.push({ ...shifted(value), name: value.name }) - 1;
    others.set(output, other);
    nodes.push({ ...node, inputs, output: other });
    convert(other, output); // for those who want int8 still; the rest of it is dead
  }
  return { graph: { ...graph, values, nodes }, report: others.size };
};

function shifted(value: Value): Value {
  const { data, quantization } = value;
  return {
    ...value,
    dtype: 'u8',
    quantization: quantization && { ...quantization, zeroPoint: quantization.zeroPoint.map((z) => z + 128) },
    data: data && flipped(data),
  };
}

function flipped(data: TensorData): Uint8Array {
  return Uint8Array.from<number | bigint>(data, (q) => Number(q) + 128);
}

/** Whether all int8 activations of an operator are quantised, and by one scale each. */
function isUniform(graph: Graph, { op, inputs, output }: Node): boolean {
  const activations = products.has(op.kind) ? inputs.slice(0, 1) : inputs;
  return [...activations, output].every(
    (id) => graph.values[id]!.dtype !== 'i8' || isSigned(graph.values[id]!),
  );
}
