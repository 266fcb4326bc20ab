/** Convolution, with groups and dilation. The int8 twin keeps the order of lines of the float one. */

import type { KernelCall, Offer } from '../call.ts';
import { windowGeometry } from '../geometry.ts';
import { channelEpilogue, isQuantizedProduct, weightZeroPoints, zeroPointOf } from '../requantize.ts';
import { allF32, clampReal, numbersOf, type Of, offer } from './support.ts';

/**
 * y[n,oh,ow,oc] = clamp(bias[oc] + Σ x[n,ih,iw,g·C+ic]·w[oc,kh,kw,ic]),
 * ih = oh·strideH − padTop + kh·dilationH, iw alike, g = ⌊oc / (outC/groups)⌋
 *
 *   x     (n, inH, inW, inC)             cells outside count as 0
 *   w     (outC, kH, kW, C)              C = inC/groups
 *   bias  (outC)                         may be absent
 *   y     (n, outH, outW, outC)
 *
 * int8: x − zₓ and w − z_w instead of x and w; the sum is an int32, then requantised per channel.
 * Order: n, oh, ow, oc outside; kh, kw, ic inside.
 * Exact: f32 sums in f64 and rounds once; int8 equals TensorFlow Lite Micro's reference.
 * Source: tensorflow/tflite-micro, reference/integer_ops/conv.h.
 */
export function conv2d(call: KernelCall, op: Of<'conv2d'>): Offer | null {
  if (allF32(call)) return conv2dF32(call, op);
  if (isQuantizedProduct(call)) return conv2dInt8(call, op);
  return null;
}

function conv2dF32(call: KernelCall, op: Of<'conv2d'>): Offer {
  const g = windowGeometry(call);
  const depth = g.inC / g.groups;
  const perGroup = g.outC / g.groups;
  return offer('conv2d-f32', ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          for (let ow = 0; ow < g.outW; ow++) {
            for (let oc = 0; oc < g.outC; oc++) {
              const firstC = Math.floor(oc / perGroup) * depth;
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC + firstC;
                  const wAt = wView.offset + ((oc * g.kH + kh) * g.kW + kw) * depth;
                  for (let ic = 0; ic < depth; ic++) sum += x[xAt + ic] * w[wAt + ic];
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

function conv2dInt8(call: KernelCall, op: Of<'conv2d'>): Offer {
  const g = windowGeometry(call);
  const depth = g.inC / g.groups;
  const perGroup = g.outC / g.groups;
  const zx = zeroPointOf(call.inputs[0]);
  return offer(`conv2d-${call.inputs[0].dtype}`, ([xView, wView, biasView], yView) => {
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
              const firstC = Math.floor(oc / perGroup) * depth;
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC + firstC;
                  const wAt = wView.offset + ((oc * g.kH + kh) * g.kW + kw) * depth;
                  for (let ic = 0; ic < depth; ic++) sum += (x[xAt + ic] - zx) * (w[wAt + ic] - zw[oc]);
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
