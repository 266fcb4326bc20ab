/** Each change alone against a case worked out by hand, then what holds for all of them together. */
import { describe, expect, it } from 'vitest';
import type { PictureAugmentation } from '../../../src/io/augment/picture.ts';
import { parsePictureAugmentation, planPictureAugmentation } from '../../../src/io/augment/picture.ts';
import { parseJson } from '../../../src/io/cards/json.ts';
import type { Random } from '../../../src/random.ts';
import { randomStream } from '../../../src/random.ts';
import { seeded } from '../../data.ts';
import { scripted } from './draws.ts';

type Shape = readonly [number, number, number];

function augment(
  options: PictureAugmentation,
  shape: Shape,
  x: ArrayLike<number>,
  random: Random,
  background: readonly number[] = [0],
): number[] {
  const out = new Float32Array(x.length).fill(Number.NaN);
  planPictureAugmentation(options, shape, background)(Float32Array.from(x), random, out);
  return [...out];
}

const low = 0; // a draw at the lower end, in the middle, and just beyond the upper end
const middle = 0.5;
const high = 1;
const last = 1 - 2 ** -24; // for whole numbers: the largest draw there is

const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9]; // 3 x 3
const row = [1, 2, 3, 4, 5]; // 1 x 5

describe('one change of a grey picture', () => {
  it.each<[string, PictureAugmentation, Shape, number[], number[], number[]]>([
    ['nothing asked', {}, [3, 3, 1], nine, [], nine],
    ['zeros ask for nothing', { shift: 0, cutout: 0, flip: false }, [3, 3, 1], nine, [], nine],
    ['shift 1: to the left, up', { shift: 1 }, [3, 3, 1], nine, [low, low], [5, 6, 0, 8, 9, 0, 0, 0, 0]],
    ['shift 1: to the right', { shift: 1 }, [3, 3, 1], nine, [last, middle], [0, 1, 2, 0, 4, 5, 0, 7, 8]],
    ['shift 1: stays', { shift: 1 }, [3, 3, 1], nine, [middle, middle], nine],
    ['crop is a shift', { crop: 2 }, [1, 5, 1], row, [last, middle], [0, 0, 1, 2, 3]],
    ['shift and crop add up', { shift: 1, crop: 1 }, [1, 5, 1], row, [0, 0.5, 0, 0.5], [3, 4, 5, 0, 0]],
    [
      'drift: half a pixel to the right',
      { drift: 0.5 },
      [1, 5, 1],
      row,
      [high, middle],
      [0.5, 1.5, 2.5, 3.5, 4.5],
    ],
    ['drift: a quarter up', { drift: 0.5 }, [3, 1, 1], [4, 8, 12], [middle, 0.25], [5, 9, 9]],
    ['rotate by 90 degrees', { rotate: 180 }, [3, 3, 1], nine, [0.75], [7, 4, 1, 8, 5, 2, 9, 6, 3]],
    ['rotate by -180 degrees', { rotate: 180 }, [3, 3, 1], nine, [low], [9, 8, 7, 6, 5, 4, 3, 2, 1]],
    ['zoom: half as large', { zoom: 0.5 }, [1, 5, 1], row, [low], [0, 1, 3, 5, 0]],
    ['zoom: 1.5 times as large', { zoom: 0.5 }, [1, 4, 1], [6, 0, 0, 9], [high], [3, 0, 0, 4.5]],
    ['stretch: half as wide', { stretch: 0.5 }, [1, 5, 1], row, [low], [0, 1, 3, 5, 0]],
    ['stretch: half as wide, twice as high', { stretch: 0.5 }, [5, 1, 1], row, [low], [2, 2.5, 3, 3.5, 4]],
    ['shear by 45 degrees', { shear: 45 }, [3, 3, 1], nine, [high], [2, 3, 0, 4, 5, 6, 0, 7, 8]],
    ['flip', { flip: true }, [3, 3, 1], nine, [0.49], [3, 2, 1, 6, 5, 4, 9, 8, 7]],
    ['no flip', { flip: true }, [3, 3, 1], nine, [0.5], nine],
    ['flipped after it moved', { shift: 1, flip: true }, [1, 5, 1], row, [low, middle, low], [4, 3, 2, 1, 0]],
    ['mirrored border', { shift: 2, border: 'reflect' }, [1, 5, 1], row, [last, middle], [3, 2, 1, 2, 3]],
    ['one pixel, mirrored', { shift: 9, border: 'reflect' }, [1, 1, 1], [7], [last, last], [7]],
    ['mirrored far away', { shift: 9, border: 'reflect' }, [1, 3, 1], [1, 2, 3], [low, middle], [2, 3, 2]],
    ['brightness', { brightness: 2 }, [1, 5, 1], row, [0.75], [2, 3, 4, 5, 6]],
    ['contrast: half', { contrast: 0.5 }, [1, 5, 1], row, [low], [2, 2.5, 3, 3.5, 4]],
    [
      'brightness and contrast',
      { brightness: 1, contrast: 1 },
      [1, 5, 1],
      row,
      [low, high],
      [-2, 0, 2, 4, 6],
    ],
    ['cutout 2 in the middle', { cutout: 2 }, [3, 3, 1], nine, [middle, middle], [0, 0, 3, 0, 0, 6, 7, 8, 9]],
    ['cutout 3, half outside', { cutout: 3 }, [3, 3, 1], nine, [last, low], [1, 0, 0, 4, 0, 0, 7, 8, 9]],
    ['cutout of everything', { cutout: 99 }, [3, 3, 1], nine, [low, last], [0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])('%s', (_, options, shape, x, draws, expected) => {
    const random = scripted(...draws);
    const out = augment(options, shape, x, random);
    expect(random.left()).toBe(0);
    for (let i = 0; i < x.length; i++)
      expect(out[i], `value ${i} of ${out.join(' ')}`).toBeCloseTo(expected[i], 5);
  });
});

describe('channels', () => {
  const x = [1, 10, 100, 2, 20, 200]; // 1 x 2 x 3
  it('a background for each channel', () => {
    expect(augment({ shift: 1 }, [1, 2, 3], x, scripted(last, middle), [-1, -2, -3])).toEqual([
      -1, -2, -3, 1, 10, 100,
    ]);
    expect(augment({ cutout: 1 }, [1, 2, 3], x, scripted(last, low), [-1, -2, -3])).toEqual([
      1, 10, 100, -1, -2, -3,
    ]);
  });
  it('flipped as whole pixels', () => {
    expect(augment({ flip: true }, [1, 2, 3], x, scripted(low))).toEqual([2, 20, 200, 1, 10, 100]);
  });
  it('saturation: distances from the mean of a pixel, here 37 and 74', () => {
    expect(augment({ saturation: 1 }, [1, 2, 3], x, scripted(low))).toEqual([37, 37, 37, 74, 74, 74]);
    expect(augment({ saturation: 1 }, [1, 2, 3], x, scripted(0.75))).toEqual([
      -17, -3.5, 131.5, -34, -7, 263,
    ]);
  });
  it('contrast is about the mean of all channels', () => {
    expect(augment({ contrast: 1 }, [1, 2, 3], x, scripted(low))).toEqual([
      55.5, 55.5, 55.5, 55.5, 55.5, 55.5,
    ]);
  });
});

describe('elastic', () => {
  /** Both directions at once, straight from the definition. */
  function textbook(
    x: ArrayLike<number>,
    [h, w]: Shape,
    alpha: number,
    sigma: number,
    random: Random,
  ): number[] {
    const radius = Math.ceil(3 * sigma);
    let sum = 0;
    for (let t = -radius; t <= radius; t++) sum += Math.exp(-(t * t) / (2 * sigma * sigma));
    const weight = (t: number): number =>
      Math.abs(t) > radius ? 0 : Math.exp(-(t * t) / (2 * sigma * sigma)) / sum;
    const field = (): ((j: number, i: number) => number) => {
      const noise = Array.from({ length: h * w }, () => 2 * random.uniform() - 1);
      return (j, i) =>
        alpha *
        noise.reduce(
          (total, value, at) => total + value * weight(Math.floor(at / w) - j) * weight((at % w) - i),
          0,
        );
    };
    const bendX = field();
    const bendY = field();
    const at = (j: number, i: number): number => (j >= 0 && j < h && i >= 0 && i < w ? x[j * w + i] : 0);
    return Array.from({ length: h * w }, (_, n) => {
      const [j, i] = [Math.floor(n / w), n % w];
      const u = i + bendX(j, i);
      const v = j + bendY(j, i);
      let value = 0;
      for (let b = 0; b < h; b++) {
        for (let a = 0; a < w; a++)
          value += at(b, a) * Math.max(0, 1 - Math.abs(u - a)) * Math.max(0, 1 - Math.abs(v - b));
      }
      return value;
    });
  }

  it.each([
    [9, 7, 8, 1],
    [5, 12, 30, 2.5],
    [4, 4, 20, 6],
  ])('%i x %i, alpha %f, sigma %f: equal to the definition', (h, w, alpha, sigma) => {
    const random = seeded(h);
    const x = Float32Array.from({ length: h * w }, () => random(1000) / 100);
    const out = augment({ elastic: { alpha, sigma } }, [h, w, 1], x, randomStream(3, h));
    const expected = textbook(x, [h, w, 1], alpha, sigma, randomStream(3, h));
    for (let i = 0; i < x.length; i++) expect(out[i]).toBeCloseTo(expected[i], 4);
    expect(out).not.toEqual([...x]);
  });
});

describe('all together', () => {
  const everything: PictureAugmentation = {
    shift: 2,
    crop: 1,
    drift: 0.5,
    rotate: 15,
    zoom: 0.2,
    stretch: 0.1,
    shear: 10,
    flip: true,
    elastic: { alpha: 20, sigma: 3 },
    brightness: 0.1,
    contrast: 0.3,
    saturation: 0.5,
    cutout: 4,
  };
  const shape: Shape = [12, 10, 3];
  const random = seeded(5);
  const x = Float32Array.from({ length: 360 }, () => random(1000) / 250 - 2);

  it('the same stream gives the same numbers, whatever was drawn before; another stream others', () => {
    const run = planPictureAugmentation(everything, shape, [0]);
    const [a, b, c] = [new Float32Array(360), new Float32Array(360), new Float32Array(360)];
    run(x, randomStream(1, 2, 3), a);
    run(x, randomStream(1, 2, 4), b);
    run(x, randomStream(1, 2, 3), c);
    expect(c).toEqual(a);
    expect(b).not.toEqual(a);
  });

  it('draws one number for each thing asked, in the documented order', () => {
    // 2 shift, 2 crop, 2 drift, rotate, zoom, stretch, shear, flip, 2·120 elastic, 3 colours, 2 cutout
    const draws = scripted(...new Array<number>(11 + 240 + 5).fill(middle));
    const out = augment(everything, shape, x, draws, [9]);
    expect(draws.left()).toBe(0);
    // In the middle nothing changes, but for the 4 x 4 of background about pixel (5, 6).
    const cut = (n: number): boolean => {
      const [j, i] = [Math.floor(n / 30), Math.floor(n / 3) % 10];
      return j >= 4 && j < 8 && i >= 3 && i < 7;
    };
    for (let n = 0; n < 360; n++) expect(out[n]).toBeCloseTo(cut(n) ? 9 : x[n], 5);
  });

  it('leaves the input as it is', () => {
    const before = x.slice();
    augment(everything, shape, x, randomStream(8));
    expect(x).toEqual(before);
  });

  it('random options: geometry and cutout stay between the least and the largest value, all is finite', () => {
    const most = (limit: number): number => (random(2) === 0 ? 0 : (random(1001) / 1000) * limit);
    for (let trial = 0; trial < 300; trial++) {
      const [h, w, c] = [1 + random(9), 1 + random(9), 1 + 2 * random(2)];
      const options: PictureAugmentation = {
        shift: random(12),
        crop: random(3),
        drift: most(3),
        rotate: most(180),
        zoom: most(0.9),
        stretch: most(0.9),
        shear: most(60),
        flip: random(2) === 0,
        elastic: { alpha: most(100), sigma: 0.5 + most(4) },
        border: random(2) === 0 ? 'reflect' : 'background',
        cutout: random(6),
      };
      const input = Float32Array.from({ length: h * w * c }, () => random(100));
      const out = augment(options, [h, w, c], input, randomStream(trial), [-5]);
      const least = options.border === 'reflect' && options.cutout === 0 ? Math.min(...input) : -5;
      for (const value of out) {
        expect(value).toBeGreaterThanOrEqual(least - 1e-4);
        expect(value).toBeLessThanOrEqual(Math.max(...input) + 1e-4);
      }
      const coloured = {
        ...options,
        brightness: most(10),
        contrast: most(1),
        saturation: c === 3 ? most(1) : 0,
      };
      expect(augment(coloured, [h, w, c], input, randomStream(trial), [-5]).every(Number.isFinite)).toBe(
        true,
      );
    }
  });

  it('shift reaches every place within its bounds, and none beyond', () => {
    const dot = new Float32Array(49);
    dot[24] = 1; // the middle of 7 x 7
    const seen = new Set<number>();
    for (let trial = 0; trial < 500; trial++) {
      seen.add(augment({ shift: 2 }, [7, 7, 1], dot, randomStream(trial)).indexOf(1));
    }
    const expected = [1, 2, 3, 4, 5].flatMap((j) => [1, 2, 3, 4, 5].map((i) => 7 * j + i));
    expect([...seen].sort((a, b) => a - b)).toEqual(expected);
  });
});

describe('options from a recipe', () => {
  it('are completed, and may be read again', () => {
    const parsed = parsePictureAugmentation(parseJson('{ "shift": 2, "flip": true }', 'recipe.json'));
    expect(parsed.shift).toBe(2);
    expect(parsed.flip).toBe(true);
    expect(parsed.rotate).toBe(0);
    expect(parsePictureAugmentation(parseJson(JSON.stringify(parsed), 'again'))).toEqual(parsed);
  });

  it.each<[string, RegExp]>([
    ['{ "rotation": 3 }', /^recipe\.json: rotation: unknown; known are shift, crop, drift, rotate/],
    ['[]', /^recipe\.json: expected an object/],
    ['{ "shift": 1.5 }', /^recipe\.json: shift: expected a whole number, from 0 to 1024, got 1\.5/],
    ['{ "zoom": 1 }', /zoom: expected a number from 0 to 0\.9, got 1/],
    ['{ "rotate": -1 }', /rotate: expected a number from 0 to 180/],
    ['{ "rotate": null }', /rotate: expected a number, got null/],
    ['{ "flip": 1 }', /flip: expected true or false, got 1/],
    ['{ "elastic": { "alpha": 8 } }', /elastic\.sigma: expected a number, got nothing/],
    ['{ "elastic": { "alpha": 8, "sigma": 0 } }', /elastic\.sigma: expected a number from 0\.5 to 64/],
    ['{ "border": "edge" }', /border: expected "background" or "reflect", got "edge"/],
  ])('refuses %s', (text, message) => {
    expect(() => parsePictureAugmentation(parseJson(text, 'recipe.json'))).toThrow(message);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'options in code',
      () => planPictureAugmentation({ rotate: 500 }, [3, 3, 1], [0]),
      /rotate: expected a number/,
    ],
    ['an empty shape', () => planPictureAugmentation({}, [0, 3, 1], [0]), /shape \[0, 3, 1\]/],
    [
      'a background of 2 for 3 channels',
      () => planPictureAugmentation({}, [3, 3, 3], [0, 0]),
      /expected a background of 1 or 3/,
    ],
    [
      'a background that is no number',
      () => planPictureAugmentation({}, [3, 3, 1], [Number.NaN]),
      /expected a background/,
    ],
    [
      'saturation of grey',
      () => planPictureAugmentation({ saturation: 1 }, [3, 3, 1], [0]),
      /needs 3 channels, the input has 1/,
    ],
    [
      'another length',
      () => augment({}, [3, 3, 1], [1, 2], scripted()),
      /expected two arrays of 3x3x1 values, got 2/,
    ],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  it('refuses to write over its input', () => {
    const x = new Float32Array(9);
    expect(() => planPictureAugmentation({}, [3, 3, 1], [0])(x, scripted(), x)).toThrow(/got 9 and the same/);
  });
});
