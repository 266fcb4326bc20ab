/** Sources to inputs and outputs to labels, as cards say. */
import { describe, expect, it } from 'vitest';
import { decodeWav, type Recording } from '../../../src/io/audio/index.ts';
import type { InputCard, OutputCard, TensorInfo } from '../../../src/io/cards/index.ts';
import {
  combineWindows,
  describeOutput,
  parseNetworkCard,
  planInput,
  prepareInput,
  readReal,
  storeReal,
} from '../../../src/io/cards/index.ts';
import { roundHalfAway } from '../../../src/io/cards/store.ts';
import { decodePng } from '../../../src/io/image/index.ts';
import type { Quantization, Tensor, TensorData } from '../../../src/tensor.ts';
import { itWithData, readData } from '../../data.ts';

const q = (scale: number, zeroPoint: number): Quantization => ({
  scale: [scale],
  zeroPoint: [zeroPoint],
  axis: 0,
});
const kws = q(0.5847029089927673, 83);

function numbers(data: TensorData): number[] {
  const out: number[] = [];
  for (const value of data) out.push(Number(value));
  return out;
}

function input(card: object): InputCard {
  const whole = { vireo: 'network-card/1', name: 'x', inputs: [card], outputs: [{ kind: 'raw' }] };
  return parseNetworkCard(JSON.stringify(whole), 'x').inputs[0];
}

describe('storeReal', () => {
  it.each([
    ['nearest', [-2.5, -1.5, -0.5, -0.4, 0.4, 0.5, 1.5, 2.5], [-3, -2, -1, 0, 0, 1, 2, 3]],
    ['truncate', [-2.5, -1.5, -0.5, -0.4, 0.4, 0.5, 1.5, 2.9], [-2, -1, 0, 0, 0, 0, 1, 2]],
  ] as const)('%s', (rounding, real, stored) => {
    const info: TensorInfo = { dtype: 'i8', shape: [1, 8], quantization: q(1, 0) };
    expect(numbers(storeReal(real, info, rounding, 'x')).map((v) => v + 0)).toEqual(stored);
  });

  it('truncates after adding the zero point, as the official keyword inputs were', () => {
    const info: TensorInfo = { dtype: 'i8', shape: [1, 4], quantization: q(0.5, 10) };
    // (x/0.5 + 10): 9.2, 11.8, −0.6, −10.9
    expect(numbers(storeReal([-0.4, 0.9, -5.3, -10.45], info, 'truncate', 'x'))).toEqual([9, 11, 0, -10]);
  });

  it.each([
    ['i8', [-128, 127]],
    ['u8', [0, 255]],
    ['i16', [-32768, 32767]],
    ['i32', [-2147483648, 2147483647]],
  ] as const)('%s saturates', (dtype, ends) => {
    const info: TensorInfo = { dtype, shape: [1, 2], quantization: q(1e-9, 0) };
    expect(numbers(storeReal([-1e6, 1e6], info, 'nearest', 'x'))).toEqual(ends);
    expect(
      numbers(storeReal([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], info, 'nearest', 'x')),
    ).toEqual(ends);
  });

  it('NaN and a wrong number of values are refused; batches count once', () => {
    const info: TensorInfo = { dtype: 'i8', shape: [4, 2], quantization: q(1, 0) };
    expect(() => storeReal([Number.NaN, 0], info, 'nearest', 'sound')).toThrow('sound: NaN');
    expect(() => storeReal([0, 0, 0], info, 'nearest', 'sound')).toThrow('sound: the network takes 2 values');
  });

  it('there and back, over every stored value', () => {
    const info: TensorInfo = { dtype: 'i8', shape: [256], quantization: kws };
    const all = Int8Array.from({ length: 256 }, (_, i) => i - 128);
    expect(storeReal(readReal(all, kws), info, 'nearest', 'x')).toEqual(all);
  });

  it('roundHalfAway', () => {
    expect([-1.5, -0.5, 0.5, 1.5, 2.4999].map(roundHalfAway)).toEqual([-2, -1, 1, 2, 2]);
  });
});

