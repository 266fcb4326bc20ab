/** Each front-end against its own definition, written out slowly in f64; and what resampling does to a sine. */
import { describe, expect, it } from 'vitest';
import { decodeWav, frontEndNames, planFrontEnd, resample, toMono } from '../../../src/io/audio/index.ts';
import { fromMel, toMel } from '../../../src/io/audio/mel.ts';
import { itWithData, readData, seeded } from '../../data.ts';

/** |X[k]| of a windowed frame, k ≤ fft/2, by the sum itself. */
function textbookMagnitude(frame: readonly number[], fft: number): number[] {
  const out: number[] = [];
  for (let k = 0; k <= fft / 2; k++) {
    let re = 0;
    let im = 0;
    for (let n = 0; n < frame.length; n++) {
      const angle = (2 * Math.PI * ((k * n) % fft)) / fft;
      re += frame[n] * Math.cos(angle);
      im -= frame[n] * Math.sin(angle);
    }
    out.push(Math.hypot(re, im));
  }
  return out;
}

/** tf.signal.linear_to_mel_weight_matrix, [bins][bands]: HTK mel, triangles straight in mel, no weight for 0 Hz. */
function textbookMelMatrix(bands: number, bins: number, rate: number, low: number, high: number): number[][] {
  const mel = (hz: number): number => 1127 * Math.log(1 + hz / 700);
  const edges = Array.from(
    { length: bands + 2 },
    (_, i) => mel(low) + ((mel(high) - mel(low)) * i) / (bands + 1),
  );
  return Array.from({ length: bins }, (_, k) => {
    const x = mel((k * (rate / 2)) / (bins - 1));
    return Array.from({ length: bands }, (_, b) => {
      if (k === 0) return 0;
      const up = (x - edges[b]) / (edges[b + 1] - edges[b]);
      const down = (edges[b + 2] - x) / (edges[b + 2] - edges[b + 1]);
      return Math.max(0, Math.min(up, down));
    });
  });
}

function textbookKws(samples: ArrayLike<number>): number[] {
  const clip = Array.from({ length: 16000 }, (_, i) => samples[i] ?? 0);
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < Math.min(16000, samples.length); i++) max = Math.max(max, samples[i]);
  const x = clip.map((value) => (max === 0 ? value : value / max));
  const matrix = textbookMelMatrix(40, 257, 16000, 20, 4000);
  const out: number[] = [];
  for (let t = 0; t + 480 <= 16000; t += 320) {
    const frame = x.slice(t, t + 480).map((v, n) => v * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / 480)));
    const spectrum = textbookMagnitude(frame, 512);
    const logMel: number[] = [];
    for (let b = 0; b < 40; b++) {
      let sum = 0;
      for (let k = 0; k < 257; k++) sum += spectrum[k] * matrix[k][b];
      logMel.push(Math.log(sum + 1e-6));
    }
    for (let j = 0; j < 10; j++) {
      let dct = 0; // DCT-II as scipy and TensorFlow define it, with the factor 2
      for (let b = 0; b < 40; b++) dct += 2 * logMel[b] * Math.cos((Math.PI / 40) * (b + 0.5) * j);
      out.push(dct / Math.sqrt(2 * 40));
    }
  }
  return out;
}

function textbookSww(samples: ArrayLike<number>): number[] {
  const x = Array.from(samples, (v, i) => v - (1 - 1 / 32) * (i > 0 ? samples[i - 1] : 0));
  const matrix = textbookMelMatrix(40, 513, 16000, 0, 8000);
  const out: number[] = [];
  for (let t = 0; t + 1024 <= x.length; t += 512) {
    const frame = x.slice(t, t + 1024).map((v, n) => v * (0.54 - 0.46 * Math.cos((2 * Math.PI * n) / 1023)));
    const power = textbookMagnitude(frame, 1024).map((v) => Math.max(1e-30, (v * v) / 1024));
    for (let b = 0; b < 40; b++) {
      let sum = 0;
      for (let k = 0; k < 513; k++) sum += power[k] * matrix[k][b];
      out.push(Math.min(1, Math.max(0, (10 * Math.log10(sum) + 52) / 64)));
    }
  }
  return out;
}

function largestGap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let gap = 0;
  for (let i = 0; i < a.length; i++) gap = Math.max(gap, Math.abs(a[i] - b[i]));
  return gap;
}

