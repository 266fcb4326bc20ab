/** The gradients of maximum and average pooling. */

import type { KernelCall, Offer } from '../../call.ts';
import { numbersOf, offer } from '../../reference/support.ts';
import { layerGeometry, type TrainingOf } from '../call.ts';

/**
 * dx[n,ih,iw,c] = Σ of dy[n,oh,ow,c] over the windows whose maximum lies at ih, iw: the first of equals
 *               = Σ of dy[n,oh,ow,c]/count over the windows that see ih, iw: count of cells inside x
 *
 *   x   (n, inH, inW, c)
 *   dy  (n, outH, outW, c)
 *   dx  (n, inH, inW, c)
 *
 * Order: n, oh, ow, c outside; kh, kw inside. Each addition to dx rounds.
 */
export function pool2d(call: KernelCall, op: TrainingOf<'maxPool2d' | 'averagePool2d'>): Offer {
  const g = layerGeometry(call, op);
  const takesMax = op.fn === 'maxPool2d';
  return offer(`${takesMax ? 'max-pool' : 'average-pool'}-input-f32`, ([xView, dyView], dxView) => {
    const x = numbersOf(xView);
    const dy = numbersOf(dyView);
    const dx = numbersOf(dxView);
    const cells = g.n * g.inH * g.inW * g.inC;
    return () => {
      dx.fill(0, dxView.offset, dxView.offset + cells);
      let dyAt = dyView.offset;
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          const fromH = Math.max(0, oh * g.strideH - g.padTop);
          const toH = Math.min(g.inH, oh * g.strideH - g.padTop + g.kH);
          for (let ow = 0; ow < g.outW; ow++) {
            const fromW = Math.max(0, ow * g.strideW - g.padLeft);
            const toW = Math.min(g.inW, ow * g.strideW - g.padLeft + g.kW);
            const count = (toH - fromH) * (toW - fromW);
            for (let c = 0; c < g.inC; c++) {
              const gradient = dy[dyAt++];
              let best = ((n * g.inH + fromH) * g.inW + fromW) * g.inC + c;
              for (let ih = fromH; ih < toH; ih++) {
                for (let iw = fromW; iw < toW; iw++) {
                  const at = ((n * g.inH + ih) * g.inW + iw) * g.inC + c;
                  if (!takesMax) dx[dxView.offset + at] += gradient / count;
                  else if (x[xView.offset + at] > x[xView.offset + best]) best = at;
                }
              }
              if (takesMax) dx[dxView.offset + best] += gradient;
            }
          }
        }
      }
    };
  });
}
