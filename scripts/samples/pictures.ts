/** The ten classes of CIFAR-10 as scenes of simple solids, 32×32 RGB. */

import type { Picture } from '../../src/io/image/index.ts';
import { type Random, randomStream } from '../../src/random.ts';
import { animalScenes } from './animals.ts';
import { render, type Scene } from './render.ts';
import { vehicleScenes } from './vehicles.ts';

const scenes: Readonly<Record<string, (random: Random) => Scene>> = { ...animalScenes, ...vehicleScenes };

/** File names without their ending: `CLASS_FORM`. */
export const pictureNames: readonly string[] = Object.keys(scenes).sort();

/** One picture for a scene's name. Variations shift the camera and the grain. */
export function drawPicture(name: string, variation = 0): Picture {
  const keys = [...[...name].map((letter) => letter.charCodeAt(0)), variation];
  return render(scenes[name](randomStream(...keys)), keys.reduce((sum, key) => 31 * sum + key) | 0);
}
