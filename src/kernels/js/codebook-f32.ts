/**
 * y = clamp(bias + Σ x·codebook[m, indices[oc,kh,kw,m]])      codebook-conv2d-f32-table-js
 *
 *   table[m,k]      = Σᵢ x[ih,iw,m·r+i]·codebook[m,k,i]      once for an input position
 *   sum[oh,ow,oc]  += Σₘ table[m, indices[oc,kh,kw,m]]       for every window that sees the position at tap kh,kw
 *
 *   offsets  u16 [kH, kW, outC, M]  packed: m·K + index
 *   table    f64 [M, K]             in scratch
 *   sum      f64 (outH, outW, outC) in scratch, of one picture
 *
 * M·K·r multiplications a position and kH·kW·M additions an output, instead of kH·kW·M·r multiplications.
 * Sums are f64 as in reference: they differ from it by at most kH·kW·M·r·2⁻⁵²·Σ|x·w| before the one rounding.
 * Source: Chou et al. 2018, IJCAI, section 3.
 */
import type { BoundOffer, Clamp, KernelCall, Step, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { floatsOf, isEmpty, numbersOf } from './views.ts';

interface Layer {
  readonly g: WindowGeometry;
  readonly M: number;
  readonly K: number;
  readonly r: number;
  readonly words: ArrayLike<number>;
  readonly offsets: Uint16Array | Uint32Array;
  readonly bias: ArrayLike<number>;
  readonly clamp: Clamp;
}

export function offerCodebookF32(call: KernelCall): BoundOffer | null {
  const { arithmetic: op, inputs, output } = call;
  const [x, codebook, indices, biasOperand] = inputs;
  if (op.kind !== 'codebookConv2d' || x.dtype !== 'f32' || output.dtype !== 'f32' || isEmpty(call))
    return null;
  const g = windowGeometry(call);
  const words = numbersOf(codebook);
  const index = numbersOf(indices);
  const bias = biasOperand ? numbersOf(biasOperand) : new Float32Array(g.outC);
  if (!words || !index || !bias) return null;
  const [M, K, r] = codebook.shape as [number, number, number];
  const layer = { g, M, K, r, words, offsets: packOffsets(index, g, M, K), bias, clamp: op.clamp };
  return {
    kernel: 'codebook-conv2d-f32-table-js',
    strided: true,
    scratch: () => 8 * (M * K + g.outH * g.outW * g.outC),
    packedBytes: layer.offsets.byteLength,
    bind: ([xView], yView, scratch) => bindTable(xView, yView, scratch, layer),
  };
}

/** (outC, kH, kW, M) ⇒ [kH, kW, outC, M], each index as the offset of its table entry. */
function packOffsets(
  index: ArrayLike<number>,
  g: WindowGeometry,
  M: number,
  K: number,
): Uint16Array | Uint32Array {
  const taps = g.kH * g.kW;
  const packed = M * K <= 65536 ? new Uint16Array(taps * g.outC * M) : new Uint32Array(taps * g.outC * M);
  for (let oc = 0; oc < g.outC; oc++)
    for (let tap = 0; tap < taps; tap++)
      for (let m = 0; m < M; m++)
        packed[(tap * g.outC + oc) * M + m] = m * K + index[(oc * taps + tap) * M + m];
  return packed;
}

function bindTable(xView: View, yView: View, scratch: Uint8Array, layer: Layer): Step {
  const { g, M, K } = layer;
  const x = floatsOf(xView);
  const y = floatsOf(yView);
  const table = new Float64Array(scratch.buffer, scratch.byteOffset, M * K);
  const sums = new Float64Array(scratch.buffer, scratch.byteOffset + 8 * M * K, g.outH * g.outW * g.outC);
  const [xN, xH, xW] = xView.strides;
  return () => {
    for (let n = 0; n < g.n; n++) {
      sums.fill(0);
      for (let ih = 0; ih < g.inH; ih++)
        for (let iw = 0; iw < g.inW; iw++) {
          fillTable(x, xView.offset + n * xN + ih * xH + iw * xW, table, layer);
          scatter(table, sums, ih, iw, layer);
        }
      store(sums, y, yView, n, layer);
    }
  };
}

function fillTable(x: Float32Array, at: number, table: Float64Array, { M, K, r, words }: Layer): void {
  let word = 0;
  for (let m = 0; m < M; m++, at += r)
    for (let k = 0; k < K; k++) {
      let sum = 0;
      for (let i = 0; i < r; i++) sum += x[at + i] * words[word++];
      table[m * K + k] = sum;
    }
}

/** Adds the position's products to the sums of every window that sees it. */
function scatter(
  table: Float64Array,
  sums: Float64Array,
  ih: number,
  iw: number,
  { g, M, offsets }: Layer,
): void {
  for (let kh = 0; kh < g.kH; kh++) {
    const down = ih + g.padTop - kh * g.dilationH;
    if (down < 0 || down % g.strideH !== 0 || down >= g.outH * g.strideH) continue;
    for (let kw = 0; kw < g.kW; kw++) {
      const along = iw + g.padLeft - kw * g.dilationW;
      if (along < 0 || along % g.strideW !== 0 || along >= g.outW * g.strideW) continue;
      const to = ((down / g.strideH) * g.outW + along / g.strideW) * g.outC;
      let at = (kh * g.kW + kw) * g.outC * M;
      for (let oc = 0; oc < g.outC; oc++) {
        let sum = 0;
        for (const end = at + M; at < end; at++) sum += table[offsets[at]];
        sums[to + oc] += sum;
      }
    }
  }
}

function store(sums: Float64Array, y: Float32Array, view: View, n: number, { g, bias, clamp }: Layer): void {
  const [yN, yH, yW] = view.strides;
  let at = 0;
  for (let oh = 0; oh < g.outH; oh++)
    for (let ow = 0; ow < g.outW; ow++) {
      const to = view.offset + n * yN + oh * yH + ow * yW;
      for (let oc = 0; oc < g.outC; oc++)
        y[to + oc] = Math.min(Math.max(sums[at++] + bias[oc], clamp.min), clamp.max);
    }
}
