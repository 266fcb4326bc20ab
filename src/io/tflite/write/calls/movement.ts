/** Operators that move numbers about, resize pictures, or turn to the spectrum. */
import type { Value } from '../../../../graph/ir.ts';
import type { OpOf } from '../../../../graph/ops.ts';
import { storedValue } from '../../../../graph/plan/lower.ts';
import { type Shape, viewOf } from '../../../../tensor.ts';
import { fileType } from '../../operator.ts';
import {
  concatenation,
  gather as gatherOptions,
  mirrorPad as mirrorPadOptions,
  reshape as reshapeOptions,
  resizeBilinear,
  resizeNearest,
  stridedSlice,
} from '../../schema.ts';
import { ints as intVector } from '../flatbuffer.ts';
import { isByte } from '../fused.ts';
import type { TensorSpec } from '../model.ts';
import { bytesOf, type Call, ends, enumeration, flag, i32, ints, type NodeOf, options } from './call.ts';

/** `shape`: as the file has it. A scalar is said as old files do: without the operand, its extents as [0]. */
export function reshape(node: NodeOf<OpOf<'reshape'>>, shape: Shape): Call {
  const { inputs } = node;
  const isScalar = shape.length === 0;
  return {
    code: 'RESHAPE',
    inputs: isScalar ? inputs : [inputs[0]!, ints(ends(node).y, 'shape', shape)],
    options: options(reshapeOptions.union, { [reshapeOptions.newShape]: intVector(isScalar ? [0] : shape) }),
  };
}

export function transpose(node: NodeOf<OpOf<'transpose'>>): Call {
  return { code: 'TRANSPOSE', inputs: [node.inputs[0]!, ints(ends(node).y, 'axes', node.op.perm)] };
}

export function concat({ op, inputs }: NodeOf<OpOf<'concat'>>): Call {
  const { union, axis, activation } = concatenation;
  return {
    code: 'CONCATENATION',
    inputs,
    options: options(union, { [axis]: i32(op.axis), [activation]: enumeration(0) }),
  };
}

/** SLICE walks forwards by single steps, STRIDED_SLICE in all ways. */
export function slice(node: NodeOf<OpOf<'slice'>>): Call {
  const { begin, size, step } = node.op;
  const { y } = ends(node);
  const operands = [node.inputs[0]!, ints(y, 'begin', begin)];
  if (step.every((by) => by === 1)) return { code: 'SLICE', inputs: [...operands, ints(y, 'size', size)] };
  const end = begin.map((from, i) => from + size[i]! * step[i]!);
  // Before the first element there is no index: that end is left open.
  const open = end.reduce((mask, at, i) => (at < 0 ? mask | (1 << i) : mask), 0);
  const o = stridedSlice;
  return {
    code: 'STRIDED_SLICE',
    inputs: [
      ...operands,
      ints(
        y,
        'end',
        end.map((at) => Math.max(at, 0)),
      ),
      ints(y, 'step', step),
    ],
    options: options(o.union, {
      [o.beginMask]: i32(0),
      [o.endMask]: i32(open),
      [o.ellipsisMask]: i32(0),
      [o.newAxisMask]: i32(0),
      [o.shrinkAxisMask]: i32(0),
    }),
  };
}

/** PAD fills with what stands for 0, PADV2 with a number of the data's kind. */
export function pad(node: NodeOf<OpOf<'pad'>>): Call {
  const { op } = node;
  const { y } = ends(node);
  const inputs = [node.inputs[0]!, paddings(y, op)];
  return op.value === 0 ? { code: 'PAD', inputs } : { code: 'PADV2', inputs: [...inputs, fill(y, op.value)] };
}

function fill(y: Value, real: number): TensorSpec {
  const { name, dtype, quantization } = y;
  const data = viewOf(dtype, new ArrayBuffer(8), 0, 1);
  const stored = storedValue(real, y);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[0] = BigInt(stored);
  else data[0] = stored;
  return {
    name: `${name}/value`,
    type: fileType(dtype),
    shape: [],
    quantization: isByte(y) ? quantization : null,
    data: bytesOf(data),
  };
}

export function mirrorPad(node: NodeOf<OpOf<'mirrorPad'>>): Call {
  const { union, mode } = mirrorPadOptions;
  return {
    code: 'MIRROR_PAD',
    inputs: [node.inputs[0]!, paddings(ends(node).y, node.op)],
    options: options(union, { [mode]: enumeration(node.op.mode === 'reflect' ? 0 : 1) }),
  };
}

function paddings(
  y: Value,
  { before, after }: { readonly before: Shape; readonly after: Shape },
): TensorSpec {
  const pairs = before.flatMap((cells, i) => [cells, after[i]!]);
  return ints(y, 'paddings', pairs, [before.length, 2]);
}

export function gather({ op, inputs }: NodeOf<OpOf<'gather'>>): Call {
  const { union, axis, batchDims } = gatherOptions;
  return {
    code: 'GATHER',
    inputs,
    options: options(union, { [axis]: i32(op.axis), [batchDims]: i32(op.batchDims) }),
    asked: { batchDims: op.batchDims },
  };
}

export function resize(node: NodeOf<OpOf<'resize'>>): Call {
  const { mode, size, alignCorners, halfPixelCenters } = node.op;
  const o = mode === 'nearest' ? resizeNearest : resizeBilinear;
  return {
    code: mode === 'nearest' ? 'RESIZE_NEAREST_NEIGHBOR' : 'RESIZE_BILINEAR',
    inputs: [node.inputs[0]!, ints(ends(node).y, 'size', size)],
    options: options(o.union, {
      [o.alignCorners]: flag(alignCorners),
      [o.halfPixelCenters]: flag(halfPixelCenters),
    }),
    asked: { alignCorners, halfPixelCenters },
  };
}

export function rfft2d(node: NodeOf<OpOf<'rfft2d'>>): Call {
  return { code: 'RFFT2D', inputs: [node.inputs[0]!, ints(ends(node).y, 'lengths', node.op.length)] };
}
