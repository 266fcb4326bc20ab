/** Layers with weights from shared codebooks: what they compute, what they weigh, and every refusal. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/build.ts';
import { countGraph } from '../../../src/graph/cost/counts.ts';
import { graphMacs } from '../../../src/graph/cost/macs.ts';
import type { Graph } from '../../../src/graph/ir.ts';
import { type SharedLayer, shareCodebooks } from '../../../src/graph/merge/codebook.ts';
import { decodeCodebooks } from '../../../src/graph/passes/decode-codebooks.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import { verify } from '../../../src/graph/verify.ts';
import { writeOnnx } from '../../../src/io/onnx/write/index.ts';
import { writeTflite } from '../../../src/io/tflite/write/index.ts';
import { readVireo, writeVireo } from '../../../src/io/vireo/index.ts';
import { noClamp } from '../../../src/kernels/call.ts';
import { randomStream } from '../../../src/random.ts';

const pad = { top: 1, left: 1, bottom: 1, right: 1 };
const window = { stride: [1, 1], dilation: [1, 1], pad, clamp: { min: 0, max: 6 } } as const;

/** conv2d 4 → `outC`, 3×3 → dense → 5. */
function network(name: string, seed: number, outC: number, n = 2): Graph {
  const random = randomStream(seed);
  const floats = (count: number) => Float32Array.from({ length: count }, () => random.normal());
  const b = new GraphBuilder(name);
  const x = b.input('x', 'f32', [n, 4, 6, 4]);
  const w = b.constant('w', 'f32', [outC, 3, 3, 4], floats(outC * 36));
  const conv = b.add(
    { kind: 'conv2d', ...window, groups: 1 },
    [x, w, b.constant('b', 'f32', [outC], floats(outC))],
    {
      name: 'conv',
    },
  );
  const flat = b.add({ kind: 'reshape', shape: [n, 24 * outC] }, [conv]);
  const v = b.constant('v', 'f32', [5, 24 * outC], floats(5 * 24 * outC));
  return b.finish([b.add({ kind: 'dense', clamp: noClamp }, [flat, v], { name: 'dense' })]);
}

function run(graph: Graph, seed: number): number[] {
  const { shape } = graph.values[graph.inputs[0]];
  const random = randomStream(99, seed);
  const data = Float32Array.from({ length: shape.reduce((a, e) => a * e, 1) }, () => random.normal());
  const session = compile(graph);
  session.input('x', 'f32').set(data);
  session.run();
  return Array.from(session.output(0, 'f32'));
}

const both = (node: string, length: number, codewords: number): SharedLayer => ({
  name: `shared/${node}`,
  members: [
    { graph: 0, node },
    { graph: 1, node },
  ],
  length,
  codewords,
});

