/** Transposed convolution: the gradient of a convolution with respect to its input, used to enlarge. */

import type { KernelCall, Offer } from '../call.ts';
import { windowGeometry } from '../geometry.ts';
import { channelEpilogue, isQuantizedProduct, weightZeroPoints, zeroPointOf } from '../requantize.ts';
import { allF32, clampReal, numbersOf, type Of, offer } from './support.ts';

/**
 * y[n,oh,ow,oc] = clamp(bias[oc] + Σ x[n,ih,iw,ic]·w[oc,kh,kw,ic])
 * over the taps with oh = ih·strideH − padTop + kh and ow = iw·strideW − padLeft + kw
 *
 *   x     (n, inH, inW, inC)
 *   w     (outC, kH, kW, inC)
 *   bias  (outC)                         may be absent
 *   y     (n, outH, outW, outC)
 *
 * Written from the output's side, so that each output is one sum and no scratch is needed.
 * int8: x − zₓ and w − z_w instead of x and w; the sum is an int32, then requantised per channel.
 * Order: n, oh, ow, oc outside; kh, kw, ic inside.
 * Exact: f32 sums in f64 and rounds once; int8 equals TensorFlow Lite Micro's reference.
 * Source: Dumoulin and Visin 2016, arXiv:1603.07285, ch. 4; tensorflow/tflite-micro,
 * reference/integer_ops/transpose_conv.h.
 */
export function transposedConv2d(call: KernelCall, op: Of<'transposedConv2d'>): Offer | null {
  if (allF32(call)) return transposedConv2dF32(call, op);
  if (isQuantizedProduct(call)) return transposedConv2dInt8(call, op);
  return null;
}

function transposedConv2dF32(call: KernelCall, op: Of<'transposedConv2d'>): Offer {
  const g = windowGeometry(call);
  return offer('transposed-conv2d-f32', ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          for (let ow = 0; ow < g.outW; ow++) {
            for (let oc = 0; oc < g.outC; oc++) {
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = (oh + g.padTop - kh) / g.strideH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = (ow + g.padLeft - kw) / g.strideW;
                  if (!Number.isInteger(ih) || !Number.isInteger(iw)) continue;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC;
                  const wAt = wView.offset + ((oc * g.kH + kh) * g.kW + kw) * g.inC;
                  for (let ic = 0; ic < g.inC; ic++) sum += x[xAt + ic] * w[wAt + ic];
                }
              }
              if (bias) sum += bias[biasView.offset + oc];
              y[yView.offset + ((n * g.outH + oh) * g.outW + ow) * g.outC + oc] = clampReal(sum, op.clamp);
            }
          }
        }
      }
    };
  });
}

function transposedConv2dInt8(call: KernelCall, op: Of<'transposedConv2d'>): Offer {
  const g = windowGeometry(call);
  const zx = zeroPointOf(call.inputs[0]);
  return offer(`transposed-conv2d-${call.inputs[0].dtype}`, ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    const zw = weightZeroPoints(call); // (outC)
    const requantize = channelEpilogue(call, op.clamp);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          for (let ow = 0; ow < g.outW; ow++) {
            for (let oc = 0; oc < g.outC; oc++) {
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = (oh + g.padTop - kh) / g.strideH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = (ow + g.padLeft - kw) / g.strideW;
                  if (!Number.isInteger(ih) || !Number.isInteger(iw)) continue;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC;
                  const wAt = wView.offset + ((oc * g.kH + kh) * g.kW + kw) * g.inC;
                  for (let ic = 0; ic < g.inC; ic++) sum += (x[xAt + ic] - zx) * (w[wAt + ic] - zw[oc]);
                }
              }
              if (bias) sum += bias[biasView.offset + oc];
              y[yView.offset + ((n * g.outH + oh) * g.outW + ow) * g.outC + oc] = requantize(sum, oc);
            }
          }
        }
      }
    };
  });
}
