/** The file around the operators: what it says of itself, its buffers, and what cannot be written. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../../src/errors.ts';
import { GraphBuilder } from '../../../../src/graph/build.ts';
import type { Graph } from '../../../../src/graph/ir.ts';
import { FlatFile } from '../../../../src/io/tflite/flatbuffer.ts';
import { readTflite } from '../../../../src/io/tflite/index.ts';
import {
  encode,
  floats,
  ints,
  longs,
  string,
  table,
  tables,
} from '../../../../src/io/tflite/write/flatbuffer.ts';
import { writeTflite } from '../../../../src/io/tflite/write/index.ts';
import { stepsOf } from '../../../../src/io/tflite/write/rules/hybrid.ts';
import { noClamp, noPad } from '../../../../src/kernels/call.ts';
import { lenet } from '../../../graph/train-nets.ts';
import { random } from '../../../kernels/run-call.ts';
import { structureOf } from './structure.ts';

function errorOf(body: () => unknown): VireoError {
  try {
    body();
  } catch (error) {
    if (error instanceof VireoError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const sum = (a: Float32Array, b: Float32Array): Graph => {
  const builder = new GraphBuilder('Summe äöü');
  const x = builder.input('Eingang ✓', 'f32', [3]);
  const first = builder.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [
    x,
    builder.constant('a', 'f32', [3], a),
  ]);
  const y = builder.add(
    { kind: 'binary', fn: 'mul', clamp: noClamp },
    [first, builder.constant('b', 'f32', [3], b)],
    { name: 'y' },
  );
  return builder.finish([y]);
};

describe('a FlatBuffer', () => {
  it('reads back field by field, absent ones with their defaults', () => {
    const bytes = encode(
      table({
        0: ['bool', 1],
        1: ['i8', -3],
        3: ['f32', 0.5],
        4: ints([1, -2]),
        5: longs([-1, 2 ** 40]),
        6: floats([0.25]),
        7: string('naïve ✓'),
        9: tables([table({}), table({ 0: ['u32', 2 ** 32 - 1] })]),
        10: ['i32', -7],
      }),
      'TEST',
    );
    const root = new FlatFile(bytes, 'test').root('TEST');
    expect([root.bool(0), root.i8(1), root.i32(2, 42), root.f32(3)]).toEqual([true, -3, 42, 0.5]);
    expect([root.ints(4), root.longs(5), root.floats(6)]).toEqual([[1, -2], [-1, 2 ** 40], [0.25]]);
    expect(root.string(7)).toBe('naïve ✓');
    expect(root.has(8)).toBe(false);
    expect([root.tables(9).length, root.tables(9).at(1).u32(0)]).toEqual([2, 2 ** 32 - 1]);
    expect(root.i32(10)).toBe(-7);
  });

  it('grows beyond its first 64 KB', () => {
    const values = Array.from({ length: 100_000 }, (_, i) => i);
    const root = new FlatFile(encode(table({ 0: ints(values) }), 'TEST'), 'test').root('TEST');
    expect(root.ints(0)).toEqual(values);
  });
});

describe('a written file', () => {
  it('says who wrote it, its names, and the metadata that it is given', () => {
    const graph = sum(Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6));
    const file = structureOf(writeTflite(graph, { metadata: { author: 'jemand', licence: 'MIT' } }));
    expect(file).toMatchObject({
      description: 'vireo-nn',
      name: 'Summe äöü',
      metadata: { author: 'jemand', licence: 'MIT' },
    });
    expect(file.tensors.map(({ name }) => name)).toEqual(['Eingang ✓', 'a', 'binary', 'b', 'y']);
    expect(readTflite(writeTflite(graph)).name).toBe('Summe äöü');
  });

  it('holds equal constants once', () => {
    const [p, q] = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)];
    expect(structureOf(writeTflite(sum(p, q))).buffers).toHaveLength(3);
    const shared = structureOf(writeTflite(sum(p, Float32Array.from(p))));
    expect(shared.buffers).toHaveLength(2);
    expect(shared.tensors.map(({ buffer }) => buffer)).toEqual([0, 1, 0, 1, 0]);
  });

  it('gives an int8 layer a bias of scale sₓ·s_w for each channel, and one of zeros where it has none', () => {
    const build = (withBias: boolean): Graph => {
      const builder = new GraphBuilder('layer');
      const x = builder.input('x', 'i8', [1, 2, 2, 1], { scale: [0.5], zeroPoint: [3], axis: 0 });
      const w = builder.constant('w', 'i8', [2, 1, 1, 1], Int8Array.of(1, 2), {
        scale: [0.25, 0.125],
        zeroPoint: [0, 0],
        axis: 0,
      });
      const b = withBias ? [builder.constant('b', 'i32', [1, 1, 1, 2], Int32Array.of(7, -7))] : [];
      const y = builder.add(
        { kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, groups: 1, clamp: noClamp },
        [x, w, ...b],
        { quantization: { scale: [1], zeroPoint: [0], axis: 0 } },
      );
      return builder.finish([y]);
    };
    for (const withBias of [true, false]) {
      const { tensors, operators, buffers } = structureOf(writeTflite(build(withBias)));
      const bias = tensors[operators[0]!.inputs[2]!]!;
      expect(bias).toMatchObject({ type: 'int32', shape: [2], scale: [0.125, 0.0625], zeroPoint: [0, 0] });
      const data = buffers[bias.buffer]!.slice();
      expect(Array.from(new Int32Array(data.buffer))).toEqual(withBias ? [7, -7] : [0, 0]);
    }
  });
});

describe('what TensorFlow Lite cannot express', () => {
  it('is refused all at once, by kind and name', () => {
    const builder = new GraphBuilder('odd');
    const x = builder.input('x', 'f32', [1, 4]);
    const wide = builder.input('wide', 'f64', [2]);
    const erf = (name: string) => builder.add({ kind: 'unary', fn: 'erf', alpha: 0 }, [x], { name });
    const outputs = [
      ...['a', 'b', 'c', 'd'].map(erf),
      builder.add({ kind: 'binary', fn: 'fmod', clamp: noClamp }, [x, x], { name: 'rest' }),
      builder.add({ kind: 'fakeQuantize', batchDims: 1, symmetric: true }, [x], { name: 'rounded' }),
      builder.add({ kind: 'argMax', axis: 1, least: false, last: true }, [x], { name: 'last', dtype: 'i64' }),
      wide,
    ];
    const error = errorOf(() => writeTflite(builder.finish(outputs)));
    expect(error).toMatchObject({
      code: 'unsupported',
      message: [
        'TFLite cannot hold the graph "odd":',
        'input: f64 data ("wide")',
        'unary erf: no operator for erf ("a", "b", "c" and 1 more)',
        'binary fmod: a remainder with the sign of the dividend ("rest")',
        'argMax: the last of equals ("last")',
        'an output: dynamic rounding to int8 ("rounded")',
      ].join('\n  '),
    });
  });

  it('includes a network that is still in training', () => {
    const error = errorOf(() => writeTflite(lenet(1).graph));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain(
      'a state: numbers kept between runs; freeze the network first ("conv1/weights"',
    );
    expect(error.message).toContain('conv2d: weights that are not constant');
  });

  it('includes a broken graph', () => {
    const graph = sum(new Float32Array(3), new Float32Array(3));
    const broken = { ...graph, nodes: [...graph.nodes].reverse() };
    expect(errorOf(() => writeTflite(broken)).code).toBe('bad-graph');
  });

  it('includes hybrid weights that are no steps of a scale', () => {
    const next = random(5);
    const builder = new GraphBuilder('hybrid');
    const x = builder.input('x', 'f32', [1, 4]);
    const rounded = builder.add({ kind: 'fakeQuantize', batchDims: 1, symmetric: true }, [x]);
    const w = builder.constant(
      'w',
      'f32',
      [2, 4],
      Float32Array.from({ length: 8 }, () => next()),
    );
    const graph = builder.finish([
      builder.add({ kind: 'dense', clamp: noClamp }, [rounded, w], { name: 'y' }),
    ]);
    expect(errorOf(() => writeTflite(graph)).message).toContain(
      'dense: hybrid weights that are no int8 steps ("y")',
    );
  });
});

describe('the steps of hybrid weights', () => {
  it.each([
    ['127 steps', 0.0078125, [127, -3, 0]],
    ['a scale that is no short number', Math.fround(0.0123), [-127, 5, 99]],
    ['the lowest of all', Math.fround(0.3), [-128, 1]],
    ['few steps', Math.fround(1 / 3), [3, -2, 1]],
    ['a tiny scale', Math.fround(1e-30), [127, 64]],
  ])('%s', (_, scale, levels) => {
    const weights = Float32Array.from(levels, (q) => scale * q);
    const found = stepsOf(weights)!;
    expect(Float32Array.from(found.levels, (q) => found.scale * q)).toEqual(weights);
    expect(Math.max(...Array.from(found.levels, Math.abs))).toBeGreaterThanOrEqual(
      Math.max(...levels.map(Math.abs)),
    );
  });

  it('are not found where there are none', () => {
    const next = random(3);
    expect(stepsOf(Float32Array.from({ length: 40 }, () => next()))).toBeNull();
    expect(stepsOf(Float32Array.of(1, Number.NaN))).toBeNull();
  });
});
