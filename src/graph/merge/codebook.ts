/**
 * Layers of one or several networks with weights from a shared codebook.
 *
 *   conv2d(x, w f32 (outC, kH, kW, M·r))   ⇒   codebookConv2d(x, codebook f32 (M, K, r), indices u8 (outC, kH, kW, M))
 *   dense(x, w f32 (N, M·r))               ⇒   the same on pictures of 1×1
 *
 * Members of a shared layer have the same number of input channels; their sub-vectors of sub-space m are clustered
 * together, and all of them read the same codebook, one array with one name in every graph. Kernel sizes, strides and
 * output channels are each member's own.
 *
 * Source: Chou et al. 2018, "Unifying and Merging Well-trained Deep Neural Networks for Inference Stage", IJCAI.
 */
import { VireoError } from '../../errors.ts';
import { noPad } from '../../kernels/call.ts';
import { elementCount } from '../../tensor.ts';
import type { Graph, Node, Value, ValueId } from '../ir.ts';
import { removeDead } from '../rewrite.ts';
import { clusterError, clusterSubVectors } from './k-means.ts';

/** One conv2d or dense layer. */
export interface Member {
  /** Which of the graphs. */
  readonly graph: number;
  /** Name of the node: f32, constant weights, conv2d without groups. */
  readonly node: string;
  /**
   * (inC, inC): mean of x·xᵀ over the layer's inputs, each pixel one x. All members of a layer or none have one. The
   * clustering minimises the error of outputs sub-space by sub-space and tap by tap, in the metric of the members'
   * sum; products between sub-spaces are left out.
   */
  readonly gram?: ArrayLike<number>;
}

export interface SharedLayer {
  /** Of the codebook, in every graph. */
  readonly name: string;
  readonly members: readonly Member[];
  /** r, a divisor of the input channels. */
  readonly length: number;
  /** K: 1 … 256. */
  readonly codewords: number;
}

export interface ShareOptions {
  readonly seed?: number;
  readonly iterations?: number;
}

export interface MemberReport {
  readonly graph: number;
  readonly node: string;
  /** Of the f32 weights. */
  readonly bytesBefore: number;
  /** Of the indices, one byte each. */
  readonly indexBytes: number;
  /** Σ dᵀ·G·d over the sub-vectors' differences d, by the member's own Gram matrix or the identity. */
  readonly error: number;
  /** The same divided by Σ vᵀ·G·v of the sub-vectors themselves. */
  readonly relativeError: number;
}

export interface LayerReport {
  readonly name: string;
  /** Of the f32 codewords, once for all members. */
  readonly codebookBytes: number;
  readonly bytesBefore: number;
  /** Codebook and indices. */
  readonly bytesAfter: number;
  readonly members: readonly MemberReport[];
}

/**
 * The graphs with `layers` replaced; the others stay as they are. Throws `VireoError('bad-input')` for a layer that
 * does not exist, is of another kind, or does not fit the others of its codebook.
 */
export function shareCodebooks(
  graphs: readonly Graph[],
  layers: readonly SharedLayer[],
  options: ShareOptions = {},
): { readonly graphs: readonly Graph[]; readonly report: readonly LayerReport[] } {
  const editors = graphs.map((graph) => new Editor(graph));
  const report = layers.map((layer, i) => share(layer, i, graphs, editors, options));
  return { graphs: editors.map((editor) => editor.finish()), report };
}

/** A member with its weights as rows of sub-vectors. */
interface Rows {
  readonly member: Member;
  readonly node: Node;
  readonly weights: Value;
  readonly data: Float32Array;
  /** Taps of all outputs: outC·kH·kW. */
  readonly count: number;
  readonly indices: Uint8Array;
}

