/** A graph as text, one node a line: what a person reads and a diff compares. */
import { elementCount, showShape } from '../tensor.ts';
import type { Graph, Value, ValueId } from './ir.ts';
import type { Op } from './ops.ts';

/**
 * graph "net"
 *   input  %0 i8[1, 32, 32, 3] s=1 z=-128 "image"
 *   %4 = conv2d(%0, w[16, 3, 3, 3], b[16]) stride=[1, 1] … : i8[1, 32, 32, 16] s=0.06 z=-128 "stem"
 *   output %4
 *   task   (%0) → %4 "label"
 */
export function print(graph: Graph): string {
  const operand = (id: ValueId): string => {
    const value = graph.values[id];
    return value.data ? `${value.dtype}${showShape(value.shape)}` : `%${id}`;
  };
  const lines = [`graph ${JSON.stringify(graph.name)}`];
  for (const id of graph.inputs) lines.push(`  input  %${id} ${showValue(graph.values[id])}`);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(operand).join(', ');
    lines.push(
      `  %${node.output} = ${node.op.kind}(${inputs})${showOp(node.op)} : ${showValue(graph.values[node.output])}`,
    );
  }
  for (const id of graph.outputs)
    lines.push(`  output ${operand(id)} ${JSON.stringify(graph.values[id].name)}`);
  for (const { name, inputs, outputs } of graph.tasks ?? []) {
    const ends = [inputs.map((i) => graph.inputs[i]), outputs.map((i) => graph.outputs[i])];
    const [from, to] = ends.map((ids) => ids.map(operand).join(', '));
    lines.push(`  task   (${from}) → ${to} ${JSON.stringify(name)}`);
  }
  for (const text of graph.notes) lines.push(`  note   ${text}`);
  return lines.join('\n');
}

function showValue(value: Value): string {
  const q = value.quantization;
  const quantization = !q
    ? ''
    : q.scale.length === 1
      ? ` s=${q.scale[0]} z=${q.zeroPoint[0]}`
      : ` s=per axis ${q.axis}`;
  return `${value.dtype}${showShape(value.shape)}${quantization} ${JSON.stringify(value.name)}`;
}

/** The parameters of an operator that are not at rest: ` stride=[2, 2] clamp=0…6`. */
export function showOp(op: Op): string {
  let text = '';
  for (const [key, value] of Object.entries(op)) {
    if (key === 'kind') continue;
    if (key === 'clamp') {
      if (value.min !== Number.NEGATIVE_INFINITY || value.max !== Number.POSITIVE_INFINITY)
        text += ` clamp=${value.min}…${value.max}`;
    } else if (key === 'pad') {
      const cells = [value.top, value.left, value.bottom, value.right];
      if (cells.some((c) => c !== 0)) text += ` pad=${showShape(cells)}`;
    } else if (Array.isArray(value)) {
      text += ` ${key}=${showShape(value)}`;
    } else text += ` ${key}=${value}`;
  }
  return text;
}

/** Elements of all constants that a node reads, each counted once. */
export function parameterCount(graph: Graph): number {
  const used = new Set(graph.nodes.flatMap((node) => node.inputs).filter((id) => graph.values[id].data));
  let count = 0;
  for (const id of used) count += elementCount(graph.values[id].shape);
  return count;
}