/** Something like speech: a gliding harmonic sound with a swelling envelope, and noise. */
function babble(length: number, seed: number): Float32Array {
  const random = seeded(seed);
  let phase = 0;
  return Float32Array.from({ length }, (_, i) => {
    phase += (2 * Math.PI * (120 + 60 * Math.sin(i / 3000 + seed))) / 16000;
    const voice =
      Math.sin(phase) + 0.5 * Math.sin(2 * phase) + 0.3 * Math.sin(7 * phase) + 0.2 * Math.sin(19 * phase);
    const noise = (random(2001) - 1000) / 1000;
    return 0.3 * Math.sin(i / 2500) ** 2 * (voice + 0.1 * noise) + 0.002 * noise;
  });
}

describe('mlperf-tiny-kws-mfcc', () => {
  const frontEnd = planFrontEnd('mlperf-tiny-kws-mfcc');
  it.each([
    ['one second', babble(16000, 1)],
    ['shorter, padded', babble(9001, 2)],
    ['longer, cut', babble(20000, 3)],
    ['loudest sample after the last frame', babble(16000, 4).fill(0.99, 15900, 15990)],
    ['negative peak larger', babble(16000, 5).map((v, i) => (i % 50 === 0 ? -0.9 : v / 4))],
    ['silence', new Float32Array(16000)],
    ['nothing', new Float32Array(0)],
    ['always negative', babble(16000, 8).map((v) => v - 2)],
    ['never positive', new Float32Array(16000).fill(-0.5, 100, 200)],
  ])('%s: equal to the definition within 1e-4', (_, samples) => {
    const { shape, data } = frontEnd.compute(samples);
    expect(shape).toEqual([49, 10, 1]);
    expect(largestGap(data, textbookKws(samples))).toBeLessThan(1e-4);
  });

  it('silence is ln(1e-6) in every band: c[0] = 2·40·ln(1e-6)/√80', () => {
    const { data } = frontEnd.compute(new Float32Array(16000));
    expect(data[0]).toBeCloseTo((80 * Math.log(1e-6)) / Math.sqrt(80), 4);
    expect(Math.abs(data[1])).toBeLessThan(1e-4);
  });

  it('reuses its buffers', () => {
    expect(frontEnd.compute(babble(16000, 6)).data).toBe(frontEnd.compute(babble(8000, 7)).data);
  });

  itWithData(
    'recordings give values like those of the official inputs',
    ['models/audio/yes_1000ms.wav', 'models/audio/no_1000ms.wav', 'mlperf-tiny/kws/kws01-inputs-700.bin'],
    () => {
      // The official inputs, dequantised: range and mean of every coefficient.
      const official = new Int8Array(readData('mlperf-tiny/kws/kws01-inputs-700.bin').buffer);
      const low = new Array<number>(10).fill(Number.POSITIVE_INFINITY);
      const high = new Array<number>(10).fill(Number.NEGATIVE_INFINITY);
      for (let i = 0; i < official.length; i++) {
        const real = 0.58470291 * (official[i] - 83);
        low[i % 10] = Math.min(low[i % 10], real);
        high[i % 10] = Math.max(high[i % 10], real);
      }
      for (const name of ['yes', 'no']) {
        const recording = decodeWav(readData(`models/audio/${name}_1000ms.wav`));
        const { data } = frontEnd.compute(toMono(recording));
        expect(largestGap(data, textbookKws(toMono(recording)))).toBeLessThan(1e-4);
        for (let i = 0; i < data.length; i++) {
          expect(data[i]).toBeGreaterThanOrEqual(low[i % 10] - 1);
          expect(data[i]).toBeLessThanOrEqual(high[i % 10] + 1);
        }
      }
    },
  );
});

describe('mlperf-tiny-sww-logmel', () => {
  const frontEnd = planFrontEnd('mlperf-tiny-sww-logmel');
  it.each([
    ['one second: 30 frames', babble(16000, 1), 30],
    ['two seconds', babble(32000, 2), 61],
    ['silence', new Float32Array(5000), 8],
    ['loud', babble(16000, 3).map((v) => v * 40), 30],
  ])('%s', (_, samples, frames) => {
    const { shape, data } = frontEnd.compute(samples);
    expect(shape).toEqual([frames, 40]);
    expect(largestGap(data, textbookSww(samples))).toBeLessThan(1e-5);
  });

  it('samplesFor(30) is what 30 frames need', () => {
    expect(frontEnd.samplesFor(30)).toBe(29 * 512 + 1024);
    expect(frontEnd.compute(new Float32Array(frontEnd.samplesFor(30))).shape[0]).toBe(30);
    expect(frontEnd.compute(new Float32Array(frontEnd.samplesFor(30) - 1)).shape[0]).toBe(29);
  });

  itWithData('the stereo recording of "Marvin"', ['mlperf-tiny/sww/marvin_617de221_0.wav'], () => {
    const recording = decodeWav(readData('mlperf-tiny/sww/marvin_617de221_0.wav'));
    expect(recording.channels.length).toBe(2);
    const mono = toMono(recording);
    const { shape, data } = frontEnd.compute(mono);
    expect(shape).toEqual([30, 40]);
    expect(largestGap(data, textbookSww(mono))).toBeLessThan(1e-5);
    expect(Math.max(...data)).toBeGreaterThan(0.5);
  });
});

