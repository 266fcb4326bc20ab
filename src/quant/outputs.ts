/** Other outputs for a graph, and its tasks for a graph whose inputs and outputs have kept their places. */
import type { Graph, ValueId } from '../graph/ir.ts';

/** The graph with these outputs, which belong to no task. */
export function withOutputs(graph: Graph, outputs: readonly ValueId[]): Graph {
  const { tasks: _, ...rest } = graph;
  return { ...rest, outputs };
}

export const tasksOf = ({ tasks }: Graph): Pick<Graph, 'tasks'> => (tasks ? { tasks } : {});
