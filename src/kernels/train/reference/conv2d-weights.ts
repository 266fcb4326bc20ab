/** The gradient of a convolution with respect to its weights. */

import type { KernelCall, Offer } from '../../call.ts';
import { numbersOf, offer } from '../../reference/support.ts';
import { layerGeometry, type TrainingOf } from '../call.ts';

/**
 * dw[oc,kh,kw,ic] = Σ_{n,oh,ow} dy[n,oh,ow,oc]·x[n,ih,iw,g·C+ic],  ih, iw, g as in conv2d.ts
 *
 *   x   (n, inH, inW, inC)          cells outside count as 0
 *   dy  (n, outH, outW, outC)
 *   dw  (outC, kH, kW, C)           C = inC/groups
 *
 * Order: oc, kh, kw, ic outside; n, oh, ow inside.
 * Exact: sums in f64 and rounds once.
 */
export function conv2dWeights(call: KernelCall, op: TrainingOf<'conv2dWeights'>): Offer {
  const g = layerGeometry(call, op);
  const depth = g.inC / g.groups;
  const perGroup = g.outC / g.groups;
  return offer('conv2d-weights-f32', ([xView, dyView], dwView) => {
    const x = numbersOf(xView);
    const dy = numbersOf(dyView);
    const dw = numbersOf(dwView);
    return () => {
      let at = dwView.offset;
      for (let oc = 0; oc < g.outC; oc++) {
        const firstC = Math.floor(oc / perGroup) * depth;
        for (let kh = 0; kh < g.kH; kh++) {
          for (let kw = 0; kw < g.kW; kw++) {
            for (let ic = 0; ic < depth; ic++) {
              let sum = 0;
              for (let n = 0; n < g.n; n++) {
                for (let oh = 0; oh < g.outH; oh++) {
                  const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
                  if (ih < 0 || ih >= g.inH) continue;
                  for (let ow = 0; ow < g.outW; ow++) {
                    const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
                    if (iw < 0 || iw >= g.inW) continue;
                    const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC + firstC + ic;
                    const dyAt = dyView.offset + ((n * g.outH + oh) * g.outW + ow) * g.outC + oc;
                    sum += dy[dyAt] * x[xAt];
                  }
                }
              }
              dw[at++] = sum;
            }
          }
        }
      }
    };
  });
}