function share(
  layer: SharedLayer,
  index: number,
  graphs: readonly Graph[],
  editors: readonly Editor[],
  { seed = 0, iterations }: ShareOptions,
): LayerReport {
  const { name, length: r, codewords: K } = layer;
  const fail = (message: string): never => {
    throw new VireoError('bad-input', `codebook "${name}": ${message}`);
  };
  const channels = channelsOf(layer, graphs, fail);
  if (!Number.isInteger(r) || r < 1 || channels % r !== 0)
    fail(`${channels} input channels do not divide into sub-vectors of ${r}`);
  const M = channels / r;
  const rows = layer.members.map((member): Rows => {
    const { node, weights, data } = layerOf(graphs, member, fail);
    const count = data.length / channels;
    return { member, node, weights, data, count, indices: new Uint8Array(count * M) };
  });
  const codebook = new Float32Array(M * K * r);
  const errors = rows.map(() => ({ error: 0, size: 0 }));
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  for (let m = 0; m < M; m++) {
    const vectors = new Float32Array(total * r);
    let at = 0;
    for (const { data, count } of rows)
      for (let row = 0; row < count; row++, at += r)
        vectors.set(data.subarray(row * channels + m * r, row * channels + (m + 1) * r), at);
    const grams = rows.map(({ member }) => member.gram && blockOf(member.gram, channels, m, r));
    const gram = sumOf(grams);
    const { codewords, indices } = clusterSubVectors(vectors, r, K, {
      seed: seed + 7919 * index + m,
      ...(iterations !== undefined && { iterations }),
      ...(gram && { gram }),
    });
    codebook.set(codewords, m * K * r);
    let from = 0;
    rows.forEach(({ count, indices: own }, i) => {
      const part = indices.subarray(from, from + count);
      for (let row = 0; row < count; row++) own[row * M + m] = part[row];
      const sub = vectors.subarray(from * r, (from + count) * r);
      const metric = grams[i] ? { gram: grams[i] } : {};
      errors[i].error += clusterError(sub, r, codewords, part, metric);
      errors[i].size += clusterError(sub, r, new Float32Array(K * r), part, metric);
      from += count;
    });
  }
  for (const { member, node, weights, indices } of rows)
    editors[member.graph].replace(node, weights, name, codebook, [M, K, r], indices);
  const members = rows.map(({ member, data, indices }, i): MemberReport => {
    const { error, size } = errors[i];
    return {
      ...{ graph: member.graph, node: member.node, bytesBefore: data.byteLength },
      ...{ indexBytes: indices.byteLength, error, relativeError: size > 0 ? error / size : 0 },
    };
  });
  const bytes = (of: (member: MemberReport) => number): number => members.reduce((sum, m) => sum + of(m), 0);
  return {
    name,
    codebookBytes: codebook.byteLength,
    bytesBefore: bytes((m) => m.bytesBefore),
    bytesAfter: codebook.byteLength + bytes((m) => m.indexBytes),
    members,
  };
}

type Fail = (message: string) => never;

/** The input channels that all members have. */
function channelsOf({ members }: SharedLayer, graphs: readonly Graph[], fail: Fail): number {
  if (members.length === 0) fail('no layers to share it');
  const withGram = members.filter(({ gram }) => gram).length;
  if (withGram !== 0 && withGram !== members.length) fail('some layers have a Gram matrix, some have not');
  const all = members.map((member) => layerOf(graphs, member, fail).weights.shape.at(-1)!);
  members.forEach(({ node, gram }, i) => {
    if (all[i] !== all[0]) fail(`"${node}" has ${all[i]} input channels, "${members[0].node}" ${all[0]}`);
    if (gram && gram.length !== all[i] ** 2)
      fail(`the Gram matrix of "${node}" expects ${all[i]}×${all[i]} numbers, got ${gram.length}`);
  });
  return all[0];
}

