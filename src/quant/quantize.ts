/**
 * A measured float network to an int8 one: a pure rewrite.
 *
 *   x f32 ─ conv2d f32 ─ y f32     ⇒     x i8 ─ conv2d (w i8 by channel, b i32) ─ y i8
 *
 * First it is decided which nodes run in int8; then which values share a scale; then the network is built anew, with a
 * conversion wherever int8 meets float. The result runs by the exact integer rules of a TFLite file (docs/decisions/0001).
 * Numbers in brackets are the equations of docs/quantization.md.
 */
import { VireoError } from '../errors.ts';
import { GraphBuilder, sameQuantization } from '../graph/build.ts';
import type { Graph, Node, Value, ValueId } from '../graph/ir.ts';
import type { Op, OpKind } from '../graph/ops.ts';
import { removeDead } from '../graph/rewrite.ts';
import { quantizedBounds, roundHalfAway } from '../kernels/requantize.ts';
import type { Quantization } from '../tensor.ts';
import type { Calibration } from './calibrate.ts';
import { type Form, formOf } from './forms.ts';
import { layerMatrix } from './layer-matrix.ts';
import { assignScales } from './scales.ts';
import { quantizeWeights, type Rounding, type WeightBits } from './weights.ts';

export interface QuantizeOptions {
  /**
   * 'int8', the default: float inputs and outputs become int8 with a scale and zero point, as int8 TFLite files have
   * them; where an end is computed in float it stays float. 'float': they stay, with a conversion behind.
   */
  readonly io?: 'int8' | 'float';
  /** Names of nodes that stay in float, or a test of them. */
  readonly keep?: readonly string[] | ((node: Node) => boolean);
  /** Bits of the weights; a function says it for each layer of products. Default 8. */
  readonly weightBits?: WeightBits | ((node: Node) => WeightBits);
  /** Default 'learned' where the calibration has Gram matrices. */
  readonly rounding?: Rounding;
  /** Moves what rounding took from a layer's mean output into its bias (eq. 13). Default true. */
  readonly correctBias?: boolean;
  /**
   * Scales of a dense layer's weights: one, which every TFLite runtime takes, or one for each output channel. With
   * 4-bit weights it is 'channel' anyway. Default 'tensor'.
   */
  readonly denseScales?: 'tensor' | 'channel';
}

export interface LayerReport {
  /** The node's name in the float network. */
  readonly name: string;
  /** The name of its value in the quantised network. */
  readonly output: string;
  readonly kind: OpKind;
  readonly precision: 'int8' | 'int4' | 'float';
  /** Why it is in float, or ''. */
  readonly reason: string;
  /** Signal-to-noise ratio of the weights in dB; null without weights. */
  readonly weightSnr: number | null;
  readonly rounding: Rounding | null;
}

export interface QuantizeReport {
  /** Every node but moves of data, in order. */
  readonly layers: readonly LayerReport[];
  readonly warnings: readonly string[];
}

/**
 * `graph`: as `prepare` gives it; `calibration`: of this graph. Throws 'bad-input' where they do not belong together and
 * where nothing could be quantised, 'usage' where `keep` names a node that does not exist.
 */
export function quantize(
  graph: Graph,
  calibration: Calibration,
  options: QuantizeOptions = {},
): { readonly graph: Graph; readonly report: QuantizeReport } {
  mustBeFloat(graph);
  const forms = graph.nodes.map((node) => formOf(node, graph.values));
  const isKept = keptBy(graph, options.keep ?? []);
  const domains = domainsOf(graph, forms, isKept);
  if (!domains.int8Nodes.some((runs) => runs))
    throw new VireoError('bad-input', `graph "${graph.name}": no operator would run in int8`);
  const scales = assignScales(graph, forms, domains.int8Nodes, calibration);
  const builder = new QuantizedBuilder(graph, scales, domains.int8Inputs, options);
  graph.nodes.forEach((node, i) => {
    if (domains.int8Nodes[i]) builder.int8(node, forms[i], calibration);
    else builder.float(node, reasonOf(forms[i], isKept(node)));
  });
  return builder.finish();
}

/** Throws where a network has integer layers already. */
export function mustBeFloat(graph: Graph): void {
  const found = graph.nodes.find(({ inputs, output }) =>
    [...inputs, output].some((id) => {
      const { dtype, quantization } = graph.values[id];
      return quantization !== null && (dtype === 'i8' || dtype === 'u8');
    }),
  );
  if (found)
    throw new VireoError(
      'bad-input',
      `graph "${graph.name}" is quantised already: ${found.op.kind} "${found.name}" has 8-bit operands with a scale; dequantise it first`,
    );
}

const reasonOf = (form: Form, kept: boolean): string =>
  kept ? 'kept' : form.kind === 'float' ? form.reason : 'its input is in float';

function keptBy(graph: Graph, keep: NonNullable<QuantizeOptions['keep']>): (node: Node) => boolean {
  if (typeof keep === 'function') return keep;
  const names = new Set(keep);
  const known = new Set(graph.nodes.map(({ name }) => name));
  for (const name of names)
    if (!known.has(name)) throw new VireoError('usage', `keep: graph "${graph.name}" has no node "${name}"`);
  return ({ name }) => names.has(name);
}

