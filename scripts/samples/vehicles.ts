/** Airplane, automobiles, ships and a truck, each in its surroundings. */

import type { Random } from '../../src/random.ts';
import { cloud, mix, step } from './noise.ts';
import type { Scene, Solid } from './render.ts';
import {
  blend,
  block,
  bothSides,
  type Distance,
  ellipsoid,
  limb,
  pitched,
  plate,
  profile,
  union,
  type Vec,
  wheel,
  without,
} from './solids.ts';
import { camera, foliage, ground, openSky, patches } from './surroundings.ts';

const rubber: Vec = [0.09, 0.09, 0.1];
const chrome: Vec = [0.72, 0.73, 0.75];
const asphalt = patches([0.46, 0.46, 0.47], [0.56, 0.55, 0.54], 1.5);

function wheels(places: readonly number[], z: number, radius: number): Solid {
  const half = radius * 0.32;
  return {
    distance: bothSides(union(...places.map((x) => wheel([x, radius, z], radius, half)))),
    paint: (x, y, depth) => {
      const from = Math.min(...places.map((place) => Math.hypot(x - place, y - radius)));
      return Math.abs(depth) > z && from < 0.58 * radius
        ? mix(chrome, [0.3, 0.3, 0.32], step(0.1, 0.4, cloud(9 * x, 9 * y, 1)))
        : rubber;
    },
  };
}

// Automobiles —————————————————————————————————————————————————————————————————————————————————————————————————————————

/** A car 4.2 m long, its nose at positive x. */
function car(colour: Vec, roofTop: number): Solid[] {
  const arches = bothSides(union(wheel([1.32, 0.33, 0.75], 0.41, 0.3), wheel([-1.3, 0.33, 0.75], 0.41, 0.3)));
  const hull = profile(
    [
      [-2.08, 0.26],
      [2.02, 0.24],
      [2.12, 0.42],
      [2.06, 0.66],
      [1.9, 0.77],
      [1.05, 0.9],
      [-1.6, 0.95],
      [-2.05, 0.9],
      [-2.12, 0.6],
    ],
    0,
    0.83,
    0.07,
  );
  const cabinOutline: readonly (readonly [number, number])[] = [
    [-1.75, 0.85],
    [-1.1, roofTop - 0.05],
    [-0.7, roofTop],
    [0.2, roofTop - 0.02],
    [1.12, 0.85],
  ];
  const narrowing: Distance = (x, y, z) => {
    const lean = Math.max(0, y - 0.85) * 0.38;
    return profile(cabinOutline, 0, 0.78 - lean, 0.05)(x, y, z);
  };
  const glass: Vec = [0.1, 0.12, 0.15];
  return [
    {
      distance: without(union(hull, narrowing), arches),
      gloss: 0.55,
      paint: (x, y, z) => {
        if (y > 0.93 && y < roofTop - 0.08) {
          const pillar = Math.abs(x + 0.28) < 0.05 && Math.abs(z) > 0.5;
          return pillar ? colour : glass;
        }
        if (y < 0.34) return mix(colour, rubber, 0.75);
        if (x > 1.98 && Math.abs(z) > 0.46 && Math.abs(z) < 0.76 && y > 0.52 && y < 0.68)
          return [0.95, 0.95, 0.9];
        if (x > 2.02 && Math.abs(z) < 0.42 && y > 0.36 && y < 0.64) return [0.12, 0.12, 0.13];
        if (x < -2 && Math.abs(z) > 0.5 && y > 0.6 && y < 0.82) return [0.75, 0.08, 0.06];
        return Math.abs(z) > 0.7 && Math.abs(x - 0.62) < 0.015 ? mix(colour, rubber, 0.5) : colour;
      },
    },
    { distance: block([0, 0.42, 0], [1.9, 0.14, 0.6]), paint: () => [0.04, 0.04, 0.04] },
    {
      distance: bothSides(block([0.82, 0.95, 0.88], [0.07, 0.05, 0.08], 0.03)),
      paint: () => colour,
      gloss: 0.4,
    },
    wheels([1.32, -1.3], 0.7, 0.33),
  ];
}

