/** Convolution and transposed convolution over any number of spatial axes. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { allFloating, numbersOf, type Of, offer } from './support.ts';
import { cellAbove, cellUnder, type Taps } from './window-nd.ts';

/**
 * y[n,o,oc] = bias[oc] + Σ x[n,i,g·C+ic]·w[oc,k,ic],  i = o·stride + k·dilation − before,
 * g = ⌊oc / (outC/groups)⌋; o, i and k have one coordinate for each spatial axis
 *
 *   x     (n, …in, inC)            cells outside count as 0
 *   w     (outC, …kernel, C)       C = inC/groups
 *   bias  (outC)                   may be absent
 *   y     (n, …out, outC)
 *
 * Order: n, o, oc outside; k, ic inside.
 * Exact: f32 sums in f64 and rounds once; f64 in f64.
 * Source: ONNX operator Conv.
 */
export function convNd(call: KernelCall, op: Of<'convNd'>): Offer | null {
  if (!allFloating(call)) return null;
  const kernel = call.inputs[1].shape.slice(1, -1);
  const taps = elementCount(kernel);
  const g = extents(call, op.groups);
  const under = cellUnder({ ...op, ...sizes(call), kernel });
  return offer(`conv-nd-${call.output.dtype}`, ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let o = 0; o < g.outCells; o++) {
          for (let oc = 0; oc < g.outC; oc++) {
            const firstC = Math.floor(oc / g.outDepth) * g.inDepth;
            let sum = 0;
            for (let k = 0; k < taps; k++) {
              const i = under(o, k);
              if (i < 0) continue;
              const xAt = xView.offset + (n * g.inCells + i) * g.inC + firstC;
              const wAt = wView.offset + (oc * taps + k) * g.inDepth;
              for (let ic = 0; ic < g.inDepth; ic++) sum += x[xAt + ic] * w[wAt + ic];
            }
            if (bias) sum += bias[biasView.offset + oc];
            y[yView.offset + (n * g.outCells + o) * g.outC + oc] = sum;
          }
        }
      }
    };
  });
}

/**
 * y[n,o,oc] = bias[oc] + Σ x[n,i,g·C+ic]·w[g·C+ic,k,oc mod D]  over the taps with o = i·stride + k·dilation − before
 *
 *   x     (n, …in, inC)            C = inC/groups
 *   w     (inC, …kernel, D)        D = outC/groups, g = ⌊oc/D⌋
 *   bias  (outC)                   may be absent
 *   y     (n, …out, outC)
 *
 * Written from the output's side, so that each output is one sum and no scratch is needed.
 * Order: n, o, oc outside; k, ic inside.
 * Exact: f32 sums in f64 and rounds once; f64 in f64.
 * Source: ONNX operator ConvTranspose; its weights (inC, outC/groups, …kernel), channels moved last.
 */
export function transposedConvNd(call: KernelCall, op: Of<'transposedConvNd'>): Offer | null {
  if (!allFloating(call)) return null;
  const kernel = call.inputs[1].shape.slice(1, -1);
  const taps = elementCount(kernel);
  const g = extents(call, op.groups);
  const above = cellAbove({ ...op, ...sizes(call), kernel });
  return offer(`transposed-conv-nd-${call.output.dtype}`, ([xView, wView, biasView], yView) => {
    const x = numbersOf(xView);
    const w = numbersOf(wView);
    const bias = biasView && numbersOf(biasView);
    const y = numbersOf(yView);
    return () => {
      for (let n = 0; n < g.n; n++) {
        for (let o = 0; o < g.outCells; o++) {
          for (let oc = 0; oc < g.outC; oc++) {
            const firstC = Math.floor(oc / g.outDepth) * g.inDepth;
            let sum = 0;
            for (let k = 0; k < taps; k++) {
              const i = above(o, k);
              if (i < 0) continue;
              const xAt = xView.offset + (n * g.inCells + i) * g.inC + firstC;
              const wAt = wView.offset + (firstC * taps + k) * g.outDepth + (oc % g.outDepth);
              for (let ic = 0; ic < g.inDepth; ic++) sum += x[xAt + ic] * w[wAt + ic * taps * g.outDepth];
            }
            if (bias) sum += bias[biasView.offset + oc];
            y[yView.offset + (n * g.outCells + o) * g.outC + oc] = sum;
          }
        }
      }
    };
  });
}

function sizes({ inputs, output }: KernelCall): Pick<Taps, 'inSize' | 'outSize'> {
  return { inSize: inputs[0].shape.slice(1, -1), outSize: output.shape.slice(1, -1) };
}

function extents(call: KernelCall, groups: number) {
  const { inSize, outSize } = sizes(call);
  const inC = call.inputs[0].shape[inSize.length + 1];
  const outC = call.output.shape[outSize.length + 1];
  return {
    n: call.output.shape[0],
    inC,
    outC,
    inCells: elementCount(inSize),
    outCells: elementCount(outSize),
    inDepth: inC / groups, // channels of one group
    outDepth: outC / groups,
  };
}