describe('prepareInput', () => {
  const tensor = (values: number[], dtype: 'i8' | 'u8' | 'f32' = 'i8'): Tensor =>
    dtype === 'f32'
      ? { dtype, shape: [values.length], data: Float32Array.from(values) }
      : dtype === 'i8'
        ? { dtype, shape: [values.length], data: Int8Array.from(values) }
        : { dtype, shape: [values.length], data: Uint8Array.from(values) };
  const raw = input({ kind: 'raw' });

  it('a tensor stored as the network stores it passes as it is', () => {
    const info: TensorInfo = { dtype: 'i8', shape: [1, 3], quantization: kws };
    const source = {
      kind: 'tensor',
      tensor: tensor([-128, 0, 127]),
      quantization: q(0.58470291, 83),
    } as const;
    const data = prepareInput(raw, info, source);
    expect(numbers(data)).toEqual([-128, 0, 127]);
    expect(data).not.toBe(source.tensor.data);
    expect(numbers(prepareInput(raw, info, { kind: 'tensor', tensor: source.tensor }))).toEqual([
      -128, 0, 127,
    ]);
  });

  it('a quantised tensor is read as real numbers for a float network', () => {
    const source = { kind: 'tensor', tensor: tensor([-128, 83, 127]), quantization: q(0.5, 83) } as const;
    expect(numbers(prepareInput(raw, { dtype: 'f32', shape: [1, 3] }, source))).toEqual([-105.5, 0, 22]);
  });

  it('other parameters, other types', () => {
    const info: TensorInfo = { dtype: 'u8', shape: [1, 3], quantization: q(1, 128) };
    const quantised = { kind: 'tensor', tensor: tensor([-2, 0, 3]), quantization: q(0.5, 0) } as const;
    expect(numbers(prepareInput(raw, info, quantised))).toEqual([127, 128, 130]); // 1.5 rounds away from zero
    const real = { kind: 'tensor', tensor: tensor([-2, 0, 3], 'f32') } as const;
    expect(numbers(prepareInput(raw, info, real))).toEqual([126, 128, 131]);
    const bytes = { kind: 'tensor', tensor: tensor([1, 2, 3], 'u8') } as const;
    expect(numbers(prepareInput(raw, { dtype: 'f32', shape: [3] }, bytes))).toEqual([1, 2, 3]);
    const signed = { kind: 'tensor', tensor: tensor([1, 2, 3]) } as const;
    expect(() => prepareInput(raw, info, signed)).toThrow(
      'i8 values for an u8 input; say how they are quantised',
    );
    expect(() => prepareInput(raw, { ...info, shape: [1, 4] }, real)).toThrow('takes 4 values, got 3');
  });

  it('the wrong kind of source is named', () => {
    const recording: Recording = { sampleRate: 16000, channels: [new Float32Array(10)] };
    const image = input({ kind: 'image', stored: { offset: 0 } });
    const info: TensorInfo = { dtype: 'f32', shape: [1, 1, 1, 3] };
    expect(() => prepareInput(image, info, { kind: 'recording', recording })).toThrow(
      'takes a picture, got a recording',
    );
  });

  it('a recording is mixed, resampled and heard by the front-end', () => {
    const left = Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i / 5));
    const recording: Recording = { sampleRate: 8000, channels: [left, left.map((v) => v / 2)] };
    const card = input({ kind: 'audio', frontEnd: 'waveform', parameters: { samples: 15600 } });
    const data = prepareInput(card, { dtype: 'f32', shape: [1, 15600] }, { kind: 'recording', recording });
    expect(data.length).toBe(15600);
    for (let i = 2000; i < 13000; i++) expect(Number(data[i])).toBeCloseTo(0.75 * Math.sin(i / 10), 4);
  });

  it('windows of frames, and silence for a recording that is too short', () => {
    const card = input({
      kind: 'audio',
      frontEnd: 'mlperf-tiny-sww-logmel',
      window: { frames: 30, step: 4 },
    });
    const info: TensorInfo = { dtype: 'f32', shape: [1, 30, 1, 40] };
    const plan = planInput(card, info);
    const recording = (length: number): Recording => ({
      sampleRate: 16000,
      channels: [Float32Array.from({ length }, (_, i) => Math.sin(i * i * 1e-5))],
    });
    const windows = [...plan.windows({ kind: 'recording', recording: recording(32000) })];
    expect(windows.map(({ startSeconds }) => startSeconds)).toEqual(
      [0, 4, 8, 12, 16, 20, 24, 28].map((t) => t * 0.032),
    );
    // The second window is the first one moved on by four frames of forty bands.
    expect(numbers(windows[1].data).slice(0, 26 * 40)).toEqual(numbers(windows[0].data).slice(4 * 40));
    expect([...plan.windows({ kind: 'recording', recording: recording(5000) })].length).toBe(1);
  });

  itWithData(
    'one window for every frame of the 10 s recording',
    ['mlperf-tiny/sww/short_wav_easy10s.wav'],
    () => {
      const card = input({ kind: 'audio', frontEnd: 'mlperf-tiny-sww-logmel', window: { frames: 30 } });
      const info: TensorInfo = { dtype: 'i8', shape: [1, 30, 1, 40], quantization: q(0.0037010426, -128) };
      const recording = decodeWav(readData('mlperf-tiny/sww/short_wav_easy10s.wav'));
      const windows = [...planInput(card, info).windows({ kind: 'recording', recording })];
      expect(windows.length).toBe(Math.floor((160000 - 1024) / 512) + 1 - 29);
      expect(windows.every(({ data }) => data instanceof Int8Array && data.length === 1200)).toBe(true);
    },
  );

  itWithData(
    'person.png into the stored input of the reference kernels',
    ['models/images/person.png', 'tflm-golden/inputs/person.int8.bin'],
    () => {
      const card = input({ kind: 'image', channels: 'grey', stored: { offset: -128 } });
      const picture = decodePng(readData('models/images/person.png'));
      const data = prepareInput(card, { dtype: 'i8', shape: [1, 96, 96, 1] }, { kind: 'picture', picture });
      expect(data).toEqual(new Int8Array(readData('tflm-golden/inputs/person.int8.bin').buffer));
    },
  );
});

