/** Depthwise convolution: every output channel sees one input channel. */

import type { KernelCall, Offer } from '../call.ts';
import { windowGeometry } from '../geometry.ts';
import { channelEpilogue, isQuantizedProduct, weightZeroPoints, zeroPointOf } from '../requantize.ts';
import { allF32, clampReal, numbersOf, type Of, offer } from './support.ts';

/**
 * y[n,oh,ow,oc] = clamp(bias[oc] + Σ x[n,ih,iw,ic]·w[kh,kw,oc]),
 * ih = oh·strideH − padTop + kh·dilationH, iw alike, ic = ⌊oc·inC/outC⌋
 *
 *   x     (n, inH, inW, inC)             cells outside count as 0
 *   w     (1, kH, kW, outC)              outC is a multiple of inC
 *   bias  (outC)                         may be absent
 *   y     (n, outH, outW, outC)
 *
 * int8: x − zₓ and w − z_w instead of x and w; the sum is an int32, then requantised per channel.
 * Order: n, oh, ow, oc outside; kh, kw inside.
 * Exact: f32 sums in f64 and rounds once; int8 equals TensorFlow Lite Micro's reference.
 * Source: Howard et al. 2017, arXiv:1704.04861, §3.1; tensorflow/tflite-micro,
 * reference/integer_ops/depthwise_conv.h.
 */
export function depthwiseConv2d(call: KernelCall, op: Of<'depthwiseConv2d'>): Offer | null {
  if (allF32(call)) return depthwiseConv2dF32(call, op);
  if (isQuantizedProduct(call)) return depthwiseConv2dInt8(call, op);
  return null;
}

function depthwiseConv2dF32(call: KernelCall, op: Of<'depthwiseConv2d'>): Offer {
  const g = windowGeometry(call);
  return offer('depthwise-f32', ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          for (let ow = 0; ow < g.outW; ow++) {
            for (let oc = 0; oc < g.outC; oc++) {
              const ic = Math.floor((oc * g.inC) / g.outC);
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC + ic;
                  const wAt = wView.offset + (kh * g.kW + kw) * g.outC + oc;
                  sum += x[xAt] * w[wAt];
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

function depthwiseConv2dInt8(call: KernelCall, op: Of<'depthwiseConv2d'>): Offer {
  const g = windowGeometry(call);
  const zx = zeroPointOf(call.inputs[0]);
  return offer(`depthwise-${call.inputs[0].dtype}`, ([xView, wView, biasView], yView) => {
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
              const ic = Math.floor((oc * g.inC) / g.outC);
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC + ic;
                  const wAt = wView.offset + (kh * g.kW + kw) * g.outC + oc;
                  sum += (x[xAt] - zx) * (w[wAt] - zw[oc]);
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
