/**
 * averagePool2d by TensorFlow Lite's rule  ⇒  the same by ONNX's, of the integers themselves
 *
 *   y = roundAway(mean q)      ⇒      y = roundHalfEven(mean q / (1 − 2⁻²¹))
 *
 * Halves are common among means of a few integers. A scale just under 1 takes them away from zero: by more than a
 * mean in f32 is off, 2⁻²³·|q|, and by less than lies between a half and the next mean of 2¹⁴ cells, |q| ≤ 2⁷. So
 * every engine gives the network's own integers, however it divides.
 */
import { sameQuantization } from '../../../graph/build.ts';
import type { Node, Value, ValueId } from '../../../graph/ir.ts';
import type { Rewrite } from '../../../graph/rewrite.ts';
import type { Quantization } from '../../../tensor.ts';
import { isQuantized } from './values.ts';

const asIs: Quantization = { scale: [1], zeroPoint: [0], axis: 0 };
const justUnderOne: Quantization = { scale: [1 - 2 ** -21], zeroPoint: [0], axis: 0 };

/** Reports how many pools changed. */
export const exactMeans: Rewrite<number> = (graph) => {
  const values = [...graph.values];
  const nodes: Node[] = [];
  let changed = 0;
  const add = (like: Value, quantization: Quantization): ValueId =>
    values.push({ ...like, quantization, data: null }) - 1;
  for (const node of graph.nodes) {
    const { name, op, output } = node;
    const x = values[node.inputs[0]!];
    const y = values[output]!;
    const isOwnMean =
      op.kind === 'averagePool2d' &&
      op.rounding !== 'even' &&
      x !== undefined &&
      isQuantized(x) &&
      sameQuantization(x.quantization, y.quantization);
    if (!isOwnMean) {
      nodes.push(node);
      continue;
    }
    const [from, mean, bounded] = [add(x, asIs), add(y, justUnderOne), add(y, y.quantization!)];
    const { clamp, ...pool } = op;
    const none = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
    nodes.push(
      { name, op: { kind: 'reshape', shape: x.shape }, inputs: [node.inputs[0]!], output: from },
      { name, op: { ...pool, clamp: none, rounding: 'even' }, inputs: [from], output: mean },
      { name, op: { kind: 'reshape', shape: y.shape }, inputs: [mean], output: bounded },
      { name, op: { kind: 'clamp', clamp }, inputs: [bounded], output },
    );
    changed++;
  }
  return { graph: { ...graph, values, nodes }, report: changed };
};
