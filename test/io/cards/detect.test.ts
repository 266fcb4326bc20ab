/** Scores and boxes to things found. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { type Box, detect, overlapOf } from '../../../src/io/cards/index.ts';

const card = {
  kind: 'detection',
  boxes: 1,
  form: 'corners',
  threshold: 0.7,
  overlap: 0.3,
  labels: { names: ['background', 'cat'], file: undefined },
} as const;

function found(scores: readonly (readonly number[])[], boxes: readonly (readonly number[])[]) {
  const tensor = (rows: readonly (readonly number[])[]) => ({
    data: Float32Array.from(rows.flat()),
    info: { dtype: 'f32' as const, shape: [1, rows.length, rows[0].length] },
  });
  return detect(card, tensor(scores), tensor(boxes));
}
const left: Box = [0, 0, 0.5, 0.5];
const nearLeft: Box = [0, 0, 0.5, 0.375]; // 3/4 of it
const right: Box = [0.5, 0.5, 1, 1];

describe('detect', () => {
  it('takes scores above the threshold, likeliest first, by name where there is one', () => {
    const three = found(
      [
        [0.25, 0.75, 0],
        [1, 0.5, 0],
        [0, 0, 0.875],
      ],
      [left, left, right],
    );
    expect(three).toEqual([
      { index: 2, label: '2', confidence: 0.875, box: right },
      { index: 1, label: 'cat', confidence: 0.75, box: left },
    ]);
  });
  it('never finds the background', () => {
    expect(found([[1, 0]], [left])).toEqual([]);
  });
  it('keeps the likelier of two boxes of a class that overlap, and the first of equals', () => {
    const boxes = (a: number, b: number) =>
      found(
        [
          [0, a],
          [0, b],
        ],
        [left, nearLeft],
      ).map(({ box }) => box);
    expect(boxes(0.75, 0.875)).toEqual([nearLeft]);
    expect(boxes(0.875, 0.875)).toEqual([left]);
  });
  it('keeps overlapping boxes of different classes', () => {
    expect(
      found(
        [
          [0, 0.75, 0],
          [0, 0, 0.75],
        ],
        [left, left],
      ),
    ).toHaveLength(2);
  });
  it('takes numbers that are none for nothing found', () => {
    expect(found([[0, Number.NaN]], [left])).toEqual([]);
    expect(found([[0, 1]], [[0, 0, Number.NaN, 1]])).toEqual([]);
  });
  it('refuses boxes that are not as many as the scores', () => {
    expect(() => found([[0, 1]], [left, right])).toThrow(VireoError);
    expect(() => found([[0, 1]], [left, right])).toThrow('got [1, 1, 2] and [1, 2, 4]');
  });
});

describe('overlapOf', () => {
  it('is intersection over union', () => {
    expect(overlapOf(left, left)).toBe(1);
    expect(overlapOf(left, nearLeft)).toBe(0.75);
    expect(overlapOf(left, right)).toBe(0);
  });
  it('is 0 for boxes without area', () => {
    expect(overlapOf([0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5])).toBe(0);
    expect(overlapOf([1, 1, 0, 0], left)).toBe(0);
  });
});
