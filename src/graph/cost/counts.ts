/**
 * What a network does, layer by layer, before anyone says what that costs: multiply-accumulates, other operations,
 * weights and those of them that are zero, bits and bytes of every operand, and the loops of each layer.
 *
 * Counted by definition, as `macs.ts` counts: every tap of every output, padding included. A zero weight is one whose
 * real value is zero (the zero point, where weights are quantised). What the inputs hold is unknown before a run, so
 * their zeros are not counted.
 */
import { bytesPerElement, type DType, elementCount, type Shape } from '../../tensor.ts';
import type { Graph, Node, Value, ValueId } from '../ir.ts';
import type { Op, OpKind } from '../ops.ts';
import { optimize } from '../optimize.ts';
import { opLookUps, opMacs, opWork } from './macs.ts';
import { widthFactors } from './width.ts';

export interface OperandCounts {
  readonly elements: number;
  /** Of one element; of the widest operand where there are several. */
  readonly bits: number;
  readonly float: boolean;
  readonly bytes: number;
}

/**
 * The loops of a layer of products, as pictures (names of docs/energy.md, section 2):
 *
 *   for b of batch, g of groups, m of outC/groups, y of outH, x of outW, c of inC/groups, i of kH, j of kW
 *
 * Dense layers are 1 × 1 kernels on a picture of `rows × 1`; further spatial axes are folded into the width;
 * a transposed convolution has as many positions as its input has pixels.
 */
export interface Loops {
  readonly batch: number;
  readonly groups: number;
  /** Of all groups together. */
  readonly inC: number;
  readonly outC: number;
  readonly kH: number;
  readonly kW: number;
  /** Rows of the input, padding included. */
  readonly inH: number;
  readonly inW: number;
  readonly outH: number;
  readonly outW: number;
  /** Rows that a kernel spans: (kH − 1)·dilation + 1. */
  readonly spanH: number;
  readonly strideH: number;
  /** One output position: no weight is used twice in an inference. */
  readonly dense: boolean;
}

export interface LayerCounts {
  readonly name: string;
  readonly kind: OpKind;
  readonly macs: number;
  /** Multiply-accumulates whose weight is not zero. */
  readonly nonZeroMacs: number;
  /** Operations that are not multiply-accumulates: cells of pooling windows, look-ups, elements of other results. */
  readonly operations: number;
  /** What the products multiply by (operand 1); of other layers, their constants. */
  readonly weights: OperandCounts & { readonly zeros: number };
  /** Further constants: a bias, the indices of a codebook layer. */
  readonly bias: OperandCounts;
  readonly inputs: OperandCounts;
  readonly outputs: OperandCounts;
  /** Elements of all constants. */
  readonly parameters: number;
  /** `null` for layers without products. */
  readonly loops: Loops | null;
}

export interface NetworkCounts {
  readonly name: string;
  readonly layers: readonly LayerCounts[];
  readonly macs: number;
  /** Each constant once, however many layers read it. */
  readonly parameters: number;
  readonly zeroWeights: number;
  /** Weights of the layers of products, biases left out. */
  readonly weights: number;
  readonly weightBytes: number;
  /** The most bytes that one layer's inputs and outputs take together. */
  readonly activationBytes: number;
}

/** What is taken to be otherwise than the network says: the questions of a what-if table. */
export interface Assume {
  /** Bits of every activation and weight; biases, indices and truth values keep theirs. */
  readonly bits?: number;
  /** As if floats were integers of the same width. */
  readonly integer?: boolean;
  /** Share of the weights that are not zero, of those that are not zero now; 0…1. */
  readonly keep?: number;
  /** Share of the channels between the network's ends that are left; 0…1. */
  readonly width?: number;
  /** Bits of single values, before `bits`. */
  readonly bitsOf?: (id: ValueId, value: Value) => number | undefined;
}

/** The counts of a network as it runs: after `optimize`, so batch normalisation is folded and clamps are fused. */
export function countNetwork(graph: Graph, assume: Assume = {}): NetworkCounts {
  return countGraph(optimize(graph).graph, assume);
}

