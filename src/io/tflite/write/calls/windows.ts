/** Operators with weights or a window. */
import { VireoError } from '../../../../errors.ts';
import type { Value } from '../../../../graph/ir.ts';
import type { Op, OpOf } from '../../../../graph/ops.ts';
import type { Pad, Pair } from '../../../../kernels/call.ts';
import { elementCount, type Quantization, type Shape } from '../../../../tensor.ts';
import { fileType } from '../../operator.ts';
import {
  conv2d,
  conv3d,
  depthwiseConv2d,
  fullyConnected,
  paddings,
  pool2d,
  transposeConv,
} from '../../schema.ts';
import type { Scalar } from '../flatbuffer.ts';
import { isByte, paddingOf, volumePadding } from '../fused.ts';
import type { TensorSpec } from '../model.ts';
import {
  activation,
  bytesOf,
  type Call,
  ends,
  enumeration,
  flag,
  i32,
  ints,
  type NodeOf,
  type Operand,
  options,
  strides,
  valueAt,
} from './call.ts';

const rowsAndColumns = (shape: Shape): Pair => [shape[1]!, shape[2]!];

export function convolution(node: NodeOf<OpOf<'conv2d' | 'depthwiseConv2d'>>): Call {
  const { op, inputs } = node;
  const { x, w, y } = ends(node);
  const isDepthwise = op.kind === 'depthwiseConv2d';
  const o = isDepthwise ? depthwiseConv2d : conv2d;
  return {
    code: isDepthwise ? 'DEPTHWISE_CONV_2D' : 'CONV_2D',
    // Some kernels want a bias where the file may leave it out.
    inputs: [inputs[0]!, inputs[1]!, biasOf(node) ?? zeroBias(node)],
    options: options(o.union, {
      [o.padding]: padding(op, x, y, rowsAndColumns(w.shape), op.dilation),
      ...strides(o, op.stride),
      ...(isDepthwise ? { [depthwiseConv2d.multiplier]: i32(y.shape[3]! / x.shape[3]!) } : {}),
      [o.activation]: activation(op, y),
      [o.dilationW]: i32(op.dilation[1]),
      [o.dilationH]: i32(op.dilation[0]),
    }),
    asked: { dilated: op.dilation.some((d) => d !== 1) },
  };
}

/** Its weights are (kD, kH, kW, inC, outC). */
export function convolution3d(node: NodeOf<OpOf<'convNd'>>): Call {
  const { op, inputs } = node;
  const { x, w, y } = ends(node);
  const o = conv3d;
  const padding = volumePadding(op, x.shape, w.shape, y.shape);
  if (!padding || !(w.data instanceof Float32Array))
    throw new VireoError('bad-graph', `convNd "${y.name}": padding or weights that CONV_3D has not`);
  const [outC, ...rest] = w.shape as [number, ...number[]];
  const cells = elementCount(rest);
  const data = new Float32Array(w.data.length);
  for (let c = 0; c < outC; c++) for (let i = 0; i < cells; i++) data[i * outC + c] = w.data[c * cells + i]!;
  const weights = { name: w.name, type: 'float32', shape: [...rest, outC], data: bytesOf(data) };
  const [strideD, strideH, strideW] = op.stride as [number, number, number];
  const [dilationD, dilationH, dilationW] = op.dilation as [number, number, number];
  return {
    code: 'CONV_3D',
    inputs: [inputs[0]!, weights, biasOf(node) ?? zeroBias(node)],
    options: options(o.union, {
      [o.padding]: enumeration(paddings.indexOf(padding)),
      [o.strideD]: i32(strideD),
      [o.strideW]: i32(strideW),
      [o.strideH]: i32(strideH),
      [o.activation]: enumeration(0),
      [o.dilationD]: i32(dilationD),
      [o.dilationW]: i32(dilationW),
      [o.dilationH]: i32(dilationH),
    }),
  };
}

