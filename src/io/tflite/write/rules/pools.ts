/**
 * Pools. Padding that is neither SAME nor VALID is an operator before the window, and what must not count is put
 * right behind it:
 *
 *   max       pad with −∞, or the least stored number  ⇒  VALID
 *   average   pad with 0  ⇒  VALID  ⇒  · cells of the window / cells that count, a constant; in float
 */
import type { Value, ValueId } from '../../../../graph/ir.ts';
import type { OpOf } from '../../../../graph/ops.ts';
import { type Clamp, noClamp, noPad, type Pad, type Pair } from '../../../../kernels/call.ts';
import { rangeOf } from '../../../../kernels/requantize.ts';
import type { Shape } from '../../../../tensor.ts';
import { cellsOf, isByte, paddingOf, type Window } from '../fused.ts';
import type { Site } from '../site.ts';
import { bounded, clampTo, isUnbounded } from './bounds.ts';
import { rowsAndColumns } from './convolutions.ts';
import { padded } from './movement.ts';

export function pool2d(site: Site, op: OpOf<'maxPool2d' | 'averagePool2d'>): ValueId {
  const from = site.value(site.x);
  const { output } = site;
  if (from.dtype !== output.dtype || (from.dtype !== 'f32' && !isByte(from)))
    site.unsupported(`${from.dtype} input and ${output.dtype} output`);
  const isEven = op.rounding === 'even' && op.kind === 'averagePool2d';
  if (isEven) site.changed('rounding');
  if (hasOneScale(from, output)) return withPadding(site, op, op.clamp);
  if (isEven && isGlobal(op, from.shape))
    return site.done({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [site.x]);
  const stored = site.within('stored', { quantization: from.quantization }, site.inputs);
  const y = withPadding(stored, op, noClamp);
  // By ONNX's rule the numbers stay what they stand for, by TensorFlow Lite's they stay as they are stored.
  if (isEven) site.changed('rescaled');
  const back = isEven
    ? ({ kind: 'convert', rounding: 'away' } as const)
    : ({ kind: 'reshape', shape: output.shape } as const);
  return isUnbounded(op.clamp)
    ? site.done(back, [y])
    : clampTo(site, op.clamp, site.step('in scale', back, [y]));
}

/** As near as TensorFlow Lite asks of the two sides of a pool. */
function hasOneScale({ quantization: a }: Value, { quantization: b }: Value): boolean {
  if (!a || !b) return a === b;
  return a.zeroPoint[0] === b.zeroPoint[0] && Math.abs(a.scale[0]! - b.scale[0]!) <= 1e-6;
}

/** One window over everything: a mean of rows and columns, which may change the scale. */
function isGlobal({ kernel, pad, clamp }: OpOf<'averagePool2d' | 'maxPool2d'>, shape: Shape): boolean {
  const cells = [pad.top, pad.left, pad.bottom, pad.right];
  return kernel.every((k, i) => k === shape[1 + i]) && cells.every((c) => c === 0) && isUnbounded(clamp);
}

function withPadding(site: Site, op: OpOf<'maxPool2d' | 'averagePool2d'>, clamp: Clamp): ValueId {
  const { kind, kernel, stride, pad } = op;
  const size = rowsAndColumns(site.value(site.x).shape);
  const window: Window = { size, kernel, stride, dilation: [1, 1] };
  const padding = paddingOf(window, pad, rowsAndColumns(site.output.shape));
  const isNarrow = pad.top < size[0] && pad.left < size[1];
  if (padding === 'VALID' || (padding && isNarrow))
    return bounded(site, { kind, kernel, stride, pad: cellsOf(padding, window), clamp }, [site.x]);
  return framed(site, kind === 'maxPool2d' ? 'max' : 'average', window, pad, noPad, clamp);
}

/** poolNd over one axis or two; the last windows may reach beyond the padding. */
export function poolNd(site: Site, op: OpOf<'poolNd'>): ValueId {
  const axes = op.kernel.length;
  if (axes > 2) site.unsupported(`${axes} spatial axes`);
  if (op.fn === 'lp') site.unsupported(`a norm of power ${op.p}`);
  if (op.dilation.some((d) => d !== 1)) site.unsupported('a dilated window');
  const from = site.value(site.x);
  const pair = (list: readonly number[], unit: number): Pair =>
    axes === 1 ? [unit, list[0]!] : [list[0]!, list[1]!];
  const plane = (shape: Shape): Shape => (axes === 1 ? [shape[0]!, 1, ...shape.slice(1)] : shape);
  const x = site.reshape('plane', site.x, plane(from.shape));
  const inner = site.within('pool', { shape: plane(site.output.shape) }, [x]);
  const [top, left] = pair(op.before, 0);
  const [bottom, right] = pair(op.after, 0);
  const pad = { top, left, bottom, right };
  const window: Window = {
    size: rowsAndColumns(plane(from.shape)),
    kernel: pair(op.kernel, 1),
    stride: pair(op.stride, 1),
    dilation: [1, 1],
  };
  return site.same(
    framed(inner, op.fn === 'max' ? 'max' : 'average', window, pad, op.countPad ? pad : noPad, noClamp),
  );
}

/** The pool of x with cells around it, of which an average counts those of `counted`. */
function framed(
  site: Site,
  fn: 'max' | 'average',
  window: Window,
  pad: Pad,
  counted: Pad,
  clamp: Clamp,
): ValueId {
  const { size, kernel, stride } = window;
  const from = site.value(site.x);
  const out = rowsAndColumns(site.output.shape);
  const beyond = (i: 0 | 1, before: number): number =>
    Math.max(0, (out[i] - 1) * stride[i] + kernel[i] - size[i] - before);
  const frame = { ...pad, bottom: beyond(0, pad.top), right: beyond(1, pad.left) };
  if (fn === 'max') {
    const q = from.quantization;
    const least = isByte(from) && q ? q.scale[0]! * (rangeOf(from.dtype).lo - q.zeroPoint[0]!) : 0;
    const x = padded(site, site.x, frame, isByte(from) ? least : Number.NEGATIVE_INFINITY);
    return bounded(site, { kind: 'maxPool2d', kernel, stride, pad: noPad, clamp }, [x]);
  }
  if (isByte(from)) {
    site.changed('float');
    const inner = site.within('real', { dtype: 'f32', quantization: null }, [
      site.real('real x', { kind: 'convert', rounding: 'away' }, [site.x]),
    ]);
    return site.done({ kind: 'convert', rounding: 'away' }, [framed(inner, fn, window, pad, counted, clamp)]);
  }
  const x = padded(site, site.x, frame, 0);
  const average = { kind: 'averagePool2d', kernel, stride, pad: noPad, clamp: noClamp } as const;
  const sums = site.step('over all cells', average, [x]);
  const rows = countsOf(out[0], kernel[0], stride[0], pad.top, counted.top, size[0] + counted.bottom);
  const columns = countsOf(out[1], kernel[1], stride[1], pad.left, counted.left, size[1] + counted.right);
  const factors = Float32Array.from(
    rows.flatMap((r) => columns.map((c) => (kernel[0] * kernel[1]) / Math.max(r * c, 1))),
  );
  const factor = site.constant('factor', 'f32', [1, out[0], out[1], 1], factors);
  return bounded(site, { kind: 'binary', fn: 'mul', clamp }, [sums, factor]);
}

/** How many cells of each window lie in −before … end − 1. */
function countsOf(
  windows: number,
  k: number,
  stride: number,
  pad: number,
  before: number,
  end: number,
): number[] {
  return Array.from({ length: windows }, (_, o) => {
    const first = o * stride - pad;
    return Math.max(0, Math.min(first + k, end) - Math.max(first, -before));
  });
}
