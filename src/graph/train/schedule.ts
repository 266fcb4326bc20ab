/**
 * The learning rate over the steps of a training.
 *
 *   warm-up    rate·(t + 1)/w                                        t < w
 *   constant   rate
 *   cosine     end + (rate − end)·(1 + cos(π·(t − w)/(T − w)))/2     Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5
 */
export interface Schedule {
  readonly kind: 'constant' | 'cosine';
  readonly rate: number;
  /** What the cosine ends at. Default 0. */
  readonly end?: number;
  /** Epochs of warm-up, in which the rate rises in proportion. Default 0. */
  readonly warmUp?: number;
}

/** The rate of step `step`, counted from 0, of `steps` in all with `perEpoch` in each epoch. */
export function rateAt(schedule: Schedule, step: number, perEpoch: number, steps: number): number {
  const { kind, rate, end = 0, warmUp = 0 } = schedule;
  const warm = Math.round(warmUp * perEpoch);
  if (step < warm) return (rate * (step + 1)) / warm;
  if (kind === 'constant' || steps <= warm) return rate;
  return end + ((rate - end) * (1 + Math.cos((Math.PI * (step - warm)) / (steps - warm)))) / 2;
}