interface Domains {
  /** By node. */
  readonly int8Nodes: readonly boolean[];
  /** Inputs of the graph that some int8 node reads. */
  readonly int8Inputs: ReadonlySet<ValueId>;
}

/** Operators that only move numbers go with what they move; all others are int8 if they have a form. */
function domainsOf(graph: Graph, forms: readonly Form[], isKept: (node: Node) => boolean): Domains {
  const inInt8 = new Set<ValueId>(graph.inputs.filter((id) => graph.values[id].dtype === 'f32'));
  const int8Inputs = new Set<ValueId>();
  const int8Nodes = graph.nodes.map((node, i) => {
    const form = forms[i];
    const moves = form.kind === 'same' && node.op.kind !== 'binary';
    const runs =
      !isKept(node) &&
      form.kind !== 'float' &&
      (!moves || node.inputs.slice(0, form.data).some((id) => inInt8.has(id)));
    if (!runs) return false;
    inInt8.add(node.output);
    for (const id of node.inputs) if (graph.inputs.includes(id) && inInt8.has(id)) int8Inputs.add(id);
    return true;
  });
  return { int8Nodes, int8Inputs };
}

/** How a value of the float network can be had in the new one. */
interface Forms {
  int8?: ValueId;
  float?: ValueId;
}

class QuantizedBuilder {
  readonly #graph: Graph;
  readonly #options: QuantizeOptions;
  readonly #scales: (id: ValueId) => Quantization;
  readonly #builder: GraphBuilder;
  readonly #forms = new Map<ValueId, Forms>();
  readonly #converted = new Map<string, ValueId>();
  readonly #layers: LayerReport[] = [];
  readonly #warnings: string[] = [];

  constructor(
    graph: Graph,
    scales: (id: ValueId) => Quantization,
    int8Inputs: ReadonlySet<ValueId>,
    options: QuantizeOptions,
  ) {
    this.#graph = graph;
    this.#options = options;
    this.#scales = scales;
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
      const { int8, float } = this.#forms.get(id)!;
      return this.#options.io === 'float' || int8 === undefined ? (float ?? this.#asFloat(id)) : int8;
    });
    return {
      graph: removeDead(this.#builder.finish(outputs)).graph,
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
    const {
      weightBits = 8,
      rounding = 'learned',
      correctBias = true,
      denseScales = 'tensor',
    } = this.#options;
    const bits = typeof weightBits === 'function' ? weightBits(node) : weightBits;
    const x = this.#asInt8(node.inputs[0]);
    const sx = this.#builder.value(x).quantization!.scale[0];
    const bias = node.inputs[2] === undefined ? null : (values[node.inputs[2]].data as Float32Array);
    const { rows } = layerMatrix(node, values);
    const statistics = calibration.inputs[node.name] ?? null;
    const weights = quantizeWeights(node, values, statistics, {
      bits,
      perChannel: node.op.kind !== 'dense' || bits < 8 || denseScales === 'channel',
      rounding,
      leastScale: Float64Array.from({ length: rows }, (_, r) => leastScale(bias?.[r] ?? 0, sx)),
    });
    const { scale } = weights.quantization;
    const biasScale = scale.map((s) => Math.fround(sx * s));
    const hasBias = bias !== null || (correctBias && statistics !== null);
    const integers = Int32Array.from({ length: rows }, (_, r) => {
      const real = (bias?.[r] ?? 0) + (correctBias ? weights.meanLoss[r] : 0);
      return roundHalfAway(real / (sx * scale[scale.length === 1 ? 0 : r]));
    });
    const w = values[node.inputs[1]];
    const parts = [x, this.#builder.constant(w.name, 'i8', w.shape, weights.data, weights.quantization)];
    if (hasBias) {
      const name = node.inputs[2] === undefined ? `${node.name}/bias` : values[node.inputs[2]].name;
      const quantization = { scale: biasScale, zeroPoint: biasScale.map(() => 0), axis: 0 };
      parts.push(this.#builder.constant(name, 'i32', [rows], integers, quantization));
    }
    this.#finishInt8(node, parts);
    this.#report(node, this.#forms.get(node.output)!.int8!, {
      precision: bits === 8 ? 'int8' : 'int4',
      weightSnr: weights.snr,
      rounding: weights.rounding,
    });
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

const moves = new Set<OpKind>(['reshape', 'transpose', 'slice', 'concat', 'pad', 'mirrorPad', 'gather']);
/** Operators that only move numbers; reports leave them out. */
export const isMove = (kind: OpKind): boolean => moves.has(kind);

/** |b| ≤ sₓ·s·2³⁰; of a row of zeros the bias is all there is, so it gets 24 bits. */
function leastScale(bias: number, sx: number): number {
  return Math.fround(Math.max(Math.abs(bias) / (sx * 2 ** 24), 2 ** -100));
}