function layerOf(
  graphs: readonly Graph[],
  { graph: at, node: name }: Member,
  fail: Fail,
): { node: Node; weights: Value; data: Float32Array } {
  const graph = graphs[at] ?? fail(`there is no graph ${at}`);
  const node =
    graph.nodes.find((n) => n.name === name) ?? fail(`graph "${graph.name}" has no layer "${name}"`);
  const { op, inputs } = node;
  if (op.kind !== 'dense' && (op.kind !== 'conv2d' || op.groups !== 1))
    return fail(`"${name}" is ${op.kind}, expected conv2d without groups or dense`);
  const weights = graph.values[inputs[1]];
  if (!(weights.data instanceof Float32Array)) return fail(`the weights of "${name}" are no f32 constant`);
  return { node, weights, data: weights.data };
}

/** The rows and columns of sub-space m. */
function blockOf(gram: ArrayLike<number>, channels: number, m: number, r: number): Float64Array {
  const block = new Float64Array(r * r);
  for (let i = 0; i < r; i++)
    for (let j = 0; j < r; j++) block[i * r + j] = gram[(m * r + i) * channels + m * r + j];
  return block;
}

function sumOf(blocks: readonly (Float64Array | undefined)[]): Float64Array | null {
  const [first, ...others] = blocks;
  if (!first) return null;
  const sum = first.slice();
  for (const block of others) for (let i = 0; i < sum.length; i++) sum[i] += block?.[i] ?? 0;
  return sum;
}

/** One graph on its way to another. */
class Editor {
  readonly #graph: Graph;
  readonly #values: Value[];
  readonly #replaced = new Map<string, readonly Node[]>();
  readonly #codebooks = new Map<Float32Array, ValueId>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#values = [...graph.values];
  }

  replace(
    node: Node,
    weights: Value,
    name: string,
    codebook: Float32Array,
    shape: readonly [number, number, number],
    indices: Uint8Array,
  ): void {
    const { op, inputs, output } = node;
    if (this.#replaced.has(node.name))
      throw new VireoError('bad-input', `codebook "${name}": "${node.name}" is listed twice`);
    const words =
      this.#codebooks.get(codebook) ??
      this.#push({ name, dtype: 'f32', shape, quantization: null, data: codebook });
    this.#codebooks.set(codebook, words);
    const kernel = op.kind === 'conv2d' ? weights.shape.slice(0, 3) : [weights.shape[0], 1, 1];
    const named = this.#push({
      ...{ name: `${node.name}/indices`, dtype: 'u8', quantization: null },
      ...{ shape: [...kernel, shape[0]], data: indices },
    });
    const [x, , ...bias] = inputs;
    const operands = [words, named, ...bias];
    if (op.kind === 'conv2d') {
      const { groups: _groups, rounding: _rounding, ...window } = op;
      this.#replaced.set(node.name, [
        { ...node, op: { ...window, kind: 'codebookConv2d' }, inputs: [x, ...operands] },
      ]);
    } else if (op.kind === 'dense') {
      const input = this.#values[x];
      const channels = shape[0] * shape[2];
      const rows = elementCount(input.shape) / channels;
      const result = this.#values[output];
      const pictures = [rows, 1, 1, channels];
      const outputs = [rows, 1, 1, weights.shape[0]];
      const from = this.#push({ ...input, name: `${node.name}/in`, shape: pictures, data: null });
      const to = this.#push({ ...result, name: `${node.name}/out`, shape: outputs, data: null });
      const window = { stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: op.clamp } as const;
      this.#replaced.set(node.name, [
        { name: `${node.name}/in`, op: { kind: 'reshape', shape: pictures }, inputs: [x], output: from },
        {
          name: node.name,
          op: { kind: 'codebookConv2d', ...window },
          inputs: [from, ...operands],
          output: to,
        },
        { name: `${node.name}/out`, op: { kind: 'reshape', shape: result.shape }, inputs: [to], output },
      ]);
    }
  }

  finish(): Graph {
    const nodes = this.#graph.nodes.flatMap((node) => this.#replaced.get(node.name) ?? [node]);
    return removeDead({ ...this.#graph, values: this.#values, nodes }).graph;
  }

  #push(value: Value): ValueId {
    return this.#values.push(value) - 1;
  }
}