describe('mel scales', () => {
  it('slaney: the values of librosa.hz_to_mel', () => {
    // librosa's documentation: hz_to_mel(60) = 0.9, hz_to_mel([110, 220, 440]) = [1.65, 3.3, 6.6]; 15 mel is 1 kHz.
    expect(toMel(60, 'slaney')).toBeCloseTo(0.9, 12);
    expect([110, 220, 440].map((hz) => toMel(hz, 'slaney'))).toEqual([1.65, 3.3, 6.6]);
    expect(toMel(1000, 'slaney')).toBeCloseTo(15, 12);
    expect(toMel(6400, 'slaney')).toBeCloseTo(42, 12);
  });
  it('htk: 1000 Hz is 1000 mel', () => expect(toMel(1000, 'htk')).toBeCloseTo(1000, 1));
  it.each(['htk', 'slaney'] as const)('%s there and back', (scale) => {
    for (const hz of [0, 20, 999, 1000, 1001, 4000, 8000]) {
      expect(fromMel(toMel(hz, scale), scale)).toBeCloseTo(hz, 8);
    }
  });
});

describe('log-mel', () => {
  it('librosa style: centred, power, slaney scale and norm, decibel', () => {
    const samples = babble(3000, 1);
    const { shape, data } = planFrontEnd('log-mel', {
      sampleRate: 8000,
      frame: 256,
      hop: 100,
      fft: 256,
      centre: true,
      mels: 20,
      melScale: 'slaney',
      melSlopes: 'hz',
      melNormalise: 'area',
      log: 'decibel',
      floor: 1e-10,
      floorBy: 'max',
    }).compute(samples);
    // librosa.feature.melspectrogram + power_to_db(top_db=None), from their documentation.
    const mirrored = (i: number): number => samples[i < 0 ? -i : i >= 3000 ? 2 * 2999 - i : i];
    const corner = Array.from({ length: 22 }, (_, i) => fromMel((toMel(4000, 'slaney') * i) / 21, 'slaney'));
    const expected: number[] = [];
    for (let t = 0; t <= 30; t++) {
      const frame = Array.from({ length: 256 }, (_, n) => {
        return mirrored(t * 100 - 128 + n) * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / 256));
      });
      const spectrum = textbookMagnitude(frame, 256);
      for (let b = 0; b < 20; b++) {
        let sum = 0;
        for (let k = 0; k <= 128; k++) {
          const hz = (k * 8000) / 256;
          const up = (hz - corner[b]) / (corner[b + 1] - corner[b]);
          const down = (corner[b + 2] - hz) / (corner[b + 2] - corner[b + 1]);
          sum += (Math.max(0, Math.min(up, down)) * 2 * spectrum[k] ** 2) / (corner[b + 2] - corner[b]);
        }
        expected.push(10 * Math.log10(Math.max(1e-10, sum)));
      }
    }
    expect(shape).toEqual([31, 20]);
    expect(largestGap(data, expected)).toBeLessThan(1e-4);
  });

  it('32 frames of 32 bands, whatever the length, standardised', () => {
    const frontEnd = planFrontEnd('log-mel', {
      sampleRate: 8000,
      frame: 256,
      hop: 248,
      mels: 32,
      frames: 32,
      fit: 'centre',
      standardise: 'recording',
      window: 'hamming-symmetric',
    });
    for (const length of [1, 100, 1148, 7945, 18262]) {
      const { shape, data } = frontEnd.compute(babble(length, length));
      expect(shape).toEqual([32, 32]);
      let sum = 0;
      let squares = 0;
      for (const value of data) {
        sum += value;
        squares += value * value;
      }
      expect(Math.abs(sum / 1024)).toBeLessThan(1e-4);
      expect(squares / 1024).toBeCloseTo(1, 2);
    }
  });

  it('fit: a long recording is cut at the end or at both ends alike', () => {
    const shared = { sampleRate: 8000, frame: 256, hop: 256, mels: 16, frames: 10 };
    const samples = babble(2560 + 512, 9);
    const plain = planFrontEnd('log-mel', { ...shared, frames: 0 });
    const atStart = planFrontEnd('log-mel', { ...shared, fit: 'start' }).compute(samples).data;
    expect(largestGap(atStart, plain.compute(samples.subarray(0, 2560)).data)).toBe(0);
    const centred = planFrontEnd('log-mel', { ...shared, fit: 'centre' }).compute(samples).data;
    expect(largestGap(centred, plain.compute(samples.subarray(256, 2816)).data)).toBe(0);
  });

  it('fit: a short recording is padded at the end or at both ends alike', () => {
    const shared = { sampleRate: 8000, frame: 256, hop: 256, mels: 16, frames: 10 };
    const samples = babble(1536, 9);
    const padded = new Float32Array(2560);
    const plain = planFrontEnd('log-mel', { ...shared, frames: 0 });
    padded.set(samples);
    const atStart = planFrontEnd('log-mel', { ...shared, fit: 'start' }).compute(samples).data;
    expect(largestGap(atStart, plain.compute(padded).data)).toBe(0);
    padded.fill(0).set(samples, 512);
    const centred = planFrontEnd('log-mel', { ...shared, fit: 'centre' }).compute(samples).data;
    expect(largestGap(centred, plain.compute(padded).data)).toBe(0);
  });

  it.each<[string, number, number, number, number, number]>([
    // 400 samples of 0.01, 600 of 1, 500 of 0.01 (40 dB less); frames of 100 every 25. The first frame that has the
    // power 10^−3 of the loudest has at least one sample of 1: it starts at 325; the last ends at 1075.
    ['30 dB', 30, 1500, 0.01, 325, 1075],
    ['45 dB: nothing is quiet enough', 45, 1500, 0.01, 0, 1500],
    ['the sound ends with the recording: none of its last samples is lost', 30, 1010, 0.01, 325, 1010],
    ['digital silence at both ends', 60, 1500, 0, 325, 1075],
    ['one frame alone stays', 30, 110, 0.01, 0, 110],
  ])('trim: %s', (_, trim, length, quiet, from, to) => {
    const shared = { sampleRate: 8000, frame: 100, hop: 25, mels: 8 };
    const x = Float32Array.from(
      { length },
      (_, i) => (i >= 400 && i < 1000 ? 1 : quiet) * (i % 2 === 0 ? 1 : -1),
    );
    const { shape, data } = planFrontEnd('log-mel', { ...shared, trim }).compute(x);
    const plain = planFrontEnd('log-mel', shared).compute(x.subarray(from, to));
    expect(shape).toEqual(plain.shape);
    expect(largestGap(data, plain.data)).toBe(0);
  });

  it('trim: silence and nothing stay as they are', () => {
    const frontEnd = planFrontEnd('log-mel', { sampleRate: 8000, frame: 100, hop: 50, mels: 8, trim: 30 });
    expect(frontEnd.compute(new Float32Array(1000)).shape).toEqual([19, 8]);
    expect(frontEnd.compute(new Float32Array(0)).shape).toEqual([1, 8]);
  });

  it('skip leaves frames out, and centred frames at a cut still hear what follows', () => {
    const shared = { sampleRate: 8000, frame: 256, hop: 100, mels: 16, centre: true };
    const samples = babble(5000, 4);
    const all = planFrontEnd('log-mel', shared).compute(samples).data.slice();
    const some = planFrontEnd('log-mel', { ...shared, skip: 3, frames: 20 }).compute(samples);
    expect(some.shape).toEqual([20, 16]);
    expect(largestGap(some.data, all.subarray(3 * 16, 23 * 16))).toBe(0);
  });

  it('level and pre-emphasis', () => {
    const shared = { sampleRate: 8000, frame: 256, hop: 256, mels: 16 };
    const samples = babble(2000, 4);
    const peak = samples.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const plain = planFrontEnd('log-mel', shared);
    const byHand = samples.map((v, i) => (v - 0.9 * (i > 0 ? samples[i - 1] : 0)) / peak);
    const expected = plain.compute(byHand).data.slice();
    const { data } = planFrontEnd('log-mel', { ...shared, level: 'peak', preEmphasis: 0.9 }).compute(samples);
    expect(largestGap(data, expected)).toBeLessThan(1e-5);
  });

  it('the anomaly detection front-end gives [200, 128] of an 11 s clip', () => {
    const { shape, data } = planFrontEnd('mlperf-tiny-ad-logmel').compute(babble(176000, 1));
    expect(shape).toEqual([200, 128]);
    expect(data.every(Number.isFinite)).toBe(true);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ hops: 3 }, /"hops": unknown; known are sampleRate, frame/],
    [{ hop: '3' }, /"hop": expected a number, got "3"/],
    [{ hop: 0 }, /hop must be a whole number/],
    [{ window: 'hann' }, /"window": expected hann-periodic, hann-symmetric/],
    [{ fft: 128 }, /fft 128 for frames of 400/],
    [{ highHz: 9000 }, /highHz <= 8000/],
    [{ floor: 0 }, /floor must be positive/],
    [{ trim: -1 }, /trim must not be negative, got -1/],
    [{ clamp: ['a'] }, /"clamp": expected a list of numbers/],
  ])('refuses %j', (parameters, message) => {
    expect(() => planFrontEnd('log-mel', parameters)).toThrow(message);
  });
});

