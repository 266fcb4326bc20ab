/**
 * Layers of products as matrix products, which is how quantisation sees them:
 *
 *   y[p, r] = b[r] + Σₖ w[r, k]·x[p, g(r), k]
 *
 *   p   position: a pixel of the output, a row of a dense layer
 *   r   output channel, one row of weights; those of group g read its inputs, g(r) = ⌊r·groups/rows⌋
 *   k   tap: conv2d (kH, kW, inC/groups), depthwise (kH, kW), dense (K)
 *
 * A transposed convolution has rows too, but each output reads some of its taps only: it has no patches.
 */
import type { Graph, Node, Value } from '../graph/ir.ts';
import { windowGeometry } from '../kernels/geometry.ts';
import { elementCount } from '../tensor.ts';

export interface LayerMatrix {
  readonly rows: number;
  /** Taps of a row. */
  readonly k: number;
  readonly groups: number;
  /** w[r, k] is the constant's element r·rowStep + k·tapStep. */
  readonly rowStep: number;
  readonly tapStep: number;
  /** Output positions of one inference; 0 where there are no patches. */
  readonly positions: number;
}

const products = new Set<Node['op']['kind']>(['conv2d', 'depthwiseConv2d', 'transposedConv2d', 'dense']);

/** A layer of products with constant weights, which is what is quantised by channel. */
export function isLayer({ op, inputs }: Node, values: readonly Value[]): boolean {
  return products.has(op.kind) && values[inputs[1]].data !== null;
}

export function layerMatrix({ op, inputs, output }: Node, values: readonly Value[]): LayerMatrix {
  const { shape } = values[inputs[1]];
  const count = elementCount(shape);
  if (op.kind === 'depthwiseConv2d') {
    const rows = shape[3];
    const [n, h, w] = values[output].shape;
    const groups = values[inputs[0]].shape[3];
    return { rows, k: count / rows, groups, rowStep: 1, tapStep: rows, positions: n * h * w };
  }
  const rows = shape[0];
  const k = count / rows;
  const positions = op.kind === 'transposedConv2d' ? 0 : elementCount(values[output].shape) / rows;
  return { rows, k, groups: op.kind === 'conv2d' ? op.groups : 1, rowStep: k, tapStep: 1, positions };
}

/** Row r of a weight constant. */
export function rowOf(
  { k, rowStep, tapStep }: LayerMatrix,
  weights: { readonly [index: number]: number },
  r: number,
): Float64Array {
  const row = new Float64Array(k);
  for (let i = 0; i < k; i++) row[i] = weights[r * rowStep + i * tapStep];
  return row;
}

/** Copies x[p, g, ·] to `into`, from `at`, `step` apart. */
export type PatchReader = (
  x: ArrayLike<number>,
  p: number,
  g: number,
  into: Float64Array,
  at: number,
  step: number,
) => void;

/** Reads patches of the layer's input; cells outside the picture are `outside`. */
export function patchReader(graph: Graph, node: Node, outside = 0): PatchReader {
  const { op, inputs, output } = node;
  const [x, w] = [graph.values[inputs[0]], graph.values[inputs[1]]];
  if (op.kind === 'dense') {
    const K = w.shape[1];
    return (data, p, _, into, at, step) => {
      for (let k = 0; k < K; k++) into[at + k * step] = data[p * K + k];
    };
  }
  const g = windowGeometry({
    arithmetic: op as Extract<typeof op, { kind: 'conv2d' | 'depthwiseConv2d' }>,
    inputs: [x, w],
    output: graph.values[output],
  });
  const depth = op.kind === 'depthwiseConv2d' ? 1 : g.inC / g.groups;
  const pixels = g.outH * g.outW;
  return (data, p, group, into, at, step) => {
    const n = Math.floor(p / pixels);
    const oh = Math.floor((p % pixels) / g.outW);
    const ow = p % g.outW;
    let to = at;
    for (let kh = 0; kh < g.kH; kh++) {
      const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
      for (let kw = 0; kw < g.kW; kw++) {
        const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
        const inPicture = ih >= 0 && ih < g.inH && iw >= 0 && iw < g.inW;
        const from = ((n * g.inH + ih) * g.inW + iw) * g.inC + group * depth;
        for (let c = 0; c < depth; c++, to += step) into[to] = inPicture ? data[from + c] : outside;
      }
    }
  };
}
