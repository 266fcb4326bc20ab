/** The rewrites around quantisation: prepare, equalize, dequantize, correctBias. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { verify } from '../../src/graph/verify.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import {
  calibrate,
  correctBias,
  dequantize,
  equalize,
  outputFidelity,
  prepare,
  quantize,
  type Sample,
} from '../../src/quant/index.ts';
import { randomStream } from '../../src/random.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { randomGraph, randomInputs } from '../graph/random-graph.ts';
import { outputsOf } from './run.ts';

const random = randomStream(41);
const numbers = (shape: Shape, size = 1, shift = 0): Float32Array =>
  Float32Array.from({ length: elementCount(shape) }, () => size * random.normal() + shift);
const relu = { min: 0, max: Number.POSITIVE_INFINITY };
const same = { stride: [1, 1], dilation: [1, 1], pad: { top: 1, left: 1, bottom: 1, right: 1 } } as const;
const point = { ...same, pad: noPad } as const;
const samplesOf = (graph: Graph, count: number): Sample[] =>
  Array.from({ length: count }, () => graph.inputs.map((id) => numbers(graph.values[id].shape, 1, 0.5)));
const kinds = (graph: Graph): string[] => graph.nodes.map(({ op }) => op.kind);

function expectNear(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  const size = Math.max(...Array.from(expected, Math.abs), 1e-6);
  expect(Math.max(...Array.from(expected, (y, i) => Math.abs(got[i] - y)))).toBeLessThan(tolerance * size);
}

describe('prepare', () => {
  const start = (): { b: GraphBuilder; x: ValueId } => {
    const b = new GraphBuilder('prepare');
    return { b, x: b.input('x', 'f32', [1, 4, 4, 3]) };
  };

  it('a batch normalisation behind a ReLU becomes a 1×1 depthwise layer, with the bound behind it', () => {
    const { b, x } = start();
    const scale = b.constant('γ', 'f32', [3], Float32Array.of(2, -1, 0.5));
    const shift = b.constant('β', 'f32', [1, 1, 1, 3], Float32Array.of(0, 1, -2));
    const positive = b.add({ kind: 'clamp', clamp: relu }, [x]);
    const scaled = b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [positive, scale]);
    const shifted = b.add({ kind: 'binary', fn: 'add', clamp: relu }, [shift, scaled]);
    const graph = b.finish([shifted]);
    const { graph: prepared, report } = prepare(graph);
    verify(prepared);
    expect(kinds(prepared)).toEqual(['clamp', 'depthwiseConv2d']);
    expect(report['scalesToLayers']).toBe(1);
    const [sample] = samplesOf(graph, 1);
    expectNear(outputsOf(prepared, sample)[0], outputsOf(graph, sample)[0], 1e-6);
  });

  it('a factor alone, whose result another node reads too', () => {
    const { b, x } = start();
    const scale = b.constant('γ', 'f32', [3], Float32Array.of(2, -1, 0.5));
    const scaled = b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [x, scale]);
    const sum = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [scaled, scale]);
    const graph = b.finish([sum, scaled]);
    const { graph: prepared } = prepare(graph);
    expect(kinds(prepared)).toEqual(['depthwiseConv2d', 'binary']);
    const [sample] = samplesOf(graph, 1);
    outputsOf(graph, sample).forEach((expected, i) => {
      expectNear(outputsOf(prepared, sample)[i], expected, 1e-6);
    });
  });

  it('an average over the whole picture becomes a mean, one over a part does not', () => {
    const { b, x } = start();
    const pool = (kernel: [number, number]): ValueId =>
      b.add({ kind: 'averagePool2d', kernel, stride: [1, 1], pad: noPad, clamp: noClamp }, [x]);
    expect(kinds(prepare(b.finish([pool([4, 4]), pool([3, 4])])).graph)).toEqual(['reduce', 'averagePool2d']);
  });

  it('dynamic rounding goes', () => {
    const { b, x } = start();
    const rounded = b.add({ kind: 'fakeQuantize', batchDims: 1, symmetric: true }, [x]);
    const { graph, report } = prepare(b.finish([b.add({ kind: 'clamp', clamp: relu }, [rounded])]));
    expect(kinds(graph)).toEqual(['clamp']);
    expect(report['fakeQuantizeDropped']).toBe(1);
  });

  it('random networks compute the same after it', () => {
    for (let seed = 0; seed < 30; seed++) {
      const graph = randomGraph(seed, 'f32');
      const { graph: prepared } = prepare(graph);
      verify(prepared);
      const inputs = randomInputs(graph, seed);
      const expected = outputsOf(graph, inputs);
      outputsOf(prepared, inputs).forEach((got, i) => {
        expectNear(got, expected[i], 1e-4);
      });
      const names = prepared.values.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

/** Two layers whose channels have units from 10⁻² to 10². */
function unbalanced(clamp = relu): Graph {
  const b = new GraphBuilder('unbalanced');
  const x = b.input('x', 'f32', [1, 6, 6, 2]);
  const units = Float64Array.from({ length: 8 }, (_, i) => 10 ** ((4 * i) / 7 - 2));
  const first = numbers([8, 3, 3, 2]).map((v, i) => v * units[Math.floor(i / 18)]);
  const bias = numbers([8]).map((v, i) => v * units[i]);
  const middle = numbers([1, 3, 3, 8]);
  const last = numbers([4, 1, 1, 8]).map((v, i) => v / units[i % 8]);
  const conv = b.add({ kind: 'conv2d', ...same, groups: 1, clamp }, [
    x,
    b.constant('w1', 'f32', [8, 3, 3, 2], first),
    b.constant('b1', 'f32', [8], bias),
  ]);
  const pool = b.add({ kind: 'maxPool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp }, [
    conv,
  ]);
  const depthwise = b.add({ kind: 'depthwiseConv2d', ...same, clamp: relu }, [
    pool,
    b.constant('w2', 'f32', [1, 3, 3, 8], middle),
  ]);
  const project = b.add({ kind: 'conv2d', ...point, groups: 1, clamp: noClamp }, [
    depthwise,
    b.constant('w3', 'f32', [4, 1, 1, 8], last),
  ]);
  return b.finish([project]);
}

