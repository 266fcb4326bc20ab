/** Bird, cat, deer, dog, frog and horse, each in its surroundings; all look towards positive x or at the viewer. */

import type { Random } from '../../src/random.ts';
import { cloud, mix, step } from './noise.ts';
import type { Scene, Solid } from './render.ts';
import {
  ball,
  blend,
  bothSides,
  type Distance,
  ellipsoid,
  limb,
  pitched,
  union,
  type Vec,
} from './solids.ts';
import { camera, foliage, ground, patches } from './surroundings.ts';

const fur: readonly [number, number] = [0.7, 14];
const black: Vec = [0.06, 0.05, 0.05];

const grass: Solid = {
  ...ground(patches([0.34, 0.44, 0.2], [0.52, 0.6, 0.33], 0.35)),
  relief: [0.8, 5],
};

// Horse and deer ——————————————————————————————————————————————————————————————————————————————————————————————————————

function horseMeadow(random: Random): Scene {
  const coat: Vec = [0.55, 0.32, 0.17];
  const dark: Vec = [0.16, 0.1, 0.07];
  const body = blend(
    0.14,
    ellipsoid([0, 1.22, 0], [0.75, 0.34, 0.29]),
    ellipsoid([0.52, 1.23, 0], [0.34, 0.37, 0.26]),
    ellipsoid([-0.58, 1.27, 0], [0.37, 0.37, 0.28]),
    limb([0.62, 1.38, 0], [1.02, 1.92, 0], 0.23, 0.13),
    limb([1.03, 1.97, 0], [1.4, 1.62, 0], 0.135, 0.085),
    bothSides(limb([1, 2.06, 0.06], [1.02, 2.22, 0.08], 0.045, 0.02)),
  );
  const legs = blend(
    0.06,
    limb([0.5, 1.05, 0.16], [0.56, 0.58, 0.16], 0.13, 0.07),
    limb([0.56, 0.58, 0.16], [0.54, 0.06, 0.16], 0.06, 0.055),
    limb([0.56, 1.05, -0.16], [0.72, 0.6, -0.16], 0.13, 0.07),
    limb([0.72, 0.6, -0.16], [0.66, 0.06, -0.16], 0.06, 0.055),
    limb([-0.6, 1.12, 0.17], [-0.66, 0.68, 0.17], 0.2, 0.09),
    limb([-0.66, 0.68, 0.17], [-0.78, 0.52, 0.17], 0.08, 0.06),
    limb([-0.78, 0.52, 0.17], [-0.74, 0.06, 0.17], 0.06, 0.055),
    limb([-0.55, 1.12, -0.17], [-0.48, 0.68, -0.17], 0.2, 0.09),
    limb([-0.48, 0.68, -0.17], [-0.58, 0.5, -0.17], 0.08, 0.06),
    limb([-0.58, 0.5, -0.17], [-0.52, 0.06, -0.17], 0.06, 0.055),
  );
  const hair = union(
    limb([0.97, 2.08, 0], [0.5, 1.56, 0], 0.07, 0.1),
    limb([0.9, 1.95, 0.06], [0.55, 1.5, 0.14], 0.06, 0.09),
    limb([-0.9, 1.42, 0], [-1.06, 1.05, 0.03], 0.06, 0.1),
    limb([-1.06, 1.05, 0.03], [-1.05, 0.5, 0.04], 0.1, 0.05),
  );
  return {
    ...camera({ to: [0.12, 1.12, 0], distance: 9, azimuth: 16, elevation: 4, width: 0.16 }, random),
    solids: [
      {
        distance: blend(0.12, body, legs),
        relief: [0.25, 9],
        gloss: 0.06,
        paint: (x, y) => {
          if (y < 0.62) return mix(coat, dark, step(0.62, 0.4, y));
          if (x > 1.3 && y < 1.72) return dark;
          return mix(coat, [0.68, 0.42, 0.23], step(0.35, 0.7, cloud(2 * x, 2 * y, 0)));
        },
      },
      { distance: hair, paint: () => dark },
      grass,
    ],
    sky: (dx, dy, dz) => foliage([0.18, 0.3, 0.12], [0.5, 0.6, 0.34], 9, 2)(dx, dy, dz),
    sun: [0.4, 1, 0.8],
  };
}

