/** f(constant, …)  ⇒  constant */
import { evaluate } from '../evaluate.ts';
import type { Node } from '../ir.ts';
import { type Rewrite, removeDead } from '../rewrite.ts';

export const foldConstants: Rewrite<number> = (graph) => {
  const values = [...graph.values];
  const nodes: Node[] = [];
  let folded = 0;
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => values[id]);
    const output = values[node.output];
    const data = inputs.every((value) => value.data) ? evaluate(node.op, inputs, output) : null;
    if (data) {
      values[node.output] = { ...output, data };
      folded++;
    } else nodes.push(node);
  }
  return { graph: removeDead({ ...graph, values, nodes }).graph, report: folded };
};
