/** Writes small TFLite files for tests: tensors, operators and their options, as plain data. */
import { Builder } from 'flatbuffers';
import * as schema from '../../../src/io/tflite/schema.ts';
import type { Shape, TensorData } from '../../../src/tensor.ts';

export interface TensorSpec {
  readonly name?: string;
  readonly type: (typeof schema.tensorTypes)[number];
  readonly shape: Shape;
  readonly signature?: Shape;
  readonly scale?: readonly number[];
  readonly zeroPoint?: readonly number[];
  readonly axis?: number;
  /** Numbers to feed, to expect, or (with `constant`) to store in the file. */
  readonly data?: TensorData;
  readonly constant?: boolean;
  readonly isVariable?: boolean;
  readonly sparse?: boolean;
}

export type FieldSpec =
  | readonly [kind: 'i8' | 'i32' | 'f32' | 'bool', value: number]
  | readonly [kind: 'ints', value: readonly number[]];

export interface OptionsSpec {
  readonly union: number;
  /** By field number. */
  readonly fields: Readonly<Record<number, FieldSpec>>;
}

export interface OperatorSpec {
  /** `CUSTOM:Name` for a custom one. */
  readonly code: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: OptionsSpec;
}

export interface FileSpec {
  readonly tensors: readonly TensorSpec[];
  readonly operators: readonly OperatorSpec[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly name?: string;
  readonly version?: number;
  readonly identifier?: string;
  readonly subgraphs?: number;
  /** As files over 2 GB do: constants behind the FlatBuffer, found by offset and size. */
  readonly buffersOutside?: boolean;
}

export function writeTflite(file: FileSpec): Uint8Array {
  if (!file.buffersOutside) return write(file, () => 0);
  const sizes = file.tensors.map((t) => (t.constant ? (t.data?.byteLength ?? 0) : 0));
  const end = write(file, () => 16).length; // any offset above 1 makes the same layout
  const offsets: number[] = [];
  let at = Math.ceil(end / 16) * 16;
  for (const size of sizes) {
    offsets.push(at);
    at += Math.ceil(size / 16) * 16;
  }
  const bytes = new Uint8Array(at);
  bytes.set(write(file, (i) => offsets[i]!));
  file.tensors.forEach((t, i) => {
    if (t.constant && t.data) bytes.set(bytesOf(t.data), offsets[i]);
  });
  return bytes;
}

function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function write(file: FileSpec, outsideOffset: (tensor: number) => number): Uint8Array {
  const b = new Builder(1024);

  const vector = (values: readonly number[], size: number, add: (v: number) => void): number => {
    b.startVector(size, values.length, size);
    for (let i = values.length - 1; i >= 0; i--) add(values[i]!);
    return b.endVector();
  };
  const ints = (values: readonly number[]) => vector(values, 4, (v) => b.addInt32(v));
  const floats = (values: readonly number[]) => vector(values, 4, (v) => b.addFloat32(v));
  const longs = (values: readonly number[]) => vector(values, 8, (v) => b.addInt64(BigInt(v)));
  const offsets = (values: readonly number[]) => vector(values, 4, (v) => b.addOffset(v));

  const data = (t: TensorSpec, i: number): number => {
    if (!t.constant || !t.data) {
      b.startObject(3);
      return b.endObject();
    }
    const outside = outsideOffset(i);
    if (outside > 0) {
      b.startObject(3);
      b.addFieldInt64(schema.buffer.offset, BigInt(outside), 0n);
      b.addFieldInt64(schema.buffer.size, BigInt(t.data.byteLength), 0n);
      return b.endObject();
    }
    const bytes = bytesOf(t.data);
    b.startVector(1, bytes.length, 16);
    for (let j = bytes.length - 1; j >= 0; j--) b.addInt8(bytes[j]!);
    const vectorAt = b.endVector();
    b.startObject(3);
    b.addFieldOffset(schema.buffer.data, vectorAt, 0);
    return b.endObject();
  };

  const parameters = (t: TensorSpec): number => {
    if (!t.scale) return 0;
    const scale = floats(t.scale);
    const zeroPoint = longs(t.zeroPoint ?? t.scale.map(() => 0));
    b.startObject(7);
    b.addFieldOffset(schema.quantization.scale, scale, 0);
    b.addFieldOffset(schema.quantization.zeroPoint, zeroPoint, 0);
    b.addFieldInt32(schema.quantization.axis, t.axis ?? 0, 0);
    return b.endObject();
  };

  const tensor = (t: TensorSpec, i: number): number => {
    const name = b.createString(t.name ?? `t${i}`);
    const shape = ints(t.shape);
    const signature = t.signature ? ints(t.signature) : 0;
    const quantization = parameters(t);
    let sparsity = 0;
    if (t.sparse) {
      b.startObject(3);
      sparsity = b.endObject();
    }
    b.startObject(10);
    b.addFieldOffset(schema.tensor.shape, shape, 0);
    b.addFieldInt8(schema.tensor.type, schema.tensorTypes.indexOf(t.type), 0);
    b.addFieldInt32(schema.tensor.buffer, t.constant ? i + 1 : 0, 0);
    b.addFieldOffset(schema.tensor.name, name, 0);
    b.addFieldOffset(schema.tensor.quantization, quantization, 0);
    b.addFieldInt8(schema.tensor.isVariable, t.isVariable ? 1 : 0, 0);
    b.addFieldOffset(schema.tensor.sparsity, sparsity, 0);
    b.addFieldOffset(schema.tensor.shapeSignature, signature, 0);
    return b.endObject();
  };

  const options = ({ fields }: OptionsSpec): number => {
    const lists = new Map<number, number>();
    const entries = Object.entries(fields).map(([id, field]) => [Number(id), field] as const);
    for (const [id, field] of entries) if (field[0] === 'ints') lists.set(id, ints(field[1]));
    b.startObject(Math.max(-1, ...entries.map(([id]) => id)) + 1);
    b.forceDefaults(true);
    for (const [id, field] of entries) {
      if (field[0] === 'ints') b.addFieldOffset(id, lists.get(id) ?? 0, 0);
      else if (field[0] === 'i32') b.addFieldInt32(id, field[1], 0);
      else if (field[0] === 'f32') b.addFieldFloat32(id, field[1], 0);
      else b.addFieldInt8(id, field[1], 0);
    }
    b.forceDefaults(false);
    return b.endObject();
  };

  const codes = [...new Set(file.operators.map((o) => o.code))];
  const operator = (o: OperatorSpec): number => {
    const inputs = ints(o.inputs);
    const outputs = ints(o.outputs);
    const table = o.options ? options(o.options) : 0;
    b.startObject(13);
    b.addFieldInt32(schema.operator.code, codes.indexOf(o.code), 0);
    b.addFieldOffset(schema.operator.inputs, inputs, 0);
    b.addFieldOffset(schema.operator.outputs, outputs, 0);
    b.addFieldInt8(schema.operator.optionsType, o.options?.union ?? 0, 0);
    b.addFieldOffset(schema.operator.options, table, 0);
    return b.endObject();
  };

  const code = (name: string): number => {
    const custom = name.startsWith('CUSTOM:') ? b.createString(name.slice(7)) : 0;
    const number = custom ? schema.customOperator : schema.operatorNames.indexOf(name);
    b.startObject(4);
    // As real files do: the byte of older days says 127 where the number is larger.
    b.addFieldInt8(schema.operatorCode.deprecatedBuiltinCode, Math.min(number, 127), 0);
    b.addFieldOffset(schema.operatorCode.customCode, custom, 0);
    b.addFieldInt32(schema.operatorCode.builtinCode, number, 0);
    return b.endObject();
  };

  const emptyBuffer = data({ type: 'float32', shape: [] }, -1);
  const buffers = offsets([emptyBuffer, ...file.tensors.map(data)]);
  const tensors = offsets(file.tensors.map(tensor));
  const operators = offsets(file.operators.map(operator));
  const inputs = ints(file.inputs);
  const outputs = ints(file.outputs);
  const name = b.createString(file.name ?? 'main');
  b.startObject(5);
  b.addFieldOffset(schema.subgraph.tensors, tensors, 0);
  b.addFieldOffset(schema.subgraph.inputs, inputs, 0);
  b.addFieldOffset(schema.subgraph.outputs, outputs, 0);
  b.addFieldOffset(schema.subgraph.operators, operators, 0);
  b.addFieldOffset(schema.subgraph.name, name, 0);
  const subgraph = b.endObject();
  const subgraphs = offsets(new Array<number>(file.subgraphs ?? 1).fill(subgraph));
  const operatorCodes = offsets(codes.map(code));
  b.startObject(8);
  b.addFieldInt32(schema.model.version, file.version ?? schema.schemaVersion, 0);
  b.addFieldOffset(schema.model.operatorCodes, operatorCodes, 0);
  b.addFieldOffset(schema.model.subgraphs, subgraphs, 0);
  b.addFieldOffset(schema.model.buffers, buffers, 0);
  b.finish(b.endObject(), file.identifier ?? schema.fileIdentifier);
  return b.asUint8Array().slice();
}

// Tensors

type Params = Pick<TensorSpec, 'scale' | 'zeroPoint' | 'axis' | 'name'>;

export const f32 = (shape: Shape, values: readonly number[] = []): TensorSpec => ({
  type: 'float32',
  shape,
  data: Float32Array.from(values),
});
export const i32 = (shape: Shape, values: readonly number[] = []): TensorSpec => ({
  type: 'int32',
  shape,
  data: Int32Array.from(values),
});
export const i64 = (shape: Shape, values: readonly number[] = []): TensorSpec => ({
  type: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
});
export const i16 = (shape: Shape, values: readonly number[] = []): TensorSpec => ({
  type: 'int16',
  shape,
  data: Int16Array.from(values),
});
export const bool = (shape: Shape, values: readonly number[] = []): TensorSpec => ({
  type: 'bool',
  shape,
  data: Uint8Array.from(values),
});
export const i8 = (shape: Shape, values: readonly number[], scale = 1, zeroPoint = 0): TensorSpec => ({
  type: 'int8',
  shape,
  data: Int8Array.from(values),
  scale: [scale],
  zeroPoint: [zeroPoint],
});
export const u8 = (shape: Shape, values: readonly number[], scale = 1, zeroPoint = 0): TensorSpec => ({
  type: 'uint8',
  shape,
  data: Uint8Array.from(values),
  scale: [scale],
  zeroPoint: [zeroPoint],
});
/** `bits` are the halves as stored. */
export const f16 = (shape: Shape, bits: readonly number[]): TensorSpec => ({
  type: 'float16',
  shape,
  data: new Int16Array(Uint16Array.from(bits).buffer),
});

export const constant = (t: TensorSpec): TensorSpec => ({ ...t, constant: true });
export const withParams = (t: TensorSpec, params: Params): TensorSpec => ({ ...t, ...params });
/** An int32 vector stored in the file. */
export const numbers = (...values: number[]): TensorSpec => constant(i32([values.length], values));
/** An int32 scalar stored in the file. */
export const scalar = (value: number): TensorSpec => constant(i32([], [value]));

/** A file of one operator: `null` is an input left out, constants go into the file, the rest are inputs. */
export function oneOperator(
  code: string,
  inputs: readonly (TensorSpec | null)[],
  outputs: readonly TensorSpec[],
  options?: OptionsSpec,
): FileSpec {
  const tensors: TensorSpec[] = [];
  const put = (t: TensorSpec) => tensors.push(t) - 1;
  const inputIds = inputs.map((t) => (t ? put(t) : -1));
  const outputIds = outputs.map((t, i) => put({ name: `out${i}`, ...t, constant: false }));
  const operator = { code, inputs: inputIds, outputs: outputIds };
  return {
    tensors,
    operators: [options ? { ...operator, options } : operator],
    inputs: inputIds.filter((id) => id >= 0 && !tensors[id]!.constant),
    outputs: outputIds,
  };
}
