/**
 * A change to a network is one shape: a pure function from a graph to a graph and a report. What needs
 * samples measures first and hands plain data to the rewrite.
 */
import type { Graph, Node, ValueId } from './ir.ts';

export type Rewrite<R> = (graph: Graph) => { readonly graph: Graph; readonly report: R };

/** Runs rewrites that count their changes, one after another. */
export function rewriteAll(
  graph: Graph,
  rewrites: Readonly<Record<string, Rewrite<number>>>,
): { graph: Graph; report: Record<string, number> } {
  const report: Record<string, number> = {};
  let current = graph;
  for (const [name, rewrite] of Object.entries(rewrites)) {
    const result = rewrite(current);
    current = result.graph;
    report[name] = result.report;
  }
  return { graph: current, report };
}

/** The nodes that read each value; an output of the graph counts as `null`. */
export function consumersOf(graph: Graph): (Node | null)[][] {
  const consumers: (Node | null)[][] = graph.values.map(() => []);
  for (const node of graph.nodes) for (const id of node.inputs) consumers[id].push(node);
  for (const id of graph.outputs) consumers[id].push(null);
  return consumers;
}

/** The node that makes each value, where one does. */
export function producersOf(graph: Graph): (Node | undefined)[] {
  const producers = new Array<Node | undefined>(graph.values.length).fill(undefined);
  for (const node of graph.nodes) producers[node.output] = node;
  return producers;
}

/** The graph with nodes that nobody reads and values that nobody names left out; ids are renumbered. */
export const removeDead: Rewrite<number> = (graph) => {
  const live = new Set<ValueId>([...graph.outputs, ...graph.inputs]);
  const nodes: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (!live.has(node.output)) continue;
    nodes.push(node);
    for (const id of node.inputs) live.add(id);
  }
  nodes.reverse();
  const renumbered = new Map<ValueId, ValueId>();
  const values = graph.values.filter((_, id) => live.has(id) && renumbered.set(id, renumbered.size));
  const at = (id: ValueId): ValueId => renumbered.get(id)!;
  return {
    graph: {
      ...graph,
      values,
      nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(at), output: at(node.output) })),
      inputs: graph.inputs.map(at),
      outputs: graph.outputs.map(at),
    },
    report: graph.nodes.length - nodes.length,
  };
};
