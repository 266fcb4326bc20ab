/**
 * quantise(f(dequantise(x), dequantise(w)))  ⇒  f on integers            (QDQ form → integer operators)
 *
 *   x i8 ─dequantise─┐
 *   w i8 ─dequantise─┴─ conv2d f32 ─ quantise → y i8        ⇒        x i8, w i8 ─ conv2d i8 → y i8
 *
 * The sum of products is exact in integers; the result is rounded half to even, as ONNX's QuantizeLinear
 * rounds (docs/decisions/0001). What only moves numbers moves the integers. A float bias becomes
 * round(b / (sₓ·s_w)). Functions of one number (sigmoid, tanh …) go by the integer kernels' own
 * definition, within one step. Whatever has no integer form keeps its pair.
 */
import { noPad } from '../../kernels/call.ts';
import { elementCount, type Quantization, type TensorData } from '../../tensor.ts';
import { sameQuantization } from '../build.ts';
import type { Graph, Node, Value, ValueId } from '../ir.ts';
import type { Op } from '../ops.ts';
import { consumersOf, producersOf, type Rewrite, removeDead } from '../rewrite.ts';

export const fuseQuantization: Rewrite<number> = (graph) => {
  const fuser = new Fuser(graph);
  for (const node of graph.nodes) fuser.visit(node);
  const outputs = graph.outputs.map((id) => fuser.instead(id));
  const result = removeDead({ ...graph, values: fuser.values, nodes: fuser.nodes, outputs }).graph;
  return { graph: result, report: fuser.fused };
};

const isByte = (value: Value): boolean =>
  (value.dtype === 'i8' || value.dtype === 'u8') && value.quantization?.scale.length === 1;

class Fuser {
  readonly values: Value[];
  readonly nodes: Node[] = [];
  fused = 0;
  readonly #producers: readonly (Node | undefined)[];
  readonly #consumers: readonly (readonly (Node | null)[])[];
  /** The integers that a float value was dequantised from. */
  readonly #integers = new Map<ValueId, ValueId>();
  readonly #replaced = new Map<ValueId, ValueId>();

  constructor(graph: Graph) {
    this.values = [...graph.values];
    this.#producers = producersOf(graph);
    this.#consumers = consumersOf(graph);
  }

  instead(id: ValueId): ValueId {
    return this.#replaced.get(id) ?? id;
  }

  visit(node: Node): void {
    const kept: Node = { ...node, inputs: node.inputs.map((id) => this.instead(id)) };
    const from = this.values[kept.inputs[0]];
    const to = this.values[node.output];
    if (node.op.kind === 'convert' && from && to.dtype === 'f32')
      this.#integers.set(node.output, kept.inputs[0]);
    else if (node.op.kind === 'convert' && from?.dtype === 'f32' && isByte(to) && this.#quantise(kept)) {
      this.fused++;
      return;
    } else if (movesNumbers(node.op) && keepsTheGrid(node.op)) this.#move(kept);
    this.nodes.push(kept);
  }

