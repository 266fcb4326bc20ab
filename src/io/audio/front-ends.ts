/** The front-ends by name, as network cards call them. */

import { VireoError } from '../../errors.ts';
import type { FrontEnd } from './front-end.ts';
import type { LogMelParameters } from './log-mel.ts';
import { logMelDefaults, planLogMel } from './log-mel.ts';
import { planAdLogMel, planKwsMfcc, planSwwLogMel } from './mlperf-tiny.ts';
import type { WaveformParameters } from './waveform.ts';
import { planWaveform, waveformDefaults } from './waveform.ts';
import { windowNames } from './window.ts';

export type FrontEndName =
  | 'mlperf-tiny-kws-mfcc'
  | 'mlperf-tiny-sww-logmel'
  | 'mlperf-tiny-ad-logmel'
  | 'log-mel'
  | 'waveform';

export const frontEndNames: readonly FrontEndName[] = [
  'mlperf-tiny-kws-mfcc',
  'mlperf-tiny-sww-logmel',
  'mlperf-tiny-ad-logmel',
  'log-mel',
  'waveform',
];

/** Parameters as a card's JSON gives them: numbers, words, switches, or a pair of numbers. */
export type FrontEndParameters = Readonly<Record<string, unknown>>;

/** A planned front-end. Unknown names and parameters are refused with the list of known ones. */
export function planFrontEnd(name: string, parameters: FrontEndParameters = {}): FrontEnd {
  switch (name) {
    case 'mlperf-tiny-kws-mfcc':
      read(name, parameters, {});
      return planKwsMfcc();
    case 'mlperf-tiny-sww-logmel':
      read(name, parameters, {});
      return planSwwLogMel();
    case 'mlperf-tiny-ad-logmel':
      read(name, parameters, {});
      return planAdLogMel();
    case 'log-mel':
      return planLogMel(read<LogMelParameters>(name, parameters, logMelDefaults, logMelWords));
    case 'waveform':
      return planWaveform(read<WaveformParameters>(name, parameters, waveformDefaults));
    default:
      throw new VireoError(
        'bad-input',
        `front-end ${JSON.stringify(name)}; known are ${frontEndNames.join(', ')}`,
      );
  }
}

const logMelWords: Readonly<Record<string, readonly string[]>> = {
  window: windowNames,
  level: ['none', 'max', 'peak'],
  spectrum: ['magnitude', 'power'],
  melScale: ['htk', 'slaney'],
  melSlopes: ['mel', 'hz'],
  melNormalise: ['none', 'area'],
  log: ['natural', 'log10', 'decibel'],
  floorBy: ['add', 'max'],
  standardise: ['none', 'recording'],
  fit: ['start', 'centre'],
};

/** Checks that every parameter is known and of the kind of its default, and adds the defaults. */
function read<P extends object>(
  name: string,
  given: FrontEndParameters,
  defaults: P,
  words: Readonly<Record<string, readonly string[]>> = {},
): P {
  const known = new Map<string, unknown>(Object.entries(defaults));
  for (const [key, value] of Object.entries(given)) {
    const example = known.get(key);
    const where = `front-end ${name}, parameter ${JSON.stringify(key)}`;
    if (example === undefined) {
      const list = [...known.keys()].join(', ') || 'none';
      throw new VireoError('bad-input', `${where}: unknown; known are ${list}`);
    }
    const fits = Array.isArray(example)
      ? Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item))
      : typeof value === typeof example && (typeof value !== 'number' || Number.isFinite(value));
    if (!fits || (words[key] !== undefined && !words[key].some((word) => word === value))) {
      const expected =
        words[key]?.join(', ') ?? (Array.isArray(example) ? 'a list of numbers' : `a ${typeof example}`);
      throw new VireoError('bad-input', `${where}: expected ${expected}, got ${JSON.stringify(value)}`);
    }
  }
  return { ...defaults, ...given };
}