describe('waveform', () => {
  it('cuts and pads', () => {
    const frontEnd = planFrontEnd('waveform', { samples: 4, factor: 2 });
    expect(Array.from(frontEnd.compute(Float32Array.of(1, 2, 3, 4, 5)).data)).toEqual([2, 4, 6, 8]);
    expect(Array.from(frontEnd.compute(Float32Array.of(1)).data)).toEqual([2, 0, 0, 0]);
    expect(planFrontEnd('waveform').compute(new Float32Array(7)).shape).toEqual([7]);
  });
});

it('an unknown front-end is refused with the list of known ones', () => {
  expect(() => planFrontEnd('mfcc')).toThrow(`known are ${frontEndNames.join(', ')}`);
});

describe('resample', () => {
  const sine = (hz: number, rate: number, seconds: number): Float32Array =>
    Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate + 0.3));

  /** Power of the sine over power of the rest, away from the ends, in dB. */
  function signalToNoise(out: Float32Array, hz: number, rate: number): number {
    const edge = Math.ceil(0.1 * rate);
    let signal = 0;
    let noise = 0;
    for (let i = edge; i < out.length - edge; i++) {
      const ideal = Math.sin((2 * Math.PI * hz * i) / rate + 0.3);
      signal += ideal * ideal;
      noise += (out[i] - ideal) ** 2;
    }
    return 10 * Math.log10(signal / noise);
  }

  it.each([
    [8000, 16000, 1000],
    [8000, 16000, 3500],
    [44100, 16000, 1000],
    [44100, 16000, 7000],
    [48000, 16000, 7100],
    [16000, 8000, 3500],
    [22050, 16000, 7000],
    [16000, 44100, 7000],
    [16001, 16000, 7000], // 16000 phases: interpolated weights
    [44100, 15999, 1234],
  ])('%i Hz to %i Hz keeps a sine of %i Hz', (from, to, hz) => {
    const out = resample(sine(hz, from, 1), from, to);
    expect(out.length).toBe(to);
    const ratio = signalToNoise(out, hz, to);
    if (process.env['VIREO_SHOW']) console.log(`resample ${from} to ${to}, ${hz} Hz: ${ratio.toFixed(1)} dB`);
    expect(ratio).toBeGreaterThan(105);
  });

  it.each([
    [44100, 16000, 8100],
    [44100, 16000, 12000],
    [48000, 16000, 9000],
    [16000, 8000, 4200],
    [44100, 15999, 9000],
  ])('%i Hz to %i Hz silences a sine of %i Hz, which would alias', (from, to, hz) => {
    const out = resample(sine(hz, from, 1), from, to);
    let power = 0;
    const edge = Math.ceil(0.1 * to);
    for (let i = edge; i < out.length - edge; i++) power += out[i] ** 2;
    const rejection = -10 * Math.log10((2 * power) / (out.length - 2 * edge));
    if (process.env['VIREO_SHOW'])
      console.log(`alias ${from} to ${to}, ${hz} Hz: -${rejection.toFixed(1)} dB`);
    expect(rejection).toBeGreaterThan(105);
  });

  it('a constant stays what it is; equal rates give the input back', () => {
    const out = resample(new Float32Array(4000).fill(0.5), 44100, 16000);
    for (let i = 200; i < out.length - 200; i++) expect(Math.abs(out[i] - 0.5)).toBeLessThan(1e-7);
    const input = new Float32Array(3);
    expect(resample(input, 8000, 8000)).toBe(input);
    expect(resample(new Float32Array(0), 8000, 16000).length).toBe(0);
  });

  it('refuses odd rates', () => {
    expect(() => resample(new Float32Array(1), 0, 8000)).toThrow(/rates are whole numbers/);
  });
});
