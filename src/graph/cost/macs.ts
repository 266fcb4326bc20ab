/** Multiply-accumulates of one operator, by definition: every tap of every output, zeros and padding included. */
import { elementCount, type Shape } from '../../tensor.ts';
import type { Graph } from '../ir.ts';
import type { Op } from '../ops.ts';

type Shaped = { readonly shape: Shape };

export function opMacs(op: Op, inputs: readonly Shaped[], output: Shape): number {
  const weights = inputs[1]?.shape ?? [];
  switch (op.kind) {
    case 'conv2d':
      return elementCount(output) * weights[1] * weights[2] * weights[3];
    case 'codebookConv2d': // every codeword with every input position
      return elementCount(inputs[0].shape) * weights[1];
    case 'depthwiseConv2d':
      return elementCount(output) * weights[1] * weights[2];
    case 'transposedConv2d':
      return elementCount(inputs[0].shape) * weights[0] * weights[1] * weights[2];
    case 'dense':
      return elementCount(output) * weights[1];
    case 'matmul':
      return elementCount(output) * weights[weights.length - 2];
    case 'convNd':
      return elementCount(output) * elementCount(weights.slice(1));
    case 'transposedConvNd':
      return elementCount(inputs[0].shape) * elementCount(weights.slice(1));
    default:
      return 0;
  }
}

/** Table entries that codebook layers add up: one for each sub-vector of every tap of every output. */
export function opLookUps(op: Op, inputs: readonly Shaped[], output: Shape): number {
  return op.kind === 'codebookConv2d' ? elementCount(output) * elementCount(inputs[2].shape.slice(1)) : 0;
}

/** Steps of the innermost loop: multiply-accumulates, look-ups, window cells and elements read or written. */
export function opWork(op: Op, inputs: readonly Shaped[], output: Shape): number {
  if (op.kind === 'reshape') return 0;
  const steps = elementCount(output) * stepsPerElement(op, inputs[0].shape) || opMacs(op, inputs, output);
  const cells = steps + opLookUps(op, inputs, output);
  return inputs.reduce((sum, { shape }) => sum + elementCount(shape), cells + elementCount(output));
}

/** Cells that an element of the output looks at; 0 where `opMacs` or the operands' sizes say it. */
function stepsPerElement(op: Op, x: Shape): number {
  switch (op.kind) {
    case 'maxPool2d':
    case 'averagePool2d':
    case 'poolNd':
    case 'maxPoolIndices':
      return elementCount(op.kernel);
    case 'lrn':
      return op.size;
    case 'topK':
      return x[op.axis];
    default:
      return 0;
  }
}

export function graphMacs(graph: Graph): number {
  return sumOver(graph, opMacs);
}

export function graphWork(graph: Graph): number {
  return sumOver(graph, opWork);
}

function sumOver(graph: Graph, cost: typeof opMacs): number {
  const shaped = (id: number): Shaped => graph.values[id];
  return graph.nodes.reduce(
    (sum, { op, inputs, output }) => sum + cost(op, inputs.map(shaped), shaped(output).shape),
    0,
  );
}
