/**
 * Which version of a builtin operator a node needs. A runtime refuses versions that it does not know, so each is the
 * lowest that has what the node asks for.
 * Source: tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc.
 */
import { type Shape, sameShape } from '../../../tensor.ts';

export interface Signature {
  /** A name of `operatorNames`. */
  readonly code: string;
  /** Types as the schema calls them; an input left out is not listed. */
  readonly inputs: readonly { readonly type: string; readonly shape: Shape; readonly perAxis: boolean }[];
  readonly outputType: string;
  /** Of convolutions. */
  readonly dilated?: boolean;
  readonly keepNumDims?: boolean;
  readonly asymmetric?: boolean;
  readonly halfPixelCenters?: boolean;
  readonly alignCorners?: boolean;
  readonly batchDims?: number;
  /** sₐ·s_b/s_y of a MUL. */
  readonly rescale?: number;
}

export function versionOf(s: Signature): number {
  const [a, b] = s.inputs;
  const type = a?.type ?? '';
  const rank = a?.shape.length ?? 0;
  const isInt8 = type === 'int8';
  const isHybrid = type === 'float32' && b?.type === 'int8';
  const isWide = rank > 4;
  const broadcastsWide = !!a && !!b && !sameShape(a.shape, b.shape) && Math.max(rank, b.shape.length) > 4;
  switch (s.code) {
    case 'CONV_2D':
      if (a && b && a.shape[3] !== b.shape[3]) return 6;
      if (isInt8) return 3;
      return isHybrid ? (b.perAxis ? 5 : 2) : 1;
    case 'DEPTHWISE_CONV_2D':
      if (isHybrid) return b.perAxis ? 6 : 4;
      if (isInt8) return 3;
      return s.dilated ? 2 : 1;
    case 'FULLY_CONNECTED':
      if (isHybrid && b.perAxis) return 12;
      if (s.keepNumDims) return 5;
      if (isInt8) return 4;
      return isHybrid ? (s.asymmetric ? 9 : 3) : 1;
    case 'TRANSPOSE_CONV': // output shape, weights, x, bias
      if (s.inputs.length === 4) return 3;
      return b?.type === 'int8' ? 2 : 1;
    case 'TRANSPOSE':
      if (rank > 6) return 8;
      if (rank > 5) return 6;
      if (type === 'int16') return 5;
      if (isWide) return 4;
      return type === 'bool' ? 3 : isInt8 ? 2 : 1;
    case 'GATHER':
      if (s.batchDims) return 5;
      if (type === 'int16') return 4;
      return type === 'bool' ? 3 : isInt8 ? 2 : 1;
    case 'GATHER_ND':
      return type === 'bool' ? 5 : type === 'int16' ? 3 : 1;
    case 'ADD':
      return type === 'int64' ? 4 : isInt8 ? 2 : 1;
    case 'SUB':
      if (type === 'int64') return 4;
      return broadcastsWide ? 3 : isInt8 ? 2 : 1;
    case 'MUL':
      if (type === 'int64') return 5;
      return (s.rescale ?? 0) >= 1 ? 3 : isInt8 ? 2 : 1;
    case 'DIV':
      return broadcastsWide ? 2 : 1;
    case 'MINIMUM':
    case 'MAXIMUM':
      return broadcastsWide ? 3 : isInt8 ? 2 : 1;
    case 'SLICE':
      if (isWide) return 5;
      return type === 'int16' ? 4 : isInt8 ? 2 : 1;
    case 'STRIDED_SLICE':
      if (isWide) return 4;
      return type === 'bool' ? 3 : isInt8 ? 2 : 1;
    case 'PAD':
    case 'PADV2':
      if (type === 'bool') return 5;
      if (isWide) return 4;
      return type === 'int16' ? 3 : isInt8 ? 2 : 1;
    case 'RESIZE_BILINEAR':
      return s.halfPixelCenters ? 3 : isInt8 ? 2 : 1;
    case 'RESIZE_NEAREST_NEIGHBOR':
      return s.halfPixelCenters || s.alignCorners ? 3 : isInt8 ? 2 : 1;
    case 'CONCATENATION':
      return type === 'int16' ? 3 : isInt8 ? 2 : 1;
    case 'DEQUANTIZE':
      return isInt8 ? 2 : 1;
    case 'ABS':
      return type === 'int32' ? 5 : isInt8 ? 2 : 1;
    case 'RELU':
      return isInt8 || type === 'uint8' ? 2 : 1;
    case 'CAST':
      return isInt8 || s.outputType === 'int8' ? 3 : 1;
    case 'SIGN':
      return type === 'int32' ? 2 : 1;
    case 'ARG_MAX':
    case 'ARG_MIN':
      return type === 'bool' ? 3 : isInt8 ? 2 : 1;
    case 'AVERAGE_POOL_2D':
    case 'MAX_POOL_2D':
    case 'L2_NORMALIZATION':
    case 'TANH':
    case 'LOGISTIC':
    case 'SOFTMAX':
    case 'MEAN':
    case 'SUM':
    case 'MIRROR_PAD':
    case 'REDUCE_MAX':
    case 'REDUCE_MIN':
    case 'RELU6':
    case 'RSQRT':
    case 'EXP':
    case 'LOG':
    case 'SQRT':
    case 'EQUAL':
    case 'LESS':
    case 'LESS_EQUAL':
    case 'GREATER':
    case 'GREATER_EQUAL':
    case 'TOPK_V2':
      return isInt8 ? 2 : 1;
    default:
      return 1;
  }
}
