/**
 * Digits spoken by espeak-ng (https://github.com/espeak-ng/espeak-ng): 8 kHz, mono, 16 bits, the word with a little
 * silence around it.
 *
 * The same version of espeak-ng gives the same bytes. The voices of the samples and those of the larger set are apart:
 * no variant, and not the plain voice, is in both.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeWav, type Recording, resample, toMono } from '../../src/io/audio/index.ts';
import { randomStream } from '../../src/random.ts';

/** The version that spoke the samples, as `espeak-ng --version` has it. */
export const spokenWith = '1.51';

export interface Utterance {
  /** The file's name without its ending. */
  readonly name: string;
  readonly digit: number;
  /** As `espeak-ng -v` takes it: language, or language+variant. */
  readonly voice: string;
  /** Words a minute. */
  readonly speed: number;
  /** 0 to 99; 50 is the voice's own. */
  readonly pitch: number;
}

const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

const sampleVoices: readonly (readonly [digit: number, voice: string])[] = [
  [0, 'en-us+m3'],
  [1, 'en-gb+f5'],
  [2, 'en-us+f2'],
  [3, 'en-gb'],
  [3, 'en-us+f2'],
  [4, 'en-gb+m7'],
  [5, 'en-us+m3'],
  [6, 'en-gb+f5'],
  [6, 'en-us+m3'],
  [7, 'en-us+f2'],
  [7, 'en-gb+m7'],
  [8, 'en-gb'],
  [9, 'en-gb+m7'],
  [9, 'en-us+f2'],
];

/** Drawn with equal chance from these lists. */
const setLanguages = 'en-us en-us en-us en-gb en-gb en-gb-x-rp en-gb-scotland en-029'.split(' ');
const setVariants = [
  'm1 m2 m4 m5 m6 m8 f1 f3 f4 Alex Andrea Andy Annie Denis Diogo Gene Hugo Jacky Lee Marco Michael Mike adam anika',
  'aunty belinda benjamin boris caleb david ed edward john linda max michel miguel norbert pablo paul quincy rob',
  'robert shelby steph travis victor zac',
].flatMap((line) => line.split(' '));
export const setClipsPerDigit = 60;

const rate = 8000;
const peak = 0.5;
/** Seconds of silence on either side; samples below this share of the peak count as silence. */
const margin = 0.04;
const silence = 0.02;

/** The samples of the repository: `DIGIT_VOICE`. */
export const spokenSamples: readonly Utterance[] = sampleVoices.map(([digit, voice]) => ({
  name: `${digit}_${voice.replace('+', '-')}`,
  digit,
  voice,
  speed: 155,
  pitch: 50,
}));

/** The larger set, `DIGIT_VOICE_N`: voice, speed and pitch of every clip drawn on their own. */
export function spokenSet(): Utterance[] {
  return words.flatMap((_, digit) =>
    Array.from({ length: setClipsPerDigit }, (_, n) => {
      const random = randomStream(digit, n);
      const language = setLanguages[random.below(setLanguages.length)];
      const variant = setVariants[random.below(setVariants.length)];
      const speed = 115 + random.below(75);
      const pitch = 35 + random.below(31);
      return {
        name: `${digit}_${language}-${variant}_${n}`,
        digit,
        voice: `${language}+${variant}`,
        speed,
        pitch,
      };
    }),
  );
}

/** The installed version; undefined where there is no espeak-ng. */
export function espeakVersion(): string | undefined {
  try {
    const said = execFileSync('espeak-ng', ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /text-to-speech: (\S+)/u.exec(said)?.[1];
  } catch {
    return undefined;
  }
}

export function speak({ digit, voice, speed, pitch }: Utterance): Recording {
  const folder = mkdtempSync(join(tmpdir(), 'vireo-spoken-'));
  const file = join(folder, 'word.wav');
  try {
    const manner = ['-v', voice, '-s', String(speed), '-p', String(pitch)];
    execFileSync('espeak-ng', [...manner, '-z', '-w', file, words[digit]], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return cutToWord(decodeWav(readFileSync(file)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** 8 kHz, the peak at one half of full scale, silence before and after the word made as long as `margin`. */
function cutToWord(spoken: Recording): Recording {
  const all = resample(toMono(spoken), spoken.sampleRate, rate);
  let loudest = 0;
  for (const sample of all) loudest = Math.max(loudest, Math.abs(sample));
  let first = 0;
  let end = all.length;
  while (first < end && Math.abs(all[first]) < silence * loudest) first++;
  while (end > first && Math.abs(all[end - 1]) < silence * loudest) end--;
  const border = Math.round(margin * rate);
  const cut = new Float32Array(end - first + 2 * border);
  for (let i = 0; i < cut.length; i++) cut[i] = ((all[first - border + i] ?? 0) * peak) / loudest;
  return { sampleRate: rate, channels: [cut] };
}
