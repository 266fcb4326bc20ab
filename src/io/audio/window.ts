/** Window functions. */

/**
 * With D = N for a periodic window (the next period would start at N) and D = N − 1 for a symmetric one:
 *
 *   hann     0.5  − 0.5·cos(2πn/D)
 *   hamming  0.54 − 0.46·cos(2πn/D)
 *
 * Source: Harris, "On the Use of Windows for Harmonic Analysis with the DFT", Proc. IEEE 66 (1978), eqs. 27, 31.
 */
export type WindowName =
  | 'hann-periodic'
  | 'hann-symmetric'
  | 'hamming-periodic'
  | 'hamming-symmetric'
  | 'rectangular';

export const windowNames: readonly WindowName[] = [
  'hann-periodic',
  'hann-symmetric',
  'hamming-periodic',
  'hamming-symmetric',
  'rectangular',
];

/** w[n], n < length. */
export function windowOf(name: WindowName, length: number): Float64Array {
  const mean = name.startsWith('hann') ? 0.5 : 0.54;
  const period = name.endsWith('periodic') ? length : Math.max(1, length - 1);
  return Float64Array.from({ length }, (_, n) =>
    name === 'rectangular' ? 1 : mean - (1 - mean) * Math.cos((2 * Math.PI * n) / period),
  );
}
