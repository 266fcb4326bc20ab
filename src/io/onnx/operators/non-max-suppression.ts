/**
 * Of boxes that overlap, the one with the best score: for each batch and class, boxes in the order of
 * falling scores, each kept if it overlaps no kept one by more than the threshold.
 *
 * Source: onnx/onnx, Operators.md, NonMaxSuppression.
 */
export interface Suppression {
  readonly boxes: Float64Array; // (batches, count, 4)
  readonly scores: Float64Array; // (batches, classes, count)
  readonly batches: number;
  readonly classes: number;
  readonly count: number;
  /** Boxes are (x, y, w, h) around their centre; else two opposite corners (y, x, y, x). */
  readonly centered: boolean;
  readonly most: number;
  readonly overlap: number;
  readonly least: number;
}

/** Triples (batch, class, box), one after another. */
export function nonMaxSuppression(given: Suppression): number[] {
  const { boxes, scores, batches, classes, count, most, overlap, least } = given;
  const chosen: number[] = [];
  for (let n = 0; n < batches; n++)
    for (let c = 0; c < classes; c++) {
      const first = (n * classes + c) * count;
      const order = Array.from({ length: count }, (_, i) => i)
        .filter((i) => scores[first + i]! > least)
        .sort((i, j) => scores[first + j]! - scores[first + i]! || i - j);
      const kept: Corners[] = [];
      for (const i of order) {
        if (kept.length >= most) break;
        const box = cornersOf(boxes, (n * count + i) * 4, given.centered);
        if (kept.some((other) => overlapOf(box, other) > overlap)) continue;
        kept.push(box);
        chosen.push(n, c, i);
      }
    }
  return chosen;
}

interface Corners {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

function cornersOf(boxes: Float64Array, at: number, centered: boolean): Corners {
  const [a, b, c, d] = [boxes[at]!, boxes[at + 1]!, boxes[at + 2]!, boxes[at + 3]!];
  if (centered) return { left: a - c / 2, right: a + c / 2, top: b - d / 2, bottom: b + d / 2 };
  return { top: Math.min(a, c), bottom: Math.max(a, c), left: Math.min(b, d), right: Math.max(b, d) };
}

/** Intersection over union. */
function overlapOf(a: Corners, b: Corners): number {
  const area = (box: Corners) => (box.bottom - box.top) * (box.right - box.left);
  const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  if (h <= 0 || w <= 0) return 0;
  return (h * w) / (area(a) + area(b) - h * w);
}
