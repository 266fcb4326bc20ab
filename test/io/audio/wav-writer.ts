/** WAV files written from the format's description alone, so that the reader is not its own witness. */

export interface WavParts {
  readonly code: number;
  readonly bits: number;
  readonly channels: number;
  readonly sampleRate: number;
  /** The data chunk's bytes. */
  readonly data: Uint8Array;
  readonly extensible?: boolean;
  /** Chunks between fmt and data: name and bytes. */
  readonly extra?: readonly (readonly [string, Uint8Array])[];
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Name, size, content, and a zero byte if the content is of odd length. */
export function chunk(name: string, content: Uint8Array, statedSize = content.length): Uint8Array {
  const out = new Uint8Array(8 + content.length + (content.length % 2));
  for (let i = 0; i < 4; i++) out[i] = name.charCodeAt(i);
  new DataView(out.buffer).setUint32(4, statedSize, true);
  out.set(content, 8);
  return out;
}

export function formatChunk(parts: Omit<WavParts, 'data' | 'extra'>): Uint8Array {
  const { code, bits, channels, sampleRate, extensible } = parts;
  const content = new Uint8Array(extensible ? 40 : 16);
  const view = new DataView(content.buffer);
  const frame = (channels * bits) / 8;
  view.setUint16(0, extensible ? 0xfffe : code, true);
  view.setUint16(2, channels, true);
  view.setUint32(4, sampleRate, true);
  view.setUint32(8, sampleRate * frame, true);
  view.setUint16(12, frame, true);
  view.setUint16(14, bits, true);
  if (extensible) {
    view.setUint16(16, 22, true);
    view.setUint16(18, bits, true);
    view.setUint16(24, code, true);
    content.set([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71], 26);
  }
  return chunk('fmt ', content);
}

export function riff(...chunks: Uint8Array[]): Uint8Array {
  const body = concat([Uint8Array.from('WAVE', (c) => c.charCodeAt(0)), ...chunks]);
  return chunk('RIFF', body);
}

export function writeWav(parts: WavParts): Uint8Array {
  return riff(
    formatChunk(parts),
    ...(parts.extra ?? []).map(([name, bytes]) => chunk(name, bytes)),
    chunk('data', parts.data),
  );
}
