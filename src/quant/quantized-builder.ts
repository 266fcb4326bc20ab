/**
 * The int8 network while it is built: each value of the float network as int8, as float, or both where both are read, with a
 * conversion between them. Numbers in brackets are the equations of docs/quantization.md.
 */
import { GraphBuilder, sameQuantization } from '../graph/build.ts';
import type { Graph, Node, Value, ValueId } from '../graph/ir.ts';
import type { Op, OpKind } from '../graph/ops.ts';
import { removeDead } from '../graph/rewrite.ts';
import { quantizedBounds, roundHalfAway } from '../kernels/requantize.ts';
import type { Quantization } from '../tensor.ts';
import type { Calibration } from './calibrate.ts';
import type { Form } from './forms.ts';
import { uniteStatistics } from './gram.ts';
import { layerMatrix } from './layer-matrix.ts';
import { tasksOf } from './outputs.ts';
import type { Domains, QuantizeOptions } from './quantize.ts';
import { isMove, type LayerReport, type QuantizeReport } from './report.ts';
import { meanLoss, type QuantizedWeights, quantizeWeights, type WeightBits } from './weights.ts';

interface SharedWeights {
  readonly id: ValueId;
  readonly weights: QuantizedWeights;
  readonly bits: WeightBits;
}

/** How a value of the float network can be had in the new one. */
interface Forms {
  int8?: ValueId;
  float?: ValueId;
}

export class QuantizedBuilder {
  readonly #graph: Graph;
  readonly #options: QuantizeOptions;
  readonly #scales: (id: ValueId) => Quantization;
  readonly #builder: GraphBuilder;
  readonly #forms = new Map<ValueId, Forms>();
  readonly #converted = new Map<string, ValueId>();
  readonly #shared = new Map<string, SharedWeights>();
  readonly #int8Outputs: ReadonlySet<ValueId>;
  readonly #layers: LayerReport[] = [];
  readonly #warnings: string[] = [];

