import type { EmittedOffer, KernelCall } from '../call.ts';
import type { Target } from './target.ts';

export function offerDenseI8(_call: KernelCall, _target: Target, _choice?: string): EmittedOffer | null {
  return null;
}
