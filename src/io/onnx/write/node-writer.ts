/**
 * One node of the network while it is being written: its operands as tensors of the file, and where its result
 * goes. Arithmetic on quantised integers is arithmetic on the real numbers between a DequantizeLinear and a
 * QuantizeLinear; an operator that only moves numbers moves whatever is there.
 */
import { VireoError } from '../../../errors.ts';
import { sameQuantization } from '../../../graph/build.ts';
import type { Node, Value, ValueId } from '../../../graph/ir.ts';
import { type Clamp, noClamp } from '../../../kernels/call.ts';
import {
  clampTo,
  quantizedBounds,
  rangeOf,
  roundingOf,
  scaleOf,
  zeroPointOf,
} from '../../../kernels/requantize.ts';
import { type DType, elementCount, type Shape, sameShape, type TensorData } from '../../../tensor.ts';
import { typeNumber } from '../tensors.ts';
import type { Emission, NodeOptions, Tensor } from './emission.ts';
import { inLayout, isStraight, type Perm, straight } from './layout.ts';
import { isQuantized, type Values, type What } from './values.ts';

export type Form = 'float' | 'qdq' | 'qlinear';

const infinity = Number.POSITIVE_INFINITY;

/** Runtimes compute with wider integers than these. */
const small: ReadonlySet<DType> = new Set(['i8', 'u8', 'i16', 'u16']);

export class NodeWriter {
  readonly node: Node;
  readonly form: Form;
  readonly emission: Emission;
  readonly values: Values;
  readonly output: Value;
  /** What the node makes is called so, or `label/…`. */
  readonly label: string;

  constructor(node: Node, form: Form, emission: Emission, values: Values) {
    this.node = node;
    this.form = form;
    this.emission = emission;
    this.values = values;
    this.output = values.value(node.output);
    this.label = this.output.name;
  }

  fail(reason: string): never {
    throw new VireoError('unsupported', reason);
  }

  // Operands

  has(i: number): boolean {
    return i < this.node.inputs.length;
  }

  id(i: number): ValueId {
    return this.node.inputs[i]!;
  }

  value(i: number): Value {
    return this.values.value(this.id(i));
  }

  rank(i: number): number {
    return this.value(i).shape.length;
  }

  isQuantized(i: number): boolean {
    return isQuantized(this.value(i));
  }

  /** As the network stores it. */
  stored(i: number, perm: Perm = straight(this.rank(i))): Tensor {
    return this.values.stored(this.id(i), perm);
  }

  /** To compute with: real numbers where the integers stand for such. */
  number(i: number, perm: Perm = straight(this.rank(i))): Tensor {
    const { dtype, quantization } = this.value(i);
    if (quantization && small.has(dtype) && !this.isQuantized(i))
      this.fail(`quantised ${dtype}; QuantizeLinear of opset 14 knows int8 and uint8`);
    return this.values.real(this.id(i), perm);
  }

  /** The same for an operand that is broadcast to `rank` axes. */
  broadcast(i: number, rank: number, perm: Perm, what: What = 'real'): Tensor {
    const { shape, data, name } = this.value(i);
    const missing = rank - shape.length;
    if (missing < 0) this.fail(`"${name}" has more axes than what it goes along`);
    const get = (p: Perm) => (what === 'real' ? this.number(i, p) : this.stored(i, p));
    if (missing === 0) return get(perm);
    const whole = [...new Array<number>(missing).fill(1), ...shape];
    if (data && elementCount(shape) > 1 && !isStraight(perm))
      return this.values.constant(this.id(i), whole, perm, what);
    const x = get(straight(shape.length));
    if (isStraight(perm) || elementCount(shape) === 1) return x;
    const seen = this.emission.reshape(x, whole, `${name}/reshaped`);
    const turned = inLayout(straight(rank), perm);
    return this.emission.transpose(seen, turned, `${name}/transposed`);
  }

  /** Small plain integers as int32, which wraps around no sooner than they do. */
  wide(x: Tensor): Tensor {
    return small.has(x.dtype) ? this.cast(x, 'i32') : x;
  }

  /** In which operand `i` lies. */
  layout(i: number): Perm {
    return this.values.layoutOf([this.id(i)], this.rank(i));
  }

  /** Which suits all operands that have as many axes as the output. */
  commonLayout(): Perm {
    return this.values.layoutOf(this.node.inputs, this.output.shape.length);
  }

