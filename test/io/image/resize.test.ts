/** Resizing and input preparation against a slow definition and against inputs that other software made. */
import { describe, expect, it } from 'vitest';
import type { ImageOptions, Picture, TensorInfo } from '../../../src/io/image/index.ts';
import { decodePng, resizeBilinear, toInput } from '../../../src/io/image/index.ts';
import type { TensorData } from '../../../src/tensor.ts';
import { itWithData, readData, seeded } from '../../data.ts';

/** Both directions at once, in f64, straight from the definition in resize.ts, without rounding. */
function textbookResize(picture: Picture, outW: number, outH: number): Float64Array {
  const { width, height, channels, data } = picture;
  const weights = (inSize: number, outSize: number, i: number): number[] => {
    const scale = inSize / outSize;
    const support = Math.max(1, scale);
    const w = Array.from({ length: inSize }, (_, x) => {
      return Math.max(0, 1 - Math.abs(x + 0.5 - (i + 0.5) * scale) / support);
    });
    const sum = w.reduce((a, b) => a + b, 0);
    return w.map((value) => value / sum);
  };
  const out = new Float64Array(outW * outH * channels);
  for (let y = 0; y < outH; y++) {
    const wy = weights(height, outH, y);
    for (let x = 0; x < outW; x++) {
      const wx = weights(width, outW, x);
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let v = 0; v < height; v++) {
          for (let u = 0; u < width; u++) sum += wy[v] * wx[u] * data[(v * width + u) * channels + c];
        }
        out[(y * outW + x) * channels + c] = sum;
      }
    }
  }
  return out;
}

function randomPicture(width: number, height: number, channels: 1 | 2 | 3 | 4, real: boolean): Picture {
  const random = seeded(width * 31 + height);
  const length = width * height * channels;
  const data = real
    ? Float32Array.from({ length }, () => random(65536) / 257)
    : Uint8Array.from({ length }, () => random(256));
  return { width, height, channels, data };
}

const sizes = [
  [7, 5, 14, 10],
  [14, 10, 7, 5],
  [13, 9, 5, 17],
  [5, 17, 13, 4],
  [1, 1, 3, 3],
  [9, 9, 1, 1],
  [6, 4, 6, 9],
  [31, 3, 2, 3],
];

describe('resizeBilinear', () => {
  it.each(sizes)('real pixels, %i x %i to %i x %i: equal to the definition', (width, height, outW, outH) => {
    for (const channels of [1, 3] as const) {
      const picture = randomPicture(width, height, channels, true);
      const resized = resizeBilinear(picture, outW, outH);
      expect([resized.width, resized.height, resized.channels]).toEqual([outW, outH, channels]);
      const expected = textbookResize(picture, outW, outH);
      for (let i = 0; i < expected.length; i++) expect(resized.data[i]).toBeCloseTo(expected[i], 3);
    }
  });

  it.each(sizes)('bytes, %i x %i to %i x %i: within the two roundings', (width, height, outW, outH) => {
    const picture = randomPicture(width, height, 3, false);
    const resized = resizeBilinear(picture, outW, outH);
    const expected = textbookResize(picture, outW, outH);
    expect(resized.data).toBeInstanceOf(Uint8Array);
    for (let i = 0; i < expected.length; i++) {
      expect(Math.abs(resized.data[i] - expected[i])).toBeLessThanOrEqual(1.001);
    }
  });

  it('the same size gives the same picture', () => {
    const picture = randomPicture(4, 4, 3, false);
    expect(resizeBilinear(picture, 4, 4)).toBe(picture);
  });

  it('refuses a size of nothing', () => {
    expect(() => resizeBilinear(randomPicture(4, 4, 1, false), 0, 3)).toThrow(/0x3/);
  });
});

function numbers(data: TensorData): number[] {
  const out: number[] = [];
  for (const value of data) out.push(Number(value));
  return out;
}

