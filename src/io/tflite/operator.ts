/**
 * One operator of the file while it is being turned into nodes: its operands with their rules checked,
 * its options, and the few steps that everything which only moves data is composed of.
 */
import { VireoError } from '../../errors.ts';
import type { GraphBuilder } from '../../graph/build.ts';
import type { Value, ValueId } from '../../graph/ir.ts';
import type { Op } from '../../graph/ops.ts';
import { type Clamp, noClamp } from '../../kernels/call.ts';
import { type DType, elementCount, type Quantization, type Shape, showShape } from '../../tensor.ts';
import type { Table } from './flatbuffer.ts';
import { activations, graphTypes } from './schema.ts';
import { maxRank, type TensorRecord } from './tensors.ts';

/** A tensor of the file as the graph has it. complex64 is f32 with a trailing axis of 2, not counted in `shape`. */
export interface Operand {
  readonly id: ValueId;
  readonly value: Value;
  readonly shape: Shape;
  readonly complex: boolean;
}

/** What an operator needs of the file and of the graph being built. */
export interface Importer {
  readonly builder: GraphBuilder;
  tensor(index: number): TensorRecord;
  /** The value that holds a tensor; a constant is made when it is first asked for. */
  operand(index: number): Operand;
  bind(index: number, id: ValueId, complex: boolean): void;
  /** A constant tensor as real numbers; made once, counted for the notes. */
  dequantized(index: number): ValueId;
  /** The input of a hybrid layer; made once for all that read it alike, the layers counted for the notes. */
  hybridInput(id: ValueId, batchDims: number, symmetric: boolean): ValueId;
}

export class Operator {
  readonly name: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly builder: GraphBuilder;
  readonly #index: number;
  readonly #importer: Importer;
  readonly #options: (union: number) => Table;

  constructor(
    importer: Importer,
    index: number,
    name: string,
    inputs: readonly number[],
    outputs: readonly number[],
    options: (union: number) => Table,
  ) {
    this.name = name;
    this.inputs = inputs;
    this.outputs = outputs;
    this.builder = importer.builder;
    this.#index = index;
    this.#importer = importer;
    this.#options = options;
  }

  fail(message: string): never {
    throw new VireoError('bad-file', `TFLite operator ${this.#index} (${this.name}): ${message}`);
  }

  /** The importer collects these and goes on, so the message names neither operator nor file. */
  unsupported(reason: string): never {
    throw new VireoError('unsupported', reason);
  }

  /** The options table; where the file leaves it out, every field has its default. */
  options(union: number): Table {
    return this.#options(union);
  }

  // Operands

  has(i: number): boolean {
    return i < this.inputs.length && this.inputs[i] !== -1;
  }

  operand(i: number): Operand {
    if (!this.has(i)) this.fail(`expected input ${i}, got ${this.inputs.length} inputs`);
    return this.#importer.operand(this.inputs[i]!);
  }

  /** Any data but complex numbers. */
  plain(i: number): Operand {
    const x = this.operand(i);
    return x.complex ? this.unsupported('complex64 input') : x;
  }

  /** What an operator can calculate with: f32, whole numbers, or i8 and u8 that stand for real numbers. */
  number(i: number): Operand {
    const x = this.plain(i);
    const { dtype, quantization: q } = x.value;
    if (dtype === 'bool') this.unsupported('bool input');
    if (dtype === 'i16') this.unsupported(q ? 'int16 activations' : 'int16 input');
    if (dtype === 'i8' || dtype === 'u8') {
      if (!q) this.unsupported(`${fileType(dtype)} input without quantisation parameters`);
      else if (q.scale.length > 1) this.unsupported(`input quantised per axis`);
    }
    return x;
  }

  /** As `number`, but whole numbers that stand only for themselves are out. */
  activation(i: number): Operand {
    const x = this.number(i);
    const { dtype } = x.value;
    return dtype === 'i32' || dtype === 'i64' ? this.unsupported(`${fileType(dtype)} input`) : x;
  }

  /** The numbers of a constant operand that shapes the output: axes, sizes, paddings. */
  integers(i: number, what: string): number[] {
    const { value } = this.plain(i);
    if (value.dtype !== 'i32' && value.dtype !== 'i64')
      this.fail(`${what} expect int32 or int64, got ${fileType(value.dtype)}`);
    if (!value.data) this.unsupported(`${what} that are not constant`);
    if (value.data.length > 4096) this.fail(`${value.data.length} numbers for ${what}`);
    return Array.from(value.data, Number);
  }

