/**
 * Weights that change, packed anew in each run, as pack-f32.ts packs constant ones:
 *
 *   packed   f32 [groups][blocks][k][nr]       nr = 4·(vectors of the block)
 *
 * An element of w lies at w + group·groupStep + channel·channelStep + Σ index·step over the dimensions of k: a transpose
 * or a reversal of taps is another choice of steps. Behind the last channel of a group lie numbers of its neighbours, whose sums
 * nobody stores; channels that lie side by side are copied in vectors.
 */
import type { FunctionBuilder } from '../../wasm/asm/function.ts';
import { type PackedShape, vectorsOf } from '../../wasm/pack-f32.ts';
import type { Parameters, Program } from '../../wasm/program.ts';
import type { Segment } from '../../wasm/tiles-conv-f32.ts';
import type { Call } from '../../wasm/window-conv-f32.ts';

/** Bytes from one element to the next. */
export interface Dimension {
  readonly count: number;
  readonly step: number;
}

export interface Source {
  readonly groupStep: number;
  readonly channelStep: number;
  /** Outermost first; their counts multiply to the depth. */
  readonly dimensions: readonly Dimension[];
}

export function packedBytes({ groups, depth, blocks }: Omit<PackedShape, 'channels'>): number {
  return groups * vectorsOf(blocks) * 16 * depth;
}

/** The call that packs weights at `w` to `packed`. */
export function packCall(
  program: Program,
  shape: PackedShape,
  source: Source,
  w: number,
  packed: number,
): Call {
  const { groups, channels, blocks } = shape;
  const spec: PackSpec = { groups, channels, blocks, ...source };
  return [program.kernel('pack-f32', spec, 2, buildPack), w, packed];
}

interface PackSpec extends Source {
  readonly [key: string]: unknown;
  readonly groups: number;
  readonly channels: number;
  readonly blocks: readonly Segment[];
}

function buildPack(f: FunctionBuilder, s: PackSpec, [w, to]: Parameters): void {
  const at = f.local('i32');
  const elements = (lanes: number, channels: number): void => {
    if (s.channelStep === 4) {
      for (let i = 0; i < lanes; i += 4)
        f.store('v128.store', f.get(to!), f.load('v128.load', f.get(at), 4 * i), 4 * i);
    } else {
      for (let i = 0; i < lanes; i++) {
        const value = () => (i < channels ? f.load('f32.load', f.get(at), i * s.channelStep) : f.f32(0));
        f.store('f32.store', f.get(to!), value(), 4 * i);
      }
    }
    f.advance(to!, 4 * lanes);
  };
  const level = (axis: number, body: () => void): void => {
    const dimension = s.dimensions[axis];
    if (!dimension) {
      body();
      return;
    }
    f.repeat(dimension.count, () => {
      level(axis + 1, body);
      f.advance(at, dimension.step);
    });
    f.advance(at, -dimension.step * dimension.count);
  };
  const block = (size: number, channels: number): void => {
    f.set(at, f.get(w!));
    level(0, () => elements(4 * size, channels));
    f.advance(w!, 4 * size * s.channelStep);
  };
  const lanes = 4 * vectorsOf(s.blocks);
  f.repeat(s.groups, () => {
    let first = 0;
    for (const { size, count } of s.blocks) {
      const whole = Math.min(count, Math.floor((s.channels - first) / (4 * size)));
      f.repeat(whole, () => block(size, 4 * size));
      first += whole * 4 * size;
      if (whole < count) block(size, s.channels - first);
      first = whole < count ? s.channels : first;
    }
    f.advance(w!, s.groupStep - lanes * s.channelStep);
  });
}
