/** Graph → kernel calls, each with the first offer that a kernel set makes for it; neighbours fused where a set can. */
import { VireoError } from '../../errors.ts';
import type { Following, KernelCall, KernelSet, Offer } from '../../kernels/call.ts';
import type { Graph, Node, Value, ValueId } from '../ir.ts';
import type { Op } from '../ops.ts';
import { showOp } from '../print.ts';
import { lowerNode } from './lower.ts';

export interface Call {
  /** The node whose value is stored. */
  readonly node: Node;
  /** Nodes computed on the way to it, whose values are never stored. */
  readonly before: readonly Node[];
  readonly kernelCall: KernelCall;
  readonly inputs: readonly ValueId[];
  readonly output: ValueId;
  readonly offer: Offer;
  readonly set: KernelSet;
  /** Sets that were asked before and have no kernel for it. */
  readonly declined: readonly string[];
}

/** Node name → the `choice` its kernel set is asked for. */
export type Tuning = Readonly<Record<string, string>>;

/** Throws one `VireoError('unsupported')` that lists every call no set computes. */
export function callsOf(graph: Graph, sets: readonly KernelSet[], tuning: Tuning = {}): Call[] {
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
      const found = firstOffer(kernelCall, sets, tuning[node.name]);
      const inputs = part.inputs.map((i) => node.inputs[i]);
      if (found) calls.push({ node, before: [], kernelCall, inputs, output: node.output, ...found });
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
  return sets.some((set) => set.fuses) ? fuse(graph, calls, tuning) : calls;
}

/** to = from, for a state that was not updated in its place. */
export function copyCall(graph: Graph, from: ValueId, to: ValueId, sets: readonly KernelSet[]): Call {
  const output = graph.values[to];
  const { name, shape } = output;
  const op: Op = { kind: 'slice', begin: shape.map(() => 0), size: shape, step: shape.map(() => 1) };
  const [{ arithmetic }] = lowerNode(op, [output], output);
  const kernelCall: KernelCall = { arithmetic, inputs: [graph.values[from]], output };
  const found = firstOffer(kernelCall, sets, undefined);
  if (!found) throw new VireoError('unsupported', `no kernel copies ${describe(output)} "${name}"`);
  const node: Node = { name: `${name}/update`, op, inputs: [from], output: to };
  return { node, before: [], kernelCall, inputs: [from], output: to, ...found };
}

function firstOffer(
  call: KernelCall,
  sets: readonly KernelSet[],
  choice: string | undefined,
): Pick<Call, 'offer' | 'set' | 'declined'> | null {
  const declined: string[] = [];
  for (const set of sets) {
    const offer = set.offer(call, choice);
    if (offer) return { offer, set, declined };
    declined.push(set.name);
  }
  return null;
}

/** a → b  ⇒  a then b, in the place of b, where only b reads what a gives and the set of a computes both at once. */
function fuse(graph: Graph, calls: readonly Call[], tuning: Tuning): Call[] {
  const readers = new Map<ValueId, number>();
  for (const id of [...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs])
    readers.set(id, (readers.get(id) ?? 0) + 1);
  const writers = new Map<ValueId, number>();
  for (const { output } of calls) writers.set(output, (writers.get(output) ?? 0) + 1);
  const readerOf = new Map<ValueId, Call>();
  for (const call of calls) for (const id of call.inputs) readerOf.set(id, call);
  const alone = (id: ValueId): boolean => readers.get(id) === 1 && writers.get(id) === 1;

  const replacedBy = new Map<Call, Call | null>(); // null: computed on the way to a later one
  for (const call of calls) {
    let last = replacedBy.get(call) === undefined ? call : replacedBy.get(call)!;
    if (last === null || !last.set.fuses) continue;
    let end = call;
    for (;;) {
      const next = alone(last.output) ? readerOf.get(last.output) : undefined;
      if (!next || replacedBy.has(next) || writers.get(next.output) !== 1) break;
      const joined = join(last, next, tuning);
      if (!joined) break;
      replacedBy.set(end, null);
      replacedBy.set(next, joined);
      end = next;
      last = joined;
    }
  }
  return calls.map((call) => replacedBy.get(call) ?? call).filter((call) => replacedBy.get(call) !== null);
}

function join(first: Call, second: Call, tuning: Tuning): Call | null {
  const position = second.inputs.indexOf(first.output);
  const others = second.inputs.filter((_, i) => i !== position);
  const next: Following = {
    arithmetic: second.kernelCall.arithmetic,
    x: first.kernelCall.output,
    position,
    others: others.length,
    output: second.kernelCall.output,
  };
  const kernelCall: KernelCall = {
    arithmetic: first.kernelCall.arithmetic,
    inputs: [...first.kernelCall.inputs, ...second.kernelCall.inputs.filter((_, i) => i !== position)],
    output: second.kernelCall.output,
    following: [...(first.kernelCall.following ?? []), next],
  };
  const offer = first.set.offer(kernelCall, tuning[second.node.name]);
  return (
    offer && {
      node: second.node,
      before: [...first.before, first.node],
      kernelCall,
      inputs: [...first.inputs, ...others],
      output: second.output,
      offer,
      set: first.set,
      declined: [],
    }
  );
}

const describe = (value: Value): string =>
  `${value.dtype}[${value.shape.join(', ')}]${value.data ? ' constant' : ''}`;
