/**
 * Between networks for inference and networks in training.
 *
 *   trainable   constant weights and biases of f32 layers  ⇒  parameters
 *   freeze      states  ⇒  constants;   batchNorm by its running averages:  x·a + b,  a = γ/√(σ² + ε),  b = β − μ·a
 */
import { VireoError } from '../../errors.ts';
import { elementCount, type NumberData } from '../../tensor.ts';
import { GraphBuilder } from '../build.ts';
import type { Graph, Node, ValueId } from '../ir.ts';
import { removeDead } from '../rewrite.ts';
import { tasksAmong } from '../tasks.ts';
import { TrainingBuilder } from './builder.ts';
import { Emitter } from './emit.ts';

const layers = new Set<Node['op']['kind']>([
  'conv2d',
  'depthwiseConv2d',
  'transposedConv2d',
  'dense',
  'prelu',
]);

/** Parameters have the names of the constants; a constant that several layers share stays one. Tasks stay. */
export function trainable(
  graph: Graph,
  which: (name: string) => boolean = () => true,
): { readonly graph: Graph; readonly report: readonly string[] } {
  const builder = new TrainingBuilder(graph.name);
  const weights = new Set(
    graph.nodes.flatMap(({ op, inputs }) => (layers.has(op.kind) ? inputs.slice(1) : [])),
  );
  const isOne = (id: ValueId): boolean => {
    const { name, data } = graph.values[id]!;
    return weights.has(id) && data instanceof Float32Array && which(name);
  };
  const values = graph.values.map((value, id) => (isOne(id) ? { ...value, data: null } : value));
  const chosen = [...weights].filter(isOne);
  const states = chosen.map((id, i) => ({
    input: graph.inputs.length + i,
    output: null,
    data: (graph.values[id]!.data as Float32Array).slice(),
  }));
  const { outputs } = builder.copy({
    ...graph,
    values,
    inputs: [...graph.inputs, ...chosen],
    states: [...(graph.states ?? []), ...states],
  });
  const isKept = new Set(graph.states?.map(({ input }) => input));
  const becomes = new Set(graph.states?.map(({ output }) => output));
  const tasks = tasksAmong(
    graph,
    graph.inputs.filter((_, i) => !isKept.has(i)),
    graph.outputs.filter((_, i) => !becomes.has(i)),
  );
  return {
    graph: { ...builder.finish(outputs), ...tasks },
    report: chosen.map((id) => graph.values[id]!.name),
  };
}

/**
 * The network up to `outputs` with the states' numbers, as `numbersOf` (a session's `state`) gives them; of its tasks
 * those with outputs among them.
 */
export function freeze(
  graph: Graph,
  outputs: readonly ValueId[],
  numbersOf: (state: string) => NumberData,
): Graph {
  const { states = [] } = graph;
  const pruned = removeDead({ ...graph, states: [], outputs, inputs: [] });
  // removeDead renumbers; here only what it keeps matters.
  const kept = new Set(pruned.graph.nodes.map(({ name }) => name));
  const builder = new GraphBuilder(graph.name);
  const e = new Emitter(builder);
  const ids = new Map<ValueId, ValueId>();
  const nodes = graph.nodes.filter(({ name }) => kept.has(name));
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  const isState = new Set(states.map(({ input }) => graph.inputs[input]!));
  graph.values.forEach(({ name, dtype, shape, quantization, data }, id) => {
    if (!used.has(id)) return;
    if (data) ids.set(id, builder.constant(name, dtype, shape, data, quantization));
    else if (isState.has(id))
      ids.set(id, builder.constant(name, dtype, shape, numbersOf(name).slice(), quantization));
  });
  const fed = graph.inputs.filter((id) => used.has(id) && !isState.has(id));
  for (const id of fed) {
    const { name, dtype, shape, quantization } = graph.values[id]!;
    ids.set(id, builder.input(name, dtype, shape, quantization));
  }
  for (const { name, op, inputs, output } of nodes) {
    const own = inputs.map((id) => ids.get(id)!);
    if (op.kind !== 'training') {
      ids.set(output, builder.add(op, own, graph.values[output]!));
    } else if (op.fn === 'moments') {
      ids.set(output, own[1]!); // the running averages
    } else if (op.fn === 'batchNorm') {
      e.prefix = `${name}/`;
      const [x, moments, gamma, beta] = own as [ValueId, ValueId, ValueId, ValueId];
      const c = elementCount(e.shape(gamma));
      const row = (i: number): ValueId => e.reshape(e.slice(moments, [i, 0], [1, c]), [c]);
      const scale = e.mul(gamma, e.unary('rsqrt', e.plus(row(1), op.epsilon)));
      ids.set(output, e.add(e.mul(x, scale), e.sub(beta, e.mul(row(0), scale))));
    } else {
      throw new VireoError('usage', `training "${name}": the outputs depend on gradients`);
    }
  }
  return { ...builder.finish(outputs.map((id) => ids.get(id)!)), ...tasksAmong(graph, fed, outputs) };
}
