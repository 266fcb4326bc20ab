/** Networks that hold their pictures as NCHW: transposes sink and cancel, scales fold, and the answers stay. */
import { describe, expect, it } from 'vitest';
import { foldScale } from '../../src/graph/passes/fold-scale.ts';
import { sinkTransposes } from '../../src/graph/passes/sink-transposes.ts';
import { verify } from '../../src/graph/verify.ts';
import { compile, type Graph, GraphBuilder, noClamp, noPad, reference, removeDead } from '../../src/index.ts';
import { seeded } from '../data.ts';

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];

function floats(count: number, below: (limit: number) => number): Float32Array {
  return Float32Array.from({ length: count }, () => below(2000) / 1000 - 1);
}

/** conv2d on NCHW: transpose, conv2d, transpose. */
function convNchw(b: GraphBuilder, x: number, outC: number, below: (limit: number) => number): number {
  const [, inC] = b.value(x).shape;
  const w = b.constant('w', 'f32', [outC, 3, 3, inC], floats(outC * 9 * inC, below));
  const bias = b.constant('b', 'f32', [outC], floats(outC, below));
  const last = b.add({ kind: 'transpose', perm: toLast }, [x]);
  const pad = { top: 1, left: 1, bottom: 1, right: 1 };
  const y = b.add({ kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad, groups: 1, clamp: noClamp }, [
    last,
    w,
    bias,
  ]);
  return b.add({ kind: 'transpose', perm: toFirst }, [y]);
}

function outputOf(graph: Graph, input: Float32Array): number[] {
  const session = compile(graph, { kernels: [reference] });
  session.input(0).set(input);
  session.run();
  return [...session.output(0)];
}

function expectSame(graph: Graph, changed: Graph, below: (limit: number) => number): void {
  verify(changed);
  const input = floats(
    graph.values[graph.inputs[0]].shape.reduce((a, c) => a * c, 1),
    below,
  );
  const before = outputOf(graph, input);
  outputOf(changed, input).forEach((value, i) => {
    expect(Math.abs(value - before[i])).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(before[i]));
  });
}

const transposes = (graph: Graph): number => graph.nodes.filter(({ op }) => op.kind === 'transpose').length;

describe('sinkTransposes', () => {
  it('a chain of convolutions, additions and concatenations keeps one transpose at each end', () => {
    const below = seeded(1);
    const b = new GraphBuilder('nchw');
    const x = b.input('x', 'f32', [1, 3, 6, 5]);
    let y = convNchw(b, x, 4, below);
    y = b.add({ kind: 'clamp', clamp: { min: 0, max: 6 } }, [y]);
    const z = convNchw(b, y, 4, below);
    const scale = b.constant('scale', 'f32', [1, 4, 1, 1], floats(4, below));
    const scaled = b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [z, scale]);
    const sum = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [y, scaled]);
    const both = b.add({ kind: 'concat', axis: 1 }, [sum, y]);
    const part = b.add({ kind: 'slice', begin: [0, 1, 1, 0], size: [1, 6, 4, 5], step: [1, 1, 1, 1] }, [
      both,
    ]);
    const padded = b.add({ kind: 'pad', before: [0, 0, 1, 2], after: [0, 0, 0, 1], value: 0 }, [part]);
    const graph = b.finish([convNchw(b, padded, 2, below)]);
    const { graph: changed, report } = sinkTransposes(graph);
    expect(transposes(changed)).toBe(2);
    expect(report).toBe(transposes(graph) - 2);
    expectSame(graph, changed, below);
  });

  it('a mean over rows and columns leaves a reshape, not a transpose', () => {
    const below = seeded(2);
    const b = new GraphBuilder('head');
    const y = convNchw(b, b.input('x', 'f32', [1, 3, 4, 4]), 5, below);
    const mean = b.add({ kind: 'reduce', fn: 'mean', axes: [2, 3] }, [y]);
    const graph = b.finish([b.add({ kind: 'reshape', shape: [1, 5] }, [mean])]);
    const { graph: changed } = sinkTransposes(graph);
    expect(transposes(changed)).toBe(1);
    expectSame(graph, changed, below);
  });

  it('two transposes that undo each other vanish, also at an output', () => {
    const b = new GraphBuilder('undone');
    const x = b.input('x', 'f32', [1, 2, 3, 4]);
    const there = b.add({ kind: 'transpose', perm: toLast }, [x]);
    const graph = b.finish([b.add({ kind: 'transpose', perm: toFirst }, [there])]);
    const { graph: changed } = sinkTransposes(graph);
    expect(changed.nodes).toEqual([]);
    expect(changed.outputs).toEqual(changed.inputs);
  });

  it('an input in another order is not pushed through: the transposes stay where they are needed', () => {
    const below = seeded(3);
    const b = new GraphBuilder('mixed');
    const x = b.input('x', 'f32', [1, 4, 4, 4]);
    const turned = b.add({ kind: 'transpose', perm: toLast }, [x]);
    const graph = b.finish([b.add({ kind: 'binary', fn: 'sub', clamp: noClamp }, [turned, x])]);
    const { graph: changed } = sinkTransposes(graph);
    expect(transposes(changed)).toBe(1);
    expectSame(graph, changed, below);
  });

  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'random permutations and operators, seed %i',
    (seed) => {
      const below = seeded(seed + 100);
      const b = new GraphBuilder('random');
      const pool = [b.input('x', 'f32', [2, 3, 4, 5])];
      for (let step = 0; step < 12; step++) {
        const x = pool[below(pool.length)];
        const { shape } = b.value(x);
        const perm = [0, 1, 2, 3].sort(() => below(3) - 1);
        const same = pool.filter((id) => b.value(id).shape.every((extent, i) => extent === shape[i]));
        const axis = below(4);
        const made = [
          () => b.add({ kind: 'transpose', perm }, [x]),
          () => b.add({ kind: 'transpose', perm }, [x]),
          () => b.add({ kind: 'unary', fn: 'tanh', alpha: 0 }, [x]),
          () => b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [x, same[below(same.length)]]),
          () =>
            b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [
              x,
              b.constant(
                'c',
                'f32',
                shape.slice(axis),
                floats(
                  shape.slice(axis).reduce((p, q) => p * q, 1),
                  below,
                ),
              ),
            ]),
          () => b.add({ kind: 'concat', axis }, [x, same[below(same.length)]]),
          () =>
            b.add(
              {
                kind: 'slice',
                begin: [0, 0, 0, 0],
                size: shape.map((e, i) => (i === axis ? Math.max(1, e - 1) : e)),
                step: [1, 1, 1, 1],
              },
              [x],
            ),
          () => b.add({ kind: 'reduce', fn: 'mean', axes: [axis] }, [x]),
          () => b.add({ kind: 'pad', before: [0, 1, 0, 1], after: [1, 0, 0, 0], value: 0.5 }, [x]),
          () => b.add({ kind: 'softmax', beta: 1, log: false }, [x]),
        ][below(10)]();
        pool.push(made);
      }
      const graph = removeDead(b.finish([pool[pool.length - 1]])).graph;
      const { graph: changed, report } = sinkTransposes(graph);
      expect(report).toBe(transposes(graph) - transposes(changed));
      expectSame(graph, changed, below);
    },
  );
});

