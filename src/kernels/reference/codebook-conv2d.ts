/** Convolution whose weights are rows of a codebook. */

import type { KernelCall, Offer } from '../call.ts';
import { windowGeometry } from '../geometry.ts';
import { clampReal, numbersOf, type Of, offer } from './support.ts';

/**
 * y[n,oh,ow,oc] = clamp(bias[oc] + Σ x[n,ih,iw,m·r+i]·codebook[m,indices[oc,kh,kw,m],i]),
 * ih = oh·strideH − padTop + kh·dilationH, iw alike
 *
 *   x         (n, inH, inW, M·r)         cells outside count as 0
 *   codebook  (M, K, r)                  K ≤ 256 codewords of r weights for each of M sub-spaces
 *   indices   u8 (outC, kH, kW, M)       below K
 *   bias      (outC)                     may be absent
 *   y         (n, outH, outW, outC)
 *
 * A dense layer is the case of 1×1 kernels on pictures of 1×1.
 * Order: n, oh, ow, oc outside; kh, kw, m, i inside. Exact: sums in f64 and rounds once.
 * Source: Chou et al. 2018, "Unifying and Merging Well-trained Deep Neural Networks for Inference Stage",
 * IJCAI, section 3.
 */
export function codebookConv2d(call: KernelCall, op: Of<'codebookConv2d'>): Offer | null {
  const [x, codebook, indices, bias] = call.inputs;
  if (indices.dtype !== 'u8' || [x, codebook, call.output, bias ?? x].some(({ dtype }) => dtype !== 'f32'))
    return null;
  const g = windowGeometry(call);
  const [M, K, r] = codebook.shape;
  return offer('codebook-conv2d-f32', ([xView, codebookView, indexView, biasView], yView) => {
    const x = numbersOf(xView);
    const words = numbersOf(codebookView);
    const index = numbersOf(indexView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let oh = 0; oh < g.outH; oh++) {
          for (let ow = 0; ow < g.outW; ow++) {
            for (let oc = 0; oc < g.outC; oc++) {
              let sum = 0;
              for (let kh = 0; kh < g.kH; kh++) {
                const ih = oh * g.strideH - g.padTop + kh * g.dilationH;
                for (let kw = 0; kw < g.kW; kw++) {
                  const iw = ow * g.strideW - g.padLeft + kw * g.dilationW;
                  if (ih < 0 || ih >= g.inH || iw < 0 || iw >= g.inW) continue;
                  const xAt = xView.offset + ((n * g.inH + ih) * g.inW + iw) * g.inC;
                  const tap = indexView.offset + ((oc * g.kH + kh) * g.kW + kw) * M;
                  for (let m = 0; m < M; m++) {
                    const word = codebookView.offset + (m * K + index[tap + m]) * r;
                    for (let i = 0; i < r; i++) sum += x[xAt + m * r + i] * words[word + i];
                  }
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