function deerForest(random: Random): Scene {
  const coat: Vec = [0.58, 0.4, 0.24];
  const pale: Vec = [0.84, 0.76, 0.64];
  const body = blend(
    0.1,
    ellipsoid([0, 1.08, 0], [0.6, 0.25, 0.2]),
    ellipsoid([0.42, 1.08, 0], [0.25, 0.28, 0.19]),
    ellipsoid([-0.44, 1.1, 0], [0.27, 0.27, 0.2]),
    limb([0.5, 1.18, 0], [0.72, 1.64, 0], 0.17, 0.1),
    limb([0.73, 1.7, 0], [1.03, 1.56, 0], 0.115, 0.055),
    bothSides(limb([0.66, 1.78, 0.08], [0.6, 1.9, 0.24], 0.045, 0.03)),
    limb([-0.68, 1.2, 0], [-0.78, 1.08, 0], 0.07, 0.04),
  );
  const legs = blend(
    0.05,
    limb([0.42, 0.98, 0.12], [0.44, 0.52, 0.12], 0.1, 0.05),
    limb([0.44, 0.52, 0.12], [0.43, 0.04, 0.12], 0.042, 0.04),
    limb([0.44, 0.98, -0.12], [0.56, 0.54, -0.12], 0.1, 0.05),
    limb([0.56, 0.54, -0.12], [0.52, 0.04, -0.12], 0.042, 0.04),
    limb([-0.46, 1, 0.12], [-0.5, 0.62, 0.12], 0.15, 0.06),
    limb([-0.5, 0.62, 0.12], [-0.6, 0.5, 0.12], 0.055, 0.045),
    limb([-0.6, 0.5, 0.12], [-0.57, 0.04, 0.12], 0.042, 0.04),
    limb([-0.42, 1, -0.12], [-0.36, 0.62, -0.12], 0.15, 0.06),
    limb([-0.36, 0.62, -0.12], [-0.44, 0.5, -0.12], 0.055, 0.045),
    limb([-0.44, 0.5, -0.12], [-0.4, 0.04, -0.12], 0.042, 0.04),
  );
  const antlers = bothSides(
    union(
      limb([0.68, 1.8, 0.05], [0.56, 2.05, 0.22], 0.032, 0.03),
      limb([0.56, 2.05, 0.22], [0.64, 2.4, 0.36], 0.03, 0.022),
      limb([0.66, 1.88, 0.1], [0.86, 2.06, 0.16], 0.028, 0.02),
      limb([0.57, 2.1, 0.24], [0.8, 2.28, 0.26], 0.028, 0.02),
      limb([0.59, 2.2, 0.28], [0.42, 2.42, 0.34], 0.028, 0.02),
    ),
  );
  return {
    ...camera({ to: [0.1, 1.2, 0], distance: 9, azimuth: 24, elevation: 4, width: 0.15 }, random),
    solids: [
      {
        distance: blend(0.08, body, legs),
        relief: [0.3, 10],
        paint: (x, y, z) => {
          if (x < -0.62 && y > 1) return pale;
          if (x > 0.97) return black;
          if (y < 0.95 && y > 0.7 && Math.abs(z) < 0.14) return pale;
          if (x > 0.82 && y < 1.6) return pale;
          return mix(coat, [0.66, 0.47, 0.29], step(0.35, 0.7, cloud(3 * x, 3 * y, 0)));
        },
      },
      { distance: antlers, paint: () => [0.42, 0.33, 0.24] },
      { distance: bothSides(ball([0.84, 1.72, 0.085], 0.025)), paint: () => black },
      { ...ground(patches([0.4, 0.38, 0.18], [0.56, 0.54, 0.3], 0.4)), relief: [0.8, 5] },
    ],
    sky: (dx, dy, dz) => foliage([0.16, 0.22, 0.13], [0.4, 0.44, 0.28], 8, 5)(dx, 0.4 * dy, dz),
    sun: [0.4, 1, 0.8],
  };
}

