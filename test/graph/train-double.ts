/** A graph computed in double precision by the reference kernels: their loops over arrays of f64. */
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { lowerNode } from '../../src/graph/plan/lower.ts';
import { noPad, type View } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { trainReference } from '../../src/kernels/train/reference/index.ts';
import { denseStrides, elementCount } from '../../src/tensor.ts';

/** `fed`: numbers for what has no data and no node. Gives one of its values. */
export function inDouble(
  graph: Graph,
  fed: ReadonlyMap<ValueId, ArrayLike<number>>,
  wanted: ValueId,
): ArrayLike<number> {
  const views = graph.values.map(({ dtype, shape, data }, id): View => {
    const numbers =
      fed.get(id) ?? (data as ArrayLike<number> | null) ?? new Float64Array(elementCount(shape));
    const wide = dtype === 'f32' ? Float64Array.from(numbers) : Uint8Array.from(numbers);
    return { data: wide, offset: 0, strides: denseStrides(shape), border: noPad };
  });
  for (const { op, inputs, output } of graph.nodes) {
    if (op.kind === 'reshape') {
      views[output] = { ...views[inputs[0]!]!, strides: denseStrides(graph.values[output]!.shape) };
      continue;
    }
    const operands = inputs.map((id) => graph.values[id]!);
    for (const part of lowerNode(op, operands, graph.values[output]!)) {
      const call = {
        arithmetic: part.arithmetic,
        inputs: part.inputs.map((i) => operands[i]!),
        output: graph.values[output]!,
      };
      const offer = trainReference.offer(call) ?? reference.offer(call);
      if (!offer || !('bind' in offer)) throw new Error(`no reference kernel for ${op.kind}`);
      offer.bind(
        part.inputs.map((i) => views[inputs[i]!]!),
        views[output]!,
        new Uint8Array(offer.scratch?.(false) ?? 0),
      )();
    }
  }
  return views[wanted]!.data as Float64Array;
}
