/** One operator of the file as data, before its tensors have numbers. */
import { VireoError } from '../../../../errors.ts';
import type { Graph, Value, ValueId } from '../../../../graph/ir.ts';
import type { Op } from '../../../../graph/ops.ts';
import type { Clamp, Pair } from '../../../../kernels/call.ts';
import type { DType, Shape, TensorData } from '../../../../tensor.ts';
import { fileType } from '../../operator.ts';
import { tensorTypeNumber } from '../../schema.ts';
import type { Fields, Scalar } from '../flatbuffer.ts';
import { activationOf } from '../fused.ts';
import type { Options, TensorSpec } from '../model.ts';
import type { Signature } from '../versions.ts';

/** A value of the network, or a tensor that only the file has: the same object is the same tensor. */
export type Operand = ValueId | TensorSpec;

export interface Call {
  /** A name of `operatorNames`. */
  readonly code: string;
  /** null: left out, which the file says with −1. */
  readonly inputs: readonly (Operand | null)[];
  /** Default: the node's output. */
  readonly outputs?: readonly Operand[];
  readonly options?: Options;
  /** What its version depends on beyond the operands. */
  readonly asked?: Omit<Signature, 'code' | 'inputs' | 'outputType'>;
}

/** A node with its values at hand. */
export interface NodeOf<O extends Op> {
  readonly op: O;
  readonly graph: Graph;
  readonly inputs: readonly ValueId[];
  readonly output: ValueId;
}

export const valueAt = ({ graph }: { readonly graph: Graph }, id: ValueId): Value => graph.values[id]!;

/** The node's output, its first operand and the one after. */
export const ends = (node: NodeOf<Op>): { x: Value; w: Value; y: Value } => ({
  x: valueAt(node, node.inputs[0]!),
  w: valueAt(node, node.inputs[1] ?? node.inputs[0]!),
  y: valueAt(node, node.output),
});

export const options = (union: number, fields: Fields): Options => ({ union, fields });

/** A constant that an operator takes as an operand and a node has among its parameters. */
export function ints(
  { name }: Value,
  what: string,
  values: readonly number[],
  shape: Shape = [values.length],
): TensorSpec {
  return { name: `${name}/${what}`, type: 'int32', shape, data: bytesOf(Int32Array.from(values)) };
}

export const flag = (value: boolean): Scalar => ['bool', value ? 1 : 0];
export const i32 = (value: number): Scalar => ['i32', value];
export const enumeration = (value: number): Scalar => ['i8', value];

export const typeNumber = (dtype: DType): Scalar => enumeration(tensorTypeNumber(fileType(dtype)));

export const strides = (
  fields: { readonly strideH: number; readonly strideW: number },
  [h, w]: Pair,
): Fields => ({
  [fields.strideW]: i32(w),
  [fields.strideH]: i32(h),
});

export function activation({ kind, clamp }: { kind: string; clamp: Clamp }, output: Value): Scalar {
  const found = activationOf(clamp, output);
  if (!found) throw new VireoError('bad-graph', `${kind} "${output.name}": bounds that no activation has`);
  return enumeration(found.code);
}

export function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