// Dog and cat —————————————————————————————————————————————————————————————————————————————————————————————————————————

function dogLawn(random: Random): Scene {
  const white: Vec = [0.93, 0.9, 0.86];
  const brown: Vec = [0.52, 0.3, 0.16];
  const head = blend(
    0.12,
    ellipsoid([0, 1.1, 0], [0.3, 0.3, 0.3]),
    limb([0, 1, 0.2], [0, 0.95, 0.44], 0.16, 0.11),
    ellipsoid([0, 0.92, 0.2], [0.24, 0.17, 0.2]),
  );
  const body = blend(
    0.15,
    ellipsoid([0, 0.55, -0.12], [0.3, 0.42, 0.28]),
    ellipsoid([0, 0.3, -0.35], [0.4, 0.34, 0.36]),
    limb([0.14, 0.55, 0.08], [0.16, 0.08, 0.18], 0.13, 0.09),
    limb([-0.14, 0.55, 0.08], [-0.16, 0.08, 0.18], 0.13, 0.09),
    limb([0.16, 0.07, 0.18], [0.17, 0.05, 0.3], 0.08, 0.075),
    limb([-0.16, 0.07, 0.18], [-0.17, 0.05, 0.3], 0.08, 0.075),
    limb([0.36, 0.1, -0.25], [0.42, 0.07, 0.1], 0.15, 0.08),
    limb([-0.36, 0.1, -0.25], [-0.42, 0.07, 0.1], 0.15, 0.08),
  );
  const ear = blend(
    0.1,
    limb([0.24, 1.28, 0], [0.36, 1.12, 0.04], 0.09, 0.1),
    limb([0.36, 1.12, 0.04], [0.38, 0.86, 0.08], 0.1, 0.08),
  );
  return {
    ...camera({ to: [0, 0.72, 0], distance: 5, azimuth: -16, elevation: 10, width: 0.155 }, random),
    solids: [
      {
        distance: blend(0.12, head, body),
        relief: fur,
        paint: (x, y, z) => {
          const mask = y > 1 && Math.abs(x) > 0.07 + 0.1 * step(0.2, 0.42, z) && z < 0.36;
          const saddle = z < -0.1 && y < 0.9 && cloud(3 * x, 3 * y, 3 * z) > 0.45;
          return mask || saddle ? brown : white;
        },
      },
      { distance: union(ear, (x, y, z) => ear(-x, y, z)), paint: () => [0.42, 0.23, 0.12], relief: fur },
      {
        distance: union(
          ellipsoid([0, 1, 0.54], [0.075, 0.055, 0.045]),
          ball([0.125, 1.16, 0.27], 0.046),
          ball([-0.125, 1.16, 0.27], 0.046),
        ),
        paint: () => black,
        gloss: 0.5,
      },
      grass,
    ],
    sky: foliage([0.2, 0.32, 0.14], [0.46, 0.56, 0.3], 8, 4),
    sun: [-0.4, 1, 0.9],
  };
}

