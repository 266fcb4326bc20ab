/** Each change alone against a case worked out by hand, then what holds for all of them together. */
import { describe, expect, it } from 'vitest';
import type { SoundAugmentation } from '../../../src/io/augment/sound.ts';
import { parseSoundAugmentation, planSoundAugmentation } from '../../../src/io/augment/sound.ts';
import { parseJson } from '../../../src/io/cards/json.ts';
import type { Random } from '../../../src/random.ts';
import { randomStream } from '../../../src/random.ts';
import { seeded } from '../../data.ts';
import { scripted } from './draws.ts';

const [low, middle, high] = [0, 0.5, 1];
const last = 1 - 2 ** -24;

const power = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, v) => sum + v * v, 0) / x.length;

function babble(length: number, seed: number): Float32Array {
  const random = seeded(seed);
  return Float32Array.from({ length }, (_, i) => Math.sin(i / 5) * 0.3 + (random(201) - 100) / 1000);
}

describe('samples', () => {
  /** At 10 samples a second. */
  const waveform = (options: SoundAugmentation, x: ArrayLike<number>, random: Random): number[] => [
    ...planSoundAugmentation(options, 10).waveform(Float32Array.from(x), random),
  ];
  const five = [1, 2, 3, 4, 5];
  it.each<[string, SoundAugmentation, number[], number[], number[]]>([
    ['nothing asked', {}, five, [], five],
    ['features alone', { bandShift: 2, timeMask: { count: 1, width: 3 } }, five, [], five],
    ['shift: 0.2 s later', { shift: 0.2 }, five, [high], [0, 0, 1, 2, 3]],
    ['shift: 0.2 s earlier', { shift: 0.2 }, five, [low], [3, 4, 5, 0, 0]],
    ['shift beyond the end', { shift: 60 }, five, [high], [0, 0, 0, 0, 0]],
    ['gain: 20 dB more', { gain: 20 }, five, [high], [10, 20, 30, 40, 50]],
    ['gain: 20 dB less', { gain: 20 }, five, [low], [0.1, 0.2, 0.3, 0.4, 0.5]],
    ['speed 1.5: fewer samples', { speed: 0.5 }, [0, 0, 0, 6, 0, 0, 0], [high], [0, -0.375, 6, -0.375, 0]],
    [
      'speed 0.5: a straight line stays one',
      { speed: 0.5 },
      [0, 1, 2, 3, 0, 0],
      [low],
      [0, 0.4375, 1, 1.5, 2, 2.75, 3, 1.5625, 0, -0.1875, 0, 0],
    ],
    ['speed unchanged', { speed: 0.5 }, five, [middle], five],
    [
      'speed, then shift in the new time',
      { speed: 0.5, shift: 0.1 },
      [1, 1, 1, 5, 1],
      [high, high],
      [-0.0625, 1, 0.75],
    ],
    ['one sample stays one', { speed: 0.5 }, [3], [high], [3]],
    ['nothing at all', { speed: 0.5, shift: 1, gain: 3 }, [], [], []],
    ['no noise this time', { noise: { snr: [10, 20], probability: 0.3 } }, five, [0.3], five],
    // power 4, ratio 0 dB: deviation 2, range ±2√3
    [
      'noise',
      { noise: { snr: [-3, 3], probability: 1 } },
      [2, -2],
      [0, 0.5, 0, 0.75],
      [2 - 2 * Math.sqrt(3), -2 + Math.sqrt(3)],
    ],
    ['silence stays silence', { noise: { snr: [0, 0], probability: 1 } }, [0, 0], [0, 0, 0, 1], [0, 0]],
  ])('%s', (_, options, x, draws, expected) => {
    const random = scripted(...draws);
    const out = waveform(options, x, random);
    expect(random.left()).toBe(0);
    expect(out.length).toBe(expected.length);
    for (let i = 0; i < out.length; i++)
      expect(out[i], `${i} of ${out.join(' ')}`).toBeCloseTo(expected[i], 5);
  });

  it.each([
    ['0.8', 0.2, low, 1250],
    ['1.2', 0.2, high, 833],
  ])('speed %s: a slow sine is that sine at another frequency, within 1e-4', (_, speed, draw, length) => {
    const x = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i / 20));
    const rate = draw === low ? 1 - speed : 1 + speed;
    const out = waveform({ speed }, x, scripted(draw));
    expect(out.length).toBe(length);
    for (let i = 2; i < Math.floor(997 / rate); i++)
      expect(Math.abs(out[i] - Math.sin((i * rate) / 20))).toBeLessThan(1e-4);
  });

  it('noise has the ratio drawn: 10 dB within 0.2 dB over 20,000 samples', () => {
    const x = babble(20000, 3);
    const out = waveform({ noise: { snr: [10, 10], probability: 1 } }, x, randomStream(4));
    const ratio = 10 * Math.log10(power(x) / power(out.map((v, i) => v - x[i])));
    expect(Math.abs(ratio - 10)).toBeLessThan(0.2);
  });

  it('does not change what it is given, and reuses its buffer', () => {
    const { waveform: run } = planSoundAugmentation(
      { speed: 0.2, gain: 6, noise: { snr: [0, 9], probability: 1 } },
      8000,
    );
    const x = babble(500, 1);
    const before = x.slice();
    const first = run(x, scripted(...new Array<number>(703).fill(low)));
    expect(x).toEqual(before);
    expect(first.length).toBe(625);
    const second = run(babble(400, 2), randomStream(1));
    expect(second.buffer).toBe(first.buffer);
  });
});

