/**
 * WAV files to recordings and back, through wavefile.
 *
 * Reads PCM of 8, 16, 24 and 32 bits, float of 32 and 64 bits, A-law and mu-law, any number of channels, with the
 * plain or the extensible format chunk. wavefile trusts the chunk sizes it finds and unpacks a file whole, so
 * `readLayout` walks the chunks first and wavefile gets only samples, a block at a time, behind a header made here.
 *
 * Left out: RIFX and RF64 containers, compressed formats, metadata.
 *
 * Sources: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (1991), chapter "Waveform Audio
 * File Format"; Microsoft, "WAVEFORMATEXTENSIBLE structure" (mmreg.h).
 */

import * as wavefile from 'wavefile';
import { VireoError } from '../../errors.ts';
import type { Recording } from './recording.ts';

/** Node sees the package's CommonJS file, whole as `default`; bundlers see its module, where names stand alone. */
const whole: { readonly WaveFile?: typeof wavefile.WaveFile; readonly default?: typeof wavefile.default } =
  wavefile;
const WaveFile = (whole.WaveFile ?? whole.default?.WaveFile)!;

/** What a recording may cost, whatever its header says. */
export interface RecordingLimits {
  /** Frames times channels; default 128 Mi (512 MiB of samples). */
  readonly samples?: number;
}

const defaultSamples = 1 << 27;
/** Frames unpacked at a time: a few hundred KiB of wavefile's own arrays. */
const blockFrames = 1 << 14;
const maxChannels = 64;
/** Rates outside are taken for damage; they would also make resampling absurdly long. */
const minRate = 1000;
const maxRate = 1_000_000;

/** Format codes (mmreg.h). */
const pcm = 1;
const float = 3;
const aLaw = 6;
const muLaw = 7;
const extensible = 0xfffe;
const bitDepths: Readonly<Record<number, readonly number[]>> = {
  [pcm]: [8, 16, 24, 32],
  [float]: [32, 64],
  [aLaw]: [8],
  [muLaw]: [8],
};
/** A subformat is a format code followed by these bytes: {0000xxxx-0000-0010-8000-00aa00389b71}. */
const subformatTail = [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71];

