/** Every operator written and read back: on random networks, on the backend suite, on tables of odd ones. */
import { describe, expect, it } from 'vitest';
import { casesIn } from '../../../src/cli/conformance.ts';
import { VireoError } from '../../../src/errors.ts';
import type { Graph } from '../../../src/graph/ir.ts';
import { OnnxUnsupported, onnxInputs, readOnnx, readOnnxTensor } from '../../../src/io/onnx/index.ts';
import { writeOnnx } from '../../../src/io/onnx/write/index.ts';
import type { Tensor, TensorData } from '../../../src/tensor.ts';
import { dataPath, itWithData } from '../../data.ts';
import { type NetworkType, randomGraph, randomInputs } from '../../graph/random-graph.ts';
import { build, oddOnes } from './odd-operators.ts';
import { distance, integerForms, type Pair, roundTrip } from './round-trip.ts';

/** What a round trip may change: floats their last digits, integers with a scale one step, all others nothing. */
function expectClose(pair: Pair, steps: number, label: string): void {
  const largest = pair.original.reduce(
    (most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most),
    0,
  );
  const bound = pair.isFloat ? 1e-6 * Math.max(1, largest) : steps;
  const far = distance(pair);
  if (!(far <= bound)) expect.fail(`${label}, ${pair.name}: ${far} away, at most ${bound}`);
}

describe('random networks', () => {
  it.each([0, 1, 2, 3])('of floats, seeds %i, %i + 4 …', (first) => {
    for (let seed = first; seed < 80; seed += 4) {
      const graph = randomGraph(seed, 'f32', 14);
      for (const pair of roundTrip(graph, randomInputs(graph, seed))) expectClose(pair, 0, `seed ${seed}`);
    }
  });

  /** Rounded by TensorFlow Lite's rule before, by ONNX's after. */
  it.each(['i8', 'u8'] as const)('of %s: each operator alone is one step off at most', (dtype) => {
    let nodes = 0;
    for (let seed = 0; seed < 30; seed++) {
      const whole = randomGraph(seed, dtype);
      for (const node of whole.nodes) {
        const inputs = [...new Set(node.inputs.filter((id) => !whole.values[id]!.data))];
        const graph: Graph = { ...whole, nodes: [node], inputs, outputs: [node.output] };
        const data = randomInputs(graph, seed);
        for (const form of integerForms)
          for (const pair of roundTrip(graph, data, { form }))
            expectClose(pair, 1, `seed ${seed}, ${node.op.kind}, ${form}`);
        nodes++;
      }
    }
    expect(nodes).toBeGreaterThan(300);
  });

  it.each(['i8', 'u8'] as const)('of %s, as floats: what they mean is kept', (dtype: NetworkType) => {
    let [sum, count] = [0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const graph = randomGraph(seed, dtype);
      for (const { original, written } of roundTrip(graph, randomInputs(graph, seed), { form: 'float' })) {
        original.forEach((value, i) => {
          sum += Math.abs(value - written[i]!);
        });
        count += original.length;
      }
    }
    expect(sum / count).toBeLessThan(0.3); // steps; another layer or scale would be tens
  });
});

describe('operators that networks seldom have', () => {
  it.each(oddOnes)('$op.kind: $label', (one) => {
    const { graph, inputs } = build(one);
    const isInteger = graph.values.some(({ quantization }) => quantization);
    for (const form of isInteger ? integerForms : (['qdq'] as const))
      for (const pair of roundTrip(graph, inputs, { form }))
        expectClose(pair, graph.values[graph.outputs[0]!]!.quantization ? 1 : 0, form);
  });
});

/** The network of a case, with those inputs made constants that shape it; null where vireo does not read it. */
function readCase(files: ReadonlyMap<string, Uint8Array>): { graph: Graph; inputs: TensorData[] } | null {
  const model = files.get('model.onnx')!;
  const bind: Record<string, Tensor> = {};
  try {
    const fed = onnxInputs(model).flatMap(({ name }, j) => {
      const file = files.get(`test_data_set_0/input_${j}.pb`);
      return file ? [[name, readOnnxTensor(file)] as const] : [];
    });
    for (;;) {
      const shapes = fed.filter(([name]) => !bind[name]).map(([name, { shape }]) => [name, shape] as const);
      try {
        const graph = readOnnx(model, { shapes: Object.fromEntries(shapes), bind });
        const given = new Map(fed);
        return { graph, inputs: graph.inputs.map((id) => given.get(graph.values[id]!.name)!.data) };
      } catch (error) {
        if (!(error instanceof OnnxUnsupported)) throw error;
        const more = fed.filter(([name]) => error.parameters.includes(name) && !bind[name]);
        if (more.length === 0) return null;
        for (const [name, tensor] of more) bind[name] = tensor;
      }
    }
  } catch (error) {
    if (error instanceof VireoError) return null;
    throw error;
  }
}

describe('the backend suite', () => {
  const suite = 'onnx-backend-suite/node.tar.gz';
  itWithData(
    'what is read can be written, but for dilated means, and says the same',
    [suite],
    async () => {
      const refused: string[] = [];
      let written = 0;
      for await (const { name, files } of casesIn(dataPath(suite))) {
        const read = readCase(files);
        if (!read) continue;
        try {
          writeOnnx(read.graph);
        } catch (error) {
          if (!(error instanceof VireoError) || error.code !== 'unsupported') throw error;
          refused.push(name);
          continue;
        }
        for (const pair of roundTrip(read.graph, read.inputs)) expectClose(pair, 0, name);
        written++;
      }
      expect(written).toBeGreaterThanOrEqual(650);
      expect(refused).toEqual([
        'test_averagepool_2d_dilations',
        'test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False',
        'test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True',
        'test_averagepool_3d_dilations_small',
        'test_lppool_2d_dilations',
      ]);
    },
    180_000,
  );
});