describe('equalize', () => {
  it('numbers stay, ranges meet', () => {
    const graph = unbalanced();
    const { graph: balanced, report } = equalize(graph);
    verify(balanced);
    expect(report.pairs.map((pair) => pair.join(' → '))).toEqual([
      'conv2d → depthwiseConv2d',
      'depthwiseConv2d → conv2d:2',
    ]);
    const [sample] = samplesOf(graph, 1);
    expectNear(outputsOf(balanced, sample)[0], outputsOf(graph, sample)[0], 1e-5);
  });

  it('is worth 10 dB where channels have wildly different units', () => {
    const graph = unbalanced();
    const snr = (one: Graph): number => {
      const samples = samplesOf(one, 8);
      const quantized = quantize(one, calibrate(one, samples, { inputs: 'none' }));
      return outputFidelity(one, quantized, samples)['conv2d:2'];
    };
    expect(snr(equalize(graph).graph)).toBeGreaterThan(snr(graph) + 10);
  });

  it('leaves a layer with an upper bound alone, and says so', () => {
    const graph = unbalanced({ min: 0, max: 6 });
    const { report } = equalize(graph);
    expect(report.bounded).toEqual([['conv2d', 'depthwiseConv2d']]);
    expect(report.pairs).toEqual([['depthwiseConv2d', 'conv2d:2']]);
  });

  it('leaves a value with two readers alone', () => {
    const b = new GraphBuilder('branch');
    const x = b.input('x', 'f32', [1, 4]);
    const layer = (from: ValueId): ValueId =>
      b.add({ kind: 'dense', clamp: noClamp }, [from, b.constant('w', 'f32', [4, 4], numbers([4, 4]))]);
    const first = layer(x);
    const graph = b.finish([b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [first, layer(first)])]);
    expect(equalize(graph).report).toEqual({ pairs: [], bounded: [] });
  });
});

