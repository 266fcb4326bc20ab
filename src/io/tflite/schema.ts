/**
 * The TensorFlow Lite schema as data: field numbers, union members and enumerations that reader and writer use.
 * Source: tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3c.
 */
import type { DType } from '../../tensor.ts';

export const fileIdentifier = 'TFL3';
export const schemaVersion = 3;

export const model = {
  version: 0,
  operatorCodes: 1,
  subgraphs: 2,
  description: 3,
  buffers: 4,
  metadata: 6,
} as const;
export const metadata = { name: 0, buffer: 1 } as const;
export const operatorCode = { deprecatedBuiltinCode: 0, customCode: 1, version: 2, builtinCode: 3 } as const;
export const subgraph = { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 } as const;
export const buffer = { data: 0, offset: 1, size: 2 } as const;
export const tensor = {
  shape: 0,
  type: 1,
  buffer: 2,
  name: 3,
  quantization: 4,
  isVariable: 5,
  sparsity: 6,
  shapeSignature: 7,
  hasRank: 8,
} as const;
export const quantization = { scale: 2, zeroPoint: 3, detailsType: 4, axis: 6 } as const;
export const operator = { code: 0, inputs: 1, outputs: 2, optionsType: 3, options: 4 } as const;

/** Options tables: `union` is the member's number in BuiltinOptions, the rest are field numbers. */
export const conv2d = {
  union: 1,
  padding: 0,
  strideW: 1,
  strideH: 2,
  activation: 3,
  dilationW: 4,
  dilationH: 5,
} as const;
export const depthwiseConv2d = {
  union: 2,
  padding: 0,
  strideW: 1,
  strideH: 2,
  multiplier: 3,
  activation: 4,
  dilationW: 5,
  dilationH: 6,
} as const;
export const pool2d = {
  union: 5,
  padding: 0,
  strideW: 1,
  strideH: 2,
  kernelW: 3,
  kernelH: 4,
  activation: 5,
} as const;
export const fullyConnected = {
  union: 8,
  activation: 0,
  weightsFormat: 1,
  keepNumDims: 2,
  asymmetricQuantizeInputs: 3,
} as const;
export const softmax = { union: 9, beta: 0 } as const;
export const concatenation = { union: 10, axis: 0, activation: 1 } as const;
export const l2Norm = { union: 12, activation: 0 } as const;
export const localResponseNormalization = { union: 13, radius: 0, bias: 1, alpha: 2, beta: 3 } as const;
export const resizeBilinear = { union: 15, alignCorners: 2, halfPixelCenters: 3 } as const;
export const reshape = { union: 17, newShape: 0 } as const;
export const spaceToDepth = { union: 19, blockSize: 0 } as const;
export const gather = { union: 23, axis: 0, batchDims: 1 } as const;
export const reducer = { union: 27, keepDims: 0 } as const;
export const squeeze = { union: 30, axes: 0 } as const;
export const stridedSlice = {
  union: 32,
  beginMask: 0,
  endMask: 1,
  ellipsisMask: 2,
  newAxisMask: 3,
  shrinkAxisMask: 4,
  offset: 5,
} as const;
export const cast = { union: 37, from: 0, to: 1 } as const;
export const argMax = { union: 40, outputType: 0 } as const;
export const transposeConv = { union: 49, padding: 0, strideW: 1, strideH: 2, activation: 3 } as const;
export const argMin = { union: 57, outputType: 0 } as const;
export const pack = { union: 59, count: 0, axis: 1 } as const;
export const unpack = { union: 64, count: 0, axis: 1 } as const;
export const resizeNearest = { union: 74, alignCorners: 0, halfPixelCenters: 1 } as const;
export const leakyRelu = { union: 75, alpha: 0 } as const;
export const mirrorPad = { union: 77, mode: 0 } as const;
export const depthToSpace = { union: 94, blockSize: 0 } as const;
export const batchMatMul = { union: 101, transposeA: 0, transposeB: 1 } as const;
export const conv3d = {
  union: 106,
  padding: 0,
  strideD: 1,
  strideW: 2,
  strideH: 3,
  activation: 4,
  dilationD: 5,
  dilationW: 6,
  dilationH: 7,
} as const;

/** ADD, SUB, MUL and DIV have options of their own, all with the fused activation first. */
export const binaryActivation = 0;
export const binaryUnion = { ADD: 11, MUL: 21, SUB: 28, DIV: 29 } as const;

export const paddings = ['SAME', 'VALID'] as const;
export const activations = ['NONE', 'RELU', 'RELU_N1_TO_1', 'RELU6', 'TANH', 'SIGN_BIT'] as const;

export const tensorTypes = [
  ...['float32', 'float16', 'int32', 'uint8', 'int64', 'string', 'bool', 'int16', 'complex64', 'int8'],
  ...['float64', 'complex128', 'uint64', 'resource', 'variant', 'uint32', 'uint16', 'int4', 'bfloat16'],
] as const;

export function tensorTypeNumber(type: string): number {
  const types: readonly string[] = tensorTypes;
  return types.indexOf(type);
}

/** How the graph holds each type; what is missing it cannot hold. float16 constants are widened. */
export const graphTypes: Readonly<Record<string, DType>> = {
  float32: 'f32',
  float16: 'f32',
  int8: 'i8',
  uint8: 'u8',
  int16: 'i16',
  int32: 'i32',
  int64: 'i64',
  bool: 'bool',
};

export const customOperator = 32;

/** BuiltinOperator, by number. */
export const operatorNames: readonly string[] = `
  ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP
  FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
  LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX
  SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD
  UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
  UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX
  DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER
  GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL
  LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND
  LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE
  RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N
  GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
  NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
  PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE
  HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
  ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
  DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
  UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
`
  .trim()
  .split(/\s+/);
