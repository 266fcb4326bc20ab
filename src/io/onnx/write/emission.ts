/**
 * The nodes and initialisers of the file, in the order in which they can run. What nobody reads in the end is left
 * out; only then do tensors get their names. Knows ONNX nodes, but nothing of the network that they stand for.
 */
import { VireoError } from '../../../errors.ts';
import { type DType, elementCount, type Shape, sameShape, type TensorData } from '../../../tensor.ts';
import { dataOf } from '../emitter.ts';
import { keepsOrder, type Perm } from './layout.ts';
import type { Attribute, NodeSpec, TensorSpec, ValueSpec } from './proto.ts';

/** A tensor of the file: itself its identity, nameless until all are there. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface NodeOptions {
  /** Default: that of the first input. */
  readonly dtype?: DType;
  readonly shape: Shape;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

interface OpenNode {
  readonly type: string;
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

interface Constant {
  readonly tensor: Tensor;
  readonly data: TensorData;
}

/** A tensor that has a name outside: an input or an output of the graph. */
export interface Named {
  readonly tensor: Tensor;
  readonly name: string;
}

/** Constants up to this many elements are kept once, however often they are asked for. */
const sharedElements = 64;

export class Emission {
  readonly #nodes: OpenNode[] = [];
  readonly #constants: Constant[] = [];
  readonly #shared = new Map<string, Tensor>();
  /** What each tensor would like to be called. */
  readonly #labels = new Map<Tensor, string>();
  readonly #claimed = new Set<Tensor>();
  /** The tensor that another is a reshape of, and its reshapes. */
  readonly #roots = new Map<Tensor, Tensor>();
  readonly #reshapes = new Map<Tensor, Tensor[]>();

  /** The first output of a node; `others` are further ones. */
  node(
    type: string,
    inputs: readonly (Tensor | null)[],
    label: string,
    { dtype = inputs[0]?.dtype ?? 'f32', shape, attributes = {} }: NodeOptions,
    others: readonly Tensor[] = [],
  ): Tensor {
    const y: Tensor = { dtype, shape };
    [y, ...others].forEach((output, i) => {
      this.#labels.set(output, i === 0 ? label : `${label}/${i}`);
    });
    this.#nodes.push({ type, inputs, outputs: [y, ...others], attributes });
    return y;
  }

  /** Names the tensor after a value of the network, unless it is another's already. */
  claim(tensor: Tensor, label: string): void {
    if (this.#claimed.has(tensor)) return;
    this.#claimed.add(tensor);
    this.#labels.set(tensor, label);
  }

  constant(label: string, dtype: DType, shape: Shape, data: TensorData): Tensor {
    if (data.length !== elementCount(shape))
      throw new VireoError('bad-graph', `constant "${label}": ${data.length} elements do not fit its shape`);
    const key =
      data.length <= sharedElements ? `${dtype} ${shape.join()} ${bytesOf(data).join()}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known) return known;
    const tensor: Tensor = { dtype, shape };
    if (key !== undefined) this.#shared.set(key, tensor);
    this.#labels.set(tensor, label);
    this.#constants.push({ tensor, data });
    return tensor;
  }

  /** A constant from numbers. */
  numbers(label: string, dtype: DType, shape: Shape, values: readonly number[]): Tensor {
    return this.constant(label, dtype, shape, dataOf(dtype, values));
  }

  /** A reshape of a reshape is one; back to where it came from is none. */
  reshape(x: Tensor, shape: Shape, label: string): Tensor {
    const root = this.#roots.get(x) ?? x;
    const others = this.#reshapes.get(root) ?? [];
    const known = [root, ...others].find((tensor) => sameShape(tensor.shape, shape));
    if (known) return known;
    const target = this.numbers('shape', 'i64', [shape.length], shape);
    const attributes = shape.includes(0) ? { allowzero: { i: 1 } } : {};
    const y = this.node('Reshape', [root, target], label, { shape, attributes });
    this.#roots.set(y, root);
    this.#reshapes.set(root, [...others, y]);
    return y;
  }

  /** Output axis j is input axis perm[j]. */
  transpose(x: Tensor, perm: Perm, label: string): Tensor {
    const shape = perm.map((axis) => x.shape[axis]!);
    if (keepsOrder(x.shape, perm)) return this.reshape(x, shape, label);
    return this.node('Transpose', [x], label, { shape, attributes: { perm: { ints: perm } } });
  }

  /**
   * The graph between these ends. An output has its name from the node that makes it, or from an Identity where the
   * tensor is an input, a constant, or has an outside name already.
   */
  finish(inputs: readonly Named[], outputs: readonly Named[]): Finished {
    const names = new Map<Tensor, string>();
    const unique = uniqueNames();
    const ends = inputs.map(({ tensor, name }) => ({ ...tensor, name: unique(name) }));
    inputs.forEach(({ tensor }, i) => {
      names.set(tensor, ends[i]!.name);
    });
    const made = new Set(this.#nodes.flatMap((node) => node.outputs));
    const copies: Named[] = [];
    const live = new Set(outputs.map(({ tensor }) => tensor));
    const results = outputs.map(({ tensor, name: wanted }) => {
      const name = unique(wanted);
      const { dtype, shape } = tensor;
      if (made.has(tensor) && !names.has(tensor)) names.set(tensor, name);
      else copies.push({ tensor, name });
      return { name, dtype, shape };
    });
    const nodes = [...this.#nodes].reverse().filter(({ inputs: from, outputs: to }) => {
      if (!to.some((tensor) => live.has(tensor))) return false;
      for (const tensor of from) if (tensor) live.add(tensor);
      return true;
    });
    const nameOf = (tensor: Tensor): string => {
      const known = names.get(tensor);
      if (known !== undefined) return known;
      const name = unique(this.#labels.get(tensor) ?? 'value');
      names.set(tensor, name);
      return name;
    };
    const constants = this.#constants.filter(({ tensor }) => live.has(tensor));
    const written = nodes.reverse().map(({ type, inputs: from, outputs: to, attributes }): NodeSpec => {
      const outs = to.map(nameOf);
      const ins = from.map((tensor) => (tensor ? nameOf(tensor) : ''));
      while (ins.at(-1) === '') ins.pop();
      return { name: outs[0]!, type, inputs: ins, outputs: outs, attributes };
    });
    const copied = copies.map(({ tensor, name }): NodeSpec => {
      const from = nameOf(tensor);
      return { name, type: 'Identity', inputs: [from], outputs: [name], attributes: {} };
    });
    return {
      nodes: [...written, ...copied],
      initializers: constants.map(({ tensor, data }) => ({ ...tensor, name: nameOf(tensor), data })),
      inputs: ends,
      outputs: results,
    };
  }
}

export interface Finished {
  readonly nodes: readonly NodeSpec[];
  readonly initializers: readonly TensorSpec[];
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
}

const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** name ↦ the name itself, or one like it that nobody has yet. */
function uniqueNames(): (name: string) => string {
  const taken = new Set<string>();
  const counts = new Map<string, number>();
  return (name) => {
    // As a string in UTF-8 that ends with a zero can hold it; '' would be an absent input.
    const base =
      new TextDecoder().decode(new TextEncoder().encode(name)).replaceAll('\0', '\ufffd') || 'value';
    let free = base;
    let count = counts.get(base) ?? 1;
    while (taken.has(free)) free = `${base}_${++count}`;
    counts.set(base, count);
    taken.add(free);
    return free;
  };
}