describe('describeOutput', () => {
  const classification = (change: object = {}): OutputCard => ({
    kind: 'classification',
    scores: 'probabilities',
    labels: { names: ['a', 'b', 'c'], file: undefined },
    overWindows: 'mean',
    ...change,
  });
  const info: TensorInfo = { dtype: 'i8', shape: [1, 4], quantization: q(1 / 256, -128) };

  it('dequantises; of equals the first comes first; classes without a name go by number', () => {
    const data = Int8Array.of(-64, -128, -64, 0);
    expect(describeOutput(classification(), data, info, 3)).toEqual([
      { index: 3, label: '3', confidence: 0.5 },
      { index: 0, label: 'a', confidence: 0.25 },
      { index: 2, label: 'c', confidence: 0.25 },
    ]);
    expect(describeOutput(classification(), data, info).length).toBe(4);
  });

  it('logits pass through softmax, also large ones', () => {
    const top = describeOutput(
      classification({ scores: 'logits' }),
      Float32Array.of(1000, 1000 + Math.log(3), -1000),
      { dtype: 'f32', shape: [1, 3] },
    );
    expect(top.map(({ label }) => label)).toEqual(['b', 'a', 'c']);
    expect(top[0].confidence).toBeCloseTo(0.75, 4);
    expect(top[1].confidence).toBeCloseTo(0.25, 4);
    expect(top[2].confidence).toBe(0);
  });

  it('a segmentation is described by shares of the picture', () => {
    const output: OutputCard = {
      kind: 'segmentation',
      labels: { names: ['ground', 'x', 'bird'], file: undefined },
    };
    const data = BigInt64Array.of(0n, 2n, 0n, 0n);
    expect(describeOutput(output, data, { dtype: 'i64', shape: [1, 2, 2] })).toEqual([
      { index: 0, label: 'ground', confidence: 0.75 },
      { index: 2, label: 'bird', confidence: 0.25 },
    ]);
  });

  it('numbers have no classes', () => {
    expect(
      describeOutput({ kind: 'regression', unit: '' }, Float32Array.of(1), { dtype: 'f32', shape: [1] }),
    ).toEqual([]);
  });

  it('windows are combined by their mean or their largest', () => {
    const windows = [Float32Array.of(0, 1), Float32Array.of(0.5, 0)];
    expect(numbers(combineWindows(classification(), windows))).toEqual([0.25, 0.5]);
    expect(numbers(combineWindows(classification({ overWindows: 'max' }), windows))).toEqual([0.5, 1]);
  });
});
