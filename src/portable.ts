/**
 * vireo's runtime without WebAssembly: for interpreters, for pages that must be small, and where code may not be made
 * at run time. ECMAScript only, no dependency.
 */
export { type ErrorCode, VireoError } from './errors.ts';
export { GraphBuilder, type OutputSpec } from './graph/build.ts';
export { graphMacs, opMacs } from './graph/cost/macs.ts';
export type { Graph, Node, Task, Value, ValueId } from './graph/ir.ts';
export { defaultLimits, type Limits } from './graph/limits.ts';
export type { Op, OpKind, OpOf } from './graph/ops.ts';
export { optimize } from './graph/optimize.ts';
export type { Tuning } from './graph/plan/calls.ts';
export { parameterCount, print } from './graph/print.ts';
export { consumersOf, producersOf, type Rewrite, removeDead, rewriteAll } from './graph/rewrite.ts';
export { compile, compileAsync } from './graph/run/compile-portable.ts';
export type {
  CompileOptions,
  MemoryReport,
  NamedTensor,
  Session,
  SessionInfo,
  SessionStep,
} from './graph/run/session.ts';
export { samePad } from './graph/shapes.ts';
export { verify } from './graph/verify.ts';
export {
  type Clamp,
  type KernelCall,
  type KernelSet,
  noClamp,
  noPad,
  type Offer,
  type Pad,
  type Pair,
  type View,
} from './kernels/call.ts';
export { js } from './kernels/js/index.ts';
export { reference } from './kernels/reference/index.ts';
export {
  type DataOf,
  type DType,
  elementCount,
  type NumberData,
  type Quantization,
  type Shape,
  type Tensor,
  type TensorData,
  type TensorInfo,
} from './tensor.ts';