  constructor(
    graph: Graph,
    scales: (id: ValueId) => Quantization,
    { int8Inputs, int8Nodes }: Domains,
    options: QuantizeOptions,
  ) {
    this.#graph = graph;
    this.#options = options;
    this.#scales = scales;
    this.#int8Outputs = new Set(graph.nodes.filter((_, i) => int8Nodes[i]).map(({ output }) => output));
    this.#builder = new GraphBuilder(graph.name);
    for (const id of graph.inputs) {
      const { name, dtype, shape } = graph.values[id];
      const becomesInt8 = int8Inputs.has(id) && options.io !== 'float';
      this.#forms.set(
        id,
        becomesInt8
          ? { int8: this.#builder.input(name, 'i8', shape, scales(id)) }
          : { float: this.#builder.input(name, dtype, shape) },
      );
    }
    for (const note of graph.notes) this.#builder.note(note);
  }

  /** A node as it was; what it reads is dequantised where it must be. */
  float(node: Node, reason: string): void {
    const { output, op } = node;
    const inputs = node.inputs.map((id) => this.#asFloat(id));
    const id = this.#builder.add(op, inputs, { ...this.#graph.values[output], quantization: null });
    this.#forms.set(output, { float: id });
    if (isMove(op.kind)) return;
    this.#report(node, id, { precision: 'float', reason });
    if (reason !== 'kept') this.#warnings.push(`${op.kind} "${node.name}" stays in float: ${reason}`);
  }

  int8(node: Node, form: Form, calibration: Calibration): void {
    switch (form.kind) {
      case 'product':
        this.#product(node, calibration);
        return;
      case 'index': {
        const id = this.#builder.add(
          node.op,
          [this.#asInt8(node.inputs[0])],
          this.#graph.values[node.output],
        );
        this.#forms.set(node.output, { float: id });
        this.#report(node, id, { precision: 'int8' });
        return;
      }
      default: {
        const data = form.kind === 'same' ? form.data : node.inputs.length;
        const wanted = form.kind === 'same' ? this.#scales(node.output) : null;
        const inputs = node.inputs.map((id, i) => (i < data ? this.#asInt8(id, wanted) : this.#asFloat(id)));
        this.#finishInt8(node, inputs);
      }
    }
  }

  finish(): { graph: Graph; report: QuantizeReport } {
    const outputs = this.#graph.outputs.map((id) => {
      const { int8, float } = this.#forms.get(id) ?? {};
      return this.#options.io === 'float' || int8 === undefined ? (float ?? this.#asFloat(id)) : int8;
    });
    return {
      graph: { ...removeDead(this.#builder.finish(outputs)).graph, ...tasksOf(this.#graph) },
      report: { layers: this.#layers, warnings: this.#warnings },
    };
  }

  #finishInt8(node: Node, inputs: readonly ValueId[]): void {
    const { name, shape } = this.#graph.values[node.output];
    // The float form of an output has the output's name.
    const isOutput = this.#options.io === 'float' && this.#graph.outputs.includes(node.output);
    const quantization = this.#scales(node.output);
    const id = this.#builder.add(withoutIdleBounds(node.op, quantization), inputs, {
      name: isOutput ? `${name}/int8` : name,
      dtype: 'i8',
      shape,
      quantization,
    });
    this.#forms.set(node.output, { int8: id });
    if (!isMove(node.op.kind) && node.op.kind in productKinds === false)
      this.#report(node, id, { precision: 'int8' });
  }

  #product(node: Node, calibration: Calibration): void {
    const { values } = this.#graph;
    const { correctBias = true } = this.#options;
    const x = this.#asInt8(node.inputs[0]);
    const sx = this.#builder.value(x).quantization!.scale[0];
    const bias = node.inputs[2] === undefined ? null : (values[node.inputs[2]].data as Float32Array);
    const statistics = correctBias ? calibration.inputs[node.name] : undefined;
    const { id, weights, bits } = this.#weights(node, calibration);
    const { scale } = weights.quantization;
    const parts = [x, id];
    if (bias !== null || statistics) {
      const name = node.inputs[2] === undefined ? `${node.name}/bias` : values[node.inputs[2]].name;
      const biasScale = scale.map((s) => Math.fround(sx * s));
      const quantization = { scale: biasScale, zeroPoint: biasScale.map(() => 0), axis: 0 };
      const { rows } = layerMatrix(node, values);
      const lost = statistics ? meanLoss(node, values, weights, statistics) : new Float64Array(rows);
      const integers = Int32Array.from(lost, (mean, r) =>
        roundHalfAway(((bias?.[r] ?? 0) + mean) / (sx * scale[scale.length === 1 ? 0 : r])),
      );
      parts.push(this.#builder.constant(name, 'i32', [rows], integers, quantization));
    }
    this.#finishInt8(node, parts);
    this.#report(node, this.#forms.get(node.output)!.int8!, {
      precision: bits === 8 ? 'int8' : 'int4',
      weightSnr: weights.snr,
      rounding: weights.rounding,
    });
  }

