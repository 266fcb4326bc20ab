/**
 * Handwriting: a pen of round tip along smooth curves, as grey levels.
 *
 *   level(p) = 255·clamp(½ + (r(s) − |p − c(s)|)/softness),  c(s) the nearest point of the strokes
 *
 * A stroke goes through its points as a Catmull-Rom spline; a corner is the end of one stroke and the start of another.
 * Source: Catmull and Rom 1974, "A class of local interpolating splines" (the uniform one, tension ½).
 */

export type Point = readonly [x: number, y: number];
export type Stroke = readonly Point[];

/** Straight pieces that stand for a stroke; the pen's radius at each point, as a share of its full width. */
export interface Trace {
  readonly points: readonly Point[];
  readonly pressure: readonly number[];
}

const piecesPerSpan = 12;

export function traceOf(stroke: Stroke): Trace {
  const points: Point[] = [];
  for (let i = 0; i + 1 < stroke.length; i++) {
    const [before, from, to, after] = [stroke[i - 1] ?? stroke[i], stroke[i], stroke[i + 1], stroke[i + 2]];
    for (let k = 0; k < piecesPerSpan; k++) {
      const at = (axis: 0 | 1): number =>
        catmullRom(before[axis], from[axis], to[axis], (after ?? to)[axis], k / piecesPerSpan);
      points.push([at(0), at(1)]);
    }
  }
  points.push(stroke[stroke.length - 1]);
  // A pen lands and leaves: at both ends it is a little thinner.
  const last = points.length - 1;
  const pressure = points.map((_, i) => 1 - 0.22 * Math.exp((-6 * Math.min(i, last - i)) / last));
  return { points, pressure };
}

function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  const linear = c - a;
  const square = 2 * a - 5 * b + 4 * c - d;
  const cube = 3 * (b - c) + d - a;
  return b + 0.5 * t * (linear + t * (square + t * cube));
}

/** How deep a point lies inside the ink, at most: pen·pressure/2 − distance; negative outside. */
export function inkDepth(traces: readonly Trace[], pen: number, x: number, y: number): number {
  let deepest = -Infinity;
  for (const { points, pressure } of traces) {
    for (let i = 0; i + 1 < points.length; i++) {
      const [fromX, fromY] = points[i];
      const alongX = points[i + 1][0] - fromX;
      const alongY = points[i + 1][1] - fromY;
      const length2 = alongX * alongX + alongY * alongY;
      const share = length2 === 0 ? 0 : ((x - fromX) * alongX + (y - fromY) * alongY) / length2;
      const t = Math.min(1, Math.max(0, share));
      const missX = x - fromX - t * alongX;
      const missY = y - fromY - t * alongY;
      const radius = (pen / 2) * (pressure[i] + t * (pressure[i + 1] - pressure[i]));
      deepest = Math.max(deepest, radius - Math.sqrt(missX * missX + missY * missY));
    }
  }
  return deepest;
}