describe('toInput', () => {
  const rgb: Picture = { width: 2, height: 1, channels: 3, data: Uint8Array.of(10, 20, 30, 200, 100, 0) };
  const f32 = (...shape: number[]): TensorInfo => ({ dtype: 'f32', shape });

  it('channel orders and layouts', () => {
    expect(numbers(toInput(rgb, {}, f32(1, 1, 2, 3)))).toEqual([10, 20, 30, 200, 100, 0]);
    expect(numbers(toInput(rgb, { channels: 'bgr' }, f32(1, 1, 2, 3)))).toEqual([30, 20, 10, 0, 100, 200]);
    expect(numbers(toInput(rgb, { layout: 'nchw' }, f32(1, 3, 1, 2)))).toEqual([10, 200, 20, 100, 30, 0]);
    // 0.299 r + 0.587 g + 0.114 b = 18.15 and 118.4998 (with the weights in 16 bits)
    expect(numbers(toInput(rgb, { channels: 'grey' }, f32(1, 1, 2, 1)))).toEqual([18, 118]);
  });

  it('grey pictures fill three channels; alpha is ignored or blended', () => {
    const grey: Picture = { width: 1, height: 1, channels: 2, data: Uint8Array.of(100, 51) };
    expect(numbers(toInput(grey, {}, f32(1, 1, 1, 3)))).toEqual([100, 100, 100]);
    expect(numbers(toInput(grey, { alpha: 'black' }, f32(1, 1, 1, 3)))).toEqual([20, 20, 20]);
    expect(numbers(toInput(grey, { alpha: 'white' }, f32(1, 1, 1, 3)))).toEqual([224, 224, 224]);
    const rgba: Picture = { width: 1, height: 1, channels: 4, data: Uint8Array.of(10, 20, 30, 0) };
    expect(numbers(toInput(rgba, {}, f32(1, 1, 1, 3)))).toEqual([10, 20, 30]);
    expect(numbers(toInput(rgba, { alpha: 'white', channels: 'grey' }, f32(1, 1, 1, 1)))).toEqual([255]);
  });

  it('mean and deviation by channel, then quantised', () => {
    const scaling = { kind: 'real', mean: [10, 20, 30], std: [1, 2, 4] } as const;
    expect(numbers(toInput(rgb, { scaling }, f32(1, 1, 2, 3)))).toEqual([0, 0, 0, 190, 40, -7.5]);
    expect(numbers(toInput(rgb, { scaling, layout: 'nchw' }, f32(1, 3, 1, 2)))).toEqual([
      0, 190, 0, 40, 0, -7.5,
    ]);
    const info: TensorInfo = {
      dtype: 'i8',
      shape: [1, 1, 2, 3],
      quantization: { scale: [3], zeroPoint: [-1], axis: 0 },
    };
    expect(numbers(toInput(rgb, { scaling }, info))).toEqual([-1, -1, -1, 62, 12, -4]); // −2.5 rounds away
    expect(numbers(toInput(rgb, { scaling, rounding: 'truncate' }, info))).toEqual([-1, -1, -1, 62, 12, -3]);
  });

  it('stored = pixel + offset, saturated', () => {
    const scaling = { kind: 'stored', offset: -100 } as const;
    const info = { dtype: 'i8', shape: [1, 1, 2, 3] } as const;
    expect(numbers(toInput(rgb, { scaling }, info))).toEqual([-90, -80, -70, 100, 0, -100]);
    const more = { kind: 'stored', offset: -140 } as const;
    expect(numbers(toInput(rgb, { scaling: more }, info))).toEqual([-128, -120, -110, 60, -40, -128]);
  });

  it.each<[string, readonly number[], RegExp]>([
    [
      'wrong channels',
      [1, 4, 4, 1],
      /expected an input of 3 channels in nhwc order, the network's is \[1, 4, 4, 1\]/,
    ],
    ['not a picture', [1, 640], /expected an input of 3 channels/],
  ])('%s', (_, shape, message) => {
    expect(() => toInput(rgb, {}, f32(...shape))).toThrow(message);
  });
});

describe('inputs that other software made', () => {
  const picture = (name: string): Picture => decodePng(readData(`models/images/${name}.png`));
  const real = (mean: number[], std: number[]) => ({ kind: 'real', mean, std }) as const;
  const stored = (offset: number) => ({ kind: 'stored', offset }) as const;
  const imagenet = real([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
  const q = { scale: [0.018631116], zeroPoint: [-14], axis: 0 };
  const tiny = 'mlperf-tiny/golden/vww_96';
  const models = 'models/golden';

  const cases: [string, string, ImageOptions, TensorInfo][] = [
    [
      'cat',
      `${models}/mobilenet_v1_0.25_128_quant.tflite.in0.bin`,
      { scaling: stored(0) },
      { dtype: 'u8', shape: [1, 128, 128, 3] },
    ],
    [
      'cat',
      `${models}/mobilenet_v1_0.75_192_quant.tflite.in0.bin`,
      { scaling: stored(0) },
      { dtype: 'u8', shape: [1, 192, 192, 3] },
    ],
    [
      'cat',
      `${models}/mobilenet_v2_1.0_224_quant.tflite.in0.bin`,
      { scaling: stored(0) },
      { dtype: 'u8', shape: [1, 224, 224, 3] },
    ],
    [
      'cat',
      `${models}/mobilenet_v2_quantized_1x3x224x224.tflite.in0.bin`,
      { layout: 'nchw', scaling: imagenet },
      { dtype: 'i8', shape: [1, 3, 224, 224], quantization: q },
    ],
    [
      'cat',
      `${tiny}_int8.tflite.cat.in0.bin`,
      { scaling: stored(-128) },
      { dtype: 'i8', shape: [1, 96, 96, 3] },
    ],
    [
      'grace_hopper',
      `${tiny}_int8.tflite.grace_hopper.in0.bin`,
      { scaling: stored(-128) },
      { dtype: 'i8', shape: [1, 96, 96, 3] },
    ],
    [
      'grace_hopper',
      `${tiny}_float.tflite.grace_hopper.in0.bin`,
      { scaling: real([0], [255]) },
      { dtype: 'f32', shape: [1, 96, 96, 3] },
    ],
    [
      'face',
      `${models}/version-slim-320_without_postprocessing.tflite.in0.bin`,
      { scaling: real([127], [128]) },
      { dtype: 'f32', shape: [1, 240, 320, 3] },
    ],
    [
      'face',
      `${models}/version-slim-320.onnx.in0.bin`,
      { layout: 'nchw', scaling: real([127], [128]) },
      { dtype: 'f32', shape: [1, 3, 240, 320] },
    ],
    [
      'cat',
      `${models}/super_resolution_core_op18.onnx.in0.bin`,
      { channels: 'grey', layout: 'nchw', scaling: real([0], [255]) },
      { dtype: 'f32', shape: [1, 1, 224, 224] },
    ],
    [
      'mnist_nine',
      `${models}/mnist.onnx.in0.bin`,
      { channels: 'grey', layout: 'nchw' },
      { dtype: 'f32', shape: [1, 1, 28, 28] },
    ],
  ];
  for (const [name, file, options, info] of cases) {
    itWithData(`${file} from ${name}.png, byte for byte`, [file, `models/images/${name}.png`], () => {
      const input = toInput(picture(name), options, info);
      const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
      expect(Buffer.compare(bytes, readData(file))).toBe(0);
    });
  }
});
