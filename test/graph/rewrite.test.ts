/** The rewrites: what they turn a graph into, and that its outputs stay what they were. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { optimize } from '../../src/graph/optimize.ts';
import { foldConstants } from '../../src/graph/passes/fold-constants.ts';
import { fuseClamp } from '../../src/graph/passes/fuse-clamp.ts';
import { fusePad } from '../../src/graph/passes/fuse-pad.ts';
import { print } from '../../src/graph/print.ts';
import { consumersOf, producersOf, type Rewrite, removeDead, rewriteAll } from '../../src/graph/rewrite.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { verify } from '../../src/graph/verify.ts';
import { type Clamp, noClamp, noPad } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { TensorData } from '../../src/tensor.ts';
import { runGraph } from '../io/tflite/run.ts';
import { randomGraph, randomInputs } from './random-graph.ts';

const kinds = (graph: Graph): string[] => graph.nodes.map((node) => node.op.kind);
const relu: Clamp = { min: 0, max: Number.POSITIVE_INFINITY };
const window = { stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: noClamp } as const;
const conv = { kind: 'conv2d', ...window, groups: 1 } as const;

function build(make: (b: GraphBuilder) => ValueId[]): Graph {
  const b = new GraphBuilder('net');
  const graph = b.finish(make(b));
  verify(graph);
  return graph;
}

const picture = (b: GraphBuilder) => b.input('x', 'f32', [1, 4, 4, 2]);
const filter = (b: GraphBuilder) =>
  b.constant(
    'w',
    'f32',
    [3, 2, 2, 2],
    Float32Array.from({ length: 24 }, (_, i) => i - 11),
  );

describe('every rewrite keeps the outputs of random networks', () => {
  const passes: Record<string, Rewrite<number>> = { removeDead, foldConstants, fusePad, fuseClamp };
  const all: Record<string, (graph: Graph) => { graph: Graph }> = { ...passes, optimize };

  it.each(Object.keys(all))('%s', (name) => {
    let changed = 0;
    for (let seed = 0; seed < 150; seed++)
      for (const dtype of ['f32', 'i8'] as const) {
        const graph = randomGraph(seed, dtype, 16);
        const copy = print(graph);
        const after = all[name](graph).graph;
        expect(print(graph)).toBe(copy);
        verify(after);
        if (after.nodes.length < graph.nodes.length) changed++;
        const inputs = randomInputs(graph, seed);
        expectClose(
          runGraph(after, inputs),
          runGraph(graph, inputs),
          dtype === 'f32',
          `${name}, seed ${seed}`,
        );
      }
    expect(changed).toBeGreaterThan(name === 'foldConstants' ? 20 : 5);
  });

  it('and what they report is how many nodes they changed', () => {
    for (let seed = 0; seed < 50; seed++) {
      const graph = randomGraph(seed, 'f32', 16);
      const { graph: after, report } = rewriteAll(graph, { removeDead, fuseClamp });
      expect(after.nodes.length).toBe(graph.nodes.length - report['removeDead'] - report['fuseClamp']);
    }
  });
});

function expectClose(
  actual: readonly TensorData[],
  expected: readonly TensorData[],
  isFloat: boolean,
  where: string,
): void {
  expect(actual.length, where).toBe(expected.length);
  expected.forEach((data, i) => {
    for (let k = 0; k < data.length; k++) {
      const [a, b] = [Number(actual[i][k]), Number(data[k])];
      if (!(Math.abs(a - b) <= (isFloat ? 1e-5 + 1e-5 * Math.abs(b) : 0)))
        expect.fail(`${where}: output ${i}, element ${k} is ${a}, was ${b}`);
    }
  });
}

describe('removeDead', () => {
  it('leaves out what nobody reads, keeps every input, and numbers values anew', () => {
    const graph = build((b) => {
      b.input('unused', 'f32', [9]);
      const x = picture(b);
      const y = b.add({ kind: 'clamp', clamp: relu }, [x], { name: 'y' });
      b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [b.add({ kind: 'unary', fn: 'abs', alpha: 0 }, [y])]);
      return [y];
    });
    const { graph: after, report } = removeDead(graph);
    expect(report).toBe(2);
    expect(after.values.map((value) => value.name)).toEqual(['unused', 'x', 'y']);
    expect(after.inputs).toEqual([0, 1]);
    expect(after.nodes.map(({ inputs, output }) => [...inputs, output])).toEqual([[1, 2]]);
    expect(after.outputs).toEqual([2]);
  });
});

describe('consumers and producers', () => {
  it('list every reader, outputs as null', () => {
    const graph = build((b) => {
      const x = picture(b);
      const y = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [x, x]);
      return [y, x];
    });
    const [node] = graph.nodes;
    expect(consumersOf(graph)).toEqual([[node, node, null], [null]]);
    expect(producersOf(graph)).toEqual([undefined, node]);
  });
});

describe('foldConstants', () => {
  it('computes what depends on constants only, in a chain', () => {
    const graph = build((b) => {
      const x = b.input('x', 'f32', [2]);
      const k = b.input('k', 'f32', [2]);
      const doubled = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [k, k]);
      const negative = b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [doubled]);
      return [b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [x, negative])];
    });
    // The builder folds as it goes; an input that became a constant afterwards is left to the rewrite.
    const known = {
      ...graph,
      inputs: [0],
      values: graph.values.map((value, id) => (id === 1 ? { ...value, data: Float32Array.of(3, 4) } : value)),
    };
    const { graph: after, report } = foldConstants(known);
    expect(report).toBe(2);
    expect(kinds(after)).toEqual(['binary']);
    expect([...after.values[after.nodes[0].inputs[1]].data!]).toEqual([-6, -8]);
    expect(after.values.length).toBe(3);
  });
});

describe('fuseClamp', () => {
  it('puts a clamp into a convolution, and a second one too', () => {
    const graph = build((b) => {
      const y = b.add(conv, [picture(b), filter(b)], { name: 'conv' });
      const r = b.add({ kind: 'clamp', clamp: relu }, [y], { name: 'relu' });
      return [b.add({ kind: 'clamp', clamp: { min: -5, max: 6 } }, [r], { name: 'relu6' })];
    });
    const { graph: after, report } = fuseClamp(graph);
    expect(report).toBe(2);
    expect(after.nodes.map(({ name, op }) => [name, 'clamp' in op && op.clamp])).toEqual([
      ['conv', { min: 0, max: 6 }],
    ]);
    expect(after.values[after.outputs[0]].name).toBe('relu6');
  });

  it.each([
    [
      { min: 0, max: 6 },
      { min: 1, max: 9 },
      { min: 1, max: 6 },
    ],
    [
      { min: 0, max: 6 },
      { min: 7, max: 9 },
      { min: 7, max: 7 },
    ],
    [
      { min: 0, max: 6 },
      { min: -9, max: -7 },
      { min: -7, max: -7 },
    ],
    [noClamp, { min: -1, max: 1 }, { min: -1, max: 1 }],
  ])('%j then %j is %j', (first, second, fused) => {
    const graph = build((b) => {
      const x = picture(b);
      const y = b.add({ kind: 'binary', fn: 'add', clamp: first }, [x, x]);
      return [b.add({ kind: 'clamp', clamp: second }, [y])];
    });
    const { graph: after } = fuseClamp(graph);
    const { op } = after.nodes[0];
    expect(op.kind === 'binary' && op.clamp).toEqual(fused);
  });

  it.each([
    [
      'read by another',
      (b: GraphBuilder, y: ValueId) => [
        b.add({ kind: 'clamp', clamp: relu }, [y]),
        b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [y]),
      ],
    ],
    ['an output', (b: GraphBuilder, y: ValueId) => [b.add({ kind: 'clamp', clamp: relu }, [y]), y]],
  ] as const)('stays where the result before it is %s', (_, rest) => {
    const graph = build((b) => [...rest(b, b.add(conv, [picture(b), filter(b)]))]);
    const { graph: after, report } = fuseClamp(graph);
    expect(report).toBe(0);
    expect(kinds(after)).toEqual(kinds(graph));
  });

  it('stays where it changes the scale, or its producer knows no clamp', () => {
    const requantising = build((b) => {
      const scale = (s: number) => ({ scale: [s], zeroPoint: [0], axis: 0 });
      const x = b.input('x', 'i8', [4], scale(0.5));
      const y = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [x, x], { quantization: scale(0.5) });
      return [b.add({ kind: 'clamp', clamp: relu }, [y], { quantization: scale(0.25) })];
    });
    expect(fuseClamp(requantising).report).toBe(0);
    const transposing = build((b) => [
      b.add({ kind: 'clamp', clamp: relu }, [b.add({ kind: 'transpose', perm: [0, 2, 1, 3] }, [picture(b)])]),
    ]);
    expect(fuseClamp(transposing).report).toBe(0);
  });
});

describe('fusePad', () => {
  const pad = { kind: 'pad', before: [0, 1, 2, 0], after: [0, 0, 1, 0], value: 0 } as const;
  const padded = (change: object) =>
    build((b) => [b.add(conv, [b.add({ ...pad, ...change }, [picture(b)]), filter(b)])]);

  it('puts a pad into the border of a convolution, added to its own', () => {
    const graph = build((b) => {
      const y = b.add(pad, [picture(b)]);
      return [b.add({ ...conv, pad: { top: 1, left: 0, bottom: 1, right: 0 } }, [y, filter(b)])];
    });
    const { graph: after, report } = fusePad(graph);
    expect(report).toBe(1);
    expect(kinds(after)).toEqual(['conv2d']);
    const { op } = after.nodes[0];
    expect(op.kind === 'conv2d' && op.pad).toEqual({ top: 2, left: 2, bottom: 1, right: 1 });
  });

  it.each([
    ['another number', { value: 1 }],
    ['channels', { after: [0, 0, 0, 1], before: [0, 0, 0, 0] }],
    ['pictures', { after: [1, 0, 0, 0] }],
  ])('not where it pads with %s', (_, change) => {
    const graph =
      'after' in change && change.after?.[3] === 1
        ? build((b) => {
            const x = b.input('x', 'f32', [1, 4, 4, 1]);
            return [b.add(conv, [b.add({ ...pad, ...change }, [x]), filter(b)])];
          })
        : padded(change);
    expect(fusePad(graph).report).toBe(0);
  });

  it('not into a pool, whose average would count differently', () => {
    const graph = build((b) => [
      b.add({ kind: 'averagePool2d', kernel: [2, 2], stride: [1, 1], pad: noPad, clamp: noClamp }, [
        b.add(pad, [picture(b)]),
      ]),
    ]);
    expect(fusePad(graph).report).toBe(0);
  });

  it('leaves the padded value where another reads it', () => {
    const graph = build((b) => {
      const y = b.add(pad, [picture(b)]);
      return [b.add(conv, [y, filter(b)]), y];
    });
    const { graph: after, report } = fusePad(graph);
    expect(report).toBe(1);
    expect(kinds(after)).toEqual(['pad', 'conv2d']);
  });
});

describe('print', () => {
  it('shows a graph as one node a line', () => {
    const b = new GraphBuilder('net');
    const scale = (s: number[], axis = 0) => ({ scale: s, zeroPoint: s.map(() => 0), axis });
    const x = b.input('picture', 'i8', [1, 4, 4, 2], { scale: [0.5], zeroPoint: [-3], axis: 0 });
    const w = b.constant('w', 'i8', [2, 1, 1, 2], new Int8Array(4), scale([1, 2]));
    const y = b.add(
      { ...conv, stride: [2, 2], pad: { top: 0, left: 1, bottom: 0, right: 0 }, clamp: { min: 0, max: 6 } },
      [x, w],
      {
        name: 'stem',
        quantization: scale([1]),
      },
    );
    const z = b.add({ kind: 'concat', axis: 3 }, [y, y], { name: 'both' });
    b.note('Something was changed.');
    expect(print(b.finish([z]))).toBe(
      [
        'graph "net"',
        '  input  %0 i8[1, 4, 4, 2] s=0.5 z=-3 "picture"',
        '  %2 = conv2d(%0, i8[2, 1, 1, 2]) stride=[2, 2] dilation=[1, 1] pad=[0, 1, 0, 0] clamp=0…6 groups=1 : i8[1, 2, 3, 2] s=1 z=0 "stem"',
        '  %3 = concat(%2, %2) axis=3 : i8[1, 2, 3, 4] s=1 z=0 "both"',
        '  output %3 "both"',
        '  note   Something was changed.',
      ].join('\n'),
    );
  });
});

describe('a session', () => {
  const graph = build((b) => {
    const x = b.input('x', 'f32', [2]);
    const n = b.input('n', 'i64', [2]);
    return [b.add({ kind: 'unary', fn: 'neg', alpha: 0 }, [x], { name: 'minus' }), n];
  });

  it('has its ends by name and by position, the same arrays every time', () => {
    const session = compile(graph);
    expect(session.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['x', 'f32', [2]],
      ['n', 'i64', [2]],
    ]);
    expect(session.input('x')).toBe(session.input(0, 'f32'));
    expect(session.output('minus')).toBe(session.output(0));
    session.input('x', 'f32').set([1, -2]);
    session.run();
    expect([...session.output(0)]).toEqual([-1, 2]);
    expect([...session.input(0)]).toEqual([1, -2]);
  });

  it('says what there is when asked for something else', () => {
    const session = compile(graph);
    expect(() => session.input('y')).toThrow('no input "y": there are 2 ("x", "n")');
    expect(() => session.output(2)).toThrow('no output 2: there are 2 ("minus", "n")');
    expect(() => session.input(0, 'i8')).toThrow("input 0 is f32: ask for it as 'f32'");
    expect(() => session.input('n')).toThrow('input "n" is i64: ask for it as \'i64\'');
    expect(session.input('n', 'i64')).toBeInstanceOf(BigInt64Array);
  });

  it('lists every operator that no kernel computes, before anything runs', () => {
    const none = { name: 'none', offer: () => null };
    expect(() => compile(graph, { kernels: [none] })).toThrow(
      '1 of 1 operators have no kernel in none:\n  unary fn=neg alpha=0 "minus": (f32[2]) → f32[2]',
    );
    expect(() => compile(graph, { kernels: [none, reference] })).not.toThrow();
  });
});