describe('features', () => {
  const features = (
    options: SoundAugmentation,
    x: ArrayLike<number>,
    shape: number[],
    random: Random,
  ): number[] => {
    const data = Float32Array.from(x);
    planSoundAugmentation(options, 8000).features(data, shape, random);
    return [...data];
  };
  // 4 frames of 3 bands; the mean is 5.5
  const x = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  const m = 5.5;
  it.each<[string, SoundAugmentation, number[], number[]]>([
    ['nothing asked', {}, [], x],
    ['waveform alone', { speed: 0.1, gain: 2 }, [], x],
    ['frame shift: one later', { frameShift: 1 }, [high], [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8]],
    [
      'frame shift: half a frame earlier',
      { frameShift: 1 },
      [0.25],
      [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 9, 10, 11],
    ],
    [
      'frame stretch: half as long',
      { frameStretch: 0.5 },
      [low],
      [0, 1, 2, 1.5, 2.5, 3.5, 7.5, 8.5, 9.5, 9, 10, 11],
    ],
    ['band shift: one down', { bandShift: 1 }, [low], [1, 2, 2, 4, 5, 5, 7, 8, 8, 10, 11, 11]],
    [
      'band shift: half a band up',
      { bandShift: 1 },
      [0.75],
      [0, 0.5, 1.5, 3, 3.5, 4.5, 6, 6.5, 7.5, 9, 9.5, 10.5],
    ],
    [
      'band gain: + − + − at 0, ⅔, 1⅓ and 2',
      { bandGain: 1 },
      [high, low, high, low],
      [1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10],
    ],
    ['band stretch: towards band 0', { bandStretch: 0.5 }, [low], [0, 2, 2, 3, 5, 5, 6, 8, 8, 9, 11, 11]],
    [
      'frames, then bands',
      { frameShift: 1, bandShift: 1 },
      [high, low],
      [1, 2, 2, 1, 2, 2, 4, 5, 5, 7, 8, 8],
    ],
    // width ⌊0.7·3⌋ = 2 of 0 … 2, start ⌊0.5·3⌋ = 1 of 0 … 2
    ['a time mask', { timeMask: { count: 1, width: 2 } }, [0.7, 0.5], [0, 1, 2, m, m, m, m, m, m, 9, 10, 11]],
    [
      'a frequency mask',
      { frequencyMask: { count: 1, width: 1 } },
      [last, last],
      [0, 1, m, 3, 4, m, 6, 7, m, 9, 10, m],
    ],
    ['masks of no width', { timeMask: { count: 2, width: 3 } }, [low, 0.9, low, 0.9], x],
    [
      'a mask wider than everything',
      { timeMask: { count: 1, width: 99 } },
      [last, last],
      new Array<number>(12).fill(m),
    ],
    [
      'both masks, of one mean',
      { timeMask: { count: 1, width: 1 }, frequencyMask: { count: 1, width: 1 } },
      [last, low, last, low],
      [m, m, m, m, 4, 5, m, 7, 8, m, 10, 11],
    ],
  ])('%s', (_, options, draws, expected) => {
    for (const shape of [
      [4, 3],
      [4, 3, 1],
    ]) {
      const random = scripted(...draws);
      const out = features(options, x, shape, random);
      expect(random.left()).toBe(0);
      for (let i = 0; i < x.length; i++)
        expect(out[i], `${i} of ${out.join(' ')}`).toBeCloseTo(expected[i], 5);
    }
  });

  it.each([
    ['too few values', [4, 4]],
    ['two channels', [2, 3, 2]],
    ['one axis', [12]],
  ])('refuses %s', (_, shape) => {
    expect(() => features({}, x, shape, scripted())).toThrow(
      /expected features \[frames, bands\].*got 12 values/,
    );
  });
});

