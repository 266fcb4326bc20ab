/**
 * Builds a graph one operator at a time. Shapes are inferred as it goes, and an operator whose inputs
 * are all constants becomes a constant at once: shape arithmetic (SHAPE → SLICE → PACK → RESHAPE) has
 * vanished before its consumer asks for the numbers.
 */
import { VireoError } from '../errors.ts';
import {
  byteLength,
  type DType,
  elementCount,
  type Quantization,
  type Shape,
  sameShape,
  showShape,
  type TensorData,
} from '../tensor.ts';
import { opWork } from './cost/macs.ts';
import { evaluate } from './evaluate.ts';
import type { Graph, Node, Value, ValueId } from './ir.ts';
import { checkTensorSize, defaultLimits, type Limits } from './limits.ts';
import type { Op } from './ops.ts';
import { inferShape } from './shapes.ts';

/** What the caller knows of a new node's output beyond its inferred shape. */
export interface OutputSpec {
  readonly name?: string;
  /** Default: the dtype of input 0. */
  readonly dtype?: DType;
  /** Default: that of input 0 where the operator hands numbers on unchanged, else none. */
  readonly quantization?: Quantization | null;
  /** Only where the inputs leave it open (transposed convolutions, poolNd, maxPoolIndices). */
  readonly shape?: Shape;
  /** false: a node although its inputs are constants, so that a rewrite sees it; `optimize` folds what is left. */
  readonly fold?: boolean;
}

/**
 * Work that folding may cost one graph: multiply-accumulates, window cells and elements moved, a second or so
 * with the reference kernels. What a file of a few bytes asks for beyond it stays in the graph.
 */
const foldWork = 2 ** 25;

const keepsNumbers = new Set<Op['kind']>([
  'reshape',
  'transpose',
  'concat',
  'slice',
  'pad',
  'mirrorPad',
  'gather',
  'gatherElements',
  'gatherNd',
  'clamp',
  'maxPool2d',
]);

export class GraphBuilder {
  readonly limits: Limits;
  readonly #name: string;
  readonly #values: Value[] = [];
  readonly #nodes: Node[] = [];
  readonly #inputs: ValueId[] = [];
  readonly #notes: string[] = [];
  readonly #names = new Map<string, number>();
  #constantBytes = 0;
  #foldWork = 0;

  constructor(name: string, limits: Partial<Limits> = {}) {
    this.#name = name;
    this.limits = { ...defaultLimits, ...limits };
  }

  value(id: ValueId): Value {
    const value = this.#values[id];
    if (!value)
      throw new VireoError('bad-graph', `value ${id} does not exist; there are ${this.#values.length}`);
    return value;
  }

  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  input(name: string, dtype: DType, shape: Shape, quantization: Quantization | null = null): ValueId {
    const id = this.#push({ name: this.#unique(name), dtype, shape, quantization, data: null });
    this.#inputs.push(id);
    return id;
  }

  /** `data` is kept, not copied. */
  constant(
    name: string,
    dtype: DType,
    shape: Shape,
    data: TensorData,
    quantization: Quantization | null = null,
  ): ValueId {
    if (data.length !== elementCount(shape))
      throw new VireoError(
        'bad-graph',
        `constant "${name}": ${showShape(shape)} expects ${elementCount(shape)} elements, got ${data.length}`,
      );
    return this.#pushConstant({ name: this.#unique(name), dtype, shape, quantization, data });
  }

  add(op: Op, inputs: readonly ValueId[], output: OutputSpec = {}): ValueId {
    const values = inputs.map((id) => this.value(id));
    const name = this.#unique(output.name ?? op.kind);
    const value: Value = {
      name,
      dtype: output.dtype ?? values[0]?.dtype ?? 'f32',
      shape: inferShape(op, values, name, output.shape),
      quantization:
        output.quantization !== undefined
          ? output.quantization
          : keepsNumbers.has(op.kind)
            ? values[0].quantization
            : null,
      data: null,
    };
    checkTensorSize(value.name, value.dtype, value.shape, this.limits);
    if (output.fold !== false && values.every((v) => v.data)) {
      const work = this.#foldWork + opWork(op, values, value.shape);
      const data = work <= foldWork ? evaluate(op, values, value) : null;
      if (data) {
        this.#foldWork = work;
        return this.#pushConstant({ ...value, data });
      }
    }
    const id = this.#push(value);
    this.#nodes.push({ name, op, inputs: [...inputs], output: id });
    if (this.#nodes.length > this.limits.nodes)
      throw new VireoError('too-large', `graph "${this.#name}": more than ${this.limits.nodes} nodes`);
    return id;
  }

  finish(outputs: readonly ValueId[]): Graph {
    outputs.forEach((id) => {
      this.value(id);
    });
    return {
      name: this.#name,
      values: this.#values,
      nodes: this.#nodes,
      inputs: this.#inputs,
      outputs: [...outputs],
      notes: this.#notes,
    };
  }

  #push(value: Value): ValueId {
    checkTensorSize(value.name, value.dtype, value.shape, this.limits);
    return this.#values.push(value) - 1;
  }

  #pushConstant(value: Value): ValueId {
    this.#constantBytes += byteLength(value.dtype, value.shape);
    if (this.#constantBytes > this.limits.bytes)
      throw new VireoError(
        'too-large',
        `constant "${value.name}": all constants together pass ${this.limits.bytes} bytes`,
      );
    return this.#push(value);
  }

  #unique(name: string): string {
    const seen = this.#names.get(name) ?? 0;
    this.#names.set(name, seen + 1);
    const unique = seen === 0 ? name : `${name}:${seen + 1}`;
    if (seen > 0) this.#names.set(unique, 1);
    return unique;
  }
}

export function sameQuantization(a: Quantization | null, b: Quantization | null): boolean {
  if (!a || !b) return a === b;
  return a.axis === b.axis && sameShape(a.scale, b.scale) && sameShape(a.zeroPoint, b.zeroPoint);
}