describe('dequantize', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'random network %i: no stored number is left',
    (seed) => {
      const { graph } = dequantize(randomGraph(seed, seed % 2 === 0 ? 'i8' : 'u8'));
      verify(graph);
      expect(graph.values.filter((v) => v.dtype === 'i8' || v.dtype === 'u8')).toEqual([]);
    },
  );

  it('real numbers are those of the 8-bit network, to a few of its steps', () => {
    const samples = samplesOf(unbalanced(), 6);
    const { graph: balanced } = equalize(unbalanced());
    const { graph } = quantize(balanced, calibrate(balanced, samples, { method: 'minmax' }));
    const { graph: float } = dequantize(graph);
    const { scale } = graph.values[graph.outputs[0]].quantization!;
    for (const sample of samples) {
      const expected = realOf(graph, graph.outputs[0], outputsOf(graph, sample)[0]);
      const got = outputsOf(float, sample)[0];
      expect(Math.max(...Array.from(expected, (y, i) => Math.abs(y - got[i])))).toBeLessThan(6 * scale[0]);
    }
  });

  it('bounds of the scale stay as bounds', () => {
    const b = new GraphBuilder('bounds');
    const q = (scale: number, zeroPoint: number) => ({ scale: [scale], zeroPoint: [zeroPoint], axis: 0 });
    const x = b.input('x', 'i8', [1, 1], q(1, 0));
    const w = b.constant('w', 'i8', [1, 1], Int8Array.of(100), q(0.1, 0));
    const y = b.add({ kind: 'dense', clamp: noClamp }, [x, w], { quantization: q(0.5, -128) });
    const { graph } = dequantize(b.finish([y]));
    expect(outputsOf(graph, [Float32Array.of(100)])[0][0]).toBeCloseTo(127.5, 5);
    expect(outputsOf(graph, [Float32Array.of(-100)])[0][0]).toBeCloseTo(0, 5);
  });

  it('a network quantised by itself, dequantised and quantised again stays where it is', () => {
    const graph = unbalanced();
    const samples = samplesOf(graph, 6);
    const once = quantize(graph, calibrate(graph, samples));
    const { graph: float } = prepare(dequantize(once.graph).graph);
    const twice = quantize(float, calibrate(float, samples), { rounding: 'learned' });
    for (const { weightSnr } of twice.report.layers)
      if (weightSnr !== null) expect(weightSnr).toBeGreaterThan(100);
  });
});

function realOf(graph: Graph, id: ValueId, data: ArrayLike<number>): Float32Array {
  const { quantization: q } = graph.values[id];
  return Float32Array.from(data, (v) => (q ? q.scale[0] * (v - q.zeroPoint[0]) : v));
}

describe('correctBias', () => {
  it('brings the means of a 4-bit network back, layer after layer', () => {
    const b = new GraphBuilder('deep');
    let x = b.input('x', 'f32', [1, 6, 6, 4]);
    for (let i = 0; i < 4; i++) {
      const w = b.constant(`w${i}`, 'f32', [4, 3, 3, 4], numbers([4, 3, 3, 4], 0.3, 0.05));
      const bias = b.constant(`b${i}`, 'f32', [4], numbers([4], 0.1));
      x = b.add({ kind: 'conv2d', ...same, groups: 1, clamp: relu }, [x, w, bias], { name: `layer${i}` });
    }
    const graph = b.finish([x]);
    const samples = samplesOf(graph, 16);
    const quantized = quantize(graph, calibrate(graph, samples), { weightBits: 4, rounding: 'nearest' });
    const { graph: corrected, report } = correctBias(graph, quantized, samples);
    verify(corrected);
    expect(report).toBe(4);
    const shift = (one: Graph): number => {
      let [sum, size] = [0, 0];
      for (const sample of samples) {
        const expected = outputsOf(graph, sample)[0];
        const got = realOf(one, one.outputs[0], outputsOf(one, sample)[0]);
        for (let c = 0; c < 4; c++) {
          let difference = 0;
          for (let i = c; i < got.length; i += 4) difference += got[i] - expected[i];
          sum += Math.abs(difference);
        }
        for (const y of expected) size += y;
      }
      return sum / size;
    };
    expect(shift(corrected)).toBeLessThan(shift(quantized.graph));
  });
});
