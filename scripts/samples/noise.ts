/** What surfaces are painted with: colours that flow into each other, and noise over space. */

import type { Vec } from './solids.ts';

export function mix(a: Vec, b: Vec, share: number): Vec {
  const t = Math.min(1, Math.max(0, share));
  return [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])];
}

/** 0 up to `from`, 1 beyond `to`, smooth between; `to` may be the smaller. */
export function step(from: number, to: number, x: number): number {
  const t = Math.min(1, Math.max(0, (x - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

/** Noise of three octaves, 0 to 1, its largest features one unit wide. */
export function cloud(x: number, y: number, z: number): number {
  return (
    (4 * lattice(x, y, z) + 2 * lattice(2.03 * x, 2.03 * y, 2.03 * z) + lattice(4.1 * x, 4.1 * y, 4.1 * z)) /
    7
  );
}

/** Random values at whole points, smoothly between them. */
function lattice(x: number, y: number, z: number): number {
  const [ix, iy, iz] = [Math.floor(x), Math.floor(y), Math.floor(z)];
  const [u, v, w] = [step(0, 1, x - ix), step(0, 1, y - iy), step(0, 1, z - iz)];
  let sum = 0;
  for (let corner = 0; corner < 8; corner++) {
    const [i, j, k] = [corner & 1, (corner >> 1) & 1, corner >> 2];
    sum += (i ? u : 1 - u) * (j ? v : 1 - v) * (k ? w : 1 - w) * valueAt(ix + i, iy + j, iz + k);
  }
  return sum;
}

function valueAt(x: number, y: number, z: number): number {
  let h = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(z, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
