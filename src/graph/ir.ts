/**
 * A network as plain data: values, and the nodes that make them, in an order in which they can run.
 * Nothing here is ever changed in place; a rewrite returns a new graph.
 */
import type { DType, Quantization, Shape, TensorData } from '../tensor.ts';
import type { Op } from './ops.ts';

/** Index into `Graph.values`. */
export type ValueId = number;

export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quantization: Quantization | null;
  /** Set for constants: dense, row-major. */
  readonly data: TensorData | null;
}

export interface Node {
  readonly name: string;
  readonly op: Op;
  readonly inputs: readonly ValueId[];
  readonly output: ValueId;
}

/**
 * An input that keeps its number from run to run: it holds `data` before the first run, and after each run what
 * the output holds. Where there is no output, only the session's owner changes it.
 */
export interface State {
  /** Positions in `Graph.inputs` and `Graph.outputs`. */
  readonly input: number;
  readonly output: number | null;
  readonly data: TensorData;
}

/** One of several things that a network does: which inputs it reads, which outputs it gives. */
export interface Task {
  readonly name: string;
  /** Positions in `Graph.inputs`; tasks may share inputs. */
  readonly inputs: readonly number[];
  /** Positions in `Graph.outputs`: computed from these inputs and constants alone. */
  readonly outputs: readonly number[];
}

export interface Graph {
  readonly name: string;
  readonly values: readonly Value[];
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  /** What a reader changed that a user should know, one sentence each. */
  readonly notes: readonly string[];
  /** None in a network for inference. */
  readonly states?: readonly State[];
  /** Where there are any, every input and output belongs to one, save those of states. */
  readonly tasks?: readonly Task[];
}
