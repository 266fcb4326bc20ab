/**
 * A network in terms of TensorFlow Lite's operators: each node of the result is one of them, and its options can say
 * what the node says. What has no such form is gathered for one error.
 *
 *   prepare    transposes sunk, bounds fused, ONNX's QDQ form as integers, one kind of 8-bit numbers
 *   legalize   node by node, by the rules in rules/
 */
import { unreachable, VireoError } from '../../../errors.ts';
import { GraphBuilder } from '../../../graph/build.ts';
import type { Graph, Node, ValueId } from '../../../graph/ir.ts';
import { decodeCodebooks } from '../../../graph/passes/decode-codebooks.ts';
import { foldConstants } from '../../../graph/passes/fold-constants.ts';
import { foldScale } from '../../../graph/passes/fold-scale.ts';
import { fuseClamp } from '../../../graph/passes/fuse-clamp.ts';
import { fuseQuantization } from '../../../graph/passes/fuse-quantization.ts';
import { sinkTransposes } from '../../../graph/passes/sink-transposes.ts';
import { removeDead, rewriteAll } from '../../../graph/rewrite.ts';
import { elementCount } from '../../../tensor.ts';
import { graphTypes } from '../schema.ts';
import { maxRank } from '../tensors.ts';
import { unlimited } from './limits.ts';
import { Problems } from './problems.ts';
import { clampTo } from './rules/bounds.ts';
import { convNd, convolution, dense, matmul } from './rules/convolutions.ts';
import * as elementwise from './rules/elementwise.ts';
import * as movement from './rules/movement.ts';
import { pool2d, poolNd } from './rules/pools.ts';
import { transposedConv2d, transposedConvNd } from './rules/transposed.ts';
import { toOneSign } from './signed.ts';
import { type Change, type Rounded, Site } from './site.ts';
import { tagEnds } from './tags.ts';

export interface Legal {
  /** Not to be compiled: hybrid layers have int8 weights under float activations. */
  readonly graph: Graph;
  /** Outputs of hybrid layers whose options say that the input is rounded asymmetrically. */
  readonly asymmetric: ReadonlySet<ValueId>;
  /** Values of pairs, which the file calls complex64, without the trailing axis of 2. */
  readonly complex: ReadonlySet<ValueId>;
  readonly notes: readonly string[];
}

/**
 * The same rewrites as before a network is run, so that the file has what vireo runs; but pads stay where they are,
 * weights that hybrid layers round keep their numbers, and quantisation pairs of TensorFlow Lite stay pairs.
 */
function prepare(graph: Graph): Graph {
  const isHybrid = graph.nodes.some(({ op }) => op.kind === 'fakeQuantize');
  const isOnnx = graph.nodes.some(({ op }) => op.kind === 'convert' && op.rounding === 'even');
  return rewriteAll(graph, {
    removeDead,
    decodeCodebooks,
    sinkTransposes,
    ...(isHybrid ? {} : { foldScale }),
    fuseClamp,
    ...(isOnnx ? { fuseQuantization } : {}),
    foldConstants,
    tagEnds,
    toOneSign,
  }).graph;
}

export function legalize(graph: Graph): Legal {
  const problems = new Problems();
  for (const { input } of graph.states ?? []) {
    const { name } = graph.values[graph.inputs[input]!]!;
    problems.add('a state', 'numbers kept between runs; freeze the network first', name);
  }
  const legalizer = new Legalizer(prepare({ ...graph, states: [] }), problems);
  const legal = legalizer.run();
  problems.throwIfAny(graph.name);
  return legal;
}

class Legalizer {
  readonly #graph: Graph;
  readonly #problems: Problems;
  readonly #builder: GraphBuilder;
  readonly #ids = new Map<ValueId, ValueId>();
  /** By the old network's ids. */
  readonly #rounded = new Map<ValueId, Rounded>();
  readonly #complex = new Set<ValueId>();
  readonly #asymmetric = new Set<ValueId>();
  readonly #changes: Record<Change, number> = { rounding: 0, rescaled: 0, float: 0 };

  constructor(graph: Graph, problems: Problems) {
    this.#graph = graph;
    this.#problems = problems;
    this.#builder = new GraphBuilder(graph.name, unlimited);
  }