  integer(i: number, what: string): number {
    const [only, more] = this.integers(i, what);
    return only === undefined || more !== undefined ? this.fail(`${what} expects one number`) : only;
  }

  /**
   * Constant weights that fit the activations: int8 with int8 (symmetric, one scale or one for each index of
   * `axis`), uint8 with uint8, float with float. Integer weights under float activations become float.
   */
  weights(i: number, x: Operand, axis: number): Operand {
    const w = this.plain(i);
    const { dtype, data, quantization: q } = w.value;
    if (!data) this.unsupported('weights that are not constant');
    if (x.value.dtype === dtype) {
      if (dtype === 'f32') return w;
      if (!q) return this.unsupported('integer weights without quantisation parameters');
      if (q.scale.length > 1 && (dtype === 'u8' || q.axis !== axis))
        this.unsupported(`${fileType(dtype)} weights quantised along axis ${q.axis}`);
      if (q.scale.length > 1 && q.zeroPoint.some((z) => z !== 0))
        this.unsupported('weights with a zero point for each channel');
      return w;
    }
    if (x.value.dtype === 'f32' && (dtype === 'i8' || dtype === 'u8') && q)
      return this.wrap(this.dequantized(i));
    return this.unsupported(`${fileType(dtype)} weights under ${fileType(x.value.dtype)} activations`);
  }

  /** Float activations and integer weights, which operand `i` still has in the file. */
  isHybrid(i: number, x: Operand): boolean {
    return x.value.dtype === 'f32' && this.operand(i).value.dtype !== 'f32';
  }

