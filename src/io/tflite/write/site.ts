/** One node of a network while it is put in terms of TensorFlow Lite's operators: what its rule is given to build with. */
import { VireoError } from '../../../errors.ts';
import type { GraphBuilder, OutputSpec } from '../../../graph/build.ts';
import type { Value, ValueId } from '../../../graph/ir.ts';
import type { Op } from '../../../graph/ops.ts';
import type { DType, Quantization, Shape, TensorData } from '../../../tensor.ts';
import { viewOf } from '../../../tensor.ts';

/** What differs from the network as it was, counted for the notes. */
export type Change = 'rounding' | 'rescaled' | 'float';

/** Dynamic rounding to int8 that was asked of a float value; each slice has `slice` elements. */
export interface Rounded {
  readonly batchDims: number;
  readonly symmetric: boolean;
  readonly slice: number;
}

export class Site {
  /** Ids in the network that is being built. */
  readonly inputs: readonly ValueId[];
  /** The node's output as the old network has it. */
  readonly output: Value;
  readonly builder: GraphBuilder;
  /** What was asked of each input, where something was. */
  readonly rounded: readonly (Rounded | undefined)[];
  readonly #changed: (change: Change) => void;

  constructor(
    builder: GraphBuilder,
    inputs: readonly ValueId[],
    output: Value,
    rounded: readonly (Rounded | undefined)[],
    changed: (change: Change) => void,
  ) {
    this.builder = builder;
    this.inputs = inputs;
    this.output = output;
    this.rounded = rounded;
    this.#changed = changed;
  }

  /** The same node's rule for a part of its work. */
  within(suffix: string, output: Partial<Value>, inputs: readonly ValueId[]): Site {
    const whole = { ...this.output, ...output, name: `${this.output.name}/${suffix}` };
    return new Site(this.builder, inputs, whole, [], this.#changed);
  }

  get x(): ValueId {
    return this.inputs[0]!;
  }

  value(id: ValueId): Value {
    return this.builder.value(id);
  }

  /** Collected with those of all other nodes, so the message names neither. */
  unsupported(reason: string): never {
    throw new VireoError('unsupported', reason);
  }

  changed(change: Change): void {
    this.#changed(change);
  }

  /** Part of x: `size` elements of one axis. */
  cut(suffix: string, x: ValueId, axis: number, from: number, size: number): ValueId {
    const { shape, dtype, quantization } = this.value(x);
    if (shape[axis] === size) return x;
    const begin = shape.map((_, i) => (i === axis ? from : 0));
    const extents = shape.map((extent, i) => (i === axis ? size : extent));
    const op = { kind: 'slice', begin, size: extents, step: shape.map(() => 1) } as const;
    return this.step(suffix, op, [x], { dtype, quantization });
  }

  /** A node in the middle, in the output's numbers unless `spec` says else. */
  step(suffix: string, op: Op, inputs: readonly ValueId[], spec: OutputSpec = {}): ValueId {
    const { dtype, quantization, name } = this.output;
    return this.builder.add(op, inputs, { dtype, quantization, name: `${name}/${suffix}`, ...spec });
  }

  /** The node that makes the output. */
  done(op: Op, inputs: readonly ValueId[]): ValueId {
    return this.builder.add(op, inputs, this.output);
  }

  constant(
    suffix: string,
    dtype: DType,
    shape: Shape,
    data: TensorData,
    quantization?: Quantization | null,
  ): ValueId {
    return this.builder.constant(`${this.output.name}/${suffix}`, dtype, shape, data, quantization ?? null);
  }

  /** One number as `like` stores numbers, of a shape that broadcasts to its. */
  scalar(suffix: string, stored: number, like: Value): ValueId {
    const { dtype, shape, quantization } = like;
    const data = viewOf(dtype, new ArrayBuffer(8), 0, 1);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[0] = BigInt(stored);
    else data[0] = stored;
    return this.constant(suffix, dtype, shape.length === 0 ? [] : [1], data, quantization);
  }

  /** The same elements in another shape, stored as they are, whatever `spec` says they stand for. */
  reshape(suffix: string, x: ValueId, shape: Shape, spec: OutputSpec = {}): ValueId {
    const { dtype, quantization } = this.value(x);
    return this.step(suffix, { kind: 'reshape', shape }, [x], { dtype, quantization, ...spec });
  }

  /** x as the output of a node that does nothing. */
  same(x: ValueId): ValueId {
    return this.done({ kind: 'reshape', shape: this.output.shape }, [x]);
  }

  /** x brought to the scale and zero point of `like`. */
  converted(suffix: string, x: ValueId, like: Pick<Value, 'dtype' | 'quantization'>): ValueId {
    const { dtype, quantization } = like;
    return this.step(suffix, { kind: 'convert', rounding: 'away' }, [x], { dtype, quantization });
  }

  /** A float step. */
  real(suffix: string, op: Op, inputs: readonly ValueId[]): ValueId {
    return this.step(suffix, op, inputs, { dtype: 'f32', quantization: null });
  }
}
