/** The rewrite as a whole: its options, its errors, its report, and random networks. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import { storedSize } from '../../src/graph/cost/size.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { union } from '../../src/graph/merge/union.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { verify } from '../../src/graph/verify.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import {
  type Calibration,
  calibrate,
  calibrator,
  outputFidelity,
  prepare,
  quantize,
  type Sample,
  sensitivities,
  storedSample,
} from '../../src/quant/index.ts';
import { randomStream } from '../../src/random.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { randomGraph } from '../graph/random-graph.ts';
import { outputsOf, runEverywhere } from './run.ts';

const random = randomStream(23);
const numbers = (shape: Shape, size = 1): Float32Array =>
  Float32Array.from({ length: elementCount(shape) }, () => size * random.normal());
const relu = { min: 0, max: Number.POSITIVE_INFINITY };
const window = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;

/** conv → depthwise → mean → dense → softmax */
function smallNetwork(): Graph {
  const b = new GraphBuilder('small');
  const w = (name: string, shape: Shape) =>
    b.constant(name, 'f32', shape, numbers(shape, 1 / Math.sqrt(elementCount(shape.slice(1)))));
  const x = b.input('x', 'f32', [1, 8, 8, 3]);
  const bias = b.constant('first/b', 'f32', [8], numbers([8]));
  const first = b.add(
    { kind: 'conv2d', ...window, groups: 1, clamp: relu },
    [x, w('first/w', [8, 3, 3, 3]), bias],
    { name: 'first' },
  );
  const second = b.add(
    { kind: 'depthwiseConv2d', ...window, clamp: relu },
    [first, b.constant('second/w', 'f32', [1, 3, 3, 8], numbers([1, 3, 3, 8], 0.3))],
    { name: 'second' },
  );
  const mean = b.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [second], { name: 'mean' });
  const flat = b.add({ kind: 'reshape', shape: [1, 8] }, [mean], { name: 'flat' });
  const last = b.add({ kind: 'dense', clamp: noClamp }, [flat, w('last/w', [5, 8])], { name: 'last' });
  return b.finish([b.add({ kind: 'softmax', beta: 1, log: false }, [last], { name: 'classes' })]);
}

/** Smooth and mostly above 0, as pictures are: neighbours are alike. */
const picture = (shape: Shape, from = random): Float32Array => {
  let last = 0;
  return Float32Array.from({ length: elementCount(shape) }, () => {
    last = 0.9 * last + 0.4 * from.normal();
    return last + 0.7;
  });
};
const samplesOf = (graph: Graph, count: number, from = random): Sample[] =>
  Array.from({ length: count }, () => graph.inputs.map((id) => picture(graph.values[id].shape, from)));

const network = smallNetwork();
const samples = samplesOf(network, 12);
const calibration = calibrate(network, samples);
const inputOf = ({ values, inputs }: Graph) => values[inputs[0]];
const outputOf = ({ values, outputs }: Graph) => values[outputs[0]];

