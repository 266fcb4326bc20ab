/** Nodes that the rules have brought to TensorFlow Lite's terms → operators of the file, their tensors numbered. */
import { unreachable, VireoError } from '../../../errors.ts';
import type { Node, ValueId } from '../../../graph/ir.ts';
import { consumersOf, producersOf } from '../../../graph/rewrite.ts';
import { type Shape, sameShape } from '../../../tensor.ts';
import { fileType } from '../operator.ts';
import { bytesOf, type Call, type Operand } from './calls/call.ts';
import * as elementwise from './calls/elementwise.ts';
import * as movement from './calls/movement.ts';
import * as windows from './calls/windows.ts';
import { isAlike } from './fused.ts';
import type { Legal } from './legalize.ts';
import type { Model, TensorSpec } from './model.ts';
import { versionOf } from './versions.ts';

/** Writes the tensors and operators into `model`; gives the tensors of the network's inputs and outputs. */
export function writeOperators(legal: Legal, model: Model): { inputs: number[]; outputs: number[] } {
  const { graph } = legal;
  const tensors = new Tensors(legal, model);
  const merged = mergedReshapes(legal);
  const inputs = graph.inputs.map((id) => tensors.at(id));
  for (const node of graph.nodes) {
    if (merged.has(node.output)) continue;
    for (const call of callsOf(legal, node, merged.get(node) ?? null)) {
      const from = call.inputs.map((operand) => (operand === null ? -1 : tensors.at(operand)));
      const to = (call.outputs ?? [node.output]).map((operand) => tensors.at(operand));
      const shown = from.flatMap((index) => (index < 0 ? [] : [model.at(index)]));
      const version = versionOf({
        ...call.asked,
        code: call.code,
        inputs: shown.map(({ type, shape, quantization }) => ({
          type,
          shape,
          perAxis: (quantization?.scale.length ?? 1) > 1,
        })),
        outputType: model.at(to[0]!).type,
      });
      model.operator({ code: call.code, version, inputs: from, outputs: to, options: call.options });
    }
  }
  return { inputs, outputs: graph.outputs.map((id) => tensors.at(id)) };
}

/**
 * reduce, its axes kept as 1  ⇒  reshape without them: the file's operator need not keep them. The reduction's node
 * with what the reshape makes, and that too.
 */
function mergedReshapes({ graph }: Legal): {
  get(node: Node): ValueId | undefined;
  has(made: ValueId): boolean;
} {
  const byReduction = new Map<Node, ValueId>();
  const made = new Set<ValueId>();
  const consumers = consumersOf(graph);
  const producers = producersOf(graph);
  for (const node of graph.nodes) {
    const before = producers[node.inputs[0]!];
    if (node.op.kind !== 'reshape' || before?.op.kind !== 'reduce') continue;
    const { axes } = before.op;
    const left = graph.values[before.inputs[0]!]!.shape.filter((_, i) => !axes.includes(i));
    const isAlone = consumers[before.output]!.length === 1;
    const isSame = isAlike(graph.values[before.output]!, graph.values[node.output]!);
    if (!isAlone || !isSame || !sameShape(left, node.op.shape)) continue;
    byReduction.set(before, node.output);
    made.add(node.output);
  }
  return { get: (node) => byReduction.get(node), has: (id) => made.has(id) };
}

/** Each tensor when something first names it. */
class Tensors {
  readonly #legal: Legal;
  readonly #model: Model;
  readonly #known = new Map<Operand, number>();

  constructor(legal: Legal, model: Model) {
    this.#legal = legal;
    this.#model = model;
  }

  at(operand: Operand): number {
    const known = this.#known.get(operand);
    if (known !== undefined) return known;
    const index = this.#model.tensor(typeof operand === 'number' ? this.#specOf(operand) : operand);
    this.#known.set(operand, index);
    return index;
  }

  #specOf(id: ValueId): TensorSpec {
    const { name, dtype, shape, quantization, data } = this.#legal.graph.values[id]!;
    const isComplex = this.#legal.complex.has(id);
    return {
      name,
      type: isComplex ? 'complex64' : fileType(dtype),
      shape: fileShape(this.#legal, id, shape),
      quantization: ['i8', 'u8', 'i16', 'i32'].includes(dtype) ? quantization : null,
      data: data && bytesOf(data),
    };
  }
}

/** A pair of numbers is one complex element. */
function fileShape({ complex }: Legal, id: ValueId, shape: Shape): Shape {
  return complex.has(id) ? shape.slice(0, -1) : shape;
}

function callsOf(legal: Legal, { op, inputs, output }: Node, dropped: ValueId | null): readonly Call[] {
  const { graph } = legal;
  const node = { graph, inputs, output };
  const { shape, name } = graph.values[output]!;
  switch (op.kind) {
    case 'conv2d':
    case 'depthwiseConv2d':
      return [windows.convolution({ ...node, op })];
    case 'convNd':
      return [windows.convolution3d({ ...node, op })];
    case 'transposedConv2d':
      return [windows.transposedConvolution({ ...node, op })];
    case 'dense':
      return [windows.dense({ ...node, op }, legal.asymmetric.has(output))];
    case 'maxPool2d':
    case 'averagePool2d':
      return [windows.pool({ ...node, op })];
    case 'matmul':
      return [elementwise.matmul({ ...node, op })];
    case 'binary':
      return [elementwise.binary({ ...node, op })];
    case 'unary':
      return [elementwise.unary({ ...node, op })];
    case 'clamp':
      return [elementwise.clamp({ ...node, op })];
    case 'softmax':
      return [elementwise.softmax({ ...node, op })];
    case 'l2Normalize':
      return [elementwise.l2Normalize({ ...node, op })];
    case 'lrn':
      return [elementwise.lrn({ ...node, op })];
    case 'reduce':
      return [elementwise.reduce({ ...node, op }, dropped)];
    case 'argMax':
      return [elementwise.argMax({ ...node, op })];
    case 'topK':
      return elementwise.topK({ ...node, op });
    case 'convert':
      return [elementwise.convert({ ...node, op })];
    case 'cast':
      return [elementwise.cast({ ...node, op })];
    case 'reshape':
      return [movement.reshape({ ...node, op }, fileShape(legal, output, shape))];
    case 'transpose':
      return [movement.transpose({ ...node, op })];
    case 'concat':
      return [movement.concat({ ...node, op })];
    case 'slice':
      return [movement.slice({ ...node, op })];
    case 'pad':
      return [movement.pad({ ...node, op })];
    case 'mirrorPad':
      return [movement.mirrorPad({ ...node, op })];
    case 'gather':
      return [movement.gather({ ...node, op })];
    case 'resize':
      return [movement.resize({ ...node, op })];
    case 'rfft2d':
      return [movement.rfft2d({ ...node, op })];
    case 'where':
      return [{ code: 'SELECT_V2', inputs }];
    case 'prelu':
      return [{ code: 'PRELU', inputs }];
    case 'gatherNd':
      return [{ code: 'GATHER_ND', inputs }];
    case 'complexAbs':
      return [{ code: 'COMPLEX_ABS', inputs }];
    case 'codebookConv2d':
    case 'transposedConvNd':
    case 'poolNd':
    case 'maxPoolIndices':
    case 'gatherElements':
    case 'fakeQuantize':
    case 'training':
      throw new VireoError('bad-graph', `${op.kind} "${name}" has no operator`);
    default:
      return unreachable(op);
  }
}
