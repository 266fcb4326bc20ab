/**
 * One node of the file while it is being turned into nodes of the graph: its operands, its attributes
 * with their rules checked, and where its outputs go.
 */
import { VireoError } from '../../errors.ts';
import type { GraphBuilder } from '../../graph/build.ts';
import type { ValueId } from '../../graph/ir.ts';
import type { DType, Quantization, Shape, Tensor } from '../../tensor.ts';
import { Emitter, type Operand } from './emitter.ts';
import type { AttributeRecord, GraphRecord, NodeRecord, TensorRecord } from './model.ts';
import { fileType, maxRank } from './tensors.ts';
import { textOf } from './wire.ts';

/** What an operator needs of the file and of the graph being built. */
export interface Importer {
  readonly builder: GraphBuilder;
  /** The value of a name in the node's scope. */
  lookup(name: string): ValueId;
  bind(name: string, id: ValueId): void;
  tensor(record: TensorRecord): Tensor;
  attribute(record: AttributeRecord): AttributeRecord | undefined;
  /** Remembers that this value would have to be constant, and says on which inputs it depends. */
  wantConstant(id: ValueId): readonly string[];
  /** Whether the file has this input or constant as float16. */
  isHalf(id: ValueId): boolean;
  /** The integers, and their meaning, that a constant DequantizeLinear was made from. */
  readonly dequantized: Map<ValueId, Dequantized>;
  /** Runs a subgraph in place of the node, its outputs becoming the node's. */
  inline(graph: GraphRecord, outputs: readonly string[]): void;
}

export interface Dequantized {
  readonly integers: Operand;
  readonly quantization: Quantization;
}

/** Written by old exporters, or only a hint; they change nothing in inference. */
const harmless: ReadonlySet<string> = new Set(['consumed_inputs', 'stash_type', 'seed', 'momentum']);

/** Of a list that shapes an output: a number or two for each axis, or one for each part. */
const mostNumbers = 4096;

export class Operator extends Emitter {
  readonly record: NodeRecord;
  /** Of the node's domain. */
  readonly version: number;
  readonly importer: Importer;
  readonly #seen = new Set<string>();

  constructor(importer: Importer, record: NodeRecord, version: number, label: string) {
    super(importer.builder, label);
    this.importer = importer;
    this.record = record;
    this.version = version;
  }

  fail(message: string): never {
    const { type, name } = this.record;
    throw new VireoError('bad-file', `ONNX ${type} "${(name || this.label).slice(0, 200)}": ${message}`);
  }

  /** The importer collects these and goes on, so the message does not name the node. */
  unsupported(reason: string): never {
    throw new VireoError('unsupported', reason);
  }

  // Inputs

  get count(): number {
    return this.record.inputs.length;
  }

  has(i: number): boolean {
    return i < this.record.inputs.length && this.record.inputs[i] !== '';
  }

  x(i: number): Operand {
    if (!this.has(i)) this.fail(`expected input ${i}, got ${this.record.inputs.length} inputs`);
    return this.wrap(this.importer.lookup(this.record.inputs[i]!));
  }

  optional(i: number): Operand | undefined {
    return this.has(i) ? this.x(i) : undefined;
  }

  all(): Operand[] {
    if (this.count === 0) this.fail('expected at least 1 input');
    return this.record.inputs.map((_, i) => this.x(i));
  }

  /** Input `i`, whose numbers the import itself needs. */
  fixed(i: number, what: string): Operand {
    const x = this.x(i);
    if (x.data) return x;
    const inputs = this.importer.wantConstant(x.id);
    const names = inputs.slice(0, 4).map((name) => JSON.stringify(name));
    return this.unsupported(
      `${what} not known before it runs${names.length > 0 ? ` (from input ${names.join(', ')})` : ''}`,
    );
  }

  /** The whole numbers of a constant input that shapes the output. */
  integers(i: number, what: string): number[] {
    const { dtype, data } = this.fixed(i, what);
    if (dtype !== 'i32' && dtype !== 'i64')
      this.fail(`${what}: expected int32 or int64, got ${fileType(dtype)}`);
    if (data!.length > mostNumbers) this.fail(`${what}: ${data!.length} numbers`);
    return Array.from<number | bigint, number>(data!, Number);
  }

  integer(i: number, what: string): number {
    const [only, more] = this.integers(i, what);
    return only === undefined || more !== undefined ? this.fail(`${what}: expected one number`) : only;
  }

  /** The numbers of a constant input, of any dtype. */
  reals(i: number, what: string): number[] {
    const data = this.fixed(i, what).data!;
    if (data.length > mostNumbers) this.fail(`${what}: ${data.length} numbers`);
    return Array.from<number | bigint, number>(data, Number);
  }

  real(i: number, what: string): number {
    const [only, more] = this.reals(i, what);
    return only === undefined || more !== undefined ? this.fail(`${what}: expected one number`) : only;
  }

