/** What an operator's options can say of its padding and its bounds. */
import { sameQuantization } from '../../../graph/build.ts';
import type { Value } from '../../../graph/ir.ts';
import type { OpOf } from '../../../graph/ops.ts';
import { samePad, windowCount } from '../../../graph/shapes.ts';
import { type Clamp, noClamp, noPad, type Pad, type Pair } from '../../../kernels/call.ts';
import { quantizedBounds, type Range } from '../../../kernels/requantize.ts';
import type { Shape } from '../../../tensor.ts';
import { activations, type paddings } from '../schema.ts';

export type Padding = (typeof paddings)[number];

/** A window over rows and columns. */
export interface Window {
  readonly size: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
}

/**
 * SAME or VALID where one of them gives the same windows, else null. Cells of `pad` at the bottom and on the right
 * count only through the number of windows `out`: no window reads on.
 */
export function paddingOf({ size, kernel, stride, dilation }: Window, pad: Pad, out: Pair): Padding | null {
  const valid = ([0, 1] as const).every(
    (i) =>
      out[i] === windowCount(size[i], kernel[i], stride[i], dilation[i], 0) &&
      (i === 0 ? pad.top : pad.left) === 0,
  );
  if (valid) return 'VALID';
  const same = samePad(size, kernel, stride, dilation);
  const isSame =
    same.top === pad.top &&
    same.left === pad.left &&
    ([0, 1] as const).every((i) => out[i] === Math.ceil(size[i] / stride[i]));
  return isSame ? 'SAME' : null;
}

/** As `paddingOf`, for every axis between the first and the last. */
export function volumePadding(
  op: Pick<OpOf<'convNd'>, 'stride' | 'dilation' | 'before'>,
  x: Shape,
  w: Shape,
  y: Shape,
): Padding | null {
  const each = op.stride.map((stride, i) => {
    const window: Window = {
      size: [x[1 + i]!, 1],
      kernel: [w[1 + i]!, 1],
      stride: [stride, 1],
      dilation: [op.dilation[i]!, 1],
    };
    const pad = { ...noPad, top: op.before[i]! };
    const isSame = samePad(window.size, window.kernel, window.stride, window.dilation).top === pad.top;
    return {
      VALID: paddingOf(window, pad, [y[1 + i]!, 1]) === 'VALID',
      SAME: isSame && y[1 + i] === Math.ceil(x[1 + i]! / stride),
    };
  });
  return (['VALID', 'SAME'] as const).find((padding) => each.every((axis) => axis[padding])) ?? null;
}

/** The cells that `padding` stands for. */
export function cellsOf(padding: Padding, { size, kernel, stride, dilation }: Window): Pad {
  return padding === 'SAME' ? samePad(size, kernel, stride, dilation) : noPad;
}

type Activation = (typeof activations)[number];

const bounds: Partial<Record<Activation, Clamp>> = {
  NONE: noClamp,
  RELU: { min: 0, max: Number.POSITIVE_INFINITY },
  RELU6: { min: 0, max: 6 },
  RELU_N1_TO_1: { min: -1, max: 1 },
};

/** The activation that keeps `output` within the same numbers, as they are stored, with its own bounds; or null. */
export function activationOf(clamp: Clamp, output: Value): { code: number; clamp: Clamp } | null {
  const found = nearest(bounds, clamp, output);
  return found && { code: activations.indexOf(found.name as Activation), clamp: found.clamp };
}

/** The operator of one operand that does: the fused ones, and one that is none of them. */
export function reluOf(clamp: Clamp, output: Value): { name: string; clamp: Clamp } | null {
  const { NONE: _, ...relus } = bounds;
  return nearest({ ...relus, RELU_0_TO_1: { min: 0, max: 1 } }, clamp, output);
}

function nearest(
  table: Readonly<Record<string, Clamp>>,
  clamp: Clamp,
  output: Value,
): { name: string; clamp: Clamp } | null {
  const entries = Object.entries(table).map(([name, own]) => ({ name, clamp: own }));
  const equal = entries.find(({ clamp: own }) => own.min === clamp.min && own.max === clamp.max);
  if (equal || !isByte(output)) return equal ?? null;
  const wanted = quantizedBounds(clamp, output);
  return entries.find(({ clamp: own }) => sameRange(quantizedBounds(own, output), wanted)) ?? null;
}

const sameRange = (a: Range, b: Range): boolean => a.lo === b.lo && a.hi === b.hi;

/** i8 or u8 that stand for real numbers. */
export function isByte(value: Value): boolean {
  return (value.dtype === 'i8' || value.dtype === 'u8') && value.quantization !== null;
}

/** Both hold the same numbers in the same way. */
export function isAlike(a: Value, b: Value): boolean {
  return a.dtype === b.dtype && sameQuantization(a.quantization, b.quantization);
}
