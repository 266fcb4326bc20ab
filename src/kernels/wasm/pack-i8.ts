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

function zeroPointsOf(call: KernelCall): number {
  return call.inputs[1].quantization!.zeroPoint[0];
}

function fits(call: KernelCall, zeroPoints: Int32Array, depth: number): boolean {
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
        const at = block + run * padded * width + (c - first) * kr;
        for (let k = 0; k < length; k++) {
          const inGroup = k & (kr - 1);
          to[at + (k - inGroup) * width + inGroup] = w[from + k] - centre;
        }
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
  for (let i = 0; i < constants.length; i++)
    words[Math.floor(i / size) * stride + 4 + (i % size)] = constants[i];
  return words;
}
