/**
 * Graph → ONNX file, the way back of `readOnnx`.
 *
 *   Graph ─operators→ nodes and initialisers ─names→ records ─proto→ bytes
 *
 * Opset 14, IR version 7: the least that has HardSwish, and scales for each channel in DequantizeLinear; all
 * operators are those of the default domain. Pictures are (n, c, h, w) inside, as ONNX has it: a value lies in the
 * order that its maker gave, elementwise operators, concatenations, reductions and the like follow suit, and a
 * Transpose comes only where somebody needs another order. Inputs and outputs keep name, dtype, shape and order.
 *
 * ONNX rounds integers once, halves to even; a network by TensorFlow Lite's rule, which rounds twice, becomes one that
 * does so too (docs/decisions/0001).
 */
import { VireoError } from '../../../errors.ts';
import type { Graph } from '../../../graph/ir.ts';
import { decodeCodebooks } from '../../../graph/passes/decode-codebooks.ts';
import { fuseQuantization } from '../../../graph/passes/fuse-quantization.ts';
import { removeDead } from '../../../graph/rewrite.ts';
import { verify } from '../../../graph/verify.ts';
import { Emission, type Named } from './emission.ts';
import { straight } from './layout.ts';
import { exactMeans } from './means.ts';
import { type Form, NodeWriter } from './node-writer.ts';
import { writeNode } from './operators/index.ts';
import { encodeModel } from './proto.ts';
import { unsigned } from './unsigned.ts';
import { Values } from './values.ts';

const opset = 14;
const irVersion = 7;

export interface WriteOnnxOptions {
  /**
   * How quantised operators are written; float networks are the same in every form.
   *
   * - `'qdq'`, the default: operators of real numbers between DequantizeLinear and QuantizeLinear, which runtimes
   *   make integer operators of; activations uint8 (unsigned.ts says why) between inputs and outputs of their own
   *   type, weights int8 or uint8, biases int32.
   * - `'qlinear'`: convolutions and dense layers are QLinearConv and QLinearMatMul, on activations of their own type;
   *   pairs around all others. Both forms give the same integers.
   * - `'float'`: real numbers from end to end, bounded where the integers end but not rounded; weights float32.
   */
  readonly form?: Form;
  /** Kept in the file as it is: `metadata_props`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of an ONNX model; the same graph gives the same bytes. Names that stand twice, or are empty, get a
 * number; an output that is an input has a name of its own. Throws `VireoError`: 'unsupported' with every node that ONNX cannot say, 'bad-graph' where the graph breaks
 * its own rules, 'too-large' over 2 GiB.
 */
export function writeOnnx(graph: Graph, options: WriteOnnxOptions = {}): Uint8Array {
  const { form = 'qdq', metadata = {} } = options;
  verify(graph);
  const network = prepared(graph, form);
  const emission = new Emission();
  const values = new Values(network, emission, form === 'float');
  const inputs = network.inputs.map((id): Named => {
    const { name, dtype, shape } = network.values[id]!;
    const tensor = { dtype, shape };
    values.define(id, 'stored', tensor, straight(shape.length));
    return { tensor, name };
  });
  const problems = (graph.states ?? []).map(
    ({ input }) => `state "${graph.values[graph.inputs[input]!]!.name}": kept from run to run`,
  );
  for (const node of network.nodes) {
    try {
      writeNode(new NodeWriter(node, form, emission, values));
    } catch (error) {
      if (!(error instanceof VireoError) || error.code !== 'unsupported') throw error;
      problems.push(`${node.op.kind} "${node.name}": ${error.message}`);
      // Something in its place, so that what follows can be looked at too.
      const { dtype, shape } = network.values[node.output]!;
      values.define(node.output, 'stored', { dtype, shape }, straight(shape.length));
    }
  }
  if (problems.length > 0) throw new VireoError('unsupported', unsupported(problems));
  const outputs = network.outputs.map((id): Named => {
    const { name, shape } = network.values[id]!;
    return { tensor: values.stored(id, straight(shape.length)), name };
  });
  const finished = emission.finish(inputs, outputs);
  const name = graph.name || 'network';
  return encodeModel({ irVersion, opset, producer: 'vireo-nn', name, metadata, ...finished });
}

/** What leads to an output, in integers that suit the form. */
function prepared(graph: Graph, form: Form): Graph {
  const live = removeDead(decodeCodebooks({ ...graph, states: [] }).graph).graph;
  switch (form) {
    case 'float':
      return live;
    case 'qdq':
      return removeDead(unsigned(exactMeans(live).graph).graph).graph;
    case 'qlinear':
      return fuseQuantization(exactMeans(live).graph).graph;
  }
}

const shownProblems = 2000;
const shownLength = 300;

function unsupported(problems: readonly string[]): string {
  const lines = problems.slice(0, shownProblems).map((line) => line.slice(0, shownLength));
  if (problems.length > shownProblems) lines.push(`and ${problems.length - shownProblems} more`);
  return `ONNX: cannot be written:\n  ${lines.join('\n  ')}`;
}
