/**
 * Weights of an 8-bit depthwise layer, as its inner loop reads them one after the other.
 *
 *   [⌈outC/4⌉][vectors][channel 0…3][lane]      lanes: 4 of s8 ('u8'), 2 of s16 ('i16'), 16 bytes a vector
 *
 * `taps[v][lane]` says which tap of the window lies there, −1 for a zero. Weights less their zero point that do not
 * fit s8 are clamped, and what is left follows in vectors of their own, multiplied by the same activations: `over`
 * lists the vector each belongs to, once, or twice for the one number (255) that is not a sum of two s8.
 */
import type { KernelCall } from '../call.ts';
import { numbersOf } from '../js/views.ts';
import { weightZeroPoints } from '../requantize.ts';
import { fitAsStored } from './pack-i8.ts';
import type { Target } from './target.ts';

/** Tap ky·kW + kx of each lane, or −1. */
export type LaneTaps = readonly (readonly number[])[]; // (vectors, lanes)

/** `blocks` of `channels` channels, from channel `first` on, with the same vectors in `over`. */
export interface DepthwisePart {
  readonly first: number;
  readonly channels: number;
  readonly blocks: number;
  readonly over: readonly number[];
}

/** Functions that one layer may be made of; one channel in a hundred that does not fit needs two. */
const mostParts = 4;

/** Blocks of `channels` channels and what is left of them, those with weights that do not fit apart. */
export function partsOf(call: KernelCall, taps: LaneTaps, channels: number, target: Target): DepthwisePart[] {
  const outC = call.output.shape[3];
  const more = target.dot === 'u8' ? leftOver(call, outC) : null;
  const cut = (apart: boolean): DepthwisePart[] => {
    const parts: DepthwisePart[] = [];
    for (let first = 0; first < outC; first += channels) {
      const width = Math.min(channels, outC - first);
      const over = !more
        ? []
        : apart
          ? overflowing(more, taps, outC, first, width)
          : overflowing(more, taps, outC, 0, outC);
      const last = parts[parts.length - 1];
      if (last && last.channels === width && last.over.join() === over.join())
        parts[parts.length - 1] = { ...last, blocks: last.blocks + 1 };
      else parts.push({ first, channels: width, blocks: 1, over });
    }
    return parts;
  };
  const parts = cut(true);
  return parts.length <= mostParts ? parts : cut(false);
}

/** How many more vectors each weight needs, or null where none does. */
function leftOver(call: KernelCall, outC: number): Uint8Array | null {
  if (fitAsStored(call)) return null;
  const w = numbersOf(call.inputs[1])!; // (taps, outC)
  const zeroPoints = weightZeroPoints(call);
  let more: Uint8Array | null = null;
  for (let i = 0, c = 0; i < w.length; i++, c = c + 1 === outC ? 0 : c + 1) {
    const value = w[i] - zeroPoints[c];
    if (value >= -128 && value <= 127) continue;
    more ??= new Uint8Array(w.length);
    more[i] = value > 254 ? 2 : 1;
  }
  return more;
}

function overflowing(more: Uint8Array, taps: LaneTaps, outC: number, first: number, width: number): number[] {
  return taps.flatMap((lanes, v) => {
    let most = 0;
    for (const tap of lanes)
      if (tap >= 0) for (let c = first; c < first + width; c++) most = Math.max(most, more[tap * outC + c]);
    return new Array<number>(most).fill(v);
  });
}

/** The weights of one part. */
export function packDepthwise(
  call: KernelCall,
  taps: LaneTaps,
  { first, channels, blocks, over }: DepthwisePart,
  target: Target,
): Int8Array | Int16Array {
  const w = numbersOf(call.inputs[1])!; // (taps, outC)
  const zeroPoints = weightZeroPoints(call);
  const outC = zeroPoints.length;
  const [lanes, lo, hi] = target.dot === 'u8' ? [4, -128, 127] : [2, -255, 255];
  const vector = 4 * lanes;
  const group = (taps.length + over.length) * vector;
  const count = channels * blocks;
  const size = Math.ceil(count / 4) * group;
  const packed = target.dot === 'u8' ? new Int8Array(size) : new Int16Array(size);
  taps.forEach((tapOf, v) => {
    const vectors = vectorsOf(v, taps, over);
    for (let lane = 0; lane < lanes; lane++) {
      if (tapOf[lane] < 0) continue;
      const from = tapOf[lane] * outC + first;
      for (let c = 0; c < count; c++) {
        const at = (c >> 2) * group + (c & 3) * lanes + lane;
        let rest = w[from + c] - zeroPoints[first + c];
        for (let i = 0; i < vectors.length; i++) {
          const part = rest < lo ? lo : rest > hi ? hi : rest;
          packed[at + vectors[i] * vector] = part;
          rest -= part;
        }
      }
    }
  });
  return packed;
}

/** Where the weights of vector v lie: v itself, and what did not fit. */
export function vectorsOf(v: number, taps: LaneTaps, over: readonly number[]): number[] {
  const vectors = [v];
  for (let i = 0; i < over.length; i++) if (over[i] === v) vectors.push(taps.length + i);
  return vectors;
}
