/** QDQ networks become integer ones. Scales are powers of two, so that both forms are exact and equal to the byte. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/graph/evaluate.ts';
import { fuseQuantization } from '../../src/graph/passes/fuse-quantization.ts';
import { compile, type Graph, GraphBuilder, noClamp, noPad, type TensorData } from '../../src/index.ts';
import { seeded } from '../data.ts';

const q = (scale: number, zeroPoint: number) => ({ scale: [scale], zeroPoint: [zeroPoint], axis: 0 });
const dequantize = (b: GraphBuilder, x: number): number =>
  b.add({ kind: 'convert', rounding: 'even' }, [x], { dtype: 'f32', quantization: null, fold: false });
const quantize = (b: GraphBuilder, x: number, scale: number, zeroPoint: number): number =>
  b.add({ kind: 'convert', rounding: 'even' }, [x], { dtype: 'u8', quantization: q(scale, zeroPoint) });

/** The network as it stands, node by node. */
function plainly(graph: Graph, input: Uint8Array): TensorData {
  const values = graph.values.map((value) => ({ ...value }));
  values[graph.inputs[0]] = { ...values[graph.inputs[0]], data: input };
  for (const { op, inputs, output } of graph.nodes)
    values[output] = {
      ...values[output],
      data: evaluate(
        op,
        inputs.map((id) => values[id]),
        values[output],
      ),
    };
  return values[graph.outputs[0]].data!;
}

function expectEqual(graph: Graph, seed: number): void {
  const below = seeded(seed);
  const session = compile(graph);
  const input = Uint8Array.from({ length: session.input(0).length }, () => below(256));
  session.input(0).set(input);
  session.run();
  expect([...session.output(0)]).toEqual([...(plainly(graph, input) as Uint8Array)]);
}

const kinds = (graph: Graph): string[] => graph.nodes.map(({ op }) => op.kind);

function start(): { b: GraphBuilder; x: number } {
  const b = new GraphBuilder('qdq');
  return { b, x: dequantize(b, b.input('x', 'u8', [1, 4, 4, 2], q(2 ** -4, 117))) };
}

describe('fuseQuantization', () => {
  it('a convolution with a bound, its result reshaped before it is quantised', () => {
    const { b, x } = start();
    const below = seeded(1);
    const integers = b.constant(
      'w',
      'i8',
      [3, 3, 3, 2],
      Int8Array.from({ length: 54 }, () => below(255) - 127),
      q(2 ** -7, 0),
    );
    const bias = b.constant('b', 'f32', [3], Float32Array.of(1, -0.5, 0.25));
    const pad = { top: 1, left: 1, bottom: 1, right: 1 };
    const conv = b.add(
      { kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad, groups: 1, clamp: { min: 0, max: 6 } },
      [x, dequantize(b, integers), bias],
    );
    const graph = b.finish([quantize(b, b.add({ kind: 'reshape', shape: [1, 48] }, [conv]), 2 ** -5, 3)]);
    expect(kinds(fuseQuantization(graph).graph)).toEqual(['conv2d', 'reshape']);
    expectEqual(graph, 2);
  });

  it('an addition, and a concatenation of two scales', () => {
    const { b, x } = start();
    const half = quantize(b, x, 2 ** -3, 100);
    const sum = quantize(
      b,
      b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [x, dequantize(b, half)]),
      2 ** -2,
      128,
    );
    const both = b.add({ kind: 'concat', axis: 3 }, [dequantize(b, half), dequantize(b, sum)]);
    const graph = b.finish([quantize(b, both, 2 ** -2, 120)]);
    expect(fuseQuantization(graph).graph.values.filter((v) => v.dtype === 'f32')).toEqual([]);
    expectEqual(graph, 3);
  });

  it('a maximum and a padding with 0 move integers', () => {
    const { b, x } = start();
    const pool = b.add({ kind: 'maxPool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp }, [
      x,
    ]);
    const padded = b.add({ kind: 'pad', before: [0, 1, 0, 0], after: [0, 0, 1, 0], value: 0 }, [pool]);
    const graph = b.finish([quantize(b, padded, 2 ** -4, 117)]);
    expect(kinds(fuseQuantization(graph).graph)).toEqual(['maxPool2d', 'pad']);
    expectEqual(graph, 4);
  });

  it('a padding that lies between two integers keeps its pair', () => {
    const { b, x } = start();
    const padded = b.add({ kind: 'pad', before: [0, 1, 0, 0], after: [0, 0, 0, 0], value: 0.03 }, [x]);
    const doubled = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [padded, padded]);
    const graph = b.finish([quantize(b, doubled, 2 ** -4, 100)]);
    expect(kinds(fuseQuantization(graph).graph)).toContain('convert');
    expectEqual(graph, 5);
  });

  it('a bound into another scale keeps its pair', () => {
    const { b, x } = start();
    const graph = b.finish([
      quantize(b, b.add({ kind: 'clamp', clamp: { min: 0, max: 3 } }, [x]), 2 ** -3, 7),
    ]);
    expect(kinds(fuseQuantization(graph).graph)).toEqual(['convert', 'clamp', 'convert']);
    expectEqual(graph, 6);
  });
});
