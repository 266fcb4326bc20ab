/** Spectra: the discrete Fourier transform of real pictures, and the size of complex numbers. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer } from '../call.ts';
import { extentBetween } from '../geometry.ts';
import { allF32, numbersOf, type Of, offer } from './support.ts';

/**
 * Y[u,v] = Σ_h Σ_w x[h,w]·e^(−2πi·(u·h/fH + v·w/fW)),  0 ≤ u < fH,  0 ≤ v ≤ fW/2
 *
 *   x  (…, H, W)                  rows from fH on and columns from fW on are left out, missing ones are 0
 *   y  (…, fH, fW/2+1, 2)         real and imaginary parts; (fH, fW) is `length`
 *
 * Order: first every row over w, then every column over h. No fast transform: N·N multiplications a line.
 * Exact: f64, rounded once.
 */
export function rfft2d(call: KernelCall, op: Of<'rfft2d'>): Offer | null {
  if (!allF32(call)) return null;
  const xShape = call.inputs[0].shape;
  const H = xShape[xShape.length - 2];
  const W = xShape[xShape.length - 1];
  const [fH, fW] = op.length;
  const bins = Math.floor(fW / 2) + 1;
  const usedH = Math.min(H, fH);
  const usedW = Math.min(W, fW);
  const pictures = extentBetween(xShape, 0, xShape.length - 2);
  return offer('rfft2d-f32', ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    const rowWave = wave(fW); // (fW, 2)
    const columnWave = wave(fH); // (fH, 2)
    const rows = new Float64Array(usedH * bins * 2); // (usedH, bins, 2)
    return () => {
      for (let p = 0; p < pictures; p++) {
        for (let h = 0; h < usedH; h++) {
          const xAt = xView.offset + (p * H + h) * W;
          for (let v = 0; v < bins; v++) {
            let re = 0;
            let im = 0;
            for (let w = 0; w < usedW; w++) {
              const turn = (v * w) % fW;
              re += x[xAt + w] * rowWave[2 * turn];
              im += x[xAt + w] * rowWave[2 * turn + 1];
            }
            rows[(h * bins + v) * 2] = re;
            rows[(h * bins + v) * 2 + 1] = im;
          }
        }
        for (let u = 0; u < fH; u++) {
          for (let v = 0; v < bins; v++) {
            let re = 0;
            let im = 0;
            for (let h = 0; h < usedH; h++) {
              const turn = (u * h) % fH;
              const cos = columnWave[2 * turn];
              const sin = columnWave[2 * turn + 1];
              const rowRe = rows[(h * bins + v) * 2];
              const rowIm = rows[(h * bins + v) * 2 + 1];
              re += rowRe * cos - rowIm * sin;
              im += rowRe * sin + rowIm * cos;
            }
            const yAt = yView.offset + ((p * fH + u) * bins + v) * 2;
            y[yAt] = re;
            y[yAt + 1] = im;
          }
        }
      }
    };
  });
}

/** e^(−2πi·t/N) for t = 0 … N−1, as pairs. */
function wave(N: number): Float64Array {
  const pairs = new Float64Array(2 * N);
  for (let t = 0; t < N; t++) {
    pairs[2 * t] = Math.cos((2 * Math.PI * t) / N);
    pairs[2 * t + 1] = -Math.sin((2 * Math.PI * t) / N);
  }
  return pairs;
}

/** y[i] = √(x[i,0]² + x[i,1]²) in f64, rounded once; x (…, 2), y (…). */
export function complexAbs(call: KernelCall): Offer | null {
  if (!allF32(call)) return null;
  const count = elementCount(call.output.shape);
  return offer('complex-abs-f32', ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        const re = x[xView.offset + 2 * i];
        const im = x[xView.offset + 2 * i + 1];
        y[yView.offset + i] = Math.sqrt(re * re + im * im);
      }
    };
  });
}
