/** An engine's outputs against those of vireo's reference kernels. */

/** Float sums are taken in another order: this much of the largest value is no error. */
const floatTolerance = 1e-4;

/** Integer networks round differently from kernel to kernel, and a step early on grows; more than this is a fault. */
const intTolerance = 32;

/**
 * `outputs`, `wanted`: per input, the arrays. `relative`: largest difference over the largest value of its array;
 * `step`: largest difference; `differing` of `of` values.
 */
export function compare(outputs, wanted, kind) {
  const result = { relative: 0, step: 0, differing: 0, of: 0, wrong: false };
  const arrays = outputs.flat();
  wanted.flat().forEach((b, k) => {
    const a = arrays[k];
    let largest = 0;
    let step = a?.length === b.length ? 0 : Number.POSITIVE_INFINITY;
    for (let i = 0; i < b.length; i++) {
      const difference = Math.abs(a?.[i] - b[i]);
      largest = Math.max(largest, Math.abs(b[i]));
      if (!(difference <= step)) step = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      if (difference !== 0) result.differing++;
    }
    result.of += b.length;
    result.step = Math.max(result.step, step);
    result.relative = Math.max(result.relative, step / (largest || 1));
  });
  result.wrong = kind === 'f32' ? result.relative > floatTolerance : result.step > intTolerance;
  return result;
}

export function showDifference({ relative, step, differing, of, wrong }, kind) {
  const ofInts = differing === 0 ? '=' : `${differing} of ${of}, ${step}`;
  const text = kind === 'f32' ? relative.toExponential(0) : ofInts;
  return wrong ? `wrong: ${text}` : text;
}