export function transposedConvolution(node: NodeOf<OpOf<'transposedConv2d'>>): Call {
  const { op, inputs } = node;
  const { y } = ends(node);
  const o = transposeConv;
  const isValid = Object.values(op.pad).every((cells) => cells === 0);
  const bias = biasOf(node);
  return {
    code: 'TRANSPOSE_CONV',
    inputs: [ints(y, 'shape', y.shape), inputs[1]!, inputs[0]!, ...(bias === null ? [] : [bias])],
    options: options(o.union, {
      [o.padding]: enumeration(paddings.indexOf(isValid ? 'VALID' : 'SAME')),
      ...strides(o, op.stride),
      [o.activation]: activation(op, y),
    }),
  };
}

/** `asymmetric`: how a hybrid layer rounds its input. */
export function dense(node: NodeOf<OpOf<'dense'>>, asymmetric: boolean): Call {
  const { op, inputs } = node;
  const { x, y } = ends(node);
  const o = fullyConnected;
  const keepNumDims = x.shape.length !== 2;
  return {
    code: 'FULLY_CONNECTED',
    // Old runtimes want three operands, a bias or none.
    inputs: [inputs[0]!, inputs[1]!, biasOf(node)],
    options: options(o.union, {
      [o.activation]: activation(op, y),
      [o.weightsFormat]: enumeration(0),
      [o.keepNumDims]: flag(keepNumDims),
      [o.asymmetricQuantizeInputs]: flag(asymmetric),
    }),
    asked: { keepNumDims, asymmetric },
  };
}

export function pool(node: NodeOf<OpOf<'maxPool2d' | 'averagePool2d'>>): Call {
  const { op, inputs } = node;
  const { x, y } = ends(node);
  const o = pool2d;
  return {
    code: op.kind === 'maxPool2d' ? 'MAX_POOL_2D' : 'AVERAGE_POOL_2D',
    inputs,
    options: options(o.union, {
      [o.padding]: padding(op, x, y, op.kernel, [1, 1]),
      ...strides(o, op.stride),
      [o.kernelW]: i32(op.kernel[1]),
      [o.kernelH]: i32(op.kernel[0]),
      [o.activation]: activation(op, y),
    }),
  };
}

interface Slid {
  readonly kind: string;
  readonly stride: Pair;
  readonly pad: Pad;
}

function padding({ kind, stride, pad }: Slid, x: Value, y: Value, kernel: Pair, dilation: Pair): Scalar {
  const window = { size: rowsAndColumns(x.shape), kernel, stride, dilation };
  const found = paddingOf(window, pad, rowsAndColumns(y.shape));
  if (!found)
    throw new VireoError('bad-graph', `${kind} "${y.name}": padding that is neither SAME nor VALID`);
  return enumeration(paddings.indexOf(found));
}

/** One vector, or null. In integers its scale is sₓ·s_w and its zero point 0. */
function biasOf(node: NodeOf<Op>): Operand | null {
  const id = node.inputs[2];
  if (id === undefined) return null;
  const { name, dtype, shape, data, quantization } = valueAt(node, id);
  const q = biasQuantization(node);
  if (shape.length === 1 && (!q || quantization?.scale.length === q.scale.length)) return id;
  const count = elementCount(shape);
  return { name, type: fileType(dtype), shape: [count], quantization: q, data: data && bytesOf(data) };
}

function zeroBias(node: NodeOf<Op>): TensorSpec {
  const { y } = ends(node);
  const quantization = biasQuantization(node);
  const channels = y.shape[y.shape.length - 1]!;
  const type = quantization ? 'int32' : 'float32';
  return {
    name: `${y.name}/bias`,
    type,
    shape: [channels],
    quantization,
    data: new Uint8Array(4 * channels),
  };
}

function biasQuantization(node: NodeOf<Op>): Quantization | null {
  const { x, w } = ends(node);
  if (!isByte(x)) return null;
  const { fround } = Math;
  const input = fround(x.quantization!.scale[0]!);
  const scale = w.quantization!.scale.map((s) => fround(input * fround(s)));
  return { scale, zeroPoint: scale.map(() => 0), axis: 0 };
}
