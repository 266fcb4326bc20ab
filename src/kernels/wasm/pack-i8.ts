/**
 * Constants of an 8-bit product, as its inner loop reads them one after the other.
 *
 *   weights   [outC/nr][run][⌈length/kr⌉][nr][kr]   kr·size = 4 bytes: 4 of s8 ('u8'), 2 of s16 ('i16')
 *   channels  [outC/4][start ×4][epilogue ×4]       (epilogue-i8.ts)
 *
 * Zeros behind the end of every run, so that whatever lies behind the window is multiplied by them. The last
 * block has the width that is left, a multiple of 4.
 *
 * Weights whose zero point does not let them fit s8 are counted from m instead, and the difference is a multiple
 * of the sum over the window, which a pass of its own finds:
 *
 *   Σ (w − z_w)·x = Σ (w − m)·x + (m − z_w)·Σ x         m = 128 for u8, 0 for i8
 */
import type { KernelCall } from '../call.ts';
import type { Reach } from '../js/pack-i8.ts';
import { numbersOf } from '../js/views.ts';
import { weightZeroPoints } from '../requantize.ts';
import { epilogueConstants, groupBytes } from './epilogue-i8.ts';
import type { F32Requantizer } from './requantize-f32.ts';
import type { Target } from './target.ts';

/** What is taken off the weights before they are packed, for each output channel. */
export interface WeightCentres {
  readonly centres: Int32Array; // (outC)
  /** m − z_w, the factor of the sum over the window; 0: no sum is needed. */
  readonly windowFactor: number;
}

/** The centres of weights in rows of `depth`, or null where they differ too much from channel to channel. */
export function weightCentres(call: KernelCall, depth: number, target: Target): WeightCentres | null {
  const zeroPoints = weightZeroPoints(call);
  if (target.dot === 'i16' || fits(call, zeroPoints, depth)) return { centres: zeroPoints, windowFactor: 0 };
  if (zeroPoints.some((z) => z !== zeroPoints[0])) return null;
  const middle = call.inputs[1].dtype === 'u8' ? 128 : 0;
  return { centres: zeroPoints.fill(middle), windowFactor: middle - zeroPointsOf(call) };
}

/** Signed weights with no zero point fit s8 whatever they are. */
export function fitAsStored({ inputs: [, { dtype, quantization }] }: KernelCall): boolean {
  return dtype === 'i8' && quantization!.zeroPoint.every((z) => z === 0);
}

function zeroPointsOf(call: KernelCall): number {
  return call.inputs[1].quantization!.zeroPoint[0];
}

function fits(call: KernelCall, zeroPoints: Int32Array, depth: number): boolean {
  if (fitAsStored(call)) return true;
  const w = numbersOf(call.inputs[1])!;
  for (let n = 0, i = 0; n < zeroPoints.length; n++) {
    const z = zeroPoints[n];
    for (const end = i + depth; i < end; i++) if (w[i] - z < -128 || w[i] - z > 127) return false;
  }
  return true;
}

/** Runs of consecutive activations that one sum reads: `runs` of `length` weights each. */
export interface Runs {
  readonly runs: number;
  readonly length: number;
}

/** Four bytes of activations are a group, multiplied at once. */
export function groupsOf({ length }: Runs, target: Target): number {
  return Math.ceil(length / (target.dot === 'u8' ? 4 : 2));
}

export function packedBytes(outC: number, runs: Runs, target: Target): number {
  return Math.ceil(outC / 4) * 16 * runs.runs * groupsOf(runs, target);
}

/** Fills `bytes` with the weights (outC, runs·length), row-major, in blocks of nr channels. */
export function packWeights(
  bytes: Uint8Array,
  call: KernelCall,
  centres: Int32Array,
  runs: Runs,
  nr: number,
  target: Target,
): void {
  const w = numbersOf(call.inputs[1])!;
  const outC = centres.length;
  const { length } = runs;
  const kr = target.dot === 'u8' ? 4 : 2;
  if (kr === 4 && length % 4 === 0 && fitAsStored(call)) {
    packWords(bytes, w as Int8Array, outC, nr);
    return;
  }
  const to = target.dot === 'u8' ? bytes : new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const padded = groupsOf(runs, target) * kr;
  to.fill(0);
  for (let first = 0; first < outC; first += nr) {
    const width = Math.min(nr, Math.ceil((outC - first) / 4) * 4);
    const block = first * runs.runs * padded;
    for (let c = first; c < Math.min(first + nr, outC); c++) {
      const centre = centres[c];
      for (let run = 0; run < runs.runs; run++) {
        const from = (c * runs.runs + run) * length;
        let at = block + run * padded * width + (c - first) * kr;
        for (let k = 0; k < length; k += kr) {
          for (let i = k; i < k + kr && i < length; i++) to[at + i - k] = w[from + i] - centre;
          at += width * kr;
        }
      }
    }
  }
}

/** The same where no group is cut short and nothing is taken off: whole groups move, as words. */
function packWords(bytes: Uint8Array, w: Int8Array, outC: number, nr: number): void {
  const aligned = w.byteOffset % 4 === 0 ? w : w.slice();
  const from = new Int32Array(aligned.buffer, aligned.byteOffset, w.length / 4); // (outC, groups)
  const to = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const groups = from.length / outC;
  for (let first = 0; first < outC; first += nr) {
    const width = Math.min(nr, Math.ceil((outC - first) / 4) * 4);
    for (let c = first; c < first + width; c++) {
      let at = first * groups + c - first;
      const end = (c + 1) * groups;
      for (let i = c * groups; i < end; i++) {
        to[at] = c < outC ? from[i] : 0;
        at += width;
      }
    }
  }
}

/** The sums' starts and the epilogue's constants, interleaved by four channels. */
export function packChannels(
  call: KernelCall,
  reach: Reach,
  requantizer: F32Requantizer,
  target: Target,
): Int32Array {
  const outC = requantizer.scale.length;
  const constants = new Int32Array(epilogueConstants(requantizer, 0, outC).buffer);
  const size = groupBytes(requantizer.form) / 4;
  const stride = 4 + size;
  const words = new Int32Array(Math.ceil(outC / 4) * stride);
  const bias = call.inputs[2] && numbersOf(call.inputs[2]);
  for (let c = 0; c < outC; c++) {
    // Activations in 16 bits are counted from their zero point.
    const start = target.dot === 'u8' ? reach.start[c] : (bias?.[c] ?? 0);
    words[(c >> 2) * stride + (c & 3)] = start + requantizer.start[c];
  }
  for (let i = 0, to = 4; i < constants.length; i += size, to += stride)
    words.set(constants.subarray(i, i + size), to);
  return words;
}