function catRug(random: Random): Scene {
  const pale: Vec = [0.67, 0.63, 0.58];
  const dark: Vec = [0.28, 0.25, 0.23];
  const white: Vec = [0.9, 0.87, 0.82];
  const ear = (side: number): Distance => limb([0.22 * side, 1.17, 0], [0.34 * side, 1.48, 0], 0.17, 0.015);
  const head = blend(
    0.1,
    ellipsoid([0, 1.02, 0], [0.42, 0.32, 0.3]),
    ellipsoid([0, 0.91, 0.22], [0.18, 0.11, 0.13]),
    ear(1),
    ear(-1),
  );
  const body = blend(
    0.18,
    ellipsoid([0, 0.52, -0.18], [0.36, 0.48, 0.34]),
    ellipsoid([0.05, 0.26, -0.4], [0.5, 0.32, 0.5]),
    limb([0.13, 0.5, 0.08], [0.14, 0.06, 0.2], 0.13, 0.085),
    limb([-0.13, 0.5, 0.08], [-0.14, 0.06, 0.2], 0.13, 0.085),
  );
  return {
    ...camera({ to: [0.02, 0.87, 0], distance: 5, azimuth: 11, elevation: 6, width: 0.145 }, random),
    solids: [
      {
        distance: blend(0.12, head, body),
        relief: fur,
        paint: (x, y, z) => {
          if (y > 1.2 && y < 1.42 && Math.abs(Math.abs(x) - 0.19 - 0.32 * (y - 1.1)) < 0.07 && z > 0.05) {
            return [0.64, 0.48, 0.42];
          }
          if (z > 0.2 && y < 0.97 && y > 0.78 && Math.abs(x) < 0.16) return white;
          const wave = 2 * cloud(3 * x, 3 * y, 3 * z);
          const stripes = y > 1.12 ? Math.cos(42 * x + wave) : Math.sin(32 * y + 6 * Math.abs(x) + 2 * wave);
          const chest = step(0.24, 0.08, Math.abs(x)) * step(-0.05, 0.1, z) * step(0.85, 0.7, y);
          return mix(mix(pale, dark, 0.75 * step(-0.2, 0.7, stripes)), white, 0.7 * chest);
        },
      },
      {
        distance: union(ball([0.165, 1.06, 0.25], 0.07), ball([-0.165, 1.06, 0.25], 0.07)),
        paint: (x, y) =>
          Math.abs(Math.abs(x) - 0.165) < 0.035 ? black : y > 1.11 ? dark : [0.62, 0.66, 0.36],
        gloss: 0.4,
      },
      { distance: ellipsoid([0, 0.965, 0.35], [0.045, 0.03, 0.03]), paint: () => [0.62, 0.36, 0.34] },
      ground(patches([0.45, 0.2, 0.18], [0.55, 0.26, 0.22], 0.6)),
    ],
    sky: (dx, dy) => mix([0.3, 0.25, 0.22], [0.58, 0.52, 0.45], step(-0.15, 0.25, dy + 0.4 * dx)),
    sun: [0.7, 1, 0.8],
    ambient: 0.45,
  };
}

// Frog and bird ———————————————————————————————————————————————————————————————————————————————————————————————————————

function frogEarth(random: Random): Scene {
  const green: Vec = [0.46, 0.53, 0.24];
  const dark: Vec = [0.22, 0.25, 0.12];
  const pale: Vec = [0.78, 0.76, 0.52];
  const body = blend(
    0.12,
    pitched(ellipsoid([-0.1, 0.42, 0], [0.58, 0.3, 0.38]), 0.42, [-0.1, 0.42, 0]),
    pitched(ellipsoid([0.42, 0.62, 0], [0.34, 0.2, 0.3]), 0.05, [0.42, 0.62, 0]),
    bothSides(ball([0.4, 0.8, 0.19], 0.11)),
  );
  const limbs = bothSides(
    blend(
      0.06,
      limb([-0.42, 0.3, 0.3], [0.08, 0.3, 0.5], 0.19, 0.13),
      limb([0.08, 0.26, 0.52], [-0.46, 0.1, 0.56], 0.11, 0.08),
      limb([-0.46, 0.07, 0.56], [-0.02, 0.05, 0.66], 0.06, 0.05),
      limb([0.3, 0.42, 0.26], [0.36, 0.2, 0.4], 0.12, 0.08),
      limb([0.36, 0.2, 0.4], [0.46, 0.05, 0.36], 0.075, 0.055),
      limb([0.46, 0.05, 0.36], [0.62, 0.04, 0.42], 0.05, 0.035),
    ),
  );
  return {
    ...camera({ to: [0.06, 0.42, 0.1], distance: 4, azimuth: 32, elevation: 20, width: 0.19 }, random),
    solids: [
      {
        distance: blend(0.06, body, limbs),
        gloss: 0.3,
        relief: [0.35, 12],
        paint: (x, y, z) => {
          if (y < 0.56 && x > 0.25 && Math.abs(z) < 0.3) return pale;
          if (Math.abs(y - 0.58) < 0.02 && x > 0.3) return dark;
          const spots = step(0.52, 0.62, cloud(5 * x, 5 * y, 5 * z));
          return mix(green, dark, 0.85 * spots);
        },
      },
      {
        distance: bothSides(ball([0.44, 0.83, 0.235], 0.075)),
        paint: (x, y) => (Math.hypot(x - 0.48, y - 0.83) < 0.045 ? black : [0.72, 0.6, 0.2]),
        gloss: 0.6,
      },
      { ...ground(patches([0.28, 0.2, 0.12], [0.46, 0.36, 0.22], 0.3)), relief: [1.2, 5] },
    ],
    sky: foliage([0.16, 0.14, 0.08], [0.36, 0.34, 0.2], 9, 7),
    sun: [0.3, 1, 0.6],
  };
}

