/** WAV reading against files whose samples are known, and against files that lie. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import { decodeWav, encodeWav, toMono } from '../../../src/io/audio/index.ts';
import { seeded } from '../../data.ts';
import { chunk, concat, formatChunk, riff, writeWav } from './wav-writer.ts';

/** Random stored samples of one format with the value each stands for, from the formats' definitions. */
function stored(code: number, bits: number, count: number): { data: Uint8Array; values: number[] } {
  const random = seeded(code * 1000 + bits);
  const data = new Uint8Array((count * bits) / 8);
  const view = new DataView(data.buffer);
  const values: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = (i * bits) / 8;
    if (code === 3) {
      const value = (random(2001) - 1000) / 700; // beyond full scale is allowed
      if (bits === 32) view.setFloat32(at, value, true);
      else view.setFloat64(at, value, true);
      values.push(Math.fround(value));
      continue;
    }
    for (let b = 0; b < bits / 8; b++) data[at + b] = i === 0 ? 0 : i === 1 ? 255 : random(256);
    if (code === 6) values.push(aLaw(data[at]) / 32768);
    else if (code === 7) values.push(muLaw(data[at]) / 32768);
    else if (bits === 8) values.push((data[at] - 128) / 128);
    else if (bits === 16) values.push(view.getInt16(at, true) / 2 ** 15);
    else if (bits === 24)
      values.push((((data[at + 2] << 24) >> 8) | (data[at + 1] << 8) | data[at]) / 2 ** 23);
    else values.push(view.getInt32(at, true) / 2 ** 31);
  }
  return { data, values };
}

/** ITU-T G.711, A-law to 16 bits: even bits inverted; sign, 3 bits of segment, 4 of interval. */
function aLaw(byte: number): number {
  const v = byte ^ 0x55;
  const segment = (v >> 4) & 7;
  const interval = (v & 15) * 16 + 8;
  const size = segment === 0 ? interval : (interval + 256) << (segment - 1);
  return v & 0x80 ? size : -size;
}

/** ITU-T G.711, mu-law to 16 bits. */
function muLaw(byte: number): number {
  const v = ~byte & 255;
  const size = (((v & 15) * 8 + 132) << ((v >> 4) & 7)) - 132;
  return v & 0x80 ? -size : size;
}

const formats = [
  [1, 8, 'PCM 8'],
  [1, 16, 'PCM 16'],
  [1, 24, 'PCM 24'],
  [1, 32, 'PCM 32'],
  [3, 32, 'float 32'],
  [3, 64, 'float 64'],
  [6, 8, 'A-law'],
  [7, 8, 'mu-law'],
] as const;
const cases = formats.flatMap(([code, bits, name]) =>
  [1, 2, 3, 6].flatMap((channels) =>
    [false, true].map((extensible) => ({ code, bits, channels, extensible, name })),
  ),
);

