/**
 * Tasks: what one network does of several things, each with inputs and outputs of its own.
 *
 *   image   picture ─→ a ─→ b ─→ label          a task needs the values on the way to its outputs;
 *   sound   spectrum ─→ c ─→ d ─→ word           a value may be needed by several
 *
 * Sets of tasks are bits of a number, so there are at most 32.
 */
import type { Graph, ValueId } from './ir.ts';

export const mostTasks = 32;

/** For each value a bit for every task whose outputs are computed from it, or are it; all 0 without tasks. */
export function neededBy(graph: Graph): Uint32Array {
  const needed = new Uint32Array(graph.values.length);
  graph.tasks?.forEach(({ outputs }, t) => {
    for (const position of outputs) needed[graph.outputs[position]] |= 1 << t;
  });
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const { inputs, output } = graph.nodes[i];
    for (const id of inputs) needed[id] |= needed[output];
  }
  return needed;
}

/**
 * The tasks of `graph` for a copy of it with these inputs and outputs, named by their ids in `graph`; a task without
 * outputs there is gone. Empty where the graph has none, or where an output belongs to none.
 */
export function tasksAmong(
  graph: Graph,
  inputs: readonly ValueId[],
  outputs: readonly ValueId[],
): Pick<Graph, 'tasks'> {
  const positions = (
    among: readonly ValueId[],
    ids: readonly ValueId[],
    own: readonly number[],
  ): number[] => {
    const wanted = new Set(own.map((position) => ids[position]));
    return [...among.keys()].filter((position) => wanted.has(among[position]));
  };
  const tasks = (graph.tasks ?? [])
    .map((task) => ({
      name: task.name,
      inputs: positions(inputs, graph.inputs, task.inputs),
      outputs: positions(outputs, graph.outputs, task.outputs),
    }))
    .filter((task) => task.outputs.length > 0);
  const covered = new Set(tasks.flatMap((task) => task.outputs));
  return tasks.length > 0 && covered.size === outputs.length ? { tasks } : {};
}

/** The part of `verify` that looks at tasks; everything else of the graph is verified already. */
export function checkTasks(graph: Graph, fail: (message: string) => never): void {
  const { tasks, states = [] } = graph;
  if (!tasks) return;
  if (tasks.length > mostTasks) fail(`${tasks.length} tasks, expected at most ${mostTasks}`);
  const names = new Set<string>();
  // What states hold and become belongs to no task.
  const seen = {
    input: new Set(states.map(({ input }) => input)),
    output: new Set(states.flatMap(({ output }) => output ?? [])),
  };
  const kept = { input: new Set(seen.input), output: new Set(seen.output) };
  const check = (what: 'input' | 'output', name: string, positions: readonly number[]): void => {
    const ids = what === 'input' ? graph.inputs : graph.outputs;
    const own = new Set<number>();
    for (const position of positions) {
      if (ids[position] === undefined)
        fail(`task "${name}": ${what} ${position} does not exist; there are ${ids.length}`);
      const value = graph.values[ids[position]].name;
      if (own.has(position)) fail(`task "${name}": ${what} "${value}" is listed twice`);
      if (kept[what].has(position)) fail(`task "${name}": ${what} "${value}" is that of a state`);
      own.add(position);
      seen[what].add(position);
    }
  };
  for (const { name, inputs, outputs } of tasks) {
    if (name === '') fail('a task has no name');
    if (names.has(name)) fail(`two tasks are named "${name}"`);
    names.add(name);
    if (outputs.length === 0) fail(`task "${name}" has no outputs`);
    check('input', name, inputs);
    check('output', name, outputs);
  }
  const belong = (what: 'input' | 'output', ids: readonly ValueId[]): void =>
    ids.forEach((id, position) => {
      if (!seen[what].has(position)) fail(`${what} "${graph.values[id].name}" belongs to no task`);
    });
  belong('input', graph.inputs);
  belong('output', graph.outputs);

  // For each value the tasks whose inputs are enough to compute it.
  const within = new Uint32Array(graph.values.length).fill(-1);
  graph.inputs.forEach((id, position) => {
    if (!kept.input.has(position)) within[id] = 0;
  });
  tasks.forEach(({ inputs }, t) => {
    for (const position of inputs) within[graph.inputs[position]] |= 1 << t;
  });
  for (const { inputs, output } of graph.nodes) for (const id of inputs) within[output] &= within[id];
  tasks.forEach(({ name, outputs }, t) => {
    for (const position of outputs) {
      const id = graph.outputs[position];
      if (((within[id] >>> t) & 1) === 0)
        fail(`task "${name}": output "${graph.values[id].name}" depends on inputs of other tasks`);
    }
  });
}
