/**
 * Digits as a hand writes them, white on black, in the manner of MNIST: 28×28 grey, the ink in a box of 20×20, its
 * centre of mass in the middle of the picture.
 *
 * Every form is a few strokes in a unit square (y downwards), written once: the points shaken a little, the whole
 * slanted and turned, by random numbers that depend on the form alone.
 */

import type { Picture } from '../../src/io/image/index.ts';
import { randomStream } from '../../src/random.ts';
import { inkDepth, type Point, type Stroke, type Trace, traceOf } from './strokes.ts';

const side = 28;
const box = 20;
/** Pixels over which ink fades into paper. */
const softness = 1.3;

/**
 * The strokes of every form, named as its file without the ending: `DIGIT_FORM`. A stroke is its points, x,y in
 * hundredths of the square.
 */
const drawings: Readonly<Record<string, readonly string[]>> = {
  '0_round': ['56,1 30,7 8,36 7,70 27,97 54,96 77,68 79,31 63,6 46,3'],
  '1_plain': ['34,0 32,33 31,66 29,100'],
  '1_foot': ['10,24 26,15 40,0', '40,0 39,50 38,99', '10,100 38,99 68,97'],
  '2_plain': ['10,23 24,6 46,0 67,10 68,32 50,58 26,82 6,97', '6,97 36,94 62,96 83,94'],
  '2_loop': ['10,20 25,5 45,0 64,11 66,33 50,60 28,85 12,96 2,89 10,78 27,80 50,92 70,97 88,88'],
  '3_plain': ['10,12 30,1 55,3 66,18 56,36 32,45', '32,45 60,50 74,68 64,89 36,100 6,90'],
  '4_open': ['18,2 10,28 6,53', '6,53 32,55 60,52 82,49', '64,4 61,35 58,70 56,100'],
  '4_closed': ['62,0 38,23 17,47 0,69', '0,69 30,70 62,67 86,65', '62,0 60,35 59,70 57,100'],
  '5_plain': ['20,4 17,22 14,42', '14,42 38,36 62,46 68,67 54,90 28,99 4,90', '20,4 46,3 74,0'],
  '6_plain': ['56,0 32,16 13,44 9,74 24,97 50,98 66,80 59,60 37,55 14,70'],
  '7_plain': ['4,8 34,6 72,3', '72,3 58,30 43,62 34,100'],
  '7_bar': ['4,10 10,3 40,5 76,2', '76,2 60,30 45,62 36,100', '26,52 50,48 72,47'],
  '8_plain': ['66,14 46,1 22,8 20,28 42,46 63,66 61,90 37,100 13,90 14,67 38,47 60,30 66,14'],
  '9_straight': ['64,16 46,1 20,8 8,29 20,47 45,43 64,16', '66,8 63,40 60,70 56,100'],
  '9_curved': ['64,20 48,2 22,6 10,27 22,46 46,44 64,20', '66,12 68,46 60,80 38,99 12,93'],
};

export const digitForms: readonly string[] = Object.keys(drawings);

function strokesOf(name: string): Stroke[] {
  return drawings[name].map((stroke) =>
    stroke.split(' ').map((pair): Point => {
      const [x, y] = pair.split(',').map(Number);
      return [x / 100, y / 100];
    }),
  );
}

/** One picture for a form's name: (28, 28), one channel. Other hands write the same form in other variations. */
export function drawDigit(name: string, variation = 0): Picture {
  const random = randomStream(...[...name].map((letter) => letter.charCodeAt(0)), variation);
  const pen = 2.6 + 0.25 * random.normal();
  const slant = 0.12 + 0.05 * random.normal();
  const turn = 0.035 * random.normal();
  const written = shaken(strokesOf(name), 0.016, random.normal).map((stroke) =>
    stroke.map(([x, y]): Point => {
      const leaned = x - slant * (y - 0.5);
      return [leaned - turn * y, y + turn * leaned];
    }),
  );
  const traces = fitted(written.map(traceOf), box - pen);
  return { width: side, height: side, channels: 1, data: inked(traces, pen) };
}

/** Every point moved at random; a point that two strokes share moves once. */
function shaken(strokes: readonly Stroke[], amount: number, normal: () => number): Stroke[] {
  const moved = new Map<string, Point>();
  return strokes.map((stroke) =>
    stroke.map(([x, y]) => {
      const key = `${x} ${y}`;
      const point = moved.get(key) ?? ([x + amount * normal(), y + amount * normal()] as const);
      moved.set(key, point);
      return point;
    }),
  );
}

/** Scaled so that the longer side of the box around the points is `extent` pixels. */
function fitted(traces: readonly Trace[], extent: number): Trace[] {
  const points = traces.flatMap((trace) => trace.points);
  const along = (axis: 0 | 1): number[] => points.map((point) => point[axis]);
  const [left, right] = [Math.min(...along(0)), Math.max(...along(0))];
  const [top, bottom] = [Math.min(...along(1)), Math.max(...along(1))];
  const scale = extent / Math.max(right - left, bottom - top);
  return traces.map(({ points, pressure }) => ({
    points: points.map(
      ([x, y]): Point => [
        side / 2 + scale * (x - (left + right) / 2),
        side / 2 + scale * (y - (top + bottom) / 2),
      ],
    ),
    pressure,
  }));
}

/** Ink where the traces lie once their centre of mass is in the middle. */
function inked(traces: readonly Trace[], pen: number): Uint8Array {
  let [shiftX, shiftY] = [0, 0];
  let data = new Uint8Array(side * side);
  for (let round = 0; round < 3; round++) {
    data = Uint8Array.from({ length: side * side }, (_, i) => {
      const x = (i % side) + 0.5 - shiftX;
      const y = Math.floor(i / side) + 0.5 - shiftY;
      const level = 0.5 + inkDepth(traces, pen, x, y) / softness;
      return Math.round(255 * Math.min(1, Math.max(0, level)));
    });
    let [mass, momentX, momentY] = [0, 0, 0];
    for (let i = 0; i < data.length; i++) {
      mass += data[i];
      momentX += data[i] * ((i % side) + 0.5);
      momentY += data[i] * (Math.floor(i / side) + 0.5);
    }
    shiftX += side / 2 - momentX / mass;
    shiftY += side / 2 - momentY / mass;
  }
  return data;
}
