/** What stands around a subject: where the camera is, grounds, skies, woods. */

import type { Random } from '../../src/random.ts';
import { cloud, mix, step } from './noise.ts';
import type { Solid } from './render.ts';
import type { Vec } from './solids.ts';

/** Where a picture is taken from. Angles in degrees: 0 looks along −z, positive azimuth has the camera to the right. */
export interface View {
  readonly to: Vec;
  readonly distance: number;
  readonly azimuth: number;
  readonly elevation: number;
  readonly width: number;
}

/** The camera of a view, held by a hand that `random` lets shake. */
export function camera(view: View, random: Random): { from: Vec; to: Vec; width: number } {
  const azimuth = ((view.azimuth + 3 * random.normal()) * Math.PI) / 180;
  const elevation = ((view.elevation + random.normal()) * Math.PI) / 180;
  const size = view.width * view.distance;
  const to: Vec = [
    view.to[0] + 0.04 * size * random.normal(),
    view.to[1] + 0.03 * size * random.normal(),
    view.to[2],
  ];
  const distance = view.distance * (1 + 0.04 * random.normal());
  const level = distance * Math.cos(elevation);
  const from: Vec = [
    to[0] + level * Math.sin(azimuth),
    to[1] + distance * Math.sin(elevation),
    to[2] + level * Math.cos(azimuth),
  ];
  return { from, to, width: view.width };
}

export function ground(paint: Solid['paint'], height = 0): Solid {
  return { distance: (_x, y) => y - height, paint };
}

/** Patches of two colours, larger ones `scale` wide. */
export function patches(a: Vec, b: Vec, scale: number): Solid['paint'] {
  return (x, y, z) => mix(a, b, step(0.3, 0.7, cloud(x / scale, y / scale, z / scale)));
}

/** Blue above, pale towards the horizon, with clouds where `cover` (0 to 1) lets them be. */
export function openSky(zenith: Vec, horizon: Vec, cover = 0, seed = 0) {
  return (dx: number, dy: number, dz: number): Vec => {
    const blue = mix(horizon, zenith, step(-0.05, 0.75, dy));
    if (cover === 0) return blue;
    const thickness = cloud(3 * dx + seed, 7 * dy, 3 * dz);
    return mix(blue, [0.97, 0.97, 0.98], 0.9 * step(0.75 - 0.5 * cover, 1 - 0.45 * cover, thickness));
  };
}

/** Out-of-focus leaves, light and dark, wherever one looks. */
export function foliage(dark: Vec, light: Vec, fineness = 5, seed = 0) {
  return (dx: number, dy: number, dz: number): Vec =>
    mix(dark, light, step(0.25, 0.75, cloud(fineness * dx + seed, fineness * dy, fineness * dz)));
}
