/** The golden sets of TensorFlow Lite Micro (`tflm-golden` in the test data): inputs, outputs, layers. */
import { createHash } from 'node:crypto';
import { readData } from '../data.ts';

export type NumberArray = Int8Array | Uint8Array | Float32Array;

export interface Golden {
  readonly model: { readonly name: string; readonly sha256: string; readonly repo: string };
  readonly input: { readonly dtype: string; readonly shape: readonly number[] };
  readonly output: { readonly dtype: string; readonly shape: readonly number[] };
  readonly count: number;
  readonly indices: readonly number[];
  readonly outputs: { readonly file: string; readonly sha256: string };
  readonly inputs: {
    readonly file?: string;
    readonly transform?: string;
    readonly count?: number;
    readonly kind?: string;
    readonly lo?: number;
    readonly hi?: number;
    readonly model_input_sha256: string;
  };
}

export interface IntegerCheck {
  readonly index: number;
  readonly sha256: string;
  readonly sum: number;
}

export interface FloatCheck {
  readonly index: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly sum_abs: number;
  readonly first: readonly number[];
  readonly last: readonly number[];
}

export interface Layers {
  readonly inputs: Golden['inputs'];
  readonly digest_indices?: readonly number[];
  readonly tensors: readonly {
    readonly name: string;
    readonly produced_by: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly checks: readonly (IntegerCheck | FloatCheck)[];
    readonly digests?: readonly string[];
  }[];
}

/** Where the network of a golden set lies. */
const modelPaths: Readonly<Record<string, string>> = {
  ad01_fp32: 'mlperf-tiny/ad/ad01_fp32.tflite',
  ad01_int8: 'mlperf-tiny/ad/ad01_int8.tflite',
  kws_ref_model: 'mlperf-tiny/kws/kws_ref_model.tflite',
  micro_speech_quantized: 'models/tflite/micro_speech_quantized.tflite',
  person_detect: 'models/tflite/person_detect.tflite',
  pretrainedResnet: 'mlperf-tiny/ic/pretrainedResnet.tflite',
  pretrainedResnet_quant: 'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
  str_ww_ref_model: 'mlperf-tiny/sww/str_ww_ref_model.tflite',
  vww_96_float: 'mlperf-tiny/vww/vww_96_float.tflite',
  vww_96_int8: 'mlperf-tiny/vww/vww_96_int8.tflite',
};

export const goldenModels = Object.keys(modelPaths);

/** Anomaly detection and the streaming wake word have generated inputs only. */
export const hasRealInputs = (name: string): boolean =>
  !name.startsWith('ad01') && name !== 'str_ww_ref_model';

export const modelPath = (name: string): string => modelPaths[name]!;

export function readJson<T>(path: string): T {
  return JSON.parse(new TextDecoder().decode(readData(path))) as T;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function bytesOf(data: NumberArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The generator of `tflm-golden/README.md`. */
export function generate(index: number, count: number, kind: string, lo = 0, hi = 1): NumberArray {
  let x = Math.imul(index + 1, 2654435769) >>> 0;
  const hold = [1, 5, 37, 301][(index >> 1) & 3]!;
  const out =
    kind === 'uint8'
      ? new Uint8Array(count)
      : kind === 'int8'
        ? new Int8Array(count)
        : new Float32Array(count);
  for (let i = 0; i < count; i++) {
    if (i % hold === 0) {
      x = (x ^ (x << 13)) >>> 0;
      x = (x ^ (x >>> 17)) >>> 0;
      x = (x ^ (x << 5)) >>> 0;
    }
    out[i] =
      kind === 'uint8'
        ? x >>> 24
        : kind === 'int8'
          ? (x >>> 24) - 128
          : lo + (hi - lo) * ((x >>> 8) / 16777216);
  }
  return out;
}

/** All inputs of a golden set, in order. */
export function inputsOf(golden: Golden): NumberArray[] {
  const { file, transform, kind, count, lo, hi } = golden.inputs;
  if (!file) return golden.indices.map((index) => generate(index, count!, kind!, lo, hi));
  const stored = readJson<{ count: number; indices: number[]; item_shape: number[] }>(
    `tflm-golden/${file.replace(/\.bin$/u, '.json')}`,
  );
  const bytes = readData(`tflm-golden/${file}`);
  const size = bytes.length / stored.count;
  return golden.indices.map((index) => {
    const k = stored.indices.indexOf(index);
    return transformed(bytes.slice(k * size, (k + 1) * size), transform!);
  });
}

function transformed(item: Uint8Array, transform: string): NumberArray {
  const upscaled = transform.startsWith('nearest upscale x3')
    ? Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => {
        const [y, x, c] = [Math.floor(i / 288), Math.floor(i / 3) % 96, i % 3];
        return item[(Math.floor(y / 3) * 32 + Math.floor(x / 3)) * 3 + c];
      })
    : item;
  if (transform === 'int8 as stored') return new Int8Array(item.buffer);
  if (transform.endsWith('int8 = uint8 - 128')) return Int8Array.from(upscaled, (v) => v - 128);
  if (transform === 'float32(uint8)') return Float32Array.from(item);
  if (transform.includes('float32(uint8 / 255)')) return Float32Array.from(upscaled, (v) => v / 255);
  throw new Error(`unknown transform "${transform}"`);
}

export function outputsOf(golden: Golden): NumberArray {
  const { buffer } = readData(`tflm-golden/${golden.outputs.file}`);
  return golden.output.dtype === 'float32' ? new Float32Array(buffer) : new Int8Array(buffer);
}
