/** The textbook loops of what only training computes, in f32. */

import { unreachable } from '../../../errors.ts';
import type { KernelCall, KernelSet, Offer } from '../../call.ts';
import { allF32 } from '../../reference/support.ts';
import { batchNorm, batchNormInput, batchNormSums, moments } from './batch-norm.ts';
import { clamp } from './clamp.ts';
import { conv2dWeights } from './conv2d-weights.ts';
import { pool2d } from './pool2d.ts';

export const trainReference: KernelSet = { name: 'train-reference', offer };

function offer(call: KernelCall): Offer | null {
  const op = call.arithmetic;
  if (op.kind !== 'training' || !allF32(call)) return null;
  switch (op.fn) {
    case 'conv2dWeights':
      return conv2dWeights(call, op);
    case 'maxPool2d':
    case 'averagePool2d':
      return pool2d(call, op);
    case 'clamp':
      return clamp(call, op);
    case 'moments':
      return moments(call);
    case 'batchNorm':
      return batchNorm(call, op);
    case 'batchNormSums':
      return batchNormSums(call, op);
    case 'batchNormInput':
      return batchNormInput(call, op);
    default:
      return unreachable(op);
  }
}
