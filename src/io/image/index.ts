/** The door `vireo-nn/image`: PNG files to pictures, pictures to a network's input. */

export type { TensorInfo } from '../../tensor.ts';
export type { Rounding } from '../cards/store.ts';
export type { Rectangle } from './draw.ts';
export { drawRectangles } from './draw.ts';
export type { Picture } from './picture.ts';
export type { PictureLimits } from './png.ts';
export { decodePng, encodePng } from './png.ts';
export { resizeBilinear } from './resize.ts';
export type { ImageOptions } from './to-input.ts';
export { toInput } from './to-input.ts';
