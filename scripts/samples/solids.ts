/**
 * Bodies as signed distance functions, in metres or whatever the scene likes: x to the right, y up, z to the viewer.
 *
 *   d(p) < 0 inside, 0 on the surface, > 0 outside and never more than the way to the surface (nearly: ellipsoids)
 *
 * Source: I. Quilez, "Distance functions" (https://iquilezles.org/articles/distfunctions); formulas only. The smooth
 * union is the polynomial one.
 */

export type Vec = readonly [x: number, y: number, z: number];
export type Distance = (x: number, y: number, z: number) => number;

export function ball([cx, cy, cz]: Vec, radius: number): Distance {
  return (x, y, z) => length(x - cx, y - cy, z - cz) - radius;
}

/** A bound, not the distance: |p/r|·(|p/r| − 1)/|p/r²|. */
export function ellipsoid([cx, cy, cz]: Vec, [rx, ry, rz]: Vec): Distance {
  const least = Math.min(rx, ry, rz);
  return (x, y, z) => {
    const [ux, uy, uz] = [(x - cx) / rx, (y - cy) / ry, (z - cz) / rz];
    const k = length(ux, uy, uz);
    const slope = length(ux / rx, uy / ry, uz / rz);
    return slope === 0 ? -least : (k * (k - 1)) / slope;
  };
}

/** Sides 2·half, edges rounded off inside them. */
export function block([cx, cy, cz]: Vec, [hx, hy, hz]: Vec, rounding = 0): Distance {
  return (x, y, z) => {
    const dx = Math.abs(x - cx) - hx + rounding;
    const dy = Math.abs(y - cy) - hy + rounding;
    const dz = Math.abs(z - cz) - hz + rounding;
    const outside = length(Math.max(dx, 0), Math.max(dy, 0), Math.max(dz, 0));
    return outside + Math.min(0, Math.max(dx, dy, dz)) - rounding;
  };
}

/** A straight piece with round ends, its radius going from one to the other. */
export function limb([ax, ay, az]: Vec, [bx, by, bz]: Vec, radiusA: number, radiusB = radiusA): Distance {
  const [lx, ly, lz] = [bx - ax, by - ay, bz - az];
  const length2 = lx * lx + ly * ly + lz * lz;
  return (x, y, z) => {
    const [px, py, pz] = [x - ax, y - ay, z - az];
    const t = Math.min(1, Math.max(0, (px * lx + py * ly + pz * lz) / length2));
    return length(px - t * lx, py - t * ly, pz - t * lz) - radiusA - t * (radiusB - radiusA);
  };
}

/** A disc with its axis along z: a wheel. */
export function wheel([cx, cy, cz]: Vec, radius: number, half: number): Distance {
  return (x, y, z) => {
    const [dx, dy] = [x - cx, y - cy];
    const around = Math.sqrt(dx * dx + dy * dy) - radius;
    return joinAxes(around, Math.abs(z - cz) - half);
  };
}

/** A polygon in x and y, from z = centre − half to centre + half. */
export function profile(
  polygon: readonly (readonly [number, number])[],
  centre: number,
  half: number,
  rounding = 0,
): Distance {
  return (x, y, z) =>
    joinAxes(polygonDistance(polygon, x, y) + rounding, Math.abs(z - centre) - half + rounding) - rounding;
}

/** A polygon in x and z lying flat, from y = centre − half to centre + half: a wing. */
export function plate(
  polygon: readonly (readonly [number, number])[],
  centre: number,
  half: number,
): Distance {
  return (x, y, z) => joinAxes(polygonDistance(polygon, x, z), Math.abs(y - centre) - half);
}

export function union(...parts: readonly Distance[]): Distance {
  return (x, y, z) => {
    let nearest = Infinity;
    for (const part of parts) nearest = Math.min(nearest, part(x, y, z));
    return nearest;
  };
}

/** One body out of parts that flow into each other where they are nearer than `reach`. */
export function blend(reach: number, ...parts: readonly Distance[]): Distance {
  return (x, y, z) => {
    let sum = Infinity;
    for (const part of parts) {
      const distance = part(x, y, z);
      const near = Math.max(0, 1 - Math.abs(distance - sum) / reach);
      sum = Math.min(sum, distance) - (near * near * reach) / 4;
    }
    return sum;
  };
}

export function without(body: Distance, hole: Distance): Distance {
  return (x, y, z) => Math.max(body(x, y, z), -hole(x, y, z));
}

/** The half with z > 0, and its mirror image. */
export function bothSides(half: Distance): Distance {
  return (x, y, z) => half(x, y, Math.abs(z));
}

/** Turned in the plane of x and y (a pitch), about a point; radians, counterclockwise. */
export function pitched(body: Distance, angle: number, [cx, cy]: Vec = [0, 0, 0]): Distance {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (x, y, z) => body(cx + cos * (x - cx) + sin * (y - cy), cy - sin * (x - cx) + cos * (y - cy), z);
}

export function length(x: number, y: number, z: number): number {
  return Math.sqrt(x * x + y * y + z * z);
}

/** Both conditions at once, with the true distance to the edge between them. */
function joinAxes(a: number, b: number): number {
  const [outA, outB] = [Math.max(a, 0), Math.max(b, 0)];
  return Math.min(0, Math.max(a, b)) + Math.sqrt(outA * outA + outB * outB);
}

export function polygonDistance(
  polygon: readonly (readonly [number, number])[],
  x: number,
  y: number,
): number {
  let nearest2 = Infinity;
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i];
    const [bx, by] = polygon[j];
    const [ex, ey] = [bx - ax, by - ay];
    const [px, py] = [x - ax, y - ay];
    const t = Math.min(1, Math.max(0, (px * ex + py * ey) / (ex * ex + ey * ey)));
    const [mx, my] = [px - t * ex, py - t * ey];
    nearest2 = Math.min(nearest2, mx * mx + my * my);
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside ? -Math.sqrt(nearest2) : Math.sqrt(nearest2);
}