describe('quantize', () => {
  it('int8 throughout: ends, weights by channel, one scale for a dense layer, biases on the product of scales', () => {
    const { graph, report } = quantize(network, calibration);
    verify(graph);
    expect(graph.values.filter(({ dtype }) => dtype === 'f32')).toEqual([]);
    expect([inputOf(graph).name, outputOf(graph).name]).toEqual(['x', 'classes']);
    expect(outputOf(graph).quantization).toEqual({ scale: [1 / 256], zeroPoint: [-128], axis: 0 });
    expect(graph.nodes.map(({ op }) => op.kind)).toEqual(network.nodes.map(({ op }) => op.kind));
    const scalesOf = (name: string) => graph.values.find((v) => v.name === name)!.quantization!;
    expect(scalesOf('first/w').scale.length).toBe(8);
    expect(scalesOf('second/w').axis).toBe(3);
    expect(scalesOf('last/w').scale.length).toBe(1);
    const sx = inputOf(graph).quantization!.scale[0];
    expect(scalesOf('first/b').scale).toEqual(scalesOf('first/w').scale.map((s) => Math.fround(sx * s)));
    expect(report.warnings).toEqual([]);
    expect(report.layers.map(({ name }) => name)).toEqual(['first', 'second', 'mean', 'last', 'classes']);
    for (const { weightSnr } of report.layers) if (weightSnr !== null) expect(weightSnr).toBeGreaterThan(35);
  });

  it('answers as the float network does', () => {
    const { graph } = quantize(network, calibration);
    for (const sample of samples) {
      const [expected] = outputsOf(network, sample);
      const [got] = runEverywhere(graph, sample);
      expected.forEach((p, i) => {
        expect(Math.abs((got[i] + 128) / 256 - p)).toBeLessThan(0.02);
      });
    }
  });

  it('io float: the ends keep their names and types', () => {
    const { graph } = quantize(network, calibration, { io: 'float' });
    verify(graph);
    expect([inputOf(graph), outputOf(graph)].map(({ name, dtype }) => `${name} ${dtype}`)).toEqual([
      'x f32',
      'classes f32',
    ]);
    const [expected] = outputsOf(network, samples[0]);
    const [got] = outputsOf(graph, samples[0]);
    expected.forEach((p, i) => {
      expect(Math.abs(got[i] - p)).toBeLessThan(0.02);
    });
  });

  it('keep: a layer stays in float, between conversions', () => {
    const { graph, report } = quantize(network, calibration, { keep: ['second'] });
    verify(graph);
    expect(report.layers[1]).toMatchObject({ precision: 'float', reason: 'kept', weightSnr: null });
    expect(report.warnings).toEqual([]);
    expect(graph.nodes.map(({ op }) => op.kind)).toEqual([
      'conv2d',
      'convert',
      'depthwiseConv2d',
      'convert',
      'reduce',
      'reshape',
      'dense',
      'softmax',
    ]);
  });

  it('keep: where the first or the last layer is kept, that end stays in float', () => {
    const { graph } = quantize(network, calibration, { keep: ['first', 'classes'] });
    expect([inputOf(graph).dtype, outputOf(graph).dtype]).toEqual(['f32', 'f32']);
    expect(graph.nodes.filter(({ op }) => op.kind === 'convert').length).toBe(2);
  });

  it('4-bit weights: −7 … 7, by channel also in dense layers, half a byte each when stored', () => {
    const { graph, report } = quantize(network, calibration, { weightBits: 4 });
    const weights = graph.values.filter(({ dtype, data }) => dtype === 'i8' && data);
    for (const { data } of weights)
      expect(Math.max(...Array.from(data as Int8Array, Math.abs))).toBeLessThanOrEqual(7);
    expect(graph.values.find(({ name }) => name === 'last/w')!.quantization!.scale.length).toBe(5);
    const count = weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const biases = 4 * (8 + 8 + 5);
    expect(storedSize(graph)).toEqual({ constants: count / 2 + biases, scales: biases });
    expect(report.layers.filter(({ precision }) => precision === 'int4').length).toBe(3);
  });

  it('learned rounding comes nearer to the output than nearest rounding, though its weights are farther off', () => {
    const test = samplesOf(network, 10);
    const at = (rounding: 'nearest' | 'learned') => {
      const quantized = quantize(network, calibration, { weightBits: 4, rounding });
      const [first] = quantized.report.layers;
      return { snr: first.weightSnr!, output: outputFidelity(network, quantized, test)['first'] };
    };
    expect(at('learned').output).toBeGreaterThan(at('nearest').output + 1);
    expect(at('learned').snr).toBeLessThan(at('nearest').snr);
  });

  it('the mean output of a layer is kept by its bias', () => {
    const at = (correctBias: boolean): number => {
      const options = { weightBits: 4, rounding: 'nearest', correctBias, keep: ['second'] } as const;
      const { graph } = quantize(network, calibration, options);
      let difference = 0;
      for (const sample of samples) {
        const real = outputsOf({ ...network, outputs: [network.nodes[0].output] }, sample)[0];
        const int8 = outputsOf({ ...graph, outputs: [graph.nodes[1].output] }, sample)[0];
        for (let i = 0; i < real.length; i += 8) difference += int8[i] - real[i];
      }
      return Math.abs(difference);
    };
    expect(at(true)).toBeLessThan(0.7 * at(false));
  });

  it('bounds that int8 ends at anyway are left out, ReLU6 and bounds inside stay', () => {
    const b = new GraphBuilder('bounds');
    const x = b.input('x', 'f32', [1, 4]);
    const bounds = [
      { min: -2, max: 2 },
      { min: 0, max: 6 },
      { min: 0, max: 1.5 },
      { min: -100, max: 100 },
    ];
    const ys = bounds.map((clamp) => b.add({ kind: 'binary', fn: 'add', clamp }, [x, x]));
    const graph = b.finish([
      ...ys,
      b.add({ kind: 'binary', fn: 'max', clamp: { min: -1, max: 1 } }, [x, ys[3]]),
    ]);
    const sample = [Float32Array.of(-4, 4, 0.5, 0)];
    const { graph: int8 } = quantize(graph, calibrate(graph, [sample], { method: 'minmax' }));
    const infinite = Number.POSITIVE_INFINITY;
    expect(int8.nodes.map(({ op }) => 'clamp' in op && op.clamp).filter(Boolean)).toEqual([
      { min: -infinite, max: infinite },
      { min: 0, max: 6 },
      { min: 0, max: infinite },
      { min: -infinite, max: infinite },
      { min: -1, max: 1 },
    ]);
  });

  it('a row of zeros keeps its bias', () => {
    const b = new GraphBuilder('dead channel');
    const x = b.input('x', 'f32', [1, 4]);
    const w = b.constant('w', 'f32', [2, 4], Float32Array.of(0, 0, 0, 0, 1, 2, 3, 4));
    const bias = b.constant('b', 'f32', [2], Float32Array.of(3.25, 1e-3));
    const graph = b.finish([b.add({ kind: 'dense', clamp: noClamp }, [x, w, bias])]);
    const sample = [Float32Array.of(0.5, -0.25, 1, 0)];
    const { graph: int8 } = quantize(graph, calibrate(graph, [sample]), {
      denseScales: 'channel',
      io: 'float',
    });
    const [dead, live] = outputsOf(int8, sample)[0];
    expect(Math.abs(dead - 3.25)).toBeLessThan(0.02);
    expect(Math.abs(live - 3.001)).toBeLessThan(0.03);
  });

  it('weights so small that the bias would not fit 32 bits are rounded away instead', () => {
    const b = new GraphBuilder('tiny weights');
    const x = b.input('x', 'f32', [1, 2]);
    const w = b.constant('w', 'f32', [1, 2], Float32Array.of(1e-20, -1e-20));
    const bias = b.constant('b', 'f32', [1], Float32Array.of(5));
    const graph = b.finish([b.add({ kind: 'dense', clamp: noClamp }, [x, w, bias])]);
    const sample = [Float32Array.of(1, 1)];
    const { graph: int8 } = quantize(graph, calibrate(graph, [sample]), { io: 'float' });
    expect(Math.abs(outputsOf(int8, sample)[0][0] - 5)).toBeLessThan(0.02);
  });

  it('weights that lie on an int8 grid already lose nothing', () => {
    const b = new GraphBuilder('grid');
    const x = b.input('x', 'f32', [1, 6]);
    const w = b.constant(
      'w',
      'f32',
      [2, 6],
      Float32Array.from([100, -31, 7, 0, 5, 90, 3, -11, 2, 1, 30, -29], (q) => Math.fround(0.0123 * q)),
    );
    const graph = b.finish([b.add({ kind: 'dense', clamp: noClamp }, [x, w], { name: 'y' })]);
    for (const denseScales of ['tensor', 'channel'] as const) {
      const { report } = quantize(graph, calibrate(graph, samplesOf(graph, 5)), { denseScales });
      expect(report.layers[0].weightSnr).toBeGreaterThan(120);
    }
  });
});

