/**
 * Batch normalisation by the statistics of the batch, and its gradients.
 *
 *   x, dy, y, dx   (…, c)       m rows of c channels
 *   moments        (2, c)       mean μ and variance σ², the biased one, of each channel
 *   γ, β           (c)
 *
 *   moments   μ = Σx/m          σ² = Σ(x − μ)²/m
 *   y         γ·x̂ + β           x̂ = (x − μ)·r,  r = 1/√(σ² + ε)
 *   sums      Σdy = dβ          Σdy·x̂ = dγ
 *   dx        γ·r·(dy − Σdy/m − x̂·Σdy·x̂/m)         through μ and σ² too
 *
 * Order: rows outside, channels inside. Exact: sums and elements in f64, rounded once.
 * Source: Ioffe and Szegedy 2015, arXiv:1502.03167, §3.
 */

import { elementCount } from '../../../tensor.ts';
import type { KernelCall, Offer, View } from '../../call.ts';
import { numbersOf, offer } from '../../reference/support.ts';
import type { TrainingOf } from '../call.ts';

function rowsOf({ inputs }: KernelCall): { readonly rows: number; readonly channels: number } {
  const { shape } = inputs[0];
  const channels = shape[shape.length - 1];
  return { rows: elementCount(shape) / channels, channels };
}

export function moments(call: KernelCall): Offer {
  const { rows, channels } = rowsOf(call);
  return offer('moments-f32', ([xView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let c = 0; c < channels; c++) {
        let mean = 0;
        for (let m = 0; m < rows; m++) mean += x[xView.offset + m * channels + c];
        mean /= rows;
        let squares = 0;
        for (let m = 0; m < rows; m++) squares += (x[xView.offset + m * channels + c] - mean) ** 2;
        y[yView.offset + c] = mean;
        y[yView.offset + channels + c] = squares / rows;
      }
    };
  });
}

/** x̂ of channel c as a function of x. */
function normalizer(moments: View, channels: number, c: number, epsilon: number) {
  const data = numbersOf(moments);
  const mean = data[moments.offset + c];
  const scale = 1 / Math.sqrt(data[moments.offset + channels + c] + epsilon);
  return { scale, of: (x: number): number => (x - mean) * scale };
}

export function batchNorm(call: KernelCall, { epsilon }: TrainingOf<'batchNorm'>): Offer {
  const { rows, channels } = rowsOf(call);
  const bind: Parameters<typeof offer>[1] = ([xView, stats, gammaView, betaView], yView) => {
    const x = numbersOf(xView);
    const y = numbersOf(yView);
    return () => {
      for (let c = 0; c < channels; c++) {
        const normalized = normalizer(stats, channels, c, epsilon);
        const gamma = numbersOf(gammaView)[gammaView.offset + c];
        const beta = numbersOf(betaView)[betaView.offset + c];
        for (let at = c; at < rows * channels; at += channels)
          y[yView.offset + at] = gamma * normalized.of(x[xView.offset + at]) + beta;
      }
    };
  };
  return offer('batch-norm-f32', bind, [0]);
}

export function batchNormSums(call: KernelCall, { epsilon }: TrainingOf<'batchNormSums'>): Offer {
  const { rows, channels } = rowsOf(call);
  return offer('batch-norm-sums-f32', ([xView, stats, dyView], sumsView) => {
    const x = numbersOf(xView);
    const dy = numbersOf(dyView);
    const sums = numbersOf(sumsView);
    return () => {
      for (let c = 0; c < channels; c++) {
        const normalized = normalizer(stats, channels, c, epsilon);
        let sum = 0;
        let products = 0;
        for (let at = c; at < rows * channels; at += channels) {
          sum += dy[dyView.offset + at];
          products += dy[dyView.offset + at] * normalized.of(x[xView.offset + at]);
        }
        sums[sumsView.offset + c] = sum;
        sums[sumsView.offset + channels + c] = products;
      }
    };
  });
}

export function batchNormInput(call: KernelCall, { epsilon }: TrainingOf<'batchNormInput'>): Offer {
  const { rows, channels } = rowsOf(call);
  const bind: Parameters<typeof offer>[1] = ([xView, stats, gammaView, dyView, sumsView], dxView) => {
    const x = numbersOf(xView);
    const dy = numbersOf(dyView);
    const sums = numbersOf(sumsView);
    const dx = numbersOf(dxView);
    return () => {
      for (let c = 0; c < channels; c++) {
        const normalized = normalizer(stats, channels, c, epsilon);
        const factor = numbersOf(gammaView)[gammaView.offset + c] * normalized.scale;
        const sum = sums[sumsView.offset + c] / rows;
        const products = sums[sumsView.offset + channels + c] / rows;
        for (let at = c; at < rows * channels; at += channels)
          dx[dxView.offset + at] =
            factor * (dy[dyView.offset + at] - sum - normalized.of(x[xView.offset + at]) * products);
      }
    };
  };
  return offer('batch-norm-input-f32', bind, [0, 3]);
}