interface Format {
  readonly code: number;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

/** Full scale is −1 … 1: integers are divided by 2^(bits−1), floats pass as they are. */
export function decodeWav(bytes: Uint8Array, limits: RecordingLimits = {}): Recording {
  const { format, data } = readLayout(bytes);
  const frameBytes = (format.bits / 8) * format.channels;
  if (data.length % frameBytes !== 0) {
    throw bad(`the data chunk has ${data.length} bytes, not a whole number of ${frameBytes}-byte frames`);
  }
  const frames = data.length / frameBytes;
  const maxSamples = limits.samples ?? defaultSamples;
  if (frames * format.channels > maxSamples) {
    throw new VireoError('too-large', `wav: ${frames * format.channels} samples, the limit is ${maxSamples}`);
  }
  const channels = Array.from({ length: format.channels }, () => new Float32Array(frames));
  for (let first = 0; first < frames; first += blockFrames) {
    const count = Math.min(blockFrames, frames - first);
    const block = data.subarray(first * frameBytes, (first + count) * frameBytes);
    const samples = unpack(block, format); // (count, channels)
    if (samples.length !== count * format.channels) {
      throw bad(`expected ${count * format.channels} samples in a block, the decoder gave ${samples.length}`);
    }
    scatter(samples, channels, first, format);
  }
  return { sampleRate: format.sampleRate, channels };
}

/** How samples are stored: integers of that many bits, or floats. */
export type WavSamples = '8' | '16' | '24' | '32' | '32f' | '64f';

/** A WAV file. Integers are rounded, and saturate outside −1 … 1. */
export function encodeWav(recording: Recording, as: WavSamples = '16'): Uint8Array {
  const { channels, sampleRate } = recording;
  const frames = channels[0]?.length ?? 0;
  if (channels.length === 0 || channels.some((channel) => channel.length !== frames)) {
    throw new VireoError('bad-input', 'wav: a recording needs one channel or more, all of the same length');
  }
  const isFloat = as.endsWith('f');
  if (isFloat && channels.length > 2) {
    throw new VireoError(
      'unsupported',
      `wav: float samples are written for 1 or 2 channels, got ${channels.length}`,
    );
  }
  const interleaved = new Float64Array(frames * channels.length);
  const full = 2 ** (Number.parseInt(as, 10) - 1);
  const offset = as === '8' ? 128 : 0;
  for (let i = 0, o = 0; i < frames; i++) {
    for (const channel of channels) {
      const scaled = Math.min(full - 1, Math.max(-full, Math.round(channel[i] * full)));
      interleaved[o++] = isFloat ? channel[i] : scaled + offset;
    }
  }
  try {
    const file = new WaveFile();
    file.fromScratch(channels.length, sampleRate, as === '64f' ? '64' : as, interleaved);
    return file.toBuffer();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VireoError('bad-input', `wav: ${channels.length} channels at ${sampleRate} Hz: ${reason}`);
  }
}

function bad(message: string): VireoError {
  return new VireoError('bad-file', `wav: ${message}`);
}

function tag(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

function readLayout(bytes: Uint8Array): { format: Format; data: Uint8Array } {
  const container = bytes.length >= 12 ? tag(bytes, 0) : '';
  if (container === 'RIFX' || container === 'RF64') {
    throw new VireoError('unsupported', `wav: ${container} containers are not read; expected RIFF`);
  }
  if (container !== 'RIFF' || tag(bytes, 8) !== 'WAVE')
    throw bad('this is not a WAV file (no RIFF … WAVE header)');

  // The size in the RIFF header is often wrong in files that play everywhere; the chunks' own sizes decide.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let format: Format | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const id = tag(bytes, at);
    const left = bytes.length - at - 8;
    const stated = view.getUint32(at + 4, true);
    const endless = id === 'data' && stated === 0xffffffff; // written to a pipe: everything up to the end
    const size = endless ? left : stated;
    if (size > left) throw bad(`chunk ${printable(id)} at byte ${at} claims ${size} bytes, ${left} are left`);
    const content = bytes.subarray(at + 8, at + 8 + size);
    if (id === 'fmt ') {
      if (format !== undefined) throw bad('a second fmt chunk');
      format = readFormat(content);
    } else if (id === 'data') {
      if (format === undefined) throw bad('the data chunk comes before the fmt chunk');
      return { format, data: content };
    }
    at += 8 + size + (size % 2); // chunks start at even offsets
  }
  throw bad(format === undefined ? 'no fmt chunk' : 'no data chunk');
}

function printable(id: string): string {
  return JSON.stringify(id);
}

function readFormat(content: Uint8Array): Format {
  if (content.length < 16) throw bad(`the fmt chunk has ${content.length} bytes, expected 16 or more`);
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  let code = view.getUint16(0, true);
  const channels = view.getUint16(2, true);
  const sampleRate = view.getUint32(4, true);
  const blockAlign = view.getUint16(12, true);
  const bits = view.getUint16(14, true);
  if (code === extensible) {
    if (content.length < 40) throw bad(`an extensible fmt chunk has 40 bytes, got ${content.length}`);
    code = view.getUint16(24, true);
    if (subformatTail.some((byte, i) => content[26 + i] !== byte)) throw bad('an unknown subformat');
    if (view.getUint16(18, true) > bits) throw bad(`${view.getUint16(18, true)} valid bits in ${bits}`);
  }
  const depths = bitDepths[code];
  if (depths === undefined) {
    throw new VireoError(
      'unsupported',
      `wav: format ${code}; PCM (1), float (3), A-law (6), mu-law (7) are read`,
    );
  }
  if (!depths.includes(bits)) {
    throw new VireoError(
      'unsupported',
      `wav: format ${code} with ${bits} bits; expected ${depths.join(', ')}`,
    );
  }
  if (channels < 1 || channels > maxChannels) throw bad(`${channels} channels; expected 1 to ${maxChannels}`);
  if (sampleRate < minRate || sampleRate > maxRate) {
    throw bad(`${sampleRate} samples a second; expected ${minRate} to ${maxRate}`);
  }
  if (blockAlign !== (channels * bits) / 8) {
    throw bad(`${blockAlign} bytes a frame for ${channels} channels of ${bits} bits`);
  }
  return { code, channels, sampleRate, bits };
}

/** Interleaved samples as wavefile gives them: integers, or floats; A-law and mu-law as 16-bit integers. */
function unpack(block: Uint8Array, { code, channels, sampleRate, bits }: Format): Float64Array {
  const file = new Uint8Array(44 + block.length + (block.length % 2));
  const view = new DataView(file.buffer);
  const text = (at: number, letters: string): void => {
    for (let i = 0; i < 4; i++) file[at + i] = letters.charCodeAt(i);
  };
  text(0, 'RIFF');
  view.setUint32(4, file.length - 8, true);
  text(8, 'WAVE');
  text(12, 'fmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, code, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, (sampleRate * channels * bits) / 8, true);
  view.setUint16(32, (channels * bits) / 8, true);
  view.setUint16(34, bits, true);
  text(36, 'data');
  view.setUint32(40, block.length, true);
  file.set(block, 44);
  try {
    const wav = new WaveFile();
    wav.fromBuffer(file);
    if (code === aLaw) wav.fromALaw();
    if (code === muLaw) wav.fromMuLaw();
    const samples = wav.getSamples(true);
    // A block of an odd number of bytes is padded, and wavefile takes the padding for a sample.
    return samples.subarray(0, block.length / (bits / 8));
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
}

/** samples (count, channels) → channels[c][first …] */
function scatter(
  samples: Float64Array,
  channels: readonly Float32Array[],
  first: number,
  format: Format,
): void {
  const companded = format.code === aLaw || format.code === muLaw;
  const bits = companded ? 16 : format.bits;
  const factor = format.code === float ? 1 : 2 ** (1 - bits);
  const offset = bits === 8 ? 128 : 0; // 8-bit PCM is unsigned
  for (let c = 0; c < channels.length; c++) {
    const channel = channels[c];
    for (let i = 0, s = c; s < samples.length; i++, s += channels.length) {
      const value = (samples[s] - offset) * factor;
      if (!Number.isFinite(value))
        throw bad(`frame ${first + i} of channel ${c} is ${value}, not a finite number`);
      channel[first + i] = value;
    }
  }
}