function automobileRed(random: Random): Scene {
  return {
    ...camera({ to: [0.05, 0.62, 0], distance: 9, azimuth: 38, elevation: 10, width: 0.25 }, random),
    solids: [...car([0.78, 0.07, 0.06], 1.34), ground(asphalt)],
    sky: (dx, dy, dz) => {
      const trees = 0.03 + 0.06 * cloud(9 * dx, 3, 9 * dz);
      if (dy < trees) return foliage([0.13, 0.22, 0.1], [0.34, 0.44, 0.22], 14)(dx, dy, dz);
      return openSky([0.5, 0.68, 0.88], [0.85, 0.9, 0.95])(dx, dy, dz);
    },
    sun: [0.5, 1, 0.75],
  };
}

function automobileBlue(random: Random): Scene {
  return {
    ...camera({ to: [0, 0.62, 0], distance: 10, azimuth: -14, elevation: 6, width: 0.24 }, random),
    solids: [
      ...car([0.12, 0.28, 0.66], 1.42),
      ground((x, _y, z) =>
        z < -1.5 ? patches([0.3, 0.42, 0.18], [0.42, 0.52, 0.26], 0.4)(x, 0, z) : asphalt(x, 0, z),
      ),
    ],
    sky: foliage([0.16, 0.28, 0.1], [0.46, 0.58, 0.26], 10, 3),
    sun: [-0.3, 1, 0.9],
  };
}

// Truck ———————————————————————————————————————————————————————————————————————————————————————————————————————————————

function truckWhite(random: Random): Scene {
  const cabColour: Vec = [0.16, 0.3, 0.62];
  const cab = profile(
    [
      [1.9, 0.55],
      [3.55, 0.5],
      [3.58, 1.3],
      [3.38, 2.5],
      [3.1, 2.68],
      [1.9, 2.68],
    ],
    0,
    1.1,
    0.08,
  );
  const glass: Vec = [0.11, 0.13, 0.16];
  return {
    ...camera({ to: [0.1, 1.5, 0], distance: 17, azimuth: 36, elevation: 6, width: 0.225 }, random),
    solids: [
      {
        distance: cab,
        gloss: 0.4,
        paint: (x, y, z) => {
          if (x > 3.2 && y > 1.5 && y < 2.4 && Math.abs(z) < 0.98) return glass;
          if (Math.abs(z) > 0.95 && y > 1.55 && y < 2.3 && x > 2.35 && x < 3.25) return glass;
          if (x > 3.4 && y > 0.62 && y < 0.85 && Math.abs(z) > 0.65) return [0.95, 0.95, 0.88];
          if (x > 3.4 && y > 0.9 && y < 1.3 && Math.abs(z) < 0.75) return [0.15, 0.15, 0.17];
          return y < 0.62 ? [0.3, 0.3, 0.32] : cabColour;
        },
      },
      {
        distance: block([-1.05, 2.1, 0], [2.75, 1.25, 1.22], 0.05),
        gloss: 0.1,
        paint: (x, y, z) => {
          if (y < 0.98 || y > 3.28) return [0.6, 0.61, 0.63];
          if (z > 1.1 && Math.abs(y - 2.2) < 0.28) return [0.75, 0.16, 0.12];
          return Math.abs(x - 1.7) < 0.04 ? [0.6, 0.61, 0.63] : [0.9, 0.9, 0.89];
        },
      },
      { distance: block([-0.2, 0.72, 0], [3.5, 0.13, 0.85]), paint: () => [0.12, 0.12, 0.13] },
      wheels([2.75, -1.9, -2.9], 0.9, 0.5),
      ground(asphalt),
    ],
    sky: (dx, dy, dz) => {
      const trees = 0.02 + 0.05 * cloud(7 * dx, 1, 7 * dz);
      if (dy < trees) return foliage([0.22, 0.27, 0.2], [0.42, 0.45, 0.35], 12)(dx, dy, dz);
      return openSky([0.55, 0.7, 0.88], [0.86, 0.9, 0.94], 0.3, 4)(dx, dy, dz);
    },
    sun: [0.6, 1, 0.8],
  };
}

// Ships ———————————————————————————————————————————————————————————————————————————————————————————————————————————————

function sea(dark: Vec, light: Vec): Solid {
  return {
    distance: (_x, y) => y,
    gloss: 0.35,
    relief: [0.5, 2.2],
    paint: (x, _y, z) => mix(dark, light, step(0.4, 0.8, cloud(0.8 * x, 0, 2.5 * z))),
  };
}

