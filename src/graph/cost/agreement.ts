/** Whether two profiles put the layers of a network into the same order: Kendall's τ-b. */
import type { EnergyReport, Method } from './energy.ts';

export interface Agreement {
  readonly profiles: readonly [string, string];
  readonly methods: readonly [Method, Method];
  /** −1…1; 1: the same order. NaN where all layers cost the same, or there are fewer than two. */
  readonly tau: number;
  /** Layers that both models know. */
  readonly layers: number;
}

/** τ of every pair of reports, over the layers with products, which every model knows. */
export function agreementOf(reports: readonly EnergyReport[]): Agreement[] {
  const pairs: Agreement[] = [];
  reports.forEach((a, i) => {
    for (const b of reports.slice(i + 1)) {
      const both = a.layers.flatMap((layer, k) =>
        layer.layer.loops && layer.isModelled && b.layers[k].isModelled
          ? [[layer.total, b.layers[k].total]]
          : [],
      );
      pairs.push({
        profiles: [a.profile, b.profile],
        methods: [a.method, b.method],
        tau: kendallTau(
          both.map(([x]) => x),
          both.map(([, y]) => y),
        ),
        layers: both.length,
      });
    }
  });
  return pairs;
}

/**
 * τ_b = (agreeing − disagreeing) / √((pairs − ties in x)·(pairs − ties in y))
 *
 * Source: Kendall 1945, Biometrika 33(3).
 */
export function kendallTau(x: readonly number[], y: readonly number[]): number {
  let balance = 0;
  let untiedX = 0;
  let untiedY = 0;
  for (let i = 0; i < x.length; i++)
    for (let j = i + 1; j < x.length; j++) {
      const dx = Math.sign(x[i] - x[j]);
      const dy = Math.sign(y[i] - y[j]);
      balance += dx * dy;
      untiedX += dx * dx;
      untiedY += dy * dy;
    }
  return balance / Math.sqrt(untiedX * untiedY);
}
