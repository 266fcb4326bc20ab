/**
 * A picture into the numbers that a network takes.
 *
 *   alpha → channels → size → layout → scaling → data type
 *
 * Source of the grey weights: ITU-R BT.601 in Pillow's 16-bit fixed point (`Convert.c`, L24):
 * grey = (19595·r + 38470·g + 7471·b + 2¹⁵) >> 16.
 */

import { VireoError } from '../../errors.ts';
import type { TensorData, TensorInfo } from '../../tensor.ts';
import { showShape } from '../../tensor.ts';
import type { Rounding } from '../cards/store.ts';
import { itemLength, storeAsIs, storeReal } from '../cards/store.ts';
import type { Picture } from './picture.ts';
import { resizeBilinear } from './resize.ts';

/** How a network wants its pictures. Every field has the default named first. */
export interface ImageOptions {
  /** Order of the channels; a grey picture gives r = g = b. */
  readonly channels?: 'rgb' | 'bgr' | 'grey';
  /** Layout of the network's input: [n, h, w, c] or [n, c, h, w]. */
  readonly layout?: 'nhwc' | 'nchw';
  /** `ignore` takes the colours as stored, as the usual training pipelines do; else blend over that colour. */
  readonly alpha?: 'ignore' | 'black' | 'white';
  /** `real`: (pixel − mean)/std, then quantised if the input is; `stored`: pixel + offset is the stored number. */
  readonly scaling?:
    | { readonly kind: 'real'; readonly mean: readonly number[]; readonly std: readonly number[] }
    | { readonly kind: 'stored'; readonly offset: number };
  readonly rounding?: Rounding;
}

/** One item for `info`, ready for `session.input(i).set(…)`. The picture is squashed to the input's size. */
export function toInput(picture: Picture, options: ImageOptions, info: TensorInfo): TensorData {
  const channels = options.channels === 'grey' ? 1 : 3;
  const { height, width } = inputExtents(info, options.layout ?? 'nhwc', channels);
  const resized = resizeBilinear(withChannels(picture, options), width, height);
  const pixels = options.layout === 'nchw' ? planar(resized) : resized.data;
  const scaling = options.scaling ?? { kind: 'real', mean: [0], std: [1] };
  if (scaling.kind === 'stored') {
    const stored = Float64Array.from(pixels, (pixel) => pixel + scaling.offset);
    return storeAsIs(stored, info, 'picture');
  }
  return storeReal(
    scaled(pixels, channels, scaling, options.layout ?? 'nhwc'),
    info,
    options.rounding ?? 'nearest',
    'picture',
  );
}

function inputExtents(
  info: TensorInfo,
  layout: 'nhwc' | 'nchw',
  channels: number,
): { height: number; width: number } {
  const { shape } = info;
  // A network may leave out the batch: [h, w, c].
  const item = shape.length === 4 ? shape.slice(1) : shape;
  const [height, width, depth] = layout === 'nhwc' ? item : [item[1], item[2], item[0]];
  if (item.length !== 3 || depth !== channels || itemLength(item) === 0) {
    throw new VireoError(
      'bad-input',
      `picture: expected an input of ${channels} channels in ${layout} order, the network's is ${showShape(shape)}`,
    );
  }
  return { height, width };
}

/** One grey or three colour channels, in the order asked for, without alpha. */
function withChannels(picture: Picture, options: ImageOptions): Picture {
  const { width, height, channels, data } = picture;
  const grey = options.channels === 'grey';
  const inColours = channels < 3 ? 1 : 3;
  const outColours = grey ? 1 : 3;
  if (channels === outColours && options.channels !== 'bgr') return picture;

  const bytes = data instanceof Uint8Array;
  const count = width * height;
  const out = bytes ? new Uint8Array(count * outColours) : new Float32Array(count * outColours);
  const blend = options.alpha !== undefined && options.alpha !== 'ignore' && channels !== inColours;
  const ground = options.alpha === 'white' ? 255 : 0;
  const colour = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      const value = data[i * channels + (inColours === 1 ? 0 : c)];
      const alpha = blend ? data[i * channels + inColours] / 255 : 1;
      const mixed = blend ? value * alpha + ground * (1 - alpha) : value;
      colour[c] = bytes ? Math.floor(mixed + 0.5) : mixed;
    }
    if (grey) {
      out[i] = inColours === 1 ? colour[0] : luma(colour, bytes);
    } else {
      const first = options.channels === 'bgr' ? 2 : 0;
      out[3 * i] = colour[first];
      out[3 * i + 1] = colour[1];
      out[3 * i + 2] = colour[2 - first];
    }
  }
  return { width, height, channels: outColours, data: out };
}

function luma(colour: readonly number[], bytes: boolean): number {
  const sum = 19595 * colour[0] + 38470 * colour[1] + 7471 * colour[2];
  return bytes ? (sum + 32768) >> 16 : sum / 65536;
}

/** (h, w, c) → (c, h, w) */
function planar(picture: Picture): Picture['data'] {
  const { width, height, channels, data } = picture;
  const area = width * height;
  const out = data instanceof Uint8Array ? new Uint8Array(data.length) : new Float32Array(data.length);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < channels; c++) out[c * area + i] = data[i * channels + c];
  }
  return out;
}

/** (pixel − mean[c])/std[c]; one mean and one deviation serve all channels. */
function scaled(
  pixels: Picture['data'],
  channels: number,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
  layout: 'nhwc' | 'nchw',
): Float64Array {
  for (const [name, list] of [
    ['mean', mean],
    ['std', std],
  ] as const) {
    if (list.length !== 1 && list.length !== channels) {
      throw new VireoError(
        'bad-input',
        `picture: ${name} has ${list.length} values for ${channels} channels`,
      );
    }
  }
  const area = pixels.length / channels;
  const out = new Float64Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) {
    const c = layout === 'nhwc' ? i % channels : Math.floor(i / area);
    out[i] = (pixels[i] - mean[c % mean.length]) / std[c % std.length];
  }
  return out;
}
