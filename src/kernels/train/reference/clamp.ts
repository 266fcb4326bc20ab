/** The gradient of bounds: it passes where none was reached. */

import { elementCount } from '../../../tensor.ts';
import type { KernelCall, Offer } from '../../call.ts';
import { numbersOf, offer } from '../../reference/support.ts';
import type { TrainingOf } from '../call.ts';

/** dx[i] = dy[i] where min < y[i] < max, else 0 */
export function clamp({ output }: KernelCall, { bounds: { min, max } }: TrainingOf<'clamp'>): Offer {
  const count = elementCount(output.shape);
  const bind: Parameters<typeof offer>[1] = ([yView, dyView], dxView) => {
    const y = numbersOf(yView);
    const dy = numbersOf(dyView);
    const dx = numbersOf(dxView);
    return () => {
      for (let i = 0; i < count; i++) {
        const value = y[yView.offset + i];
        dx[dxView.offset + i] = value > min && value < max ? dy[dyView.offset + i] : 0;
      }
    };
  };
  return offer('clamp-input-f32', bind, [0, 1]);
}