describe('all together', () => {
  const everything: SoundAugmentation = {
    speed: 0.1,
    shift: 0.05,
    gain: 6,
    noise: { snr: [5, 30], probability: 0.5 },
    frameStretch: 0.1,
    frameShift: 2,
    bandStretch: 0.1,
    bandShift: 1.5,
    bandGain: 0.3,
    timeMask: { count: 2, width: 4 },
    frequencyMask: { count: 2, width: 4 },
  };

  it('the same stream gives the same numbers, whatever was drawn before; another stream others', () => {
    const { waveform, features } = planSoundAugmentation(everything, 8000);
    const run = (seed: number): { samples: Float32Array; data: Float32Array } => {
      const random = randomStream(seed);
      const samples = waveform(babble(3000, 1), random).slice();
      const data = babble(32 * 20, 2);
      features(data, [32, 20], random);
      return { samples, data };
    };
    const first = run(7);
    const other = run(8);
    expect(run(7)).toEqual(first);
    expect(other.data).not.toEqual(first.data);
    expect(other.samples).not.toEqual(first.samples);
  });

  it('random options: finite samples of the promised length, features between the least and the largest, but for the gain', () => {
    const random = seeded(11);
    const most = (limit: number): number => (random(2) === 0 ? 0 : (random(1001) / 1000) * limit);
    for (let trial = 0; trial < 300; trial++) {
      const snr = random(60) - 20;
      const options: SoundAugmentation = {
        speed: most(0.5),
        shift: most(2),
        gain: most(60),
        noise: { snr: [snr, snr + random(20)], probability: most(1) },
        frameStretch: most(0.5),
        frameShift: most(40),
        bandStretch: most(0.5),
        bandShift: most(40),
        bandGain: most(3),
        timeMask: { count: random(3), width: random(30) },
        frequencyMask: { count: random(3), width: random(30) },
      };
      const { waveform, features } = planSoundAugmentation(options, 100);
      const samples = babble(random(400), trial);
      const out = waveform(samples, randomStream(trial));
      expect(out.every(Number.isFinite)).toBe(true);
      const speed = options.speed ?? 0;
      expect(out.length).toBeGreaterThanOrEqual(Math.floor(samples.length / (1 + speed)));
      expect(out.length).toBeLessThanOrEqual(Math.ceil(samples.length / (1 - speed)));
      const [frames, bands] = [1 + random(20), 1 + random(20)];
      const data = babble(frames * bands, trial);
      const [least, largest] = [Math.min(...data), Math.max(...data)];
      features(data, [frames, bands], randomStream(trial));
      for (const value of data) {
        expect(value).toBeGreaterThanOrEqual(least - (options.bandGain ?? 0) - 1e-6);
        expect(value).toBeLessThanOrEqual(largest + (options.bandGain ?? 0) + 1e-6);
      }
    }
  });
});

describe('options from a recipe', () => {
  it('are completed, and may be read again', () => {
    const text = '{ "speed": 0.1, "noise": { "snr": [10, 30] }, "timeMask": { "count": 2, "width": 4 } }';
    const parsed = parseSoundAugmentation(parseJson(text, 'recipe.json'));
    expect(parsed.noise).toEqual({ snr: [10, 30], probability: 1 });
    expect(parsed.gain).toBe(0);
    expect(parsed.frequencyMask).toEqual({ count: 0, width: 0 });
    expect(parseSoundAugmentation(parseJson(JSON.stringify(parsed), 'again'))).toEqual(parsed);
  });

  it.each<[string, RegExp]>([
    ['{ "pitch": 3 }', /^recipe\.json: pitch: unknown; known are speed, shift, gain, noise, frameStretch/],
    ['{ "speed": 0.6 }', /^recipe\.json: speed: expected a number from 0 to 0\.5, got 0\.6/],
    ['{ "noise": 3 }', /noise: expected an object, got 3/],
    ['{ "noise": { "probability": 1 } }', /noise\.snr: expected a list of 2 or more, got nothing/],
    ['{ "noise": { "snr": [30, 10] } }', /noise\.snr: expected two ratios in decibels/],
    ['{ "noise": { "snr": [1, 2, 3] } }', /noise\.snr: expected two ratios/],
    [
      '{ "noise": { "snr": [1, 2], "probability": 2 } }',
      /noise\.probability: expected a number from 0 to 1, got 2/,
    ],
    ['{ "timeMask": { "count": 1, "width": 0.5 } }', /timeMask\.width: expected a whole number/],
    ['{ "timeMask": [2, 4] }', /timeMask: expected an object, got \[2,4\]/],
  ])('refuses %s', (text, message) => {
    expect(() => parseSoundAugmentation(parseJson(text, 'recipe.json'))).toThrow(message);
  });

  it('refuses a rate that is none', () => {
    expect(() => planSoundAugmentation({}, 0)).toThrow(/0 samples a second/);
  });
});