describe('networks of several tasks', () => {
  it('keep them, and what their layers share', () => {
    const one = smallNetwork();
    const other: Graph = { ...one, name: 'other' };
    const { graph: both } = union([
      { graph: one, name: 'left' },
      { graph: other, name: 'right' },
    ]);
    const { graph } = prepare(both);
    const twice = samplesOf(graph, 8);
    const { graph: int8, report } = quantize(graph, calibrate(graph, twice), { weightBits: 4 });
    verify(int8);
    expect(int8.tasks).toEqual(both.tasks);
    expect(report.layers.length).toBe(10);
    expect(int8.values.filter(({ dtype, data }) => dtype === 'i8' && data).length).toBe(3);
    const session = compile(int8);
    const alone = outputsOf(int8, twice[0]);
    storedSample(int8, twice[0]).forEach((data, i) => {
      session.input(i).set(data as Int8Array);
    });
    session.run('right');
    expect(session.output(1)).toEqual(alone[1]);
  });

  it('weights that two layers share stay one constant, rounded for the inputs of both', () => {
    const b = new GraphBuilder('shared');
    const x = b.input('x', 'f32', [1, 24]);
    const z = b.input('z', 'f32', [1, 24]);
    const w = b.constant('w', 'f32', [6, 24], numbers([6, 24]));
    const layer = (from: number, name: string) => b.add({ kind: 'dense', clamp: relu }, [from, w], { name });
    const graph = b.finish([layer(x, 'left'), layer(z, 'right')]);
    const seen = samplesOf(graph, 40).map(([left, right]) => [
      left,
      (right as Float32Array).map((v) => 3 * v),
    ]);
    const shared = calibrate(graph, seen);
    const { graph: int8, report } = quantize(graph, shared, { weightBits: 4 });
    expect(int8.values.filter(({ dtype, data }) => dtype === 'i8' && data).length).toBe(1);
    expect(int8.nodes[0].inputs[1]).toBe(int8.nodes[1].inputs[1]);
    expect(int8.nodes[0].inputs[2]).not.toBe(int8.nodes[1].inputs[2]);
    const snr = outputFidelity(graph, { graph: int8, report }, seen);
    for (const name of ['left', 'right']) expect(snr[name]).toBeGreaterThan(15);
    // Kept apart by their bits, they are two constants.
    const mixed = quantize(graph, shared, { weightBits: ({ name }) => (name === 'left' ? 4 : 8) });
    expect(mixed.graph.values.filter(({ dtype, data }) => dtype === 'i8' && data).length).toBe(2);
  });
});