describe('decodeWav', () => {
  it.each(cases)(
    '$name, $channels channels, extensible $extensible',
    ({ code, bits, channels, extensible }) => {
      const frames = 301;
      const { data, values } = stored(code, bits, frames * channels);
      const bytes = writeWav({ code, bits, channels, sampleRate: 22050, data, extensible });
      const recording = decodeWav(bytes);
      expect(recording.sampleRate).toBe(22050);
      expect(recording.channels.length).toBe(channels);
      for (let c = 0; c < channels; c++) {
        expect(recording.channels[c].length).toBe(frames);
        for (let i = 0; i < frames; i++) {
          const value = values[i * channels + c];
          if (recording.channels[c][i] !== Math.fround(value))
            expect(recording.channels[c][i], `${i}`).toBe(value);
        }
      }
    },
  );

  it('many blocks, odd sample counts', () => {
    for (const frames of [0, 1, 16383, 16384, 16385, 50001]) {
      const { data, values } = stored(1, 8, frames);
      const { channels } = decodeWav(writeWav({ code: 1, bits: 8, channels: 1, sampleRate: 8000, data }));
      expect(channels[0]).toEqual(Float32Array.from(values));
    }
  });

  it('steps over LIST chunks, odd chunks and whatever follows the data', () => {
    const { data, values } = stored(1, 16, 10);
    const bytes = writeWav({
      code: 1,
      bits: 16,
      channels: 1,
      sampleRate: 8000,
      data,
      extra: [
        ['LIST', new TextEncoder().encode('INFOISFT\x05\0\0\0hello')],
        ['junk', new Uint8Array(7)],
        ['fact', new Uint8Array(2)],
      ],
    });
    const { channels } = decodeWav(concat([bytes, chunk('cue ', new Uint8Array(3).fill(255))]));
    expect(channels[0]).toEqual(Float32Array.from(values));
  });

  it('a data chunk of size 0xffffffff ends with the file', () => {
    const { data, values } = stored(1, 16, 10);
    const format = formatChunk({ code: 1, bits: 16, channels: 1, sampleRate: 8000 });
    const { channels } = decodeWav(riff(format, chunk('data', data, 0xffffffff)));
    expect(channels[0]).toEqual(Float32Array.from(values));
  });

  it('does not mind where its bytes lie in their buffer', () => {
    const { data, values } = stored(1, 16, 10);
    const bytes = writeWav({ code: 1, bits: 16, channels: 1, sampleRate: 8000, data });
    const { channels } = decodeWav(concat([new Uint8Array(3), bytes]).subarray(3));
    expect(channels[0]).toEqual(Float32Array.from(values));
  });

  it('toMono is the mean over the channels', () => {
    const channels = [
      Float32Array.of(1, -1, 0.5),
      Float32Array.of(0, -0.5, 0.5),
      Float32Array.of(-1, 0, 0.5),
    ];
    expect(toMono({ sampleRate: 8000, channels })).toEqual(Float32Array.of(0, -0.5, 0.5));
    expect(toMono({ sampleRate: 8000, channels: [channels[1]] })).toBe(channels[1]);
  });
});

describe('encodeWav', () => {
  it.each(['8', '16', '24', '32', '32f', '64f'] as const)('%s and back', (as) => {
    const step = as.endsWith('f') ? 0 : 2 ** (1 - Number.parseInt(as, 10));
    const left = Float32Array.from({ length: 999 }, (_, i) => Math.sin(i) * 0.9);
    const right = Float32Array.from({ length: 999 }, (_, i) => Math.cos(i * 1.7) * 0.3);
    const { sampleRate, channels } = decodeWav(encodeWav({ sampleRate: 44100, channels: [left, right] }, as));
    expect(sampleRate).toBe(44100);
    for (let i = 0; i < 999; i++) {
      expect(Math.abs(channels[0][i] - left[i])).toBeLessThanOrEqual(step / 2 + 1e-9);
      expect(Math.abs(channels[1][i] - right[i])).toBeLessThanOrEqual(step / 2 + 1e-9);
    }
  });

  it('saturates, and keeps three channels apart', () => {
    const channels = [Float32Array.of(2, -2), Float32Array.of(0.25, 0.5), Float32Array.of(0, -0.25)];
    const back = decodeWav(encodeWav({ sampleRate: 8000, channels }));
    expect(Array.from(back.channels[0])).toEqual([Math.fround(32767 / 32768), -1]);
    expect(back.channels[1]).toEqual(channels[1]);
    expect(back.channels[2]).toEqual(channels[2]);
  });

  it('refuses channels of unequal length', () => {
    const channels = [new Float32Array(3), new Float32Array(4)];
    expect(() => encodeWav({ sampleRate: 8000, channels })).toThrow(/same length/);
  });
});