/** A hull pointed at both ends in plan, wider above. */
function hull(halfLength: number, halfWidth: number, deck: number): Distance {
  return (x, y, z) => {
    const along = Math.abs(x - 0.12 * y) / halfLength;
    const width = halfWidth * Math.sqrt(Math.max(0, 1 - along * along * along)) * (0.82 + (0.18 * y) / deck);
    const top = deck * (1 + 0.35 * Math.max(0, x / halfLength) ** 2);
    return 0.6 * Math.max(Math.abs(z) - width, y - top, -0.5 - y, Math.abs(x - 0.12 * y) - halfLength);
  };
}

function shipCargo(random: Random): Scene {
  const containers: readonly Vec[] = [
    [0.62, 0.2, 0.14],
    [0.2, 0.36, 0.5],
    [0.7, 0.55, 0.25],
    [0.35, 0.42, 0.4],
  ];
  return {
    ...camera({ to: [0, 1.9, 0], distance: 30, azimuth: 22, elevation: 7, width: 0.245 }, random),
    solids: [
      {
        distance: hull(6.8, 1.35, 1.5),
        paint: (_x, y) => (y < 0.42 ? [0.5, 0.13, 0.1] : y > 1.35 ? [0.85, 0.85, 0.84] : [0.13, 0.16, 0.24]),
        gloss: 0.15,
      },
      {
        distance: union(
          block([-4.5, 2.6, 0], [0.95, 1.3, 1.1], 0.05),
          block([-4.2, 3.9, 0], [0.5, 0.35, 1.25], 0.05),
          limb([-4.6, 4, 0], [-4.6, 5.6, 0], 0.06),
        ),
        paint: (x, y, z) => {
          const window = (y * 1.9) % 1 < 0.4 && y > 1.9 && (Math.abs(z) > 1.02 || x > -3.6);
          return window ? [0.35, 0.38, 0.42] : [0.93, 0.93, 0.91];
        },
      },
      {
        distance: block([-5.15, 3.9, 0], [0.32, 0.75, 0.4], 0.1),
        paint: (_x, y) => (y > 4.2 ? [0.12, 0.12, 0.12] : [0.8, 0.3, 0.1]),
      },
      {
        distance: union(
          block([-1.6, 2, 0], [1.45, 0.75, 1.1]),
          block([1.6, 2, 0], [1.45, 0.65, 1.1]),
          block([4.2, 1.9, 0], [0.9, 0.45, 0.75]),
        ),
        paint: (x, y) =>
          containers[Math.abs(Math.floor(x * 0.7) * 3 + Math.floor(y * 1.6)) % containers.length],
      },
      { distance: limb([5.6, 1.8, 0], [5.6, 3.6, 0], 0.06), paint: () => [0.85, 0.8, 0.6] },
      sea([0.1, 0.24, 0.36], [0.2, 0.38, 0.5]),
    ],
    sky: openSky([0.5, 0.68, 0.88], [0.82, 0.89, 0.95], 0.2, 8),
    sun: [0.5, 1, 0.9],
  };
}

function shipSail(random: Random): Scene {
  const boat = hull(2.3, 0.6, 0.55);
  const bulge = (y: number): number => 0.28 * Math.max(0, 1 - ((y - 2.2) / 2) ** 2);
  const sail =
    (outline: readonly (readonly [number, number])[]): Distance =>
    (x, y, z) =>
      0.7 * profile(outline, 0, 0.03)(x, y, z - bulge(y));
  return {
    ...camera({ to: [0, 2.1, 0], distance: 15, azimuth: 15, elevation: 5, width: 0.21 }, random),
    solids: [
      { distance: boat, paint: (_x, y) => (y > 0.4 ? [0.92, 0.9, 0.86] : [0.14, 0.2, 0.34]), gloss: 0.2 },
      {
        distance: union(
          sail([
            [-1.75, 0.95],
            [0.12, 0.95],
            [0.12, 4.6],
          ]),
          sail([
            [0.32, 0.75],
            [2.15, 0.7],
            [0.3, 4],
          ]),
        ),
        paint: () => [0.96, 0.95, 0.92],
      },
      {
        distance: union(
          limb([0.2, 0.4, 0], [0.2, 4.8, 0], 0.045),
          limb([0.2, 0.85, 0], [-1.8, 0.85, 0], 0.04),
          block([-0.5, 0.68, 0], [0.6, 0.14, 0.32], 0.06),
        ),
        paint: () => [0.5, 0.4, 0.3],
      },
      sea([0.12, 0.28, 0.42], [0.24, 0.42, 0.55]),
    ],
    sky: openSky([0.42, 0.62, 0.86], [0.82, 0.89, 0.95], 0.3, 2),
    sun: [0.5, 0.9, 1],
  };
}

