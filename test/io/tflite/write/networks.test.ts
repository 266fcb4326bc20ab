/** Networks from elsewhere: random ones, ONNX files, trained ones. */
import { describe, expect, it } from 'vitest';
import type { ValueId } from '../../../../src/graph/ir.ts';
import { optimize } from '../../../../src/graph/optimize.ts';
import { readOnnx } from '../../../../src/io/onnx/index.ts';
import { freeze } from '../../../../src/train.ts';
import { itWithData, readData } from '../../../data.ts';
import { type NetworkType, randomGraph, randomInputs } from '../../../graph/random-graph.ts';
import { lenet, resnet8, type TrainingNet, trainingNet } from '../../../graph/train-nets.ts';
import { runGraph } from '../run.ts';
import { apart, farthest, writeAndRead } from './round-trip.ts';

describe('random networks', () => {
  it.each(['f32', 'i8', 'u8'] as const)('%s: the same numbers, or a note', (dtype: NetworkType) => {
    let exact = 0;
    for (let seed = 0; seed < 120; seed++) {
      const graph = randomGraph(seed, dtype);
      const written = writeAndRead(graph);
      if (written.notes.length > 0) continue;
      exact++;
      const inputs = randomInputs(graph, seed);
      const step = farthest(runGraph(written.graph, inputs), runGraph(graph, inputs));
      // An average beside padding is taken in another order.
      expect(step, `seed ${seed}`).toBeLessThanOrEqual(dtype === 'f32' ? 1e-4 : 0);
    }
    expect(exact).toBeGreaterThan(dtype === 'f32' ? 119 : 30);
  });
});

describe('networks from ONNX', () => {
  for (const [path, shapes] of [
    ['models/onnx/mnist.onnx'],
    ['models/onnx/super_resolution_core_op18.onnx'],
    ['models/onnx/version-slim-320_simplified.onnx'],
    ['models/onnx/version-RFB-320.onnx'],
    ['models/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx', { x: [1, 3, 48, 192] }],
    ['peer-models/ic_f32.onnx'],
    ['peer-models/kws_f32.onnx'],
  ] as const)
    itWithData(
      `${path} has the same numbers`,
      [path],
      () => {
        const graph = readOnnx(readData(path), shapes ? { shapes } : {});
        const written = writeAndRead(graph);
        expect(written.notes).toEqual([]);
        expect(apart(graph, written.graph, 1).relative).toBeLessThan(1e-6);
        // No more of them than vireo itself runs.
        const turned = written.file.operators.filter(({ code }) => code === 'TRANSPOSE');
        const own = optimize(graph).graph.nodes.filter(({ op }) => op.kind === 'transpose');
        expect(turned.length).toBeLessThanOrEqual(own.length);
      },
      60_000,
    );

  /** `steps`: as measured on two inputs, and some more; each layer may round one step away, and later ones widen it. */
  for (const [path, type, steps] of [
    ['peer-models/ad_i8.onnx', 'int8', 2],
    ['peer-models/ic_i8.onnx', 'int8', 12],
    ['peer-models/kws_i8.onnx', 'int8', 12],
    ['peer-models/vww_i8.onnx', 'int8', 2],
    ['peer-models/mbv1_i8.w8.onnx', 'uint8', 8],
  ] as const)
    itWithData(
      `${path} is a network of ${type} layers, a few steps off, and says so`,
      [path],
      () => {
        const graph = readOnnx(readData(path));
        const written = writeAndRead(graph);
        expect(written.notes).toHaveLength(1);
        expect(written.notes[0]).toMatch(/^Halves are rounded TensorFlow Lite's way/u);
        expect(written.file.metadata['vireo.notes']).toBe(written.notes.join('\n'));
        const { operators, tensors } = written.file;
        const layers = operators.filter(({ code }) => /CONV|FULLY/u.test(code));
        expect(layers.length).toBeGreaterThan(4);
        for (const { inputs, outputs } of layers)
          expect([inputs[0]!, inputs[1]!, outputs[0]!].map((i) => tensors[i]!.type)).toEqual([
            type,
            type,
            type,
          ]);
        expect(apart(graph, written.graph, 2).step).toBeLessThanOrEqual(steps);
      },
      60_000,
    );
});

describe('trained networks', () => {
  it.each([
    ['trainingNet', trainingNet],
    ['lenet', lenet],
    ['resnet8', resnet8],
  ] as const)('%s', (_, make: (batch: number) => TrainingNet) => {
    const { graph, logits } = make(2);
    const numbers = new Map(
      (graph.states ?? []).map(({ input, data }) => [graph.values[graph.inputs[input]!]!.name, data]),
    );
    const frozen = freeze(graph, [logits as ValueId], (name) => {
      const data = numbers.get(name);
      if (!(data instanceof Float32Array)) throw new Error(`state ${name}`);
      return data.map((v, i) => (/moments|averages/u.test(name) ? Math.abs(v) + 0.5 : v + (i % 3) / 50));
    });
    const written = writeAndRead(frozen);
    expect(written.notes).toEqual([]);
    expect(apart(frozen, written.graph, 2).relative).toBeLessThan(1e-6);
    // Batch normalisations have gone into the layers.
    expect(written.file.operators.filter(({ code }) => code === 'MUL')).toEqual([]);
  });
});
