/** Writes the border around each picture of a tensor that is laid out with one (see `View.border`). */
import { isBig } from '../tensor.ts';
import type { Step, View } from './call.ts';

/**
 * x (n, h, w, c) with strides from the view; every border cell becomes `value`, as stored.
 * The rows above and below are whole: (left + w + right)·c elements.
 */
export function bindBorder(view: View, shape: readonly number[], value: number): Step {
  const data = view.data;
  if (isBig(data)) throw new RangeError('a 64-bit integer tensor has no border');
  const [n, h, w, c] = shape as [number, number, number, number];
  const [sN, sH] = view.strides as [number, number, number, number];
  const { top, left, bottom, right } = view.border;
  const corner = view.offset - top * sH - left * c;
  return () => {
    for (let i = 0; i < n; i++) {
      const first = corner + i * sN;
      data.fill(value, first, first + top * sH);
      for (let y = 0; y < h; y++) {
        const row = first + (top + y) * sH;
        data.fill(value, row, row + left * c);
        data.fill(value, row + (left + w) * c, row + (left + w + right) * c);
      }
      data.fill(value, first + (top + h) * sH, first + (top + h + bottom) * sH);
    }
  };
}