describe('foldScale', () => {
  const layer = (
    b: GraphBuilder,
    kind: 'conv2d' | 'depthwiseConv2d',
    x: number,
    below: (limit: number) => number,
  ): number => {
    const window = { stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: noClamp } as const;
    return kind === 'conv2d'
      ? b.add({ kind, ...window, groups: 1 }, [x, b.constant('w', 'f32', [4, 2, 2, 4], floats(64, below))])
      : b.add({ kind, ...window }, [
          x,
          b.constant('w', 'f32', [1, 2, 2, 4], floats(16, below)),
          b.constant('b', 'f32', [4], floats(4, below)),
        ]);
  };
  it.each(['conv2d', 'depthwiseConv2d'] as const)('%s → ·γ → +β → −δ → /ε is one layer', (kind) => {
    const below = seeded(7);
    const b = new GraphBuilder('normalised');
    let y = layer(b, kind, b.input('x', 'f32', [1, 5, 5, 4]), below);
    for (const fn of ['mul', 'add', 'sub', 'div'] as const) {
      const c = b.constant(
        fn,
        'f32',
        fn === 'sub' ? [] : [4],
        floats(fn === 'sub' ? 1 : 4, below).map((v) => v + 2),
      );
      y = b.add({ kind: 'binary', fn, clamp: fn === 'div' ? { min: 0, max: 1 } : noClamp }, [y, c]);
    }
    const graph = b.finish([y]);
    const { graph: changed, report } = foldScale(graph);
    expect(report).toBe(4);
    expect(changed.nodes.map(({ op }) => op.kind)).toEqual([kind]);
    expectSame(graph, changed, below);
  });
  it('a constant on the left: γ − conv2d', () => {
    const below = seeded(8);
    const b = new GraphBuilder('left');
    const y = layer(b, 'conv2d', b.input('x', 'f32', [1, 5, 5, 4]), below);
    const c = b.constant('c', 'f32', [4], floats(4, below));
    const graph = b.finish([b.add({ kind: 'binary', fn: 'sub', clamp: noClamp }, [c, y])]);
    const { graph: changed, report } = foldScale(graph);
    expect(report).toBe(1);
    expectSame(graph, changed, below);
  });
  it.each([
    ['another reader', (b: GraphBuilder, y: number, z: number) => b.finish([z, y])],
    ['an output of its own', (b: GraphBuilder, y: number, z: number) => b.finish([y, z])],
  ])('stays where the layer has %s', (_, finish) => {
    const below = seeded(9);
    const b = new GraphBuilder('shared');
    const y = layer(b, 'conv2d', b.input('x', 'f32', [1, 5, 5, 4]), below);
    const z = b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [
      y,
      b.constant('c', 'f32', [4], floats(4, below)),
    ]);
    expect(foldScale(finish(b, y, z)).report).toBe(0);
  });
  it('stays where the constant is no row of channels', () => {
    const below = seeded(10);
    const b = new GraphBuilder('rows');
    const y = layer(b, 'conv2d', b.input('x', 'f32', [1, 5, 5, 4]), below);
    const c = b.constant('c', 'f32', [4, 1], floats(4, below));
    expect(foldScale(b.finish([b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [y, c])])).report).toBe(
      0,
    );
  });
});
