/**
 * A lens that is not quite sharp: the Gaussian under which a pixel sees the finer picture,
 *
 *   pixel[r, k] = Σ w(i)·fine[r, samples·k + i]/Σ w(i),   w(i) = exp(−½·((i + ½)/samples − ½)²/σ²)
 */

/** In pixels. */
const sigma = 0.48;

/** (side·samples, side·samples, 3) → (side, side, 3). */
export function throughLens(fine: Float64Array, side: number, samples: number): Float64Array {
  // Each pass narrows the rows and turns them into columns, so that two of them leave the picture upright.
  return narrowed(narrowed(fine, side * samples, side, samples), side, side, samples);
}

/** (rows, side·samples, 3) → (side, rows, 3) */
function narrowed(fine: Float64Array, rows: number, side: number, samples: number): Float64Array {
  const wide = side * samples;
  const out = new Float64Array(side * rows * 3);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < side; k++) {
      const to = (k * rows + r) * 3;
      let total = 0;
      for (let i = -samples; i < 2 * samples; i++) {
        const from = (r * wide + Math.min(wide - 1, Math.max(0, k * samples + i))) * 3;
        const weight = Math.exp(-0.5 * (((i + 0.5) / samples - 0.5) / sigma) ** 2);
        total += weight;
        for (let c = 0; c < 3; c++) out[to + c] += weight * fine[from + c];
      }
      for (let c = 0; c < 3; c++) out[to + c] /= total;
    }
  }
  return out;
}