  run(): Legal {
    const { inputs, nodes, outputs, values } = this.#graph;
    for (const id of inputs) {
      const { name, dtype, shape, quantization } = values[id]!;
      this.#ids.set(id, this.#builder.input(name, dtype, shape, quantization));
      this.#check('input', id);
    }
    for (const node of nodes) this.#visit(node);
    for (const id of outputs) {
      const { name } = values[id]!;
      if (this.#complex.has(id)) this.#problems.add('an output', 'complex numbers', name);
      if (this.#rounded.has(id)) this.#problems.add('an output', 'dynamic rounding to int8', name);
    }
    const graph = this.#builder.finish(outputs.map((id) => this.#idOf(id)));
    const complex = new Set([...this.#complex].map((id) => this.#idOf(id)));
    return { graph, complex, asymmetric: this.#asymmetric, notes: this.#notes() };
  }

  #idOf(id: ValueId): ValueId {
    const known = this.#ids.get(id);
    if (known !== undefined) return known;
    const { name, dtype, shape, data, quantization } = this.#graph.values[id]!;
    const made = this.#builder.constant(name, dtype, shape, data!, quantization);
    this.#ids.set(id, made);
    this.#check('constant', id);
    return made;
  }

  /** What every tensor of the file must keep to. False where one does not. */
  #check(what: string, id: ValueId): boolean {
    const { name, dtype, shape, quantization } = this.#graph.values[id]!;
    const reason = !Object.values(graphTypes).includes(dtype)
      ? `${dtype} data`
      : shape.length > maxRank
        ? `rank ${shape.length}, at most ${maxRank}`
        : what === 'input' && shape.includes(0)
          ? 'an extent of 0'
          : what !== 'constant' && quantization && quantization.scale.length > 1
            ? 'a scale for each channel'
            : '';
    if (reason !== '') this.#problems.add(what, reason, name);
    return reason === '';
  }

  #visit(node: Node): void {
    const { op, inputs, output } = node;
    const value = this.#graph.values[output]!;
    const what = 'fn' in op ? `${op.kind} ${op.fn}` : op.kind;
    const own = inputs.map((id) => this.#idOf(id));
    const site = new Site(
      this.#builder,
      own,
      value,
      inputs.map((id) => this.#rounded.get(id)),
      (change) => {
        this.#changes[change]++;
      },
    );
    // Where there is no such operator a value takes its place, so that what follows is looked at too.
    const { name, dtype, shape, quantization } = value;
    const inPlace = (): ValueId => this.#builder.input(name, dtype, shape, quantization);
    try {
      this.#ids.set(output, this.#check(what, output) ? this.#rule(site, node) : inPlace());
    } catch (error) {
      if (!(error instanceof VireoError) || error.code !== 'unsupported') throw error;
      this.#problems.add(what, error.message, name);
      this.#ids.set(output, inPlace());
    }
  }

  /** Builds the node's operators; the id of what the last of them makes. */
  #rule(site: Site, { op, inputs, output }: Node): ValueId {
    const isLayer = op.kind === 'conv2d' || op.kind === 'depthwiseConv2d' || op.kind === 'dense';
    if (!isLayer && op.kind !== 'reshape' && site.rounded.some(Boolean))
      site.unsupported('dynamic rounding to int8 before anything but a convolution or fully connected layer');
    if (op.kind !== 'reshape' && op.kind !== 'complexAbs' && inputs.some((id) => this.#complex.has(id)))
      site.unsupported('complex numbers');
    switch (op.kind) {
      case 'conv2d':
      case 'depthwiseConv2d':
        return convolution(site, op);
      case 'transposedConv2d':
        return transposedConv2d(site, op);
      case 'transposedConvNd':
        return transposedConvNd(site, op);
      case 'dense':
        return dense(site, op, (id) => this.#asymmetric.add(id));
      case 'matmul':
        return matmul(site, op);
      case 'convNd':
        return convNd(site, op);
      case 'maxPool2d':
      case 'averagePool2d':
        return pool2d(site, op);
      case 'poolNd':
        return poolNd(site, op);
      case 'binary':
        return elementwise.binary(site, op);
      case 'unary':
        return elementwise.unary(site, op);
      case 'clamp':
        return clampTo(site, op.clamp, site.x);
      case 'softmax':
        return elementwise.softmax(site, op);
      case 'lrn':
        return elementwise.lrn(site, op);
      case 'reduce':
        return elementwise.reduce(site, op);
      case 'argMax':
        return elementwise.argMax(site, op);
      case 'topK':
        return elementwise.topK(site, op);
      case 'convert':
        return elementwise.convert(site, op);
      case 'fakeQuantize': {
        const { shape } = site.value(site.x);
        this.#rounded.set(output, { ...op, slice: elementCount(shape.slice(op.batchDims)) });
        return site.x;
      }
      case 'reshape':
        return this.#reshape(site, inputs[0]!, output);
      case 'transpose':
        return movement.transpose(site, op);
      case 'slice':
        return movement.slice(site, op);
      case 'concat':
        return movement.concat(site, op);
      case 'pad':
        return movement.pad(site, op);
      case 'mirrorPad':
        return movement.mirrorPad(site, op);
      case 'gather':
        return movement.gather(site, op);
      case 'gatherNd':
        return movement.gatherNd(site, op);
      case 'resize':
        return movement.resize(site, op);
      case 'rfft2d':
        if (op.length.some((n) => !Number.isInteger(Math.log2(n))))
          site.unsupported('lengths that are no powers of 2');
        this.#complex.add(output);
        return site.done(op, site.inputs);
      case 'where':
        return movement.where(site, op);
      case 'prelu':
      case 'l2Normalize':
      case 'cast':
      case 'complexAbs':
        return site.done(op, site.inputs);
      case 'codebookConv2d':
      case 'gatherElements':
      case 'maxPoolIndices':
      case 'training':
        return site.unsupported('no such operator');
      default:
        return unreachable(op);
    }
  }

  /** Passes on what is asked of its input's numbers. */
  #reshape(site: Site, input: ValueId, output: ValueId): ValueId {
    const rounded = this.#rounded.get(input);
    if (rounded) this.#rounded.set(output, { ...rounded, batchDims: Number.NaN });
    if (this.#complex.has(input)) {
      if (site.output.shape.at(-1) !== 2) site.unsupported('complex numbers seen as real ones');
      this.#complex.add(output);
    }
    return site.same(site.x);
  }

  #notes(): string[] {
    const { rounding, rescaled, float } = this.#changes;
    const counted = (count: number): string => `${count} operator${count === 1 ? '' : 's'}`;
    return [
      ...(rounding > 0
        ? [
            `Halves are rounded TensorFlow Lite's way, away from zero and twice, where the network rounds them to even: ${counted(rounding)}. Each may come out one step off, and what follows may widen it.`,
          ]
        : []),
      ...(rescaled > 0
        ? [
            `TensorFlow Lite fixes or equates scales where the network changes them, which takes one more rounding: ${counted(rescaled)}. Each may come out one step off.`,
          ]
        : []),
      ...(float > 0
        ? [
            `TensorFlow Lite has no integer kernel; calculated in float between DEQUANTIZE and QUANTIZE: ${counted(float)}.`,
          ]
        : []),
    ];
  }
}
