/**
 * A measured float network to an int8 one: a pure rewrite.
 *
 *   x f32 ─ conv2d f32 ─ y f32     ⇒     x i8 ─ conv2d (w i8 by channel, b i32) ─ y i8
 *
 * First it is decided which nodes run in int8; then which values share a scale; then the network is built anew, with a
 * conversion wherever int8 meets float. The result runs by the exact integer rules of a TFLite file (docs/decisions/0001).
 * Numbers in brackets are the equations of docs/quantization.md.
 */
import { VireoError } from '../errors.ts';
import type { Graph, Node, ValueId } from '../graph/ir.ts';
import type { Calibration } from './calibrate.ts';
import { type Form, formOf } from './forms.ts';
import { QuantizedBuilder } from './quantized-builder.ts';
import type { QuantizeReport } from './report.ts';
import { assignScales } from './scales.ts';
import type { Rounding, WeightBits } from './weights.ts';

export interface QuantizeOptions {
  /**
   * 'int8', the default: float inputs and outputs become int8 with a scale and zero point, as int8 TFLite files have
   * them; where an end is computed in float it stays float. 'float': they stay, with a conversion behind.
   */
  readonly io?: 'int8' | 'float';
  /** Names of nodes that stay in float, or a test of them. */
  readonly keep?: readonly string[] | ((node: Node) => boolean);
  /** Bits of the weights; a function says it for each layer of products. Default 8. */
  readonly weightBits?: WeightBits | ((node: Node) => WeightBits);
  /** Default 'learned' where the calibration has Gram matrices. */
  readonly rounding?: Rounding;
  /** Moves what rounding took from a layer's mean output into its bias (eq. 13). Default true. */
  readonly correctBias?: boolean;
  /**
   * Scales of a dense layer's weights: one, which every TFLite runtime takes, or one for each output channel. With
   * 4-bit weights it is 'channel' anyway. Default 'tensor'.
   */
  readonly denseScales?: 'tensor' | 'channel';
}

/**
 * `graph`: as `prepare` gives it; `calibration`: of this graph. Throws 'bad-input' where they do not belong together and
 * where nothing could be quantised, 'usage' where `keep` names a node that does not exist.
 */
export function quantize(
  graph: Graph,
  calibration: Calibration,
  options: QuantizeOptions = {},
): { readonly graph: Graph; readonly report: QuantizeReport } {
  mustBeFloat(graph);
  const forms = graph.nodes.map((node) => formOf(node, graph.values));
  const isKept = keptBy(graph, options.keep ?? []);
  const domains = domainsOf(graph, forms, isKept);
  if (!domains.int8Nodes.some((runs) => runs))
    throw new VireoError('bad-input', `graph "${graph.name}": no operator would run in int8`);
  const scales = assignScales(graph, forms, domains.int8Nodes, calibration);
  const builder = new QuantizedBuilder(graph, scales, domains, options);
  graph.nodes.forEach((node, i) => {
    if (domains.int8Nodes[i]) builder.int8(node, forms[i], calibration);
    else builder.float(node, reasonOf(forms[i], isKept(node)));
  });
  return builder.finish();
}

/** Throws where a network has integer layers already. */
export function mustBeFloat(graph: Graph): void {
  const found = graph.nodes.find(({ inputs, output }) =>
    [...inputs, output].some((id) => {
      const { dtype, quantization } = graph.values[id];
      return quantization !== null && (dtype === 'i8' || dtype === 'u8');
    }),
  );
  if (found)
    throw new VireoError(
      'bad-input',
      `graph "${graph.name}" is quantised already: ${found.op.kind} "${found.name}" has 8-bit operands with a scale; dequantise it first`,
    );
}

const reasonOf = (form: Form, kept: boolean): string =>
  kept ? 'kept' : form.kind === 'float' ? form.reason : 'its input is in float';

function keptBy(graph: Graph, keep: NonNullable<QuantizeOptions['keep']>): (node: Node) => boolean {
  if (typeof keep === 'function') return keep;
  const names = new Set(keep);
  const known = new Set(graph.nodes.map(({ name }) => name));
  for (const name of names)
    if (!known.has(name)) throw new VireoError('usage', `keep: graph "${graph.name}" has no node "${name}"`);
  return ({ name }) => names.has(name);
}

export interface Domains {
  /** By node. */
  readonly int8Nodes: readonly boolean[];
  /** Inputs of the graph that some int8 node reads. */
  readonly int8Inputs: ReadonlySet<ValueId>;
}

/** Operators that only move numbers go with what they move; all others are int8 if they have a form. */
function domainsOf(graph: Graph, forms: readonly Form[], isKept: (node: Node) => boolean): Domains {
  const inInt8 = new Set<ValueId>(graph.inputs.filter((id) => graph.values[id].dtype === 'f32'));
  const int8Inputs = new Set<ValueId>();
  const int8Nodes = graph.nodes.map((node, i) => {
    const form = forms[i];
    const moves = form.kind === 'same' && node.op.kind !== 'binary';
    const runs =
      !isKept(node) &&
      form.kind !== 'float' &&
      (!moves || node.inputs.slice(0, form.data).some((id) => inInt8.has(id)));
    if (!runs) return false;
    inInt8.add(node.output);
    for (const id of node.inputs) if (graph.inputs.includes(id) && inInt8.has(id)) int8Inputs.add(id);
    return true;
  });
  return { int8Nodes, int8Inputs };
}
