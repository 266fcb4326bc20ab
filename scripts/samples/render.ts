/**
 * Pictures of solids: sphere tracing, one sun with soft shadows, light from the sky, a sensor that is not quite still.
 *
 *   light = colour·(sun·max(0, n·s)·shadow + ambient·(0.55 + 0.45·n.y)·openness) + gloss·(glint + mirrored sky)
 *
 * Colours are as displayed, 0 to 1; light is reckoned with their squares (a display's gamma taken for 2).
 * Sources: Hart 1996, "Sphere tracing"; I. Quilez, "Soft shadows in raymarched SDFs" (the formulas).
 */

import type { Picture } from '../../src/io/image/index.ts';
import { randomStream } from '../../src/random.ts';
import { throughLens } from './lens.ts';
import { cloud } from './noise.ts';
import { type Distance, length, type Vec } from './solids.ts';

export interface Solid {
  readonly distance: Distance;
  /** The displayed colour at a point of the surface. */
  readonly paint: (x: number, y: number, z: number) => Vec;
  /** 0 dull (the default) to 1 polished. */
  readonly gloss?: number;
  /** Relief of fur, grass, bark, water: how far normals lean, and how fine that is. */
  readonly relief?: readonly [lean: number, fineness: number];
}

export interface Scene {
  readonly solids: readonly Solid[];
  /** The displayed colour behind everything, by direction. */
  readonly sky: (dx: number, dy: number, dz: number) => Vec;
  readonly from: Vec;
  readonly to: Vec;
  /** Half the width of what is seen at distance 1. */
  readonly width: number;
  /** Towards the sun, of any length. */
  readonly sun: Vec;
  /** Sun and sky; what is fully lit by both has its own colour when they add up to about 1. */
  readonly sunlight?: number;
  readonly ambient?: number;
}

const side = 32;
/** Samples along each side of a pixel. */
const samples = 3;
/** Standard deviation of what the sensor adds, in steps of 255. */
const grain = 1.5;
const maxSteps = 110;
const far = 60;
const near = 0.001;

export function render(scene: Scene, seed: number): Picture {
  const camera = cameraOf(scene);
  const wide = side * samples;
  const fine = new Float64Array(wide * wide * 3); // displayed colours, squared
  const colour = new Float64Array(3);
  for (let row = 0; row < wide; row++) {
    for (let column = 0; column < wide; column++) {
      const [dx, dy, dz] = camera((column + 0.5) / wide, (row + 0.5) / wide);
      shade(scene, scene.from, dx, dy, dz, colour);
      fine.set(colour, (row * wide + column) * 3);
    }
  }
  const seen = throughLens(fine, side, samples);
  const random = randomStream(seed);
  const data = Uint8Array.from(seen, (light) => {
    const shown = Math.sqrt(light) + (grain / 255) * random.normal();
    return Math.round(255 * Math.min(1, Math.max(0, shown)));
  });
  return { width: side, height: side, channels: 3, data };
}

/** (u, v) in [0, 1]², v downwards → a direction of length 1. */
function cameraOf({ from, to, width }: Scene): (u: number, v: number) => Vec {
  const [fx, fy, fz] = unit(to[0] - from[0], to[1] - from[1], to[2] - from[2]);
  const [rx, , rz] = unit(-fz, 0, fx);
  const [ux, uy, uz] = [-rz * fy, rz * fx - rx * fz, rx * fy]; // right × forward
  return (u, v) => {
    const a = (2 * u - 1) * width;
    const b = (1 - 2 * v) * width;
    return unit(fx + a * rx + b * ux, fy + b * uy, fz + a * rz + b * uz);
  };
}