/** The counts of a graph as it stands. */
export function countGraph(graph: Graph, assume: Assume = {}): NetworkCounts {
  const factors = assume.width === undefined ? null : widthFactors(graph, assume.width);
  const layers = graph.nodes.map((node) => countLayer(graph, node, assume, factors));
  const sum = (of: (layer: LayerCounts) => number): number => layers.reduce((all, l) => all + of(l), 0);
  const constants = new Set(
    graph.nodes.flatMap(({ inputs }) => inputs.filter((id) => graph.values[id].data)),
  );
  const once = [...constants].reduce((all, id) => all + elementCount(graph.values[id].shape), 0);
  return {
    name: graph.name,
    layers,
    macs: sum((l) => l.macs),
    parameters: factors ? sum((l) => l.parameters) : once,
    zeroWeights: sum((l) => l.weights.zeros),
    weights: sum((l) => (l.loops ? l.weights.elements : 0)),
    weightBytes: sum((l) => l.weights.bytes + l.bias.bytes),
    activationBytes: layers.reduce((most, l) => Math.max(most, l.inputs.bytes + l.outputs.bytes), 0),
  };
}

function countLayer(
  graph: Graph,
  { name, op, inputs, output }: Node,
  assume: Assume,
  factors: readonly number[] | null,
): LayerCounts {
  const values = inputs.map((id) => graph.values[id]);
  const out = graph.values[output];
  const factor = (id: ValueId | undefined): number => (factors && id !== undefined ? factors[id] : 1);
  const fIn = factor(inputs[0]);
  const fOut = factor(output);
  const loops = loopsOf(op, values, out.shape);
  const macs = opMacs(op, values, out.shape);
  const hasProducts = loops !== null;
  // Weights of a depthwise layer have one channel axis, of a product two.
  const fWeights = op.kind === 'depthwiseConv2d' ? fOut : fIn * fOut;

  const weightIds = hasProducts ? inputs.slice(1, 2) : inputs.filter((id) => graph.values[id].data);
  const biasIds = hasProducts ? inputs.slice(2) : [];
  const dataIds = hasProducts ? inputs.slice(0, 1) : inputs.filter((id) => !graph.values[id].data);
  const count = (ids: readonly ValueId[], scale: (id: ValueId) => number, isBias = false): OperandCounts => {
    let elements = 0;
    let bits = 0;
    let bytes = 0;
    let float = false;
    for (const id of ids) {
      const value = graph.values[id];
      const own = bitsOf(id, value, assume, isBias);
      const n = elementCount(value.shape) * scale(id);
      elements += n;
      bytes += (n * own) / 8;
      bits = Math.max(bits, own);
      float ||= isFloat(value.dtype) && assume.integer !== true;
    }
    return { elements, bits, float, bytes };
  };
  const weights = count(weightIds, () => (hasProducts ? fWeights : fOut));
  const keep = assume.keep ?? 1;
  const all = hasProducts ? elementCount(graph.values[inputs[1]].shape) : 0;
  const nonZero = hasProducts ? (all - zerosOf(graph.values[inputs[1]])) * keep : 0;
  const bias = count(biasIds, () => fOut, true);
  const constantElements = weights.elements * (!hasProducts || graph.values[inputs[1]].data ? 1 : 0);
  const scaledMacs = macs * (hasProducts ? fWeights : 1);
  return {
    name,
    kind: op.kind,
    macs: scaledMacs,
    nonZeroMacs: all > 0 ? (scaledMacs * nonZero) / all : 0,
    operations: operationsOf(op, values, out.shape) * fOut,
    weights: { ...weights, zeros: hasProducts ? weights.elements - nonZero * fWeights : 0 },
    bias,
    inputs: count(dataIds, factor),
    outputs: count([output], factor),
    parameters: constantElements + bias.elements,
    loops: loops && narrow(loops, fIn, fOut),
  };
}

const isFloat = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f64';
const followsBits = new Set<DType>(['f32', 'f64', 'i8', 'u8', 'i16', 'u16']);

function bitsOf(id: ValueId, value: Value, assume: Assume, isBias: boolean): number {
  const own = assume.bitsOf?.(id, value);
  if (own !== undefined) return own;
  if (assume.bits !== undefined && !isBias && followsBits.has(value.dtype)) return assume.bits;
  return 8 * bytesPerElement[value.dtype];
}

/** The weights whose real value is zero; of operands that are no constants, none. */
function zerosOf({ data, quantization, shape }: Value): number {
  if (!data) return 0;
  const zeroPoint = quantization?.zeroPoint ?? [0];
  const inner = elementCount(shape.slice((quantization?.axis ?? 0) + 1));
  let zeros = 0;
  for (let i = 0; i < data.length; i++) {
    const zero = zeroPoint.length === 1 ? zeroPoint[0] : zeroPoint[Math.floor(i / inner) % zeroPoint.length];
    if (Number(data[i]) === zero) zeros++;
  }
  return zeros;
}

