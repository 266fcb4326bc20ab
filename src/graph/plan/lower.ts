/**
 * Operator → kernel calls. Most operators are one call of the same name; those that move data become
 * copies between index ranges, so that one kernel serves them all. A reshape is no call at all.
 */
import type { Arithmetic, Copy, Operand } from '../../kernels/call.ts';
import type { Shape } from '../../tensor.ts';
import type { Op } from '../ops.ts';

/** One call of a lowered node; `inputs` are positions among the node's own inputs. */
export interface Part {
  readonly arithmetic: Arithmetic;
  readonly inputs: readonly number[];
}

const zeros = (shape: Shape): number[] => shape.map(() => 0);
const ones = (shape: Shape): number[] => shape.map(() => 1);
const identity = (shape: Shape): number[] => shape.map((_, i) => i);

/** A real number as the operand stores it: round(value/scale) + zeroPoint, kept in range. */
export function storedValue(value: number, operand: Operand): number {
  const q = operand.quantization;
  if (!q || (operand.dtype !== 'i8' && operand.dtype !== 'u8')) return value;
  const low = operand.dtype === 'i8' ? -128 : 0;
  return Math.min(low + 255, Math.max(low, Math.round(value / q.scale[0]) + q.zeroPoint[0]));
}

export function lowerNode(op: Op, inputs: readonly Operand[], output: Operand): Part[] {
  switch (op.kind) {
    case 'reshape':
      return [];
    case 'transpose': {
      const x = inputs[0].shape;
      const copy: Copy = {
        kind: 'copy',
        extent: output.shape,
        perm: op.perm,
        begin: zeros(x),
        step: ones(x),
        outBegin: zeros(x),
      };
      return [{ arithmetic: copy, inputs: [0] }];
    }
    case 'slice': {
      const copy: Copy = {
        kind: 'copy',
        extent: op.size,
        perm: identity(op.size),
        begin: op.begin,
        step: op.step,
        outBegin: zeros(op.size),
      };
      return [{ arithmetic: copy, inputs: [0] }];
    }
    case 'concat': {
      let at = 0;
      return inputs.map(({ shape }, i) => {
        const outBegin = zeros(shape);
        outBegin[op.axis] = at;
        at += shape[op.axis];
        return {
          arithmetic: {
            kind: 'copy',
            extent: shape,
            perm: identity(shape),
            begin: zeros(shape),
            step: ones(shape),
            outBegin,
          },
          inputs: [i],
        };
      });
    }
    case 'pad': {
      const { shape } = inputs[0];
      return [
        { arithmetic: { kind: 'fill', value: storedValue(op.value, output) }, inputs: [] },
        {
          arithmetic: {
            kind: 'copy',
            extent: shape,
            perm: identity(shape),
            begin: zeros(shape),
            step: ones(shape),
            outBegin: op.before,
          },
          inputs: [0],
        },
      ];
    }
    default:
      return [{ arithmetic: op, inputs: inputs.map((_, i) => i) }];
  }
}