// Airplane ————————————————————————————————————————————————————————————————————————————————————————————————————————————

/** An airliner 8 units long, its nose at positive x, belly at y = 0. */
function airliner(): Solid[] {
  const body = blend(
    0.5,
    limb([-2.2, 0.5, 0], [2.9, 0.5, 0], 0.5),
    ellipsoid([2.7, 0.47, 0], [1.3, 0.48, 0.48]),
    limb([-2, 0.52, 0], [-4, 0.82, 0], 0.46, 0.12),
  );
  const wing: Distance = (x, y, z) =>
    plate(
      [
        [0.9, 0.2],
        [-0.6, 0.2],
        [-1.75, 4.3],
        [-1.3, 4.3],
      ],
      0.32 + 0.1 * Math.abs(z),
      0.06,
    )(x, y, z);
  const tail = union(
    profile(
      [
        [-3.1, 0.8],
        [-3.85, 2.1],
        [-4.35, 2.1],
        [-4.1, 0.8],
      ],
      0,
      0.05,
    ),
    bothSides(
      plate(
        [
          [-3.3, 0],
          [-3.95, 0],
          [-4.45, 1.5],
          [-4.15, 1.5],
        ],
        0.9,
        0.04,
      ),
    ),
  );
  const engines = bothSides(limb([0.5, 0.02, 1.5], [-0.35, 0.02, 1.5], 0.25, 0.2));
  return [
    {
      distance: body,
      gloss: 0.25,
      paint: (x, y) => {
        if (x > 3.35 && y > 0.6 && y < 0.74) return [0.12, 0.14, 0.18];
        if (Math.abs(y - 0.58) < 0.05 && x > -2.8 && x < 3 && (x * 3.2) % 1 < 0.5) return [0.25, 0.28, 0.34];
        return y < 0.3 ? [0.72, 0.74, 0.77] : [0.95, 0.95, 0.95];
      },
    },
    { distance: bothSides(wing), paint: () => [0.76, 0.78, 0.81], gloss: 0.2 },
    { distance: tail, paint: (_x, y) => (y > 1.05 ? [0.12, 0.24, 0.55] : [0.85, 0.86, 0.88]) },
    { distance: engines, paint: (x) => (x > 0.66 ? [0.1, 0.1, 0.12] : [0.8, 0.81, 0.83]), gloss: 0.2 },
  ];
}

function airplaneFlying(random: Random): Scene {
  return {
    ...camera({ to: [-0.2, 0.75, 0], distance: 20, azimuth: 30, elevation: -16, width: 0.235 }, random),
    solids: airliner().map((part) => ({ ...part, distance: pitched(part.distance, 0.1) })),
    sky: openSky([0.32, 0.55, 0.85], [0.6, 0.76, 0.92], 0.35, 1),
    sun: [0.3, 1, 0.8],
    ambient: 0.55,
  };
}

function airplaneParked(random: Random): Scene {
  const legs = union(
    limb([3, 0.2, 0], [3, -0.75, 0], 0.06),
    bothSides(limb([-0.4, 0.3, 0.7], [-0.4, -0.75, 0.7], 0.08)),
    wheel([3, -0.72, 0], 0.18, 0.1),
    bothSides(wheel([-0.4, -0.68, 0.7], 0.24, 0.16)),
  );
  return {
    ...camera({ to: [-0.3, 0.55, 0], distance: 21, azimuth: 24, elevation: 5, width: 0.23 }, random),
    solids: [
      ...airliner(),
      { distance: legs, paint: () => [0.16, 0.16, 0.17] },
      ground(
        (x, _y, z) =>
          z < -9
            ? patches([0.4, 0.47, 0.26], [0.5, 0.54, 0.33], 1)(x, 0, z)
            : patches([0.6, 0.6, 0.58], [0.68, 0.68, 0.66], 2)(x, 0, z),
        -0.92,
      ),
    ],
    sky: openSky([0.45, 0.65, 0.9], [0.84, 0.9, 0.96], 0.15, 6),
    sun: [0.3, 1, 0.9],
  };
}

export const vehicleScenes: Readonly<Record<string, (random: Random) => Scene>> = {
  airplane_flying: airplaneFlying,
  airplane_parked: airplaneParked,
  automobile_blue: automobileBlue,
  automobile_red: automobileRed,
  ship_cargo: shipCargo,
  ship_sail: shipSail,
  truck_white: truckWhite,
};