  /** `x` as a hybrid layer reads it: rounded to int8 in slices behind `batchDims` axes, if the caller wants so. */
  hybridInput(x: Operand, batchDims: number, symmetric: boolean): Operand {
    return this.wrap(this.#importer.hybridInput(x.id, batchDims, symmetric));
  }

  /** Constant operand `i` as real numbers. */
  dequantized(i: number): ValueId {
    return this.#importer.dequantized(this.inputs[i]!);
  }

  /** [] or one id. */
  bias(i: number, x: Operand): ValueId[] {
    if (!this.has(i)) return [];
    const { id, value } = this.plain(i);
    const expected = x.value.dtype === 'f32' ? 'f32' : 'i32';
    if (value.dtype !== expected)
      this.unsupported(`${fileType(value.dtype)} bias under ${fileType(x.value.dtype)} activations`);
    return [id];
  }

  output(i = 0): TensorRecord {
    const index = this.outputs[i];
    if (index === undefined) return this.fail(`expected output ${i}, got ${this.outputs.length} outputs`);
    const record = this.#importer.tensor(index);
    if (record.unsupported !== '' && record.type !== 'complex64')
      this.unsupported(`output of ${record.unsupported}`);
    return record;
  }

  clamp(activation: number): Clamp {
    const name = activations[activation];
    switch (name) {
      case 'NONE':
        return noClamp;
      case 'RELU':
        return { min: 0, max: Number.POSITIVE_INFINITY };
      case 'RELU_N1_TO_1':
        return { min: -1, max: 1 };
      case 'RELU6':
        return { min: 0, max: 6 };
      default:
        return this.unsupported(`fused activation ${name ?? activation}`);
    }
  }

  axis(axis: number, rank: number): number {
    const a = axis < 0 ? axis + rank : axis;
    return Number.isInteger(a) && a >= 0 && a < rank
      ? a
      : this.fail(`axis ${axis} is outside a tensor of rank ${rank}`);
  }

  // Steps that calculate

  /** The operator's last node: data of the input's kind, in the numbers that the file gives the output. */
  compute(op: Op, inputs: readonly ValueId[], shape?: Shape): void {
    const { dtype } = this.builder.value(inputs[0]!);
    const quantization = this.computedQuantization(dtype);
    const spec = { name: this.output().name, dtype, quantization };
    this.finish(this.builder.add(op, inputs, shape ? { ...spec, shape } : spec));
  }

  /** A node in the middle of a composition. */
  step(op: Op, inputs: readonly ValueId[], quantization?: Quantization | null): ValueId {
    const name = `${this.output().name}/${op.kind}`;
    return this.builder.add(op, inputs, quantization === undefined ? { name } : { name, quantization });
  }

  /** The file's parameters for output 0, which must have the dtype that was computed. */
  computedQuantization(dtype: DType): Quantization | null {
    const out = this.output();
    if (out.type !== fileType(dtype)) this.unsupported(`${out.type} output of ${fileType(dtype)} input`);
    if (dtype !== 'i8' && dtype !== 'u8') return null;
    if (!out.quantization) this.unsupported(`${out.type} output without quantisation parameters`);
    else if (out.quantization.scale.length > 1) this.unsupported('output quantised per axis');
    return out.quantization;
  }

  finish(id: ValueId, out = 0, complex = false): void {
    this.output(out);
    const rank = this.builder.value(id).shape.length - (complex ? 1 : 0);
    if (rank > maxRank) this.unsupported(`output of rank ${rank}, at most ${maxRank}`);
    this.#importer.bind(this.outputs[out]!, id, complex);
  }

  // Steps that move data. With `out` the step is the last one and makes that output. Stored numbers are
  // copied as they are, whatever they stand for: the last step's value carries the file's parameters.

  reshape(x: Operand, shape: Shape, out?: number): Operand {
    return this.#move({ kind: 'reshape', shape: x.complex ? [...shape, 2] : shape }, [x], out);
  }

  transpose(x: Operand, perm: readonly number[], out?: number): Operand {
    return this.#move({ kind: 'transpose', perm: x.complex ? [...perm, x.shape.length] : perm }, [x], out);
  }

  slice(x: Operand, begin: Shape, size: Shape, step: Shape, out?: number): Operand {
    return x.complex
      ? this.#move({ kind: 'slice', begin: [...begin, 0], size: [...size, 2], step: [...step, 1] }, [x], out)
      : this.#move({ kind: 'slice', begin, size, step }, [x], out);
  }

  concat(parts: readonly Operand[], axis: number, out?: number): Operand {
    return this.#move({ kind: 'concat', axis }, parts, out);
  }

  /** `value` is the real number that fills the border. */
  pad(x: Operand, before: Shape, after: Shape, value: number, out?: number): Operand {
    return this.#move({ kind: 'pad', before, after, value }, [x], out);
  }

  move(op: Op, inputs: readonly Operand[], out = 0): Operand {
    return this.#move(op, inputs, out);
  }

  #move(op: Op, inputs: readonly Operand[], out: number | undefined): Operand {
    const { dtype, quantization: q } = inputs[0]!.value;
    const { complex } = inputs[0]!;
    if (inputs.some((x) => x.value.dtype !== dtype || x.complex !== complex))
      this.unsupported(`inputs of different types`);
    const kept = q && q.scale.length === 1 ? q : null; // an axis would not survive the move
    if (out === undefined) {
      const ids = inputs.map((x) => x.id);
      return this.wrap(this.step(op, ids, kept), complex);
    }
    const record = this.output(out);
    const fits = complex ? record.type === 'complex64' : record.dtype === dtype && record.unsupported === '';
    if (!fits) this.unsupported(`${record.type} output of ${complex ? 'complex64' : fileType(dtype)} input`);
    const id = this.builder.add(
      op,
      inputs.map((x) => x.id),
      { name: record.name, quantization: record.quantization ?? kept },
    );
    this.finish(id, out, complex);
    return this.wrap(id, complex);
  }

  wrap(id: ValueId, complex = false): Operand {
    return operandOf(this.builder, id, complex);
  }
}

export function operandOf(builder: GraphBuilder, id: ValueId, complex: boolean): Operand {
  const value = builder.value(id);
  return { id, value, shape: complex ? value.shape.slice(0, -1) : value.shape, complex };
}

/** The schema's name of a dtype. */
export function fileType(dtype: DType): string {
  return Object.keys(graphTypes).find((type) => graphTypes[type] === dtype) ?? dtype;
}

/** `shape` with its one −1 replaced by what is left of `count`. */
export function resolveShape(shape: Shape, count: number, fail: (message: string) => never): Shape {
  const open = shape.indexOf(-1);
  if (open < 0) return shape;
  const rest = elementCount(shape.filter((_, i) => i !== open));
  if (rest === 0 || count % rest !== 0) return fail(`cannot see ${count} elements as ${showShape(shape)}`);
  return shape.map((extent, i) => (i === open ? count / rest : extent));
}