  /** Input `i`, float: f32 or f64. */
  float(i: number): Operand {
    const x = this.x(i);
    return x.dtype === 'f32' || x.dtype === 'f64' ? x : this.unsupported(`${fileType(x.dtype)} input`);
  }

  /** Floats, at least (n, c, …). */
  picture(i: number, spatial = 1): Operand {
    const x = this.x(i);
    if (x.shape.length < 2 + spatial)
      this.fail(`expected at least rank ${2 + spatial}, got ${x.shape.length}`);
    return x;
  }

  // Attributes

  attribute(name: string): AttributeRecord | undefined {
    this.#seen.add(name);
    const found = this.record.attributes.get(name);
    return found && this.importer.attribute(found);
  }

  int(name: string, missing?: number): number {
    const value = this.attribute(name)?.i ?? missing;
    return value === undefined || !Number.isSafeInteger(value)
      ? this.fail(`attribute "${name}": expected a whole number, got ${value}`)
      : value;
  }

  flag(name: string, missing = false): boolean {
    return this.int(name, Number(missing)) !== 0;
  }

  number(name: string, missing?: number): number {
    const value = this.attribute(name)?.f ?? missing;
    return value === undefined || Number.isNaN(value)
      ? this.fail(`attribute "${name}": expected a number`)
      : value;
  }

  text(name: string, missing: string): string {
    const bytes = this.attribute(name)?.s;
    return bytes ? textOf(bytes) : missing;
  }

  /** `undefined` where the node does not have it. */
  ints(name: string): readonly number[] | undefined {
    const found = this.attribute(name);
    if (!found) return undefined;
    if (found.ints.length > mostNumbers || !found.ints.every(Number.isInteger))
      this.fail(`attribute "${name}": expected a few whole numbers`);
    return found.ints;
  }

  floats(name: string): readonly number[] | undefined {
    return this.attribute(name)?.floats;
  }

  /** Every attribute changes the answer, so one that nobody has looked at cannot stay unsaid. */
  checkAttributes(): void {
    for (const name of this.record.attributes.keys())
      if (!this.#seen.has(name) && !harmless.has(name))
        this.unsupported(`attribute "${name.slice(0, 80)}" is not understood`);
  }

  // Axes

  axis(axis: number, rank: number): number {
    const a = axis < 0 ? axis + rank : axis;
    return Number.isInteger(a) && a >= 0 && a < rank
      ? a
      : this.fail(`axis ${axis} is outside a tensor of rank ${rank}`);
  }

  /** Ascending, each once. */
  axes(list: readonly number[], rank: number): number[] {
    return [...new Set(list.map((a) => this.axis(a, rank)))].sort((a, b) => a - b);
  }

  /** From the attribute in opsets before `since`, from input `i` afterwards. */
  integersSince(since: number, name: string, i: number): readonly number[] | undefined {
    if (this.version < since) return this.ints(name);
    return this.has(i) ? this.integers(i, name) : undefined;
  }

  // Outputs

  get outputs(): readonly string[] {
    return this.record.outputs;
  }

  wants(i: number): boolean {
    return i < this.outputs.length && this.outputs[i] !== '';
  }

  done(x: Operand, i = 0): void {
    if (x.shape.length > maxRank) this.unsupported(`output of rank ${x.shape.length}, at most ${maxRank}`);
    const name = this.outputs[i];
    if (name === undefined || name === '') return;
    this.importer.bind(name, x.id);
  }

  // Weights

  /**
   * Constant weights moved into the kernels' order. Weights that DequantizeLinear makes of integers are moved
   * as integers, so that the pair stays visible to what turns it into an integer operator.
   */
  moveWeights(w: Operand, view: Shape, perm: readonly number[]): Operand {
    const source = this.importer.dequantized.get(w.id);
    if (!source) return this.transpose(this.reshape(w, view), perm);
    const { integers, quantization: q } = source;
    const axis = q.scale.length === 1 ? 0 : axisIn(view, integers.shape, q.axis);
    const moved = this.transpose(this.reshape(integers, view), perm);
    return this.dequantize(moved, { ...q, axis: q.scale.length === 1 ? 0 : perm.indexOf(axis) });
  }

  /** scale·(q − zeroPoint), constants included: they fold when the network is compiled, not before. */
  dequantize(x: Operand, quantization: Quantization, dtype: DType = 'f32'): Operand {
    const tagged = this.tagged(x, quantization);
    const y = this.node({ kind: 'convert', rounding: 'even' }, [tagged], {
      dtype,
      quantization: null,
      fold: false,
    });
    if (x.data) this.importer.dequantized.set(y.id, { integers: this.plain(x), quantization });
    return y;
  }
}

/** Where axis `axis` of `shape` stands in `view`, which has more axes of 1 further in. */
function axisIn(view: Shape, shape: Shape, axis: number): number {
  return axis < 2 ? axis : axis + view.length - shape.length;
}
