/** Resizing, and the spectrum that a sound network computes for itself. */
import type { Resize } from '../../../kernels/call.ts';
import { showShape } from '../../../tensor.ts';
import type { Operator } from '../operator.ts';
import { resizeBilinear, resizeNearest } from '../schema.ts';

const resize =
  (mode: Resize['mode'], fields: typeof resizeBilinear | typeof resizeNearest) =>
  (op: Operator): void => {
    const options = op.options(fields.union);
    const x = op.number(0);
    const [h, w, ...more] = op.integers(1, 'sizes');
    if (h === undefined || w === undefined || more.length > 0 || h < 1 || w < 1)
      op.fail('expected two positive sizes');
    const alignCorners = options.bool(fields.alignCorners);
    const halfPixelCenters = options.bool(fields.halfPixelCenters);
    op.move({ kind: 'resize', mode, size: [h, w], alignCorners, halfPixelCenters }, [x]);
  };

export const picture: Readonly<Record<string, (op: Operator) => void>> = {
  RESIZE_BILINEAR: resize('bilinear', resizeBilinear),
  RESIZE_NEAREST_NEIGHBOR: resize('nearest', resizeNearest),

  /** x (…, h, w) → complex64 (…, fH, fW/2 + 1) */
  RFFT2D(op) {
    const x = op.activation(0);
    const [h, w, ...more] = op.integers(1, 'lengths');
    if (x.value.dtype !== 'f32') op.unsupported('an input that is not float32');
    if (h === undefined || w === undefined || more.length > 0) return op.fail('expected two lengths');
    if (!isPowerOf2(h) || !isPowerOf2(w)) op.fail(`lengths ${showShape([h, w])} are no powers of 2`);
    const { name, type } = op.output();
    if (type !== 'complex64') op.unsupported(`${type} output`);
    const id = op.builder.add({ kind: 'rfft2d', length: [h, w] }, [x.id], { name, quantization: null });
    op.finish(id, 0, true);
  },

  COMPLEX_ABS(op) {
    const x = op.operand(0);
    if (!x.complex) op.fail('expected complex64');
    op.compute({ kind: 'complexAbs' }, [x.id]);
  },
};

function isPowerOf2(n: number): boolean {
  return n >= 1 && Number.isInteger(Math.log2(n));
}