  /** The integers of a reshape, transpose, slice, pad or maximum of dequantised integers. */
  #move(node: Node): void {
    const source = this.#integers.get(node.inputs[0]);
    if (source === undefined || node.inputs.slice(1).some((id) => !this.values[id].data)) return;
    const { quantization, dtype } = this.values[source];
    if (!isByte(this.values[source])) return;
    const moved = this.#value({ ...this.values[node.output], dtype, quantization }, 'integers');
    this.nodes.push({ ...node, inputs: [source, ...node.inputs.slice(1)], output: moved });
    this.#integers.set(node.output, moved);
  }

  #quantise(node: Node): boolean {
    const [v] = node.inputs;
    const output = this.values[node.output];
    const source = this.#integers.get(v);
    if (source !== undefined) {
      if (!isByte(this.values[source])) return false;
      const same =
        this.values[source].dtype === output.dtype &&
        sameQuantization(this.values[source].quantization, output.quantization);
      if (same) this.#replaced.set(node.output, source);
      else this.nodes.push({ ...node, inputs: [source] });
      return true;
    }
    // Movement between the operator and the quantiser moves the integers instead.
    const moves: Node[] = [];
    let producer = this.#producers[v];
    while (producer && movesNumbers(producer.op) && this.#consumers[producer.output].length === 1) {
      moves.push(producer);
      producer = this.#producers[producer.inputs[0]];
    }
    if (!producer || this.#consumers[producer.output].length !== 1) return false;
    const { dtype, quantization } = output;
    const stored =
      moves.length === 0
        ? node.output
        : this.#value({ ...this.values[producer.output], dtype, quantization }, 'integers');
    const integer = this.#integerForm(producer, stored);
    if (!integer) return false;
    this.nodes.push(integer);
    let at = stored;
    moves.reverse().forEach((move, i) => {
      const moved =
        i === moves.length - 1
          ? node.output
          : this.#value({ ...this.values[move.output], dtype, quantization }, 'integers');
      this.nodes.push({ ...move, inputs: [at, ...move.inputs.slice(1)], output: moved });
      at = moved;
    });
    return true;
  }

  #integerForm(producer: Node, output: ValueId): Node | null {
    const { op } = producer;
    const integers = producer.inputs.map((id) => this.#integers.get(this.instead(id)));
    const [x] = integers;
    if (x === undefined || !isByte(this.values[x])) return null;
    switch (op.kind) {
      case 'conv2d':
      case 'depthwiseConv2d':
      case 'dense': {
        const w = integers[1];
        if (w === undefined || !this.values[w].data || !weightsFit(op, this.values[w])) return null;
        const bias =
          producer.inputs[2] === undefined ? [] : [this.#bias(producer.inputs[2], integers[2], x, w)];
        if (bias.some((id) => id === null)) return null;
        return {
          ...producer,
          op: { ...op, rounding: 'even' },
          inputs: [x, w, ...(bias as ValueId[])],
          output,
        };
      }
      case 'binary': {
        const y = integers[1];
        if (y === undefined || !isByte(this.values[y]) || this.values[y].dtype !== this.values[x].dtype)
          return null;
        if (!['add', 'sub', 'mul'].includes(op.fn) || this.values[output].dtype !== this.values[x].dtype)
          return null;
        return { ...producer, op: { ...op, rounding: 'even' }, inputs: [x, y], output };
      }
      case 'averagePool2d':
        return this.#sameDtype(x, output)
          ? { ...producer, op: { ...op, rounding: 'even' }, inputs: [x], output }
          : null;
      case 'reduce': {
        // The mean over all rows and columns is one window.
        const { shape } = this.values[x];
        if (op.fn !== 'mean' || shape.length !== 4 || op.axes.join() !== '1,2' || !this.#sameDtype(x, output))
          return null;
        const clamp = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
        const pool: Op = {
          kind: 'averagePool2d',
          kernel: [shape[1], shape[2]],
          stride: [1, 1],
          pad: noPad,
          clamp,
          rounding: 'even',
        };
        return { ...producer, op: pool, inputs: [x], output };
      }
      case 'clamp':
        // Another scale would round once more than the pair does, and by the other rule.
        return sameQuantization(this.values[x].quantization, this.values[output].quantization) &&
          this.#sameDtype(x, output)
          ? { ...producer, inputs: [x], output }
          : null;
      case 'unary':
        return { ...producer, inputs: [x], output };
      case 'concat': {
        if (integers.some((id) => id === undefined || !isByte(this.values[id]))) return null;
        return { ...producer, inputs: integers.map((id) => this.#as(id!, output)), output };
      }
      default:
        return null;
    }
  }

  #sameDtype(x: ValueId, output: ValueId): boolean {
    return this.values[x].dtype === this.values[output].dtype;
  }

  /** The integers as `like` stores them. */
  #as(id: ValueId, like: ValueId): ValueId {
    const { dtype, quantization } = this.values[like];
    const value = this.values[id];
    if (value.dtype === dtype && sameQuantization(value.quantization, quantization)) return id;
    const output = this.#value({ ...value, dtype, quantization, data: null }, 'requantised');
    this.nodes.push({
      name: this.values[output].name,
      op: { kind: 'convert', rounding: 'even' },
      inputs: [id],
      output,
    });
    return output;
  }

  /** An i32 bias on the scale sₓ·s_w, from one, or from float constants. */
  #bias(id: ValueId, stored: ValueId | undefined, x: ValueId, w: ValueId): ValueId | null {
    const sx = this.values[x].quantization!.scale[0];
    const scale = this.values[w].quantization!.scale.map((s) => sx * s);
    const integers = stored === undefined ? null : this.values[stored];
    const q: Quantization = { scale, zeroPoint: scale.map(() => 0), axis: 0 };
    const of = <T>(list: readonly T[], n: number): T => list[list.length === 1 ? 0 : n];
    if (integers?.data instanceof Int32Array && integers.quantization) {
      const given = integers.quantization;
      const fits = [...integers.data.keys()].every(
        (n) => of(given.zeroPoint, n) === 0 && Math.abs(of(given.scale, n) / of(scale, n) - 1) < 1e-5,
      );
      if (fits) return this.#constant(integers, integers.data, q);
    }
    const reals = integers ? dequantised(integers) : this.values[id].data;
    if (!(reals instanceof Float32Array) && !(reals instanceof Float64Array)) return null;
    const rounded = Array.from(reals, (b, n) => Math.round(b / of(scale, n)));
    if (rounded.some((b) => Math.abs(b) >= 2 ** 31)) return null;
    return this.#constant(this.values[id], Int32Array.from(rounded), q);
  }

  #constant({ name, shape }: Value, data: TensorData, quantization: Quantization): ValueId {
    return (
      this.values.push({
        name: `${name}/i32`,
        dtype: 'i32',
        shape: [elementCount(shape)],
        quantization: quantization.scale.length === data.length ? quantization : { ...quantization, axis: 0 },
        data,
      }) - 1
    );
  }

  #value(value: Value, suffix: string): ValueId {
    return this.values.push({ ...value, name: `${value.name}/${suffix}` }) - 1;
  }
}

function movesNumbers({ kind }: Op): boolean {
  return ['reshape', 'transpose', 'slice', 'pad', 'mirrorPad', 'maxPool2d', 'gather'].includes(kind);
}

/** Integers stand for the moved numbers exactly: nothing comes in that lies between two of them. */
function keepsTheGrid(op: Op): boolean {
  if (op.kind === 'pad') return op.value === 0;
  if (op.kind !== 'maxPool2d') return true;
  return op.clamp.min === Number.NEGATIVE_INFINITY && op.clamp.max === Number.POSITIVE_INFINITY;
}

function weightsFit(op: Op, { dtype, quantization: q }: Value): boolean {
  if ((dtype !== 'i8' && dtype !== 'u8') || !q) return false;
  return q.scale.length === 1 || q.axis === (op.kind === 'depthwiseConv2d' ? 3 : 0);
}

function dequantised({ data, quantization: q }: Value): Float64Array | null {
  if (!q || data === null || data instanceof BigInt64Array || data instanceof BigUint64Array) return null;
  return Float64Array.from(
    data,
    (v, n) => q.scale[q.scale.length === 1 ? 0 : n] * (v - q.zeroPoint[q.zeroPoint.length === 1 ? 0 : n]),
  );
}
