/** Maximum and average over a sliding window. */

import type { KernelCall, Offer } from '../call.ts';
import { windowGeometry } from '../geometry.ts';
import {
  clampTo,
  isQuantized8,
  quantize,
  quantizedBounds,
  rangeOf,
  roundHalfEven,
  roundingOf,
  roundsToEven,
  scaleOf,
  zeroPointOf,
} from '../requantize.ts';
import { allF32, clampReal, numbersOf, type Of, offer } from './support.ts';

/**
 * y[n,oh,ow,c] = clamp(max or mean of x[n,ih,iw,c]), ih = oh·strideH − padTop + kh, iw alike
 *
 *   x  (n, inH, inW, c)       cells outside do not count, also not in the mean's divisor
 *   y  (n, outH, outW, c)
 *
 * int8: x and y are quantised alike, so the stored integers are compared and averaged as they are;
 * the mean rounds halves away from zero. With halves to even, the mean is taken of real numbers and
 * quantised again: q = z_y + round([sₓ·Σ(x − zₓ)/count] / s_y). A window wholly outside gives 0.
 * Order: n, oh, ow, c outside; kh, kw inside.
 * Exact: f32 sums in f64 and rounds once; int8 equals TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/integer_ops/pooling.h.
 */
export function pool2d(call: KernelCall, op: Of<'maxPool2d' | 'averagePool2d'>): Offer | null {
  const { dtype } = call.output;
  const int8 = isQuantized8(call.inputs[0]) && isQuantized8(call.output) && call.inputs[0].dtype === dtype;
  if (!int8 && !allF32(call)) return null;
  const g = windowGeometry(call);
  const takesMax = op.kind === 'maxPool2d';
  const zero = int8 ? zeroPointOf(call.output) : 0;
  const even = roundsToEven(call);
  const bounds = int8 ? quantizedBounds(op.clamp, call.output, roundingOf(op.rounding)) : null;
  const mean = int8 ? (even ? evenMean(call) : roundedMean) : (sum: number, count: number) => sum / count;
  return offer(`${takesMax ? 'max-pool' : 'average-pool'}-${dtype}`, ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          for (let ow = 0; ow < g.outW; ow++) {
            for (let c = 0; c < g.outC; c++) {
              let max = Number.NEGATIVE_INFINITY;
              let sum = 0;
              let count = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = oh * g.strideH - g.padTop + kh;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = ow * g.strideW - g.padLeft + kw;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const cell = x[xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC + c];
                  max = Math.max(max, cell);
                  sum += cell;
                  count++;
                }
              }
              let result = zero;
              if (count > 0 && takesMax) result = max;
              else if (count > 0) result = mean(sum, count);
              y[yView.offset + ((n * g.outH + oh) * g.outW + ow) * g.outC + c] =
                bounds === null ? clampReal(result, op.clamp) : clampTo(bounds, result);
            }
          }
        }
      }
    };
  });
}

/** The mean in real numbers, quantised again. Source: ONNX operators AveragePool and QuantizeLinear. */
function evenMean({ inputs: [x], output }: KernelCall): (sum: number, count: number) => number {
  const zx = zeroPointOf(x);
  const zy = zeroPointOf(output);
  const range = rangeOf(output.dtype);
  return (sum, count) => {
    const real = (scaleOf(x) * (sum - count * zx)) / count;
    return quantize(real, scaleOf(output), zy, range, roundHalfEven);
  };
}

/** sum / count in integers, halves away from zero. */
function roundedMean(sum: number, count: number): number {
  const half = Math.trunc(count / 2);
  return Math.trunc((sum > 0 ? sum + half : sum - half) / count);
}
