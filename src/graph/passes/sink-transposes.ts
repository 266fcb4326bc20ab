/**
 * f(transpose(x), transpose(y))  ⇒  transpose(f(x, y))         and    transpose ∘ transpose⁻¹ = identity
 *
 * A transpose is carried along as a note on its result ("this value is that one with its axes permuted") and
 * only becomes a node again where somebody needs the axes in that order. What passes through: element by
 * element operators, concat, slice, pad, reduce. A transpose that moves only axes of extent 1 is a reshape.
 * Networks that hold their pictures as NCHW keep one transpose at each end and none between.
 */
import { elementCount, type Shape, sameShape, type TensorData } from '../../tensor.ts';
import { evaluate } from '../evaluate.ts';
import type { Graph, Node, Value, ValueId } from '../ir.ts';
import type { Op } from '../ops.ts';
import { type Rewrite, removeDead } from '../rewrite.ts';

/** A value seen through a permutation: axis j of it is axis perm[j] of `source`. */
interface Lazy {
  readonly source: ValueId;
  readonly perm: readonly number[];
}

const isIdentity = (perm: readonly number[]): boolean => perm.every((axis, i) => axis === i);

function inverse(perm: readonly number[]): number[] {
  const result = new Array<number>(perm.length);
  perm.forEach((axis, i) => {
    result[axis] = i;
  });
  return result;
}

const permuted = <T>(list: readonly T[], perm: readonly number[]): T[] => perm.map((axis) => list[axis]);

/** Only axes of one element change places, so the elements keep their order. */
function isReshape(shape: Shape, perm: readonly number[]): boolean {
  const moving = perm.filter((axis) => shape[axis] !== 1);
  return moving.every((axis, i) => i === 0 || axis > moving[i - 1]);
}

export const sinkTransposes: Rewrite<number> = (graph) => {
  if (!graph.nodes.some(({ op }) => op.kind === 'transpose')) return { graph, report: 0 };
  const sinker = new Sinker(graph);
  for (const node of graph.nodes) sinker.visit(node);
  const outputs = graph.outputs.map((id) => sinker.settle(id));
  const count = (nodes: readonly Node[]): number =>
    nodes.filter((node) => node.op.kind === 'transpose').length;
  const result = removeDead({ ...graph, values: sinker.values, nodes: sinker.nodes, outputs }).graph;
  return { graph: result, report: count(graph.nodes) - count(result.nodes) };
};

class Sinker {
  readonly values: Value[];
  readonly nodes: Node[] = [];
  readonly #lazy = new Map<ValueId, Lazy>();
  readonly #settled = new Map<ValueId, ValueId>();

  constructor(graph: Graph) {
    this.values = [...graph.values];
  }

  /** The value with its axes in its own order; a node is added where that takes one. */
  settle(id: ValueId): ValueId {
    const lazy = this.#lazy.get(id);
    if (!lazy) return id;
    if (isIdentity(lazy.perm)) return lazy.source;
    const known = this.#settled.get(id);
    if (known !== undefined) return known;
    const { shape, name } = this.values[id];
    const source = this.values[lazy.source];
    const op: Op = isReshape(source.shape, lazy.perm)
      ? { kind: 'reshape', shape }
      : { kind: 'transpose', perm: lazy.perm };
    this.nodes.push({ name: `${name}/transpose`, op, inputs: [lazy.source], output: id });
    this.#settled.set(id, id);
    return id;
  }

  visit(node: Node): void {
    const { op } = node;
    if (op.kind === 'transpose') {
      const inner = this.#lazy.get(node.inputs[0]);
      const perm = inner ? permuted(inner.perm, op.perm) : op.perm;
      this.#lazy.set(node.output, { source: inner ? inner.source : node.inputs[0], perm });
      return;
    }
    const perm = this.#common(node);
    const moved = perm && withAxes(op, perm);
    const inputs = moved && node.inputs.map((id) => this.#through(id, perm));
    if (!perm || !moved || !inputs?.every((id): id is ValueId => id !== null)) {
      this.nodes.push({ ...node, inputs: node.inputs.map((id) => this.settle(id)) });
      return;
    }
    const value = this.values[node.output];
    const source =
      this.values.push({
        ...value,
        shape: permuted(value.shape, inverse(perm)),
        name: `${value.name}/untransposed`,
      }) - 1;
    this.nodes.push({ ...node, op: moved, inputs, output: source });
    this.#lazy.set(node.output, { source, perm });
  }

  /** The permutation under which all inputs that have one agree, where each of the others is a constant. */
  #common(node: Node): readonly number[] | null {
    const rank = this.values[node.output].shape.length;
    let perm: readonly number[] | null = null;
    for (const id of node.inputs) {
      const lazy = this.#lazy.get(id);
      if (!lazy) {
        if (!this.values[id].data) return null;
        continue;
      }
      if (lazy.perm.length !== rank || isIdentity(lazy.perm) || (perm && !sameShape(perm, lazy.perm)))
        return null;
      perm = lazy.perm;
    }
    return perm;
  }

  /** What stands for an input when all axes are permuted back; constants are permuted here and now. */
  #through(id: ValueId, perm: readonly number[]): ValueId | null {
    const lazy = this.#lazy.get(id);
    if (lazy) return lazy.source;
    const value = this.values[id];
    if (elementCount(value.shape) === 1) return id;
    const missing = perm.length - value.shape.length;
    if (missing < 0 || (value.quantization && value.quantization.scale.length > 1)) return null;
    const full = { ...value, shape: [...new Array<number>(missing).fill(1), ...value.shape] };
    const back = inverse(perm);
    const shape = permuted(full.shape, back);
    const data: TensorData | null = evaluate({ kind: 'transpose', perm: back }, [full], { ...full, shape });
    if (!data) return null;
    return this.values.push({ ...value, name: `${value.name}/permuted`, shape, data }) - 1;
  }
}

/** The operator on inputs whose axes are permuted back, or null where it depends on their order. */
function withAxes(op: Op, perm: readonly number[]): Op | null {
  const back = inverse(perm);
  switch (op.kind) {
    case 'unary':
    case 'clamp':
    case 'binary':
    case 'prelu':
    case 'cast':
    case 'convert':
      return op;
    case 'concat':
      return { ...op, axis: perm[op.axis] };
    case 'slice':
      return {
        ...op,
        begin: permuted(op.begin, back),
        size: permuted(op.size, back),
        step: permuted(op.step, back),
      };
    case 'pad':
    case 'mirrorPad':
      return { ...op, before: permuted(op.before, back), after: permuted(op.after, back) };
    case 'reduce':
      return { ...op, axes: op.axes.map((axis) => perm[axis]).sort((a, b) => a - b) };
    default:
      return null;
  }
}
