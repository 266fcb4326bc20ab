/**
 * The scores and boxes of a detector as the things it found: scores above the threshold, and of the boxes of
 * one class that overlap only the likeliest (greedy non-maximum suppression).
 */
import { VireoError } from '../../errors.ts';
import { showShape, type TensorData, type TensorInfo } from '../../tensor.ts';
import type { Label } from './describe.ts';
import type { OutputCard } from './network-card.ts';
import { readReal } from './store.ts';

/** Corners as shares of the picture's width and height; what reaches beyond the picture lies outside 0…1. */
export type Box = readonly [x1: number, y1: number, x2: number, y2: number];

export interface Detection extends Label {
  readonly box: Box;
}

export interface DetectorOutput {
  readonly data: TensorData;
  readonly info: TensorInfo;
}

/** Everything found, likeliest first. Class 0 is the background, and boxes that are not numbers are no boxes. */
export function detect(
  card: OutputCard & { readonly kind: 'detection' },
  scores: DetectorOutput,
  boxes: DetectorOutput,
): Detection[] {
  const [batch, count, classes] = scores.info.shape;
  const expected = [1, count, 4];
  if (scores.info.shape.length !== 3 || batch !== 1 || boxes.info.shape.join() !== expected.join())
    throw new VireoError(
      'bad-input',
      `detection: expected scores [1, N, classes] and boxes [1, N, 4], got ${showShape(scores.info.shape)} and ${showShape(boxes.info.shape)}`,
    );
  const score = readReal(scores.data, scores.info.quantization);
  const corner = readReal(boxes.data, boxes.info.quantization);
  const found: Detection[] = [];
  for (let index = 1; index < classes; index++) {
    const candidates: Detection[] = [];
    for (let n = 0; n < count; n++) {
      const confidence = score[n * classes + index];
      const box: Box = [corner[4 * n], corner[4 * n + 1], corner[4 * n + 2], corner[4 * n + 3]];
      if (confidence > card.threshold && box.every(Number.isFinite))
        candidates.push({ index, label: card.labels.names[index] ?? String(index), confidence, box });
    }
    found.push(...withoutOverlaps(candidates, card.overlap));
  }
  return found.sort((a, b) => b.confidence - a.confidence);
}

/** Those that no likelier one covers; of equals the first stays. */
function withoutOverlaps(candidates: Detection[], most: number): Detection[] {
  const kept: Detection[] = [];
  for (const candidate of candidates.sort((a, b) => b.confidence - a.confidence))
    if (kept.every(({ box }) => overlapOf(box, candidate.box) <= most)) kept.push(candidate);
  return kept;
}

/** Intersection over union; 0 where both are empty. */
export function overlapOf(a: Box, b: Box): number {
  const both = areaOf([
    Math.max(a[0], b[0]),
    Math.max(a[1], b[1]),
    Math.min(a[2], b[2]),
    Math.min(a[3], b[3]),
  ]);
  const either = areaOf(a) + areaOf(b) - both;
  return either > 0 ? both / either : 0;
}

function areaOf([x1, y1, x2, y2]: Box): number {
  return Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
}
