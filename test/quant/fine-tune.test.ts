/** Integers that learn from the float network. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { calibrate, fineTune, quantize, type Sample, weightFidelity } from '../../src/quant/index.ts';
import { randomStream } from '../../src/random.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { outputsOf } from './run.ts';

const random = randomStream(77);
const numbers = (shape: Shape, size: number): Float32Array =>
  Float32Array.from({ length: elementCount(shape) }, () => size * random.normal());
const relu = { min: 0, max: Number.POSITIVE_INFINITY };

function network(softmax: boolean): Graph {
  const b = new GraphBuilder('student');
  const x = b.input('x', 'f32', [1, 6, 6, 3]);
  const conv = b.add(
    { kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, groups: 1, clamp: relu },
    [
      x,
      b.constant('w1', 'f32', [8, 3, 3, 3], numbers([8, 3, 3, 3], 0.3)),
      b.constant('b1', 'f32', [8], numbers([8], 0.2)),
    ],
    { name: 'conv' },
  );
  const depthwise = b.add(
    { kind: 'depthwiseConv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: relu },
    [conv, b.constant('w2', 'f32', [1, 3, 3, 8], numbers([1, 3, 3, 8], 0.4))],
    { name: 'depthwise' },
  );
  const flat = b.add({ kind: 'reshape', shape: [1, 32] }, [depthwise]);
  const w3 = b.constant('w3', 'f32', [6, 32], numbers([6, 32], 0.4));
  const scores = b.add({ kind: 'dense', clamp: noClamp }, [flat, w3], { name: 'scores' });
  return b.finish([softmax ? b.add({ kind: 'softmax', beta: 1, log: false }, [scores]) : scores]);
}

const samplesOf = (count: number): Sample[] =>
  Array.from({ length: count }, () => [numbers([1, 6, 6, 3], 1)]);
const four = { weightBits: 4, rounding: 'nearest' } as const;

describe('fineTune', () => {
  it.each([
    ['a classifier', true],
    ['scores without a softmax', false],
  ])('%s of 4-bit weights comes nearer to its teacher', (_, softmax) => {
    const graph = network(softmax);
    const samples = samplesOf(64);
    const quantized = quantize(graph, calibrate(graph, samples), four);
    const { graph: tuned, report } = fineTune(graph, quantized, samples, {
      epochs: 15,
      batch: 16,
      rate: 0.05,
    });
    const [before, after] = report.losses;
    expect(after).toBeLessThan(0.8 * before);
    expect(report.moved).toBeGreaterThan(0);
    expect(report.weights).toBe(216 + 72 + 192);
    const again = quantize(tuned, calibrate(tuned, samples), four);
    // The integers are kept to the bit, and they are not those of the float network rounded.
    for (const { weightSnr } of again.report.layers)
      if (weightSnr !== null) expect(weightSnr).toBeGreaterThan(120);
    expect(Math.min(...Object.values(weightFidelity(graph, again)))).toBeLessThan(30);
    const distance = (one: Graph): number => {
      const { scale, zeroPoint } = one.values[one.outputs[0]].quantization!;
      let sum = 0;
      for (const sample of samples) {
        const expected = outputsOf(graph, sample)[0];
        const got = outputsOf(one, sample)[0];
        for (let i = 0; i < got.length; i++) sum += (scale[0] * (got[i] - zeroPoint[0]) - expected[i]) ** 2;
      }
      return sum;
    };
    expect(distance(again.graph)).toBeLessThan(distance(quantized.graph));
  });

  it('gives the same for the same seed', () => {
    const graph = network(true);
    const samples = samplesOf(16);
    const quantized = quantize(graph, calibrate(graph, samples), four);
    const run = (seed: number) =>
      fineTune(graph, quantized, samples, { epochs: 3, batch: 8, rate: 0.05, seed });
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  it('keeps the integers where nothing better is found', () => {
    const graph = network(true);
    const samples = samplesOf(16);
    const quantized = quantize(graph, calibrate(graph, samples), four);
    const { report } = fineTune(graph, quantized, samples, { epochs: 1, rate: 1e3 });
    expect(report.moved).toBe(0);
    expect(report.losses[0]).toBe(report.losses[1]);
  });
});
