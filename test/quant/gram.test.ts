/** Gram matrices against what the reference kernels compute: Σ (w·x)² over all patches is wᵀ·G·w. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph } from '../../src/graph/ir.ts';
import type { Op } from '../../src/graph/ops.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { noClamp, noPad, type Pad } from '../../src/kernels/call.ts';
import { calibrate } from '../../src/quant/calibrate.ts';
import { layerMatrix, rowOf } from '../../src/quant/layer-matrix.ts';
import { randomStream } from '../../src/random.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';

const random = randomStream(11);
const numbers = (shape: Shape): Float32Array =>
  Float32Array.from({ length: elementCount(shape) }, () => random.normal());

const pad: Pad = { top: 1, left: 2, bottom: 0, right: 1 };
const conv = (groups: number, more: object = {}): Op => ({
  kind: 'conv2d',
  stride: [1, 1],
  dilation: [1, 1],
  pad: noPad,
  groups,
  clamp: noClamp,
  ...more,
});

const cases: readonly { label: string; op: Op; x: Shape; w: Shape }[] = [
  { label: 'conv2d 1×1', op: conv(1), x: [1, 4, 5, 3], w: [4, 1, 1, 3] },
  {
    label: 'conv2d with a border, strides and dilation',
    op: conv(1, { stride: [2, 1], dilation: [1, 2], pad }),
    x: [1, 7, 6, 3],
    w: [5, 3, 2, 3],
  },
  { label: 'conv2d in groups', op: conv(2), x: [1, 5, 5, 4], w: [6, 3, 3, 2] },
  { label: 'conv2d of a batch', op: conv(1, { pad }), x: [3, 4, 4, 2], w: [3, 2, 2, 2] },
  {
    label: 'depthwiseConv2d',
    op: { kind: 'depthwiseConv2d', stride: [1, 2], dilation: [1, 1], pad, clamp: noClamp },
    x: [1, 6, 6, 3],
    w: [1, 3, 3, 3],
  },
  {
    label: 'depthwiseConv2d, two outputs a channel',
    op: { kind: 'depthwiseConv2d', stride: [1, 1], dilation: [1, 1], pad, clamp: noClamp },
    x: [1, 5, 4, 3],
    w: [1, 2, 3, 6],
  },
  { label: 'dense, several rows', op: { kind: 'dense', clamp: noClamp }, x: [70, 9], w: [4, 9] },
];

function oneLayer(op: Op, x: Shape, w: Shape): Graph {
  const b = new GraphBuilder('layer');
  return b.finish([
    b.add(op, [b.input('x', 'f32', x), b.constant('w', 'f32', w, numbers(w))], { name: 'y' }),
  ]);
}

describe('inputObserver', () => {
  it.each(cases)('$label', ({ op, x, w }) => {
    const graph = oneLayer(op, x, w);
    const samples = [numbers(x), numbers(x)].map((sample) => [sample]);
    const all = Number.POSITIVE_INFINITY;
    const { k, mean, gram, patches } = calibrate(graph, samples, { positions: all }).inputs['y'];
    const node = graph.nodes[0];
    const matrix = layerMatrix(node, graph.values);
    expect(patches).toBe(2 * matrix.positions);
    const squares = new Float64Array(matrix.rows);
    const sums = new Float64Array(matrix.rows);
    const session = compile(graph);
    for (const [sample] of samples) {
      session.input(0).set(sample);
      session.run();
      session.output(0).forEach((y, i) => {
        squares[i % matrix.rows] += y * y;
        sums[i % matrix.rows] += y;
      });
    }
    const weights = graph.values[node.inputs[1]].data as Float32Array;
    for (let r = 0; r < matrix.rows; r++) {
      const row = rowOf(matrix, weights, r);
      const g = Math.floor((r * matrix.groups) / matrix.rows);
      let [square, sum] = [0, 0];
      for (let i = 0; i < k; i++) {
        sum += row[i] * mean[g * k + i];
        for (let j = 0; j < k; j++) square += row[i] * gram![(g * k + i) * k + j] * row[j];
      }
      expect(square * patches).toBeCloseTo(squares[r], 3);
      expect(sum * patches).toBeCloseTo(sums[r], 3);
    }
  });

  it('draws the same positions again, other ones for the next sample', () => {
    const graph = oneLayer(conv(1), [1, 9, 9, 1], [1, 1, 1, 1]);
    const samples = [numbers([1, 9, 9, 1]), numbers([1, 9, 9, 1])].map((sample) => [sample]);
    const drawn = (seed: number) => calibrate(graph, samples, { positions: 5, seed }).inputs['y'];
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
    expect(drawn(1).patches).toBe(10);
  });

  it('leaves the matrix of a layer with many taps out', () => {
    const graph = oneLayer({ kind: 'dense', clamp: noClamp }, [1, 9], [2, 9]);
    const { gram, mean } = calibrate(graph, [[numbers([1, 9])]], { mostTaps: 8 }).inputs['y'];
    expect(gram).toBeNull();
    expect(mean.length).toBe(9);
  });
});
