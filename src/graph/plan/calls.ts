/** Graph → kernel calls, each with the first offer that a kernel set makes for it. */
import { VireoError } from '../../errors.ts';
import type { KernelCall, KernelSet, Offer } from '../../kernels/call.ts';
import type { Graph, Node, Value, ValueId } from '../ir.ts';
import { showOp } from '../print.ts';
import { lowerNode } from './lower.ts';

export interface Call {
  readonly node: Node;
  readonly kernelCall: KernelCall;
  readonly inputs: readonly ValueId[];
  readonly output: ValueId;
  readonly offer: Offer;
}

/** Throws one `VireoError('unsupported')` that lists every call no set computes. */
export function callsOf(graph: Graph, sets: readonly KernelSet[]): Call[] {
  const calls: Call[] = [];
  const refused: string[] = [];
  for (const node of graph.nodes) {
    const operands = node.inputs.map((id) => graph.values[id]);
    const output = graph.values[node.output];
    for (const part of lowerNode(node.op, operands, output)) {
      const kernelCall: KernelCall = {
        arithmetic: part.arithmetic,
        inputs: part.inputs.map((i) => operands[i]),
        output,
      };
      const offer = firstOffer(kernelCall, sets);
      if (offer)
        calls.push({
          node,
          kernelCall,
          inputs: part.inputs.map((i) => node.inputs[i]),
          output: node.output,
          offer,
        });
      else
        refused.push(
          `${node.op.kind}${showOp(node.op)} "${node.name}": (${operands.map(describe).join(', ')}) → ${describe(output)}`,
        );
    }
  }
  if (refused.length > 0)
    throw new VireoError(
      'unsupported',
      `${refused.length} of ${graph.nodes.length} operators have no kernel in ${sets.map((set) => set.name).join(', ')}:\n  ${refused.join('\n  ')}`,
    );
  return calls;
}

function firstOffer(call: KernelCall, sets: readonly KernelSet[]): Offer | null {
  for (const set of sets) {
    const offer = set.offer(call);
    if (offer) return offer;
  }
  return null;
}

const describe = (value: Value): string =>
  `${value.dtype}[${value.shape.join(', ')}]${value.data ? ' constant' : ''}`;