it('an output that is a constant, and one that is an input', () => {
  const b = new GraphBuilder('odd ends');
  const x = b.input('x', 'f32', [1, 4]);
  const c = b.constant('c', 'f32', [2], Float32Array.of(1, 2));
  const graph = b.finish([x, c, b.add({ kind: 'unary', fn: 'abs', alpha: 0 }, [x])]);
  const { graph: int8 } = quantize(graph, calibrate(graph, [[Float32Array.of(-1, 0, 1, 2)]]));
  verify(int8);
  expect(int8.outputs.map((id) => int8.values[id].dtype)).toEqual(['i8', 'f32', 'i8']);
});

describe('errors', () => {
  const at = (run: () => unknown): string => {
    try {
      run();
      return 'none';
    } catch (error) {
      return `${(error as { code: string }).code}: ${(error as Error).message}`;
    }
  };

  it.each([
    ['NaN', Number.NaN],
    ['an infinity', Number.NEGATIVE_INFINITY],
  ])('%s in the calibration data: which sample, which input, where', (_, value) => {
    const bad = numbers([1, 8, 8, 3]);
    bad[17] = value;
    expect(at(() => calibrate(network, [samples[0], [bad]]))).toBe(
      `bad-input: calibration sample 1: input "x" holds ${value} at element 17; ranges take finite numbers`,
    );
  });

  it('a layer that overflows', () => {
    const b = new GraphBuilder('overflow');
    const x = b.input('x', 'f32', [1, 1]);
    const w = b.constant('w', 'f32', [1, 1], Float32Array.of(3e38));
    const graph = b.finish([b.add({ kind: 'dense', clamp: noClamp }, [x, w], { name: 'y' })]);
    expect(at(() => calibrate(graph, [[Float32Array.of(2)]]))).toContain('value "y" holds Infinity');
  });

  it('no sample', () => {
    expect(at(() => calibrate(network, []))).toBe(
      'bad-input: calibration needs at least one sample, got none',
    );
  });

  it.each<[string, Sample, string]>([
    ['too few inputs', [], 'the network has 1 inputs, got 0 arrays'],
    ['too few numbers', [new Float32Array(5)], 'input "x" takes 192 f32 numbers, got 5 in Float32Array'],
    ['another type', [new Int8Array(192)], 'input "x" takes 192 f32 numbers, got 192 in Int8Array'],
  ])('a sample with %s', (_, sample, message) => {
    expect(at(() => calibrator(network).add(sample))).toBe(`bad-input: calibration sample 0: ${message}`);
  });

  it('a network that is quantised already', () => {
    const { graph } = quantize(network, calibration);
    expect(at(() => quantize(graph, calibration))).toBe(
      'bad-input: graph "small" is quantised already: conv2d "first" has 8-bit operands with a scale; dequantise it first',
    );
  });

  it('a calibration of another network', () => {
    const other: Calibration = { ...calibration, ranges: {} };
    expect(at(() => quantize(network, other))).toContain('the calibration has no range for "mean"');
  });

  it('keep names a layer that is not there', () => {
    expect(at(() => quantize(network, calibration, { keep: ['third'] }))).toBe(
      'usage: keep: graph "small" has no node "third"',
    );
  });

  it('nothing left to quantise', () => {
    expect(at(() => quantize(network, calibration, { keep: () => true }))).toBe(
      'bad-input: graph "small": no operator would run in int8',
    );
  });
});