/** Reshapes cost nothing; other movements of data are no operations, only bytes. */
function operationsOf(op: Op, values: readonly Value[], output: Shape): number {
  switch (op.kind) {
    case 'reshape':
    case 'transpose':
    case 'concat':
    case 'slice':
    case 'pad':
    case 'mirrorPad':
    case 'gather':
    case 'gatherElements':
    case 'gatherNd':
      return 0;
    case 'codebookConv2d':
      return opLookUps(op, values, output);
    default: {
      if (opMacs(op, values, output) > 0) return 0;
      const moved = values.reduce((sum, { shape }) => sum + elementCount(shape), elementCount(output));
      const cells = opWork(op, values, output) - moved;
      return Math.max(cells, elementCount(output), op.kind === 'reduce' ? elementCount(values[0].shape) : 0);
    }
  }
}

function loopsOf(op: Op, values: readonly Value[], out: Shape): Loops | null {
  const x = values[0]?.shape ?? [];
  const w = values[1]?.shape ?? [];
  switch (op.kind) {
    case 'conv2d':
    case 'depthwiseConv2d': {
      const { pad, stride, dilation } = op;
      return {
        batch: x[0],
        groups: op.kind === 'conv2d' ? op.groups : x[3],
        inC: x[3],
        outC: out[3],
        kH: w[1],
        kW: w[2],
        inH: x[1] + pad.top + pad.bottom,
        inW: x[2] + pad.left + pad.right,
        outH: out[1],
        outW: out[2],
        spanH: (w[1] - 1) * dilation[0] + 1,
        strideH: stride[0],
        dense: false,
      };
    }
    case 'codebookConv2d': {
      // The table: a 1×1 convolution in M groups, from r channels to K.
      const channels = { groups: w[0], inC: x[3], outC: w[0] * w[1], kH: 1, kW: 1 };
      const picture = { inH: x[1], inW: x[2], outH: x[1], outW: x[2], spanH: 1, strideH: 1 };
      return { batch: x[0], ...channels, ...picture, dense: x[1] * x[2] === 1 };
    }
    case 'transposedConv2d':
      return scattered(x, out, w[1], w[2], 1);
    case 'transposedConvNd':
      return scattered(x, out, w[1], elementCount(w.slice(2, -1)), op.groups);
    case 'convNd': {
      const { before, after } = op;
      const inner = (axes: Shape): number => elementCount(axes.slice(2, -1));
      const padded = x.map((extent, i) => extent + (before[i - 1] ?? 0) + (after[i - 1] ?? 0));
      return {
        batch: x[0],
        groups: op.groups,
        inC: x[x.length - 1],
        outC: out[out.length - 1],
        kH: w[1],
        kW: inner(w),
        inH: padded[1],
        inW: inner(padded),
        outH: out[1],
        outW: inner(out),
        spanH: (w[1] - 1) * op.dilation[0] + 1,
        strideH: op.stride[0],
        dense: false,
      };
    }
    case 'dense':
      return rows(1, elementCount(x.slice(0, -1)), w[1], w[0]);
    case 'matmul': {
      const [m, n] = out.slice(-2);
      return rows(elementCount(out.slice(0, -2)), m, x[x.length - 1], n);
    }
    default:
      return null;
  }
}

function rows(batch: number, count: number, inC: number, outC: number): Loops {
  const picture = { inH: count, inW: 1, outH: count, outW: 1, spanH: 1, strideH: 1 };
  return { batch, groups: 1, inC, outC, kH: 1, kW: 1, ...picture, dense: count === 1 };
}

function scattered(x: Shape, out: Shape, kH: number, kW: number, groups: number): Loops {
  const inW = elementCount(x.slice(2, -1));
  const picture = { inH: x[1], inW, outH: x[1], outW: inW, spanH: kH, strideH: 1 };
  const channels = { groups, inC: x[x.length - 1], outC: out[out.length - 1] };
  return { batch: x[0], ...channels, kH, kW, ...picture, dense: false };
}

function narrow(loops: Loops, fIn: number, fOut: number): Loops {
  const depthwise = loops.groups === loops.inC && loops.groups > 1;
  const inC = loops.inC * fIn;
  return { ...loops, inC, outC: loops.outC * fOut, groups: depthwise ? inC : loops.groups };
}
