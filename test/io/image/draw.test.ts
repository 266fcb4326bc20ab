/** Rectangles over pictures. */
import { expect, it } from 'vitest';
import { drawRectangles } from '../../../src/io/image/index.ts';

const grey = { width: 6, height: 5, channels: 1, data: new Uint8Array(30).fill(7) } as const;
const rows = (left: number, top: number, right: number, bottom: number): string[] => {
  const { data } = drawRectangles(grey, [{ left, top, right, bottom }], 1);
  return Array.from({ length: 5 }, (_, y) =>
    Array.from({ length: 6 }, (_, x) => (data[3 * (6 * y + x) + 1] === 255 ? '#' : '.')).join(''),
  );
};

it('draws the outline on a copy in colour', () => {
  expect(rows(1, 1, 4, 3)).toEqual(['......', '.####.', '.#..#.', '.####.', '......']);
  const { channels, data } = drawRectangles(grey, [{ left: 0, top: 0, right: 0, bottom: 0 }]);
  expect(channels).toBe(3);
  expect([...data.slice(0, 6)]).toEqual([0, 255, 0, 7, 7, 7]);
  expect(grey.data.every((value) => value === 7)).toBe(true);
});

it('leaves out what lies outside of the picture', () => {
  expect(rows(-2, -3, 2, 2)).toEqual(['..#...', '..#...', '###...', '......', '......']);
  expect(rows(-1e9, -1e9, 1e9, 1e9).join('')).toBe('.'.repeat(30));
  expect(rows(4, 4, 1, 1).join('')).toBe('.'.repeat(30));
});

it('keeps the colours of pictures with alpha and of 16 bits', () => {
  const picture = { width: 1, height: 1, channels: 4, data: Float32Array.of(1.4, 2.6, 3, 0) } as const;
  expect([...drawRectangles(picture, []).data]).toEqual([1, 3, 3]);
});
