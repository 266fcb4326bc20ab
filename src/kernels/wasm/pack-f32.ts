/**
 * Weights as the float products read them: one vector after the other, in the order of the loops.
 *
 *   w        f32 (outC, K)                              K = kH·kW·C
 *   packed   f32 [groups][blocks][K][nr]                nr = 4·(vectors of the block), zeros behind the last channel
 *   bias     f32 (outC)  ⇒  f32 [groups][4·vectors]     zeros where there is none
 */
import type { Program } from './program.ts';
import type { Segment } from './tiles-conv-f32.ts';

export interface PackedShape {
  readonly groups: number;
  /** Output channels of a group. */
  readonly channels: number;
  /** Products in one sum: K. */
  readonly depth: number;
  /** Blocks of a group, in vectors of 4 channels. */
  readonly blocks: readonly Segment[];
}

export function vectorsOf(blocks: readonly Segment[]): number {
  let vectors = 0;
  for (const { size, count } of blocks) vectors += size * count;
  return vectors;
}

/** The address of the packed weights. */
export function packWeights(program: Program, w: Float32Array, shape: PackedShape): number {
  const { groups, channels, depth, blocks } = shape;
  const bytes = groups * vectorsOf(blocks) * 16 * depth;
  return program.constant(bytes, (to) => {
    const packed = new Float32Array(to.buffer, to.byteOffset, bytes / 4);
    let at = 0;
    for (let group = 0; group < groups; group++) {
      let first = 0;
      for (const { size, count } of blocks)
        for (let block = 0; block < count; block++, first += 4 * size) {
          packBlock(
            w,
            packed,
            at,
            group * channels + first,
            Math.min(4 * size, channels - first),
            4 * size,
            depth,
          );
          at += 4 * size * depth;
        }
    }
  });
}

/** to[k][j] = w[first + j][k] */
function packBlock(
  w: Float32Array,
  packed: Float32Array,
  at: number,
  first: number,
  channels: number,
  nr: number,
  depth: number,
): void {
  for (let j = 0; j < channels; j++) {
    const from = (first + j) * depth;
    for (let k = 0; k < depth; k++) packed[at + k * nr + j] = w[from + k];
  }
}

export function packBias(program: Program, bias: Float32Array | null, shape: PackedShape): number {
  const { groups, channels, blocks } = shape;
  const lanes = 4 * vectorsOf(blocks);
  return program.constant(groups * lanes * 4, (to) => {
    if (!bias) return;
    const packed = new Float32Array(to.buffer, to.byteOffset, groups * lanes);
    for (let group = 0; group < groups; group++)
      packed.set(bias.subarray(group * channels, (group + 1) * channels), group * lanes);
  });
}
