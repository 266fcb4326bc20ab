/** A network that is written was accepted when it was read or built; putting it another way is not a stranger's deed. */
import type { Limits } from '../../../graph/limits.ts';

export const unlimited: Limits = {
  bytes: Number.POSITIVE_INFINITY,
  work: Number.POSITIVE_INFINITY,
  nodes: Number.POSITIVE_INFINITY,
};
