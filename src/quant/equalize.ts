/**
 * Cross-layer equalisation: channels between two layers change their units so that all of them fill their scales.
 *
 *   y = W₂·f(W₁·x + b₁)  =  (W₂·S)·f(S⁻¹·W₁·x + S⁻¹·b₁)        f(s·x) = s·f(x) for s > 0: none, ReLU, pools
 *   s_i = √(max|W₁[i, ·]| / max|W₂[·, i]|)                                          (docs/quantization.md, eq. 15)
 *
 * Needs no data. It is for weights with one scale a layer, and for channels that the training left on wildly different
 * units; scales by output channel do half of it anyway. Bounds above 0, as ReLU6 has, do not let units change; such pairs
 * are left alone. Source: Nagel et al. 2019, arXiv:1906.04721, §4.1.
 */
import type { Graph, Node, Value, ValueId } from '../graph/ir.ts';
import { consumersOf, type Rewrite } from '../graph/rewrite.ts';
import { elementCount, type Shape } from '../tensor.ts';
import { isLayer, layerMatrix } from './layer-matrix.ts';

export interface EqualizeReport {
  /** Names of the layers on both sides. */
  readonly pairs: readonly (readonly [string, string])[];
  /** Pairs that bounds keep apart. */
  readonly bounded: readonly (readonly [string, string])[];
}

/** `graph`: as `prepare` gives it; real numbers come out as before but for float rounding. */
export const equalize: Rewrite<EqualizeReport> = (graph) => {
  const { pairs, bounded } = pairsOf(graph);
  const values = graph.values.map((value) => ({ ...value }));
  // A layer in the middle of two pairs changes with both; a few rounds settle.
  for (let round = 0; round < 20; round++) {
    let most = 0;
    for (const [first, second] of pairs) most = Math.max(most, balance(first, second, values));
    if (most < 0.01) break;
  }
  const named = (list: readonly (readonly [Node, Node])[]): [string, string][] =>
    list.map(([a, b]) => [a.name, b.name]);
  return { graph: { ...graph, values }, report: { pairs: named(pairs), bounded: named(bounded) } };
};

type Pairs = readonly (readonly [Node, Node])[];

function pairsOf(graph: Graph): { readonly pairs: Pairs; readonly bounded: Pairs } {
  const consumers = consumersOf(graph);
  const readers = new Map<ValueId, number>(); // of constants
  for (const { inputs } of graph.nodes) for (const id of inputs) readers.set(id, (readers.get(id) ?? 0) + 1);
  const pairs: [Node, Node][] = [];
  const bounded: [Node, Node][] = [];
  const isOurs = (node: Node): boolean =>
    isLayer(node, graph.values) &&
    node.inputs.slice(1).every((id) => graph.values[id].data && readers.get(id) === 1);
  for (const node of graph.nodes) {
    if (!isOurs(node) || node.op.kind === 'transposedConv2d') continue;
    let homogeneous = scales(node);
    let next = only(consumers[node.output]);
    while (next && keepsChannels(next, graph.values)) {
      homogeneous &&= scales(next);
      next = only(consumers[next.output]);
    }
    if (!next || !isOurs(next) || next.op.kind === 'transposedConv2d') continue;
    const rows = layerMatrix(node, graph.values).rows;
    if (channelsOf(next, graph.values) === rows) (homogeneous ? pairs : bounded).push([node, next]);
  }
  return { pairs, bounded };
}

const only = (readers: readonly (Node | null)[]): Node | null => (readers.length === 1 ? readers[0] : null);

/** f(s·x) = s·f(x) for s > 0. */
function scales({ op }: Node): boolean {
  if (!('clamp' in op)) return true;
  const zeroOrNone = (bound: number): boolean => bound === 0 || !Number.isFinite(bound);
  return zeroOrNone(op.clamp.min) && zeroOrNone(op.clamp.max);
}

/** Works on each channel by itself. */
function keepsChannels({ op, inputs, output }: Node, values: readonly Value[]): boolean {
  switch (op.kind) {
    case 'maxPool2d':
    case 'averagePool2d':
    case 'clamp':
      return true;
    case 'pad':
      return op.value === 0 && op.before[3] === 0 && op.after[3] === 0;
    case 'reduce':
      return op.fn === 'mean' && op.axes.every((axis) => axis === 1 || axis === 2);
    case 'reshape': {
      const last = (shape: Shape): number => shape[shape.length - 1];
      const [from, to] = [values[inputs[0]].shape, values[output].shape];
      return last(from) === last(to) && elementCount(from) === last(from) * (from[0] ?? 1);
    }
    default:
      return false;
  }
}

/** Input channels of a layer. */
function channelsOf({ inputs }: Node, values: readonly Value[]): number {
  const { shape } = values[inputs[0]];
  return shape[shape.length - 1];
}

/** Changes the units between two layers; how much the farthest one changed, as |log s|. */
function balance(first: Node, second: Node, values: Value[]): number {
  const rows = rowLargest(first, values);
  const columns = columnLargest(second, values);
  const s = Float64Array.from(columns, (column, i) =>
    rows[i] > 0 && column > 0 ? Math.sqrt(rows[i] / column) : 1,
  );
  scaleRows(first, values, s);
  scaleColumns(second, values, s);
  return s.reduce((most, v) => Math.max(most, Math.abs(Math.log(v))), 0);
}

const data = (values: readonly Value[], id: ValueId): Float32Array => values[id].data as Float32Array; // float layers

/** For each weight the output channel it makes and the input channel it reads. */
function eachWeight(
  node: Node,
  values: readonly Value[],
  visit: (index: number, row: number, channel: number) => void,
): void {
  const { rows, k, groups, rowStep, tapStep } = layerMatrix(node, values);
  const inC = channelsOf(node, values);
  const depth = node.op.kind === 'depthwiseConv2d' ? 1 : inC / groups;
  for (let r = 0; r < rows; r++) {
    const firstChannel = Math.floor((r * groups) / rows) * depth;
    for (let i = 0; i < k; i++) visit(r * rowStep + i * tapStep, r, firstChannel + (i % depth));
  }
}

function rowLargest(node: Node, values: readonly Value[]): Float64Array {
  const w = data(values, node.inputs[1]);
  const most = new Float64Array(layerMatrix(node, values).rows);
  eachWeight(node, values, (i, row) => {
    most[row] = Math.max(most[row], Math.abs(w[i]));
  });
  return most;
}

function columnLargest(node: Node, values: readonly Value[]): Float64Array {
  const w = data(values, node.inputs[1]);
  const most = new Float64Array(channelsOf(node, values));
  eachWeight(node, values, (i, _, channel) => {
    most[channel] = Math.max(most[channel], Math.abs(w[i]));
  });
  return most;
}

function scaleRows(node: Node, values: Value[], s: Float64Array): void {
  const [, weights, bias] = node.inputs;
  const w = data(values, weights).slice();
  eachWeight(node, values, (i, row) => {
    w[i] /= s[row];
  });
  values[weights] = { ...values[weights], data: w };
  if (bias !== undefined)
    values[bias] = { ...values[bias], data: data(values, bias).map((b, row) => b / s[row]) };
}

function scaleColumns(node: Node, values: Value[], s: Float64Array): void {
  const weights = node.inputs[1];
  const w = data(values, weights).slice();
  eachWeight(node, values, (i, _, channel) => {
    w[i] *= s[channel];
  });
  values[weights] = { ...values[weights], data: w };
}
