import type { EmittedOffer, KernelCall } from '../call.ts';
import type { Target } from './target.ts';

export function offerTransposedConv2d(
  _call: KernelCall,
  _target: Target,
  _choice?: string,
): EmittedOffer | null {
  return null;
}