describe('shareCodebooks', () => {
  const pair = [network('a', 1, 8), network('b', 2, 8)];

  it('two networks read one codebook, and compute what their decoded weights do', () => {
    const { graphs, report } = shareCodebooks(pair, [both('conv', 2, 32), both('dense', 4, 16)]);
    graphs.forEach((graph, i) => {
      verify(graph);
      expect(graph.nodes.filter(({ op }) => op.kind === 'codebookConv2d').map(({ name }) => name)).toEqual([
        'conv',
        'dense',
      ]);
      const decoded = decodeCodebooks(graph);
      expect(decoded.report).toBe(2);
      verify(decoded.graph);
      const want = run(decoded.graph, i);
      run(graph, i).forEach((y, j) => {
        expect(y).toBeCloseTo(want[j], 3);
      });
      expect(want).not.toEqual(run(pair[i], i)); // the codewords are too few
    });
    const codebookIn = (graph: Graph, name: string) =>
      graph.values.find((value) => value.name === name)?.data;
    for (const name of ['shared/conv', 'shared/dense']) {
      expect(codebookIn(graphs[0], name)).toBeInstanceOf(Float32Array);
      expect(codebookIn(graphs[0], name)).toBe(codebookIn(graphs[1], name));
    }
    const [conv] = report;
    expect(conv.bytesBefore).toBe(2 * 4 * 8 * 36);
    expect(conv.codebookBytes).toBe(4 * 2 * 32 * 2);
    expect(conv.bytesAfter).toBe(conv.codebookBytes + 2 * 8 * 9 * 2);
    for (const { relativeError } of conv.members) {
      expect(relativeError).toBeGreaterThan(0);
      expect(relativeError).toBeLessThan(0.1);
    }
  });

  it('as many codewords as sub-vectors leave the outputs as they were', () => {
    const { graphs, report } = shareCodebooks(pair, [both('conv', 2, 144), both('dense', 8, 10)]);
    for (const { members } of report) for (const { error } of members) expect(error).toBe(0);
    graphs.forEach((graph, i) => {
      const want = run(pair[i], i);
      run(graph, i).forEach((y, j) => {
        expect(y).toBeCloseTo(want[j], 3);
      });
    });
  });

  it('counts errors by each Gram matrix, and puts fewer of them where the inputs are', () => {
    const gram = Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? [9, 0.01, 4, 0.01][i / 5] : 0));
    const plain = both('conv', 2, 16);
    const weighted = { ...plain, members: plain.members.map((member) => ({ ...member, gram })) };
    const [with_] = shareCodebooks(pair, [weighted]).report;
    const [without] = shareCodebooks(pair, [plain]).report;
    with_.members.forEach(({ relativeError }, i) => {
      expect(relativeError).toBeLessThan(0.5 * without.members[i].relativeError);
    });
  });

  it('survives a file', () => {
    const [graph] = shareCodebooks(
      [pair[0]],
      [{ ...both('conv', 4, 16), members: [{ graph: 0, node: 'conv' }] }],
    ).graphs;
    const again = readVireo(writeVireo(graph));
    expect(run(again, 5)).toEqual(run(graph, 5));
  });

  it('is written to other formats with its weights decoded', () => {
    const [graph] = shareCodebooks(
      [pair[0]],
      [{ ...both('conv', 4, 16), members: [{ graph: 0, node: 'conv' }] }],
    ).graphs;
    const decoded = decodeCodebooks(graph).graph;
    expect(writeOnnx(graph)).toEqual(writeOnnx(decoded));
    expect(writeTflite(graph)).toEqual(writeTflite(decoded));
  });

  it('counts table products as multiply-accumulates and look-ups as operations', () => {
    const [graph] = shareCodebooks(
      [pair[0]],
      [{ ...both('conv', 2, 32), members: [{ graph: 0, node: 'conv' }] }],
    ).graphs;
    const positions = 2 * 4 * 6;
    const table = positions * 2 * 32 * 2;
    expect(graphMacs(graph)).toBe(table + 2 * 5 * 24 * 8);
    const [layer] = countGraph(graph).layers;
    expect(layer).toMatchObject({ kind: 'codebookConv2d', macs: table, operations: positions * 8 * 9 * 2 });
    expect(layer.weights.bytes).toBe(4 * 2 * 32 * 2);
    expect(layer.bias.bytes).toBe(4 * 8 + 8 * 9 * 2); // the indices too
  });

  it.each<[string, SharedLayer, string]>([
    ['an unknown layer', both('nothing', 2, 4), 'graph "a" has no layer "nothing"'],
    ['a reshape', both('reshape', 2, 4), '"reshape" is reshape, expected conv2d without groups or dense'],
    [
      'sub-vectors that do not divide the channels',
      both('conv', 3, 4),
      '4 input channels do not divide into sub-vectors of 3',
    ],
    ['no members', { ...both('conv', 2, 4), members: [] }, 'no layers to share it'],
    [
      'another graph',
      { ...both('conv', 2, 4), members: [{ graph: 7, node: 'conv' }] },
      'there is no graph 7',
    ],
    ['257 codewords', both('conv', 2, 257), '1 to 256 codewords, got 257'],
    [
      'members with unlike channels',
      {
        ...both('conv', 2, 4),
        members: [
          { graph: 0, node: 'conv' },
          { graph: 0, node: 'dense' },
        ],
      },
      '"dense" has 192 input channels, "conv" 4',
    ],
    [
      'one Gram matrix of two',
      {
        ...both('conv', 2, 4),
        members: [
          { graph: 0, node: 'conv', gram: new Float64Array(16) },
          { graph: 1, node: 'conv' },
        ],
      },
      'some layers have a Gram matrix, some have not',
    ],
    [
      'a layer listed twice',
      {
        ...both('conv', 2, 4),
        members: [
          { graph: 0, node: 'conv' },
          { graph: 0, node: 'conv' },
        ],
      },
      '"conv" is listed twice',
    ],
  ])('refuses %s', (_, layer, message) => {
    expect(() => shareCodebooks(pair, [layer])).toThrow(message);
  });
});

describe('verify', () => {
  const [graph] = shareCodebooks(
    [network('a', 1, 8)],
    [{ ...both('conv', 2, 16), members: [{ graph: 0, node: 'conv' }] }],
  ).graphs;
  const withIndices = (change: object): Graph => ({
    ...graph,
    values: graph.values.map((value) => (value.name === 'conv/indices' ? { ...value, ...change } : value)),
  });

  it.each<[string, object, string]>([
    [
      'an index beyond the codebook',
      { data: new Uint8Array(144).fill(16) },
      'index 16 of "conv/indices" is outside a codebook of 16',
    ],
    ['indices of another dtype', { dtype: 'i8', data: new Int8Array(144) }, 'is i8, expected u8'],
    ['indices for other sub-spaces', { shape: [16, 3, 3, 1] }, 'do not fit codebook [2, 16, 2]'],
  ])('refuses %s', (_, change, message) => {
    expect(() => verify(withIndices(change))).toThrow(message);
  });
});
