/** A Random that gives what a test wrote down, in order; asking for more than that is a mistake. */
import type { Random } from '../../../src/random.ts';

/** `draws`: what `uniform` returns; `below(count)` is ⌊draw·count⌋. `left()` says how many were not asked for. */
export function scripted(...draws: readonly number[]): Random & { readonly left: () => number } {
  let next = 0;
  const uniform = (): number => {
    if (next >= draws.length) throw new Error(`draw ${next + 1} of ${draws.length}`);
    return draws[next++];
  };
  return {
    uniform,
    below: (count) => Math.floor(uniform() * count),
    normal: () => {
      throw new Error('no normal draw was written down');
    },
    left: () => draws.length - next,
  };
}