  /** Layers that share their weights share the integers, rounded for the inputs of all of them. */
  #weights(node: Node, calibration: Calibration): SharedWeights {
    const { weightBits = 8, rounding = 'learned', denseScales = 'tensor' } = this.#options;
    const bitsOf = (one: Node): WeightBits =>
      typeof weightBits === 'function' ? weightBits(one) : weightBits;
    const bits = bitsOf(node);
    const { values, nodes } = this.#graph;
    const weightsId = node.inputs[1];
    const key = `${weightsId} ${bits} ${node.op.kind}`;
    const known = this.#shared.get(key);
    if (known) return known;
    const sharing = nodes.filter(
      (one) =>
        one.inputs[1] === weightsId &&
        one.op.kind === node.op.kind &&
        this.#int8Outputs.has(one.output) &&
        bitsOf(one) === bits,
    );
    const { rows } = layerMatrix(node, values);
    const statistics = uniteStatistics(sharing.map(({ name }) => calibration.inputs[name]));
    const weights = quantizeWeights(node, values, statistics, {
      bits,
      perChannel: node.op.kind !== 'dense' || bits < 8 || denseScales === 'channel',
      rounding,
      leastScale: Float64Array.from({ length: rows }, (_, r) =>
        Math.max(...sharing.map((one) => leastScale(one, r, values, this.#scales))),
      ),
    });
    const { name, shape } = values[weightsId];
    const id = this.#builder.constant(name, 'i8', shape, weights.data, weights.quantization);
    const made = { id, weights, bits };
    this.#shared.set(key, made);
    return made;
  }

  #report(node: Node, id: ValueId, more: Partial<LayerReport> & Pick<LayerReport, 'precision'>): void {
    this.#layers.push({
      name: node.name,
      output: this.#builder.value(id).name,
      kind: node.op.kind,
      reason: '',
      weightSnr: null,
      rounding: null,
      ...more,
    });
  }

  /** On its own scale, or on the one that is wanted. */
  #asInt8(id: ValueId, wanted: Quantization | null = null): ValueId {
    const forms = this.#forms.get(id) ?? {};
    const { name, shape, data } = this.#graph.values[id];
    const quantization = data ? (wanted ?? this.#scales(id)) : this.#scales(id);
    if (forms.int8 === undefined || data) {
      const source = data ? this.#constant(id) : forms.float!;
      forms.int8 = this.#convert(source, `${name}/int8`, 'i8', shape, quantization);
      this.#forms.set(id, forms);
    }
    if (!wanted || data || sameQuantization(wanted, quantization)) return forms.int8;
    return this.#convert(forms.int8, `${name}/requantised`, 'i8', shape, wanted);
  }

  #asFloat(id: ValueId): ValueId {
    const { name, shape, data, dtype } = this.#graph.values[id];
    if (data) return this.#constant(id);
    const forms = this.#forms.get(id)!;
    const isOutput = this.#options.io === 'float' && this.#graph.outputs.includes(id);
    forms.float ??= this.#convert(forms.int8!, isOutput ? name : `${name}/float`, dtype, shape, null);
    return forms.float;
  }

  #constant(id: ValueId): ValueId {
    const known = this.#forms.get(id)?.float;
    if (known !== undefined) return known;
    const { name, dtype, shape, data, quantization } = this.#graph.values[id];
    const made = this.#builder.constant(name, dtype, shape, data!, quantization);
    this.#forms.set(id, { ...this.#forms.get(id), float: made });
    return made;
  }

  /** Constants are converted at once: the builder folds. */
  #convert(
    from: ValueId,
    name: string,
    dtype: Value['dtype'],
    shape: Value['shape'],
    quantization: Quantization | null,
  ): ValueId {
    const key = `${from} ${quantization?.scale[0]} ${quantization?.zeroPoint[0]}`;
    const known = this.#converted.get(key);
    if (known !== undefined) return known;
    const spec = { name, dtype, shape, quantization };
    const made = this.#builder.add({ kind: 'convert', rounding: 'away' }, [from], spec);
    this.#converted.set(key, made);
    return made;
  }
}

/**
 * Bounds within a step of the ends of int8 are left out: a whole zero point shifts the ends by half a step. ReLU and ReLU6
 * stay, which files have names for.
 */
function withoutIdleBounds(op: Op, quantization: Quantization): Op {
  if (!('clamp' in op)) return op;
  const { min, max } = op.clamp;
  const isRelu = min === 0 && (max === 6 || max === Number.POSITIVE_INFINITY);
  if (isRelu) return op;
  const { lo, hi } = quantizedBounds(op.clamp, { dtype: 'i8', shape: [], quantization, data: null });
  const clamp = {
    min: lo <= -127 && min !== 0 ? Number.NEGATIVE_INFINITY : min,
    max: hi >= 126 ? Number.POSITIVE_INFINITY : max,
  };
  return { ...op, clamp };
}

const productKinds: Partial<Record<OpKind, true>> = {
  conv2d: true,
  depthwiseConv2d: true,
  transposedConv2d: true,
  dense: true,
};

/** |b| ≤ sₓ·s·2²⁴ leaves the sum its room in 32 bits; of a row of zeros the bias is all there is. */
function leastScale(
  { inputs }: Node,
  r: number,
  values: readonly Value[],
  scales: (id: ValueId) => Quantization,
): number {
  const bias = inputs[2] === undefined ? 0 : (values[inputs[2]].data as Float32Array)[r];
  return Math.fround(Math.max(Math.abs(bias) / (scales(inputs[0]).scale[0] * 2 ** 24), 2 ** -100));
}
