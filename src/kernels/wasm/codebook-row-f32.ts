/**
 * y[n,oc] = stages(bias[oc] + Σₘ table[m, indices[oc,m]])      codebook-dense-f32-4-wasm
 *
 * The dense case, pictures and kernels of 1×1. Codewords lie in vectors of four; look-ups are of single numbers:
 *
 *   table[m, k] = Σᵢ x[n, m·r+i]·codebook[m,k,i]     up to 8 vectors of k, x splat
 *   loop                                             M times, 4 outputs side by side
 *     s0 += f32.load (t + u16 index),  s1 += …       t += row of the table
 *
 *   codebook  f32 [M, r, K]   K filled up with zeros to whole vectors
 *   indices   u16 [outC/4, M, 4]  in bytes from the row of the table
 *
 * Exact: as codebook-f32.ts.
 */
import type { EmittedOffer } from '../call.ts';
import type { WindowGeometry } from '../geometry.ts';
import type { FunctionBuilder } from './asm/function.ts';
import { emitStages, type Stage, storeLanes } from './epilogue-conv-f32.ts';
import { addProduct } from './lanes-f32.ts';
import type { Parameters } from './program.ts';
import { maddReason, type Target } from './target.ts';

export interface CodebookLayer {
  readonly g: WindowGeometry;
  readonly M: number;
  readonly K: number;
  readonly r: number;
  readonly codebook: Float32Array;
  readonly indices: Uint8Array;
  readonly bias: Float32Array;
  readonly stages: readonly Stage[];
}

export function isRow({ inH, inW, kH, kW, padTop, padLeft, outH, outW }: WindowGeometry): boolean {
  return [inH, inW, kH, kW, outH, outW].every((extent) => extent === 1) && padTop === 0 && padLeft === 0;
}

export function offerCodebookRow(layer: CodebookLayer, target: Target): EmittedOffer {
  const { g, M, K, r, codebook, indices, bias, stages } = layer;
  const vectors = Math.ceil(K / 4);
  const blocks = Math.ceil(g.outC / 4);
  return {
    kernel: 'codebook-dense-f32-4-wasm',
    reason: maddReason(target),
    strided: true,
    scratch: () => 16 * M * vectors,
    emit: (program, [x], y, scratch) => {
      const words = program.constant(16 * M * r * vectors, (bytes) => {
        const packed = new Float32Array(bytes.buffer, bytes.byteOffset, 4 * M * r * vectors);
        for (let m = 0; m < M; m++)
          for (let k = 0; k < K; k++)
            for (let i = 0; i < r; i++) packed[4 * (m * r + i) * vectors + k] = codebook[(m * K + k) * r + i];
      });
      const offsets = program.constant(8 * M * blocks, (bytes) => {
        const packed = new Uint16Array(bytes.buffer, bytes.byteOffset, 4 * M * blocks);
        for (let oc = 0; oc < g.outC; oc++)
          for (let m = 0; m < M; m++) packed[4 * ((oc >> 2) * M + m) + (oc & 3)] = 4 * indices[oc * M + m];
      });
      const spec: RowSpec = {
        ...{ madd: target.madd, n: g.n, M, r, vectors, outC: g.outC, stages },
        ...{ x: 4 * x!.strides[0], y: 4 * y.strides[0] },
      };
      const kernel = program.kernel('codebook-row-f32', spec, 6, buildRow);
      program.step([kernel, x!.address, words, offsets, program.constantOf(bias), scratch, y.address]);
    },
  };
}

interface RowSpec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly n: number;
  readonly M: number;
  readonly r: number;
  /** Of a row of the table. */
  readonly vectors: number;
  readonly outC: number;
  /** Bytes from row to row. */
  readonly x: number;
  readonly y: number;
  readonly stages: readonly Stage[];
}

function buildRow(f: FunctionBuilder, s: RowSpec, [x, codebook, offsets, bias, table, y]: Parameters): void {
  const [channel, from, word, to, index, biasAt] = f.locals('i32', 6);
  const sums = f.locals('v128', 8);
  const [splat, bound] = f.locals('v128', 2);
  const lanes = f.locals('f32', 4);
  const row = 16 * s.vectors;
  const fill = (first: number, size: number): void => {
    for (const sum of sums.slice(0, size)) f.set(sum, f.f32x4(0));
    f.set(channel, f.get(from));
    f.repeat(s.r, () => {
      f.set(splat, f.load('v128.load32_splat', f.get(channel)));
      for (let v = 0; v < size; v++)
        addProduct(f, s.madd, sums[v], splat, () => f.load('v128.load', f.get(word), 16 * (first + v)));
      f.advance(channel, 4);
      f.advance(word, row);
    });
    f.advance(word, -row * s.r);
    for (let v = 0; v < size; v++) f.store('v128.store', f.get(to), f.get(sums[v]), 16 * (first + v));
  };
  const block = (outputs: number): void => {
    for (const lane of lanes) f.set(lane, f.f32(0));
    f.set(to, f.get(table));
    f.repeat(s.M, () => {
      for (let j = 0; j < outputs; j++) {
        f.set(word, f.op('i32.add', f.load('i32.load16_u', f.get(index), 2 * j), f.get(to)));
        f.set(lanes[j], f.op('f32.add', f.get(lanes[j]), f.load('f32.load', f.get(word))));
      }
      f.advance(index, 8);
      f.advance(to, row);
    });
    f.set(sums[0], f.op('f32x4.splat', f.get(lanes[0])));
    for (let j = 1; j < outputs; j++)
      f.set(sums[0], f.lane('f32x4.replace_lane', j, f.get(sums[0]), f.get(lanes[j])));
    f.set(sums[0], f.op('f32x4.add', f.get(sums[0]), f.load('v128.load', f.get(biasAt))));
    emitStages(f, s.stages, [sums[0]], bound, () => f.f32x4(0));
    storeLanes(f, outputs, channel, sums[0], 0);
    f.advance(channel, 16);
    f.advance(biasAt, 16);
  };
  f.repeat(s.n, () => {
    f.set(from, f.get(x));
    f.set(word, f.get(codebook));
    f.set(to, f.get(table));
    f.repeat(s.M, () => {
      for (let first = 0; first < s.vectors; first += 8) fill(first, Math.min(8, s.vectors - first));
      f.advance(from, 4 * s.r);
      f.advance(word, row * s.r);
      f.advance(to, row);
    });
    f.set(index, f.get(offsets));
    f.set(biasAt, f.get(bias));
    f.set(channel, f.get(y));
    f.repeat(s.outC >> 2, () => block(4));
    if (s.outC & 3) block(s.outC & 3);
    f.advance(x, s.x);
    f.advance(y, s.y);
  });
}