function shade(scene: Scene, from: Vec, dx: number, dy: number, dz: number, out: Float64Array): void {
  const { solids, sky, sun } = scene;
  const travelled = march(solids, from[0], from[1], from[2], dx, dy, dz);
  if (travelled >= far) {
    squared(sky(dx, dy, dz), out);
    return;
  }
  const [x, y, z] = [from[0] + travelled * dx, from[1] + travelled * dy, from[2] + travelled * dz];
  const solid = nearestSolid(solids, x, y, z);
  const [nx, ny, nz] = normalOf(solid, x, y, z);
  const [sx, sy, sz] = unit(sun[0], sun[1], sun[2]);
  const facing = nx * sx + ny * sy + nz * sz;
  const lit =
    facing <= 0 ? 0 : facing * lightThrough(solids, x + 0.02 * nx, y + 0.02 * ny, z + 0.02 * nz, sx, sy, sz);
  const open = openness(solids, x, y, z, nx, ny, nz);
  const light = (scene.sunlight ?? 0.75) * lit + (scene.ambient ?? 0.4) * (0.55 + 0.45 * ny) * open;
  squared(solid.paint(x, y, z), out);
  for (let c = 0; c < 3; c++) out[c] *= light;
  const gloss = solid.gloss ?? 0;
  if (gloss === 0) return;
  const toward = dx * nx + dy * ny + dz * nz;
  const [mx, my, mz] = [dx - 2 * toward * nx, dy - 2 * toward * ny, dz - 2 * toward * nz];
  const glint = lit > 0 ? Math.max(0, mx * sx + my * sy + mz * sz) ** 40 : 0;
  const fresnel = 0.06 + 0.94 * Math.max(0, 1 + toward) ** 5;
  const mirrored = sky(mx, Math.max(0.02, my), mz);
  for (let c = 0; c < 3; c++) out[c] += gloss * (0.8 * glint + fresnel * open * mirrored[c] * mirrored[c]);
}

function march(
  solids: readonly Solid[],
  x: number,
  y: number,
  z: number,
  dx: number,
  dy: number,
  dz: number,
): number {
  let travelled = 0;
  for (let step = 0; step < maxSteps && travelled < far; step++) {
    const gap = nearest(solids, x + travelled * dx, y + travelled * dy, z + travelled * dz);
    if (gap < near * (1 + travelled)) return travelled;
    travelled += 0.9 * gap;
  }
  return travelled;
}

function nearest(solids: readonly Solid[], x: number, y: number, z: number): number {
  let gap = Infinity;
  for (const { distance } of solids) gap = Math.min(gap, distance(x, y, z));
  return gap;
}

function nearestSolid(solids: readonly Solid[], x: number, y: number, z: number): Solid {
  let best = solids[0];
  let gap = Infinity;
  for (const solid of solids) {
    const distance = solid.distance(x, y, z);
    if (distance < gap) {
      gap = distance;
      best = solid;
    }
  }
  return best;
}

function normalOf({ distance, relief }: Solid, x: number, y: number, z: number): Vec {
  const e = 0.004;
  let nx = distance(x + e, y, z) - distance(x - e, y, z);
  let ny = distance(x, y + e, z) - distance(x, y - e, z);
  let nz = distance(x, y, z + e) - distance(x, y, z - e);
  [nx, ny, nz] = unit(nx, ny, nz);
  if (relief === undefined) return [nx, ny, nz];
  const [lean, fineness] = relief;
  const [fx, fy, fz] = [fineness * x, fineness * y, fineness * z];
  return unit(
    nx + lean * (cloud(fx, fy, fz) - 0.5),
    ny + lean * (cloud(fx + 31.4, fy, fz) - 0.5),
    nz + lean * (cloud(fx, fy + 27.1, fz) - 0.5),
  );
}

/** The share of the sun that reaches a point: the narrowest gap on the way, as an angle. */
function lightThrough(
  solids: readonly Solid[],
  x: number,
  y: number,
  z: number,
  sx: number,
  sy: number,
  sz: number,
): number {
  let share = 1;
  let travelled = 0.02;
  for (let step = 0; step < 40 && travelled < 12; step++) {
    const gap = nearest(solids, x + travelled * sx, y + travelled * sy, z + travelled * sz);
    if (gap < near) return 0;
    share = Math.min(share, (8 * gap) / travelled);
    travelled += Math.max(0.03, gap);
  }
  return share;
}

/** How much of the sky a point sees, by the gaps above it. */
function openness(
  solids: readonly Solid[],
  x: number,
  y: number,
  z: number,
  nx: number,
  ny: number,
  nz: number,
): number {
  let closed = 0;
  let weight = 1;
  for (let i = 1; i <= 4; i++) {
    const h = 0.09 * i * i * 0.6;
    closed += weight * (h - Math.max(0, nearest(solids, x + h * nx, y + h * ny, z + h * nz)));
    weight *= 0.6;
  }
  return Math.min(1, Math.max(0.15, 1 - closed));
}

function squared(colour: Vec, out: Float64Array): void {
  for (let c = 0; c < 3; c++) out[c] = colour[c] * colour[c];
}

export function unit(x: number, y: number, z: number): Vec {
  const l = length(x, y, z);
  return [x / l, y / l, z / l];
}
