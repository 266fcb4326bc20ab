/** One operator on constants, by the reference kernels: what constant folding is. */
import type { KernelSet, Operand } from '../kernels/call.ts';
import { noPad } from '../kernels/call.ts';
import { reference } from '../kernels/reference/index.ts';
import { bytesPerElement, denseStrides, elementCount, type TensorData, viewOf } from '../tensor.ts';
import type { Op } from './ops.ts';
import { lowerNode } from './plan/lower.ts';

/** Returns `null` when no kernel of the set computes this operator on these dtypes. */
export function evaluate(
  op: Op,
  inputs: readonly Operand[],
  output: Operand,
  set: KernelSet = reference,
): TensorData | null {
  if (op.kind === 'reshape') return inputs[0].data;
  const count = elementCount(output.shape);
  const data = viewOf(output.dtype, new ArrayBuffer(count * bytesPerElement[output.dtype]), 0, count);
  const dense = (operand: Operand, values: TensorData) => ({
    data: values,
    offset: 0,
    strides: denseStrides(operand.shape),
    border: noPad,
  });
  for (const part of lowerNode(op, inputs, output)) {
    const operands = part.inputs.map((i) => inputs[i]);
    const offer = set.offer({ arithmetic: part.arithmetic, inputs: operands, output });
    if (!offer || !('bind' in offer)) return null;
    const scratch = new Uint8Array(offer.scratch?.(false) ?? 0);
    offer.bind(
      operands.map((operand) => dense(operand, operand.data!)),
      dense(output, data),
      scratch,
    )();
  }
  return data;
}
