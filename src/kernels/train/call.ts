/**
 * The arithmetic that only training needs, and what its kernels share. The sets that compute it are
 * `trainReference` and `trainWasm`; those for inference decline it.
 *
 * The output's shape is part of the operator, since gradients have the shape of what they are gradients of.
 */
import type { Shape } from '../../tensor.ts';
import type { Clamp, KernelCall, Pad, Pair, Window } from '../call.ts';
import type { WindowGeometry } from '../geometry.ts';

export type TrainingFn =
  | (Window & { readonly fn: 'conv2dWeights'; readonly groups: number }) // x, dy → dw (outC, kH, kW, inC/groups)
  | (PoolWindow & { readonly fn: 'maxPool2d' }) // x, dy → dx: of equals the first gets it all
  | (PoolWindow & { readonly fn: 'averagePool2d' }) // x (for its shape), dy → dx
  | { readonly fn: 'clamp'; readonly bounds: Clamp } // y, dy → dy where min < y < max, else 0
  | { readonly fn: 'moments' } // x (…, c), running (2, c): what inference takes instead → mean and variance (2, c)
  | { readonly fn: 'batchNorm'; readonly epsilon: number } // x, moments, γ, β → y
  | { readonly fn: 'batchNormSums'; readonly epsilon: number } // x, moments, dy → Σdy and Σdy·x̂ (2, c)
  | { readonly fn: 'batchNormInput'; readonly epsilon: number }; // x, moments, γ, dy, sums → dx

interface PoolWindow {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pad: Pad;
}

export type Training = TrainingFn & { readonly kind: 'training'; readonly shape: Shape };

export type TrainingOf<F extends TrainingFn['fn']> = Extract<TrainingFn, { readonly fn: F }>;

/** The extents of the layer whose gradient is asked for: x is input 0, dy input 1. */
export function layerGeometry(
  { inputs, output }: KernelCall,
  op: Extract<TrainingFn, { readonly stride: Pair }>,
): WindowGeometry {
  const [n, inH, inW, inC] = inputs[0]!.shape as [number, number, number, number];
  const [, outH, outW, outC] = inputs[1]!.shape as [number, number, number, number];
  const [kH, kW] = 'kernel' in op ? op.kernel : [output.shape[1]!, output.shape[2]!];
  const [dilationH, dilationW] = 'dilation' in op ? op.dilation : [1, 1];
  const [strideH, strideW] = op.stride;
  const { top: padTop, left: padLeft } = op.pad;
  const groups = 'groups' in op ? op.groups : 1;
  const extents = { n, inH, inW, inC, outH, outW, outC, kH, kW };
  return { ...extents, strideH, strideW, dilationH, dilationW, padTop, padLeft, groups };
}