describe('a malformed WAV names what is wrong', () => {
  const base = { code: 1, bits: 16, channels: 1, sampleRate: 8000 };
  const data = new Uint8Array(20);
  const whole = writeWav({ ...base, data });
  it.each<[string, Uint8Array, RegExp, string]>([
    ['empty', new Uint8Array(0), /not a WAV file/, 'bad-file'],
    ['RIFX', concat([new TextEncoder().encode('RIFX'), whole.subarray(4)]), /RIFX/, 'unsupported'],
    [
      'another RIFF',
      concat([whole.subarray(0, 8), new TextEncoder().encode('AVI ')]),
      /not a WAV/,
      'bad-file',
    ],
    ['cut in the data', whole.subarray(0, whole.length - 3), /claims 20 bytes, 17 are left/, 'bad-file'],
    ['cut in fmt', whole.subarray(0, 30), /"fmt " at byte 12 claims 16 bytes, 10/, 'bad-file'],
    ['no data', riff(formatChunk(base)), /no data chunk/, 'bad-file'],
    ['no fmt', riff(chunk('data', data)), /before the fmt/, 'bad-file'],
    ['nothing', riff(), /no fmt chunk/, 'bad-file'],
    ['two fmt', riff(formatChunk(base), formatChunk(base), chunk('data', data)), /second fmt/, 'bad-file'],
    ['short fmt', riff(chunk('fmt ', new Uint8Array(12))), /12 bytes/, 'bad-file'],
    ['half a frame', writeWav({ ...base, data: new Uint8Array(5) }), /5 bytes, not a whole/, 'bad-file'],
    ['ADPCM', writeWav({ ...base, code: 2, data }), /format 2/, 'unsupported'],
    ['12 bits', writeWav({ ...base, bits: 12, data }), /12 bits/, 'unsupported'],
    ['0 channels', writeWav({ ...base, channels: 0, data }), /0 channels/, 'bad-file'],
    ['9000 channels', writeWav({ ...base, channels: 9000, data }), /9000 channels/, 'bad-file'],
    ['0 Hz', writeWav({ ...base, sampleRate: 0, data }), /0 samples a second/, 'bad-file'],
    ['4 GHz', writeWav({ ...base, sampleRate: 4e9, data }), /4000000000 samples/, 'bad-file'],
    [
      'NaN',
      writeWav({
        ...base,
        code: 3,
        bits: 32,
        data: new Uint8Array(new Float32Array([0, Number.NaN]).buffer),
      }),
      /frame 1 of channel 0 is NaN/,
      'bad-file',
    ],
  ])('%s', (_, bytes, message, code) => {
    const error = failure(() => decodeWav(bytes));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^wav: /);
    expect(error.code).toBe(code);
  });

  it('more samples than the limit', () => {
    expect(failure(() => decodeWav(whole, { samples: 9 })).code).toBe('too-large');
    expect(decodeWav(whole, { samples: 10 }).channels[0].length).toBe(10);
  });
});

describe('500 seeded mutations and truncations', () => {
  const sources = cases.map(({ code, bits, channels, extensible }) =>
    writeWav({
      code,
      bits,
      channels,
      extensible,
      sampleRate: 16000,
      data: stored(code, bits, 40 * channels).data,
      extra: [['LIST', new Uint8Array(9)]],
    }),
  );
  it('each decodes or throws VireoError, quickly and small', () => {
    let worstMs = 0;
    let decoded = 0;
    const before = process.memoryUsage().rss;
    let peak = before;
    for (let n = 0; n < 500; n++) {
      const bytes = mutated(sources[n % sources.length], n);
      const start = performance.now();
      try {
        const { channels } = decodeWav(bytes);
        expect(channels.every((channel) => channel.length === channels[0].length)).toBe(true);
        decoded++;
      } catch (error) {
        expect(error, `mutation ${n}`).toBeInstanceOf(VireoError);
      }
      worstMs = Math.max(worstMs, performance.now() - start);
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect(worstMs).toBeLessThan(2000);
    expect(peak - before).toBeLessThan(128 * 2 ** 20);
    expect(decoded).toBeGreaterThan(60);
    expect(decoded).toBeLessThan(450);
    if (process.env['VIREO_SHOW']) {
      console.log(
        `wav fuzz: worst ${worstMs.toFixed(1)} ms, +${((peak - before) / 2 ** 20).toFixed(0)} MiB, ${decoded} decoded`,
      );
    }
  });
});

/** Cut, flip, overwrite, insert or drop; half of them within the headers. */
function mutated(source: Uint8Array, seed: number): Uint8Array {
  const random = seeded(seed);
  let bytes: Uint8Array = source.slice();
  const kind = seed % 5;
  if (kind === 0) return bytes.subarray(0, random(bytes.length));
  for (let i = 1 + random(4); i > 0; i--) {
    const at = random(random(2) === 0 ? bytes.length : Math.min(bytes.length, 80));
    if (kind === 1) bytes[at] ^= 1 << random(8);
    if (kind === 2) bytes[at] = [0, 255, 128, 127][random(4)];
    if (kind === 3) bytes = concat([bytes.subarray(0, at), Uint8Array.of(random(256)), bytes.subarray(at)]);
    if (kind === 4) bytes = concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(8))]);
  }
  return bytes;
}

function failure(deed: () => unknown): VireoError {
  try {
    deed();
  } catch (error) {
    expect(error).toBeInstanceOf(VireoError);
    if (error instanceof VireoError) return error;
  }
  throw new Error('expected a VireoError');
}