  /** The output's extents. */
  shapeIn(perm: Perm): Shape {
    return inLayout(this.output.shape, perm);
  }

  // Nodes

  /** Default shape and dtype are those of the first input. */
  emit(type: string, inputs: readonly (Tensor | null)[], options: Partial<NodeOptions> = {}): Tensor {
    const shape = options.shape ?? inputs[0]?.shape ?? [];
    return this.emission.node(type, inputs, `${this.label}/${type}`, { ...options, shape });
  }

  scalar(dtype: DType, value: number): Tensor {
    return this.emission.numbers('constant', dtype, [], [value]);
  }

  integers(name: string, values: readonly number[]): Tensor {
    return this.emission.numbers(name, 'i64', [values.length], values);
  }

  constant(name: string, dtype: DType, shape: Shape, data: TensorData): Tensor {
    return this.emission.constant(`${this.label}/${name}`, dtype, shape, data);
  }

  reshape(x: Tensor, shape: Shape): Tensor {
    return this.emission.reshape(x, shape, `${this.label}/Reshape`);
  }

  cast(x: Tensor, dtype: DType): Tensor {
    return x.dtype === dtype
      ? x
      : this.emit('Cast', [x], { dtype, attributes: { to: { i: typeNumber(dtype) } } });
  }

  // Results

  /** Numbers that were computed: bounded, and quantised where the network has integers. */
  done(y: Tensor, perm: Perm, clamp: Clamp = noClamp): void {
    const { output } = this;
    if (!isQuantized(output)) {
      this.moved('stored', this.clamped(this.cast(y, output.dtype), clamp), perm);
    } else if (this.form === 'float' && output.quantization?.scale.length === 1) {
      const all = rangeOf(output.dtype);
      const real = (q: number) => Math.fround(scaleOf(output) * (q - zeroPointOf(output)));
      const bounds = { min: Math.max(clamp.min, real(all.lo)), max: Math.min(clamp.max, real(all.hi)) };
      this.moved('real', this.clamped(y, bounds), perm);
    } else this.quantized(this.values.quantize(y, output, perm, this.label), perm, clamp);
  }

  /** Integers that were computed as the output stores them. */
  quantized(y: Tensor, perm: Perm, clamp: Clamp = noClamp): void {
    this.moved('stored', this.clampedIntegers(y, clamp), perm);
  }

  /** The result as it is. */
  moved(what: What, y: Tensor, perm: Perm): void {
    const expected = this.shapeIn(perm);
    if (!sameShape(expected, y.shape))
      throw new VireoError(
        'bad-graph',
        `"${this.label}": [${y.shape.join()}] was written for [${expected.join()}]`,
      );
    this.emission.claim(y, this.label);
    this.values.define(this.node.output, what, y, perm);
  }

  /** What to move: real numbers where the operands are nothing else and the result means the same by them. */
  movable(operands: readonly number[] = [0]): What {
    const { quantization } = this.output;
    const areReal = operands.every(
      (i) =>
        this.values.primary(this.id(i)) === 'real' &&
        sameQuantization(this.value(i).quantization, quantization),
    );
    return isQuantized(this.output) && quantization?.scale.length === 1 && areReal ? 'real' : 'stored';
  }

  clamped(y: Tensor, { min, max }: Clamp): Tensor {
    if (min === -infinity && max === infinity) return y;
    const isFloat = y.dtype === 'f32' || y.dtype === 'f64';
    if (isFloat && min === 0 && max === infinity) return this.emit('Relu', [y]);
    const bound = (value: number, whole: number) => {
      if (Math.abs(value) === infinity) return null;
      const isBig = y.dtype === 'i64' || y.dtype === 'u64';
      return this.scalar(y.dtype, isFloat ? value : isBig ? whole : clampTo(rangeOf(y.dtype), whole));
    };
    return this.emit('Clip', [y, bound(min, Math.ceil(min)), bound(max, Math.floor(max))]);
  }

  /** The bounds as the output stores them; none where its dtype ends there anyway. */
  clampedIntegers(y: Tensor, clamp: Clamp): Tensor {
    const { op } = this.node;
    const round = roundingOf('rounding' in op ? op.rounding : undefined);
    const { lo, hi } = quantizedBounds(clamp, this.output, round);
    const all = rangeOf(this.output.dtype);
    if (lo <= all.lo && hi >= all.hi) return y;
    return this.emit('Clip', [y, this.scalar(y.dtype, lo), this.scalar(y.dtype, hi)]);
  }
}