function birdBranch(random: Random): Scene {
  const back: Vec = [0.42, 0.36, 0.3];
  const breast: Vec = [0.82, 0.42, 0.16];
  const body = blend(
    0.12,
    pitched(ellipsoid([0, 0.6, 0], [0.46, 0.27, 0.26]), 0.6, [0, 0.6, 0]),
    ball([0.3, 0.98, 0], 0.21),
  );
  const tail = limb([-0.36, 0.38, 0], [-0.82, 0.02, 0], 0.09, 0.07);
  const wing = bothSides(pitched(ellipsoid([-0.16, 0.58, 0.22], [0.42, 0.17, 0.07]), 0.62, [-0.16, 0.58, 0]));
  return {
    ...camera({ to: [-0.05, 0.58, 0], distance: 5, azimuth: 8, elevation: 2, width: 0.175 }, random),
    solids: [
      {
        distance: body,
        relief: [0.35, 12],
        paint: (x, y) => {
          if (x + 0.5 * y > 0.6 && y < 1) return mix(breast, [0.9, 0.86, 0.8], step(0.5, 0.3, y));
          return back;
        },
      },
      {
        distance: union(wing, tail),
        paint: (x, y) =>
          mix([0.3, 0.26, 0.23], [0.5, 0.44, 0.38], step(-0.2, 0.6, Math.sin(22 * (x + 0.8 * y)))),
      },
      { distance: limb([0.48, 0.98, 0], [0.66, 0.95, 0], 0.05, 0.01), paint: () => [0.2, 0.17, 0.14] },
      { distance: bothSides(ball([0.37, 1.03, 0.175], 0.035)), paint: () => black, gloss: 0.6 },
      {
        distance: bothSides(limb([0.04, 0.36, 0.08], [0.08, 0.14, 0.08], 0.025)),
        paint: () => [0.35, 0.25, 0.18],
      },
      {
        distance: union(
          limb([-2, -0.12, 0.02], [2, 0.2, 0.02], 0.11, 0.08),
          limb([0.5, 0.08, 0], [1.2, 0.6, -0.3], 0.05, 0.03),
        ),
        paint: () => [0.42, 0.34, 0.26],
        relief: [0.9, 7],
      },
    ],
    sky: foliage([0.34, 0.46, 0.24], [0.66, 0.74, 0.5], 6, 9),
    sun: [0.5, 1, 0.9],
  };
}

export const animalScenes: Readonly<Record<string, (random: Random) => Scene>> = {
  bird_branch: birdBranch,
  cat_rug: catRug,
  deer_forest: deerForest,
  dog_lawn: dogLawn,
  frog_earth: frogEarth,
  horse_meadow: horseMeadow,
};
