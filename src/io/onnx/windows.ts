/** What convolutions and pools say of their windows: kernel, strides, dilations, and how they pad. */
import type { Shape } from '../../tensor.ts';
import type { Operator } from './operator.ts';

/** One element for each spatial axis. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Extents of the output, whole windows or also begun ones. */
  readonly out: readonly number[];
}

export interface WindowOptions {
  /** Absent: the attribute says. */
  readonly kernel?: readonly number[];
  readonly dilated?: boolean;
  readonly ceil?: boolean;
}

const most = 2 ** 24;

/** A list of the node, one element an axis. */
export function perAxis(
  op: Operator,
  name: string,
  axes: number,
  least: number,
  missing: number,
): readonly number[] {
  const given = op.ints(name) ?? new Array<number>(axes).fill(missing);
  if (given.length !== axes || given.some((v) => v < least || v > most))
    op.fail(`attribute "${name}": expected ${axes} numbers of at least ${least}, got [${given.join(', ')}]`);
  return given;
}

/** Begin and end of every axis, from a list (begins…, ends…). */
export function padsOf(op: Operator, axes: number): { before: readonly number[]; after: readonly number[] } {
  const pads = perAxis(op, 'pads', 2 * axes, Number.NEGATIVE_INFINITY, 0);
  if (pads.some((p) => p < 0)) op.unsupported('negative pads');
  return { before: pads.slice(0, axes), after: pads.slice(axes) };
}

export function windowsOf(op: Operator, size: Shape, options: WindowOptions = {}): Windows {
  const axes = size.length;
  const kernel = options.kernel ?? perAxis(op, 'kernel_shape', axes, 1, 0);
  const declared = options.kernel && op.ints('kernel_shape');
  if (declared?.some((k, i) => k !== kernel[i]))
    op.fail(`kernel_shape [${declared.join(', ')}] does not fit weights of [${kernel.join(', ')}]`);
  const stride = perAxis(op, 'strides', axes, 1, 1);
  const dilation = options.dilated === false ? stride.map(() => 1) : perAxis(op, 'dilations', axes, 1, 1);
  const span = kernel.map((k, i) => (k - 1) * dilation[i]! + 1);
  const auto = op.text('auto_pad', 'NOTSET');
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    op.ints('pads');
    const out = size.map((extent, i) => Math.ceil(extent / stride[i]!));
    const total = out.map((o, i) => Math.max(0, (o - 1) * stride[i]! + span[i]! - size[i]!));
    const less = total.map((t) => t >> 1);
    const rest = total.map((t, i) => t - less[i]!);
    const [before, after] = auto === 'SAME_UPPER' ? [less, rest] : [rest, less];
    return { kernel, stride, dilation, before, after, out };
  }
  if (auto !== 'NOTSET' && auto !== 'VALID' && auto !== '') op.unsupported(`auto_pad ${auto.slice(0, 40)}`);
  const zeros = size.map(() => 0);
  const given = padsOf(op, axes);
  const { before, after } = auto === 'VALID' ? { before: zeros, after: zeros } : given;
  const out = size.map((extent, i) => {
    const steps = (extent + before[i]! + after[i]! - span[i]!) / stride[i]!;
    if (!options.ceil) return Math.floor(steps) + 1;
    const count = Math.ceil(steps) + 1;
    // A window that would begin behind the picture, in its padding, is none.
    return (count - 1) * stride[i]! >= extent + before[i]! ? count - 1 : count;
  });
  if (out.some((o) => o < 1))
    op.fail(`a kernel of [${kernel.join(', ')}] does not fit into [${size.join(', ')}]`);
  return { kernel, stride, dilation, before, after, out };
}
