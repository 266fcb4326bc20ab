/**
 * Gradients of every operator against central differences in double precision:
 * dL/dw ≈ (L(w + h) − L(w − h)) / 2h with h = 1e-5, L a sum of the outputs with random weights.
 */
import { describe, expect, it } from 'vitest';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { TrainingBuilder } from '../../src/graph/train/builder.ts';
import { differentiate } from '../../src/graph/train/differentiate.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { elementCount } from '../../src/tensor.ts';
import { compileTraining, trainReference } from '../../src/train.ts';
import { random } from '../kernels/run-call.ts';
import { type GradientCase, gradientCases } from './train-cases.ts';
import { inDouble } from './train-double.ts';

const h = 1e-5;
const sets = [
  { name: 'reference', kernels: [trainReference, reference] },
  { name: 'js', kernels: [js, trainReference, reference] },
  { name: 'all', kernels: undefined },
];

function build({ make }: GradientCase, seed: number): { readonly graph: Graph; readonly loss: ValueId } {
  const next = random(seed);
  const numbers = (shape: readonly number[], lo = -1, hi = 1): Float32Array =>
    Float32Array.from({ length: elementCount(shape) }, () => lo + (hi - lo) * next());
  const b = new TrainingBuilder('case');
  let count = 0;
  const y = make({
    b,
    p: (shape, lo, hi) => b.state(`p${count++}`, shape, numbers(shape, lo, hi)),
    c: (shape, lo, hi) => b.constant(`c${count++}`, 'f32', shape, numbers(shape, lo, hi)),
    int: (lo, hi) => lo + Math.floor(next() * (hi - lo + 1)),
  });
  const { shape } = b.value(y);
  const weights = b.constant('loss/weights', 'f32', shape, numbers(shape, 0.2, 1.5));
  const products = b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [y, weights]);
  const axes = shape.map((_, axis) => axis);
  const loss = b.add({ kind: 'reduce', fn: 'sum', axes }, [products]);
  return { graph: b.finish([loss]), loss };
}

/** ‖gradient − difference‖ / ‖difference‖ for each parameter. */
function errors(
  gradientCase: GradientCase,
  seed: number,
  kernels: (typeof sets)[number]['kernels'],
): number[] {
  const { graph, loss } = build(gradientCase, seed);
  const { graph: step, report } = differentiate(graph, loss);
  const session = compileTraining(step, kernels && { kernels });
  session.run();
  const states = graph.states!;
  const fed = new Map(
    states.map(({ input, data }) => [graph.inputs[input]!, Float64Array.from(data as Float32Array)]),
  );
  const parameters = states.filter(({ output }) => output === null);
  return parameters.map(({ input }, i) => {
    const numbers = fed.get(graph.inputs[input]!)!;
    const gradient = session.output(session.outputs.length - report.length + i);
    let difference = 0;
    let norm = 0;
    for (let k = 0; k < numbers.length; k += Math.max(1, Math.floor(numbers.length / 40))) {
      const at = (x: number): number => {
        const before = numbers[k]!;
        numbers[k] = x;
        const [value] = Array.from(inDouble(graph, fed, loss));
        numbers[k] = before;
        return value!;
      };
      const numeric = (at(numbers[k]! + h) - at(numbers[k]! - h)) / (2 * h);
      difference += (numeric - gradient[k]!) ** 2;
      norm += numeric ** 2;
    }
    return Math.sqrt(difference / Math.max(norm, 1e-6));
  });
}

describe.each(sets)('gradients by $name', ({ kernels }) => {
  it.each(gradientCases)('$label', (gradientCase) => {
    for (const seed of [1, 2, 3])
      for (const error of errors(gradientCase, seed, kernels))
        expect(error, `seed ${seed}`).toBeLessThan(1e-3);
  });
});