describe('fidelity', () => {
  it('outputs of every layer within a few per cent, and who is to blame', () => {
    const quantized = quantize(network, calibration, {
      weightBits: ({ name }) => (name === 'second' ? 4 : 8),
      rounding: 'nearest',
    });
    const snr = outputFidelity(network, quantized, samples);
    expect(Object.keys(snr)).toEqual(['first', 'second', 'mean', 'last', 'classes']);
    expect(snr['first']).toBeGreaterThan(35);
    expect(snr['second']).toBeLessThan(snr['first']);
    const options = { weightBits: ({ name }: { name: string }) => (name === 'second' ? 4 : 8) } as const;
    const blame = sensitivities(
      network,
      calibration,
      ['first', 'second', 'last'],
      samples.slice(0, 4),
      options,
    );
    expect(blame['second']).toBeLessThan(Math.min(blame['first'], blame['last']));
  });
});

describe('random networks', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))('seed %i', (seed) => {
    const { graph } = prepare(randomGraph(seed, 'f32'));
    const own = samplesOf(graph, 3, randomStream(seed, 1));
    const ranges = calibrate(graph, own, { method: 'minmax', inputs: 'means' });
    let quantized: ReturnType<typeof quantize>;
    try {
      quantized = quantize(graph, ranges);
    } catch (error) {
      expect((error as Error).message).toContain('no operator would run in int8');
      return;
    }
    verify(quantized.graph);
    for (const sample of own) {
      const expected = outputsOf(graph, sample);
      const got = runEverywhere(quantized.graph, sample);
      quantized.graph.outputs.forEach((id, i) => {
        const { quantization: q } = quantized.graph.values[id];
        const range = Math.max(...Array.from(expected[i], Math.abs), 1e-3);
        // A dozen roundings in a row, some of them of products: a tenth of the range would be a mistake of scale. What
        // shares its scale with larger numbers has it to two steps.
        const most = 0.1 * range + 2 * (q?.scale[0] ?? 0);
        const errors = Array.from(expected[i], (y, j) =>
          Math.abs(y - (q ? q.scale[0] * (got[i][j] - q.zeroPoint[0]) : got[i][j])),
        );
        const mean = errors.reduce((sum, e) => sum + e, 0) / Math.max(errors.length, 1);
        expect(mean).toBeLessThan(most);
      });
    }
  });
});
