/**
 * y[kept axes] = mean, sum, max or min of x over the reduced axes           mean-i8-16-wasm, …
 *
 *   x   i8 or u8, any shape; the reduced axes neighbours, with others behind them
 *   y   its dtype, x's shape with the reduced axes 1, or left out
 *
 * With n elements in front of the reduced axes, r in them and c behind them: n pictures with one window of r×1
 * cells and c channels (window-i8.ts). Pictures over which NHWC is reduced may be strided.
 *
 *   mean, sum   z_y + (Σx − r·zₓ)·[sₓ/s_y], for a mean with 1/r in the multiplier: a staircase in the sum
 *
 * Exact: equal to reference.
 */
import { elementCount } from '../../tensor.ts';
import type { EmittedOffer, KernelCall } from '../call.ts';
import { encodedBytes } from '../encoding.ts';
import { extentBetween } from '../geometry.ts';
import { isEmpty } from '../js/views.ts';
import {
  isQuantized8,
  meanMultiplier,
  multiplyByQuantizedMultiplier,
  rangeOf,
  ratioMultiplier,
  sameQuantization,
  zeroPointOf,
} from '../requantize.ts';
import { lieOf } from './lanes-i8.ts';
import { extremeCall, proveSumFunction, type SumFunction, sumCall } from './pool2d-i8.ts';
import type { Target } from './target.ts';

export function offerReduceI8(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'reduce' || op.fn === 'prod' || following || isEmpty(call)) return null;
  const [input] = inputs;
  if (!isQuantized8(input) || !isQuantized8(output) || input.dtype !== output.dtype) return null;
  const { fn } = op;
  const { shape } = input;
  const axes = op.axes.filter((axis) => shape[axis] > 1);
  const from = axes[0] ?? 0;
  const to = (axes[axes.length - 1] ?? -1) + 1;
  if (axes.length !== to - from) return null;
  const outer = extentBetween(shape, 0, from);
  const cells = extentBetween(shape, from, to);
  const inner = elementCount(shape) / (outer * cells);
  if (inner === 1 && cells > 1) return null;
  if ((fn === 'max' || fn === 'min') && !sameQuantization(input, output)) return null;
  const sum = fn === 'max' || fn === 'min' ? null : sumFunction(call, fn, cells, target);
  if (!sum && fn !== 'max' && fn !== 'min') return null;
  const isPicture = shape.length === 4 && op.axes.length === 2 && op.axes[0] === 1 && op.axes[1] === 2;
  return {
    kernel: `${fn}-i8-16-wasm`,
    strided: isPicture && output.shape.length === 4,
    encoding: target.encoding,
    emit: (program, [x], y) => {
      const size = encodedBytes(input, x!.encoding);
      const outSize = encodedBytes(output, y.encoding);
      const [picture, row, pixel] = isPicture
        ? x!.strides.map((stride) => size * stride)
        : [size * cells * inner, 0, 0];
      const windows = {
        from: lieOf(input, x!.encoding),
        pictures: outer,
        rows: 1,
        columns: 1,
        channels: inner,
        ...(isPicture
          ? { kH: shape[1], kW: shape[2], cell: [pixel!, row!] as const }
          : { kH: 1, kW: cells, cell: [size * inner, 0] as const }),
        x: [0, 0, picture!],
        y: [0, 0, isPicture && y.strides.length === 4 ? outSize * y.strides[0] : outSize * inner],
      } as const;
      program.step(
        sum
          ? sumCall(program, call, windows, sum, x!, y, target, x!.address, y.address)
          : extremeCall(
              program,
              call,
              windows,
              fn as 'max' | 'min',
              rangeOf(output.dtype),
              x!,
              y,
              x!.address,
              y.address,
            ),
      );
    },
  };
}

function sumFunction(
  call: KernelCall,
  fn: 'mean' | 'sum',
  cells: number,
  target: Target,
): SumFunction | null {
  const { inputs, output } = call;
  const [x] = inputs;
  const { multiplier, shift } = fn === 'mean' ? meanMultiplier(x, output, cells) : ratioMultiplier(x, output);
  const zeros = cells * zeroPointOf(x);
  const base = zeroPointOf(output);
  if (255 * cells * 2 ** Math.max(shift, 0) >= 2 ** 31) return null;
  const exact = (sum: number): number => base + multiplyByQuantizedMultiplier(sum - zeros, multiplier, shift);
  return proveSumFunction(
    call,
    cells,
    exact,
    multiplier * 2 ** (shift - 31),
    rangeOf(output.dtype),
    base,
    target,
  );
}
