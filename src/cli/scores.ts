/** What a classifier's scores say, and how sure a count of right answers is. */

/** The class with the first of the largest scores. */
export function largest(scores: ArrayLike<number> | ArrayLike<bigint>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i] > scores[best]) best = i;
  return best;
}

/** The Wilson score interval of a proportion, z = 1.96. Source: Wilson 1927, JASA 22(158). */
export function wilson(correct: number, count: number): [low: number, high: number] {
  const z2 = 1.96 ** 2;
  const share = correct / count;
  const centre = share + z2 / (2 * count);
  const spread = Math.sqrt(z2 * ((share * (1 - share)) / count + z2 / (4 * count * count)));
  return [(centre - spread) / (1 + z2 / count), (centre + spread) / (1 + z2 / count)];
}
