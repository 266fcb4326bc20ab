/**
 * The gradient of a loss by every parameter, as nodes of the graph: reverse-mode differentiation.
 *
 *   x ─ f ─ y ─ g ─ loss      ⇒      x ─ f ─ y ─ g ─ loss
 *   w ──┘                            w ──┘   │
 *                                    dw ─ f′─ dy ─ g′─ 1
 *
 * Parameters are the states that nothing updates. Nodes on no way from a parameter to the loss have no part in it.
 * Source: Baydin et al. 2018, arXiv:1502.05767, §3.2.
 */
import { VireoError } from '../../errors.ts';
import { elementCount, showShape } from '../../tensor.ts';
import type { Graph, ValueId } from '../ir.ts';
import { showOp } from '../print.ts';
import { TrainingBuilder } from './builder.ts';
import { Emitter } from './emit.ts';
import { gradientsOf, hasGradient, passesTo } from './gradients.ts';

/** Ids of values of the new graph. */
export interface Gradient {
  readonly state: ValueId;
  readonly gradient: ValueId;
}

/** The gradients are the last outputs, in the order of the states. `loss`: a value of one element. */
export function differentiate(
  graph: Graph,
  loss: ValueId,
): { readonly graph: Graph; readonly report: readonly Gradient[] } {
  const value = graph.values[loss];
  if (value?.dtype !== 'f32' || elementCount(value.shape) !== 1)
    throw new VireoError(
      'usage',
      `the loss is one number of f32, not ${value ? `${value.dtype}${showShape(value.shape)}` : 'missing'}`,
    );
  const parameters = (graph.states ?? [])
    .filter(({ output }) => output === null)
    .map(({ input }) => graph.inputs[input]!);
  const needed = dependents(graph, parameters);
  if (!needed.has(loss)) throw new VireoError('usage', `"${value.name}" depends on no parameter`);
  refuseUnknown(graph, loss, needed);

  const builder = new TrainingBuilder(graph.name);
  const { ids, outputs } = builder.copy(graph);
  const e = new Emitter(builder);
  const gradients = new Map<ValueId, ValueId>([[loss, e.filled(value.shape, 1)]]);
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const { name, op, inputs, output } = graph.nodes[i]!;
    const dy = gradients.get(output);
    if (dy === undefined || !needed.has(output)) continue;
    e.prefix = `${name}/gradient/`;
    const wants = (input: number): boolean => needed.has(inputs[input]!) && passesTo(op, input);
    const own = inputs.map((id) => ids[id]!);
    gradientsOf({ e, op, inputs: own, y: ids[output]!, dy, wants }).forEach((gradient, k) => {
      if (gradient === undefined || !wants(k)) return;
      const before = gradients.get(inputs[k]!);
      gradients.set(inputs[k]!, before === undefined ? gradient : e.add(before, gradient));
    });
  }
  e.prefix = 'gradient/';
  const report = parameters.map((id): Gradient => {
    const gradient = gradients.get(id) ?? e.filled(graph.values[id]!.shape, 0);
    return { state: ids[id]!, gradient };
  });
  return { graph: builder.finish([...outputs, ...report.map(({ gradient }) => gradient)]), report };
}

/** All values that depend on one of `sources`. */
function dependents(graph: Graph, sources: readonly ValueId[]): Set<ValueId> {
  const found = new Set(sources);
  for (const { inputs, output } of graph.nodes) if (inputs.some((id) => found.has(id))) found.add(output);
  return found;
}

/** Throws one `VireoError('unsupported')` that lists every operator on the way that has no gradient. */
function refuseUnknown(graph: Graph, loss: ValueId, needed: ReadonlySet<ValueId>): void {
  const reached = new Set([loss]);
  const refused: string[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const { name, op, inputs, output } = graph.nodes[i]!;
    if (!reached.has(output) || !needed.has(output)) continue;
    if (graph.values[output]!.dtype !== 'f32' || !hasGradient(op))
      refused.push(`${op.kind}${showOp(op)} "${name}"`);
    for (const [k, id] of inputs.entries()) if (passesTo(op, k)) reached.add(id);
  }
  if (refused.length > 0)
    throw new VireoError(
      'unsupported',
      `${refused.length} operators have no gradient:\n  ${refused.join('\n  ')}`,
    );
}
