/**
 * The networks of the data, written as ONNX and read again: floats and networks by ONNX's rule give what they gave.
 * int8 networks by TensorFlow Lite's rule get ONNX's, which rounds once: that is what TensorFlow Lite's own fast
 * kernels do, whose stored outputs they give to the byte. onnxruntime on the same files: bench/peers/written.mjs.
 */
import { readdirSync } from 'node:fs';
import { describe, expect } from 'vitest';
import type { Graph } from '../../src/graph/ir.ts';
import { optimize } from '../../src/graph/optimize.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { writeOnnx } from '../../src/io/onnx/write/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { wasm } from '../../src/kernels/wasm/index.ts';
import { dataPath, hasData, itWithData, readData } from '../data.ts';
import { randomInputs } from '../graph/random-graph.ts';
import { countOf, distance, integerForms, lookInto, roundTrip } from '../io/onnx/round-trip.ts';
import { classOf, compareAll } from './accuracy.ts';

function readNetwork(path: string): Graph {
  const bytes = readData(path);
  if (path.endsWith('.tflite')) return readTflite(bytes);
  return readOnnx(bytes, { shapes: path.includes('ocr') ? { x: [1, 3, 48, 192] } : {} });
}

const fast = [wasm, js, reference];
const folders = ['mlperf-tiny/ad', 'mlperf-tiny/ic', 'mlperf-tiny/kws', 'mlperf-tiny/sww', 'mlperf-tiny/vww'];
/** Not read, for operators of another house. */
const foreign = /audio_preprocessor|pre_post_processing/u;
const present = [...folders, 'models/tflite', 'models/onnx', 'peer-models'].flatMap((folder) =>
  hasData(folder)
    ? readdirSync(dataPath(folder))
        .filter((name) => /\.(?:tflite|onnx)$/u.test(name) && !foreign.test(name))
        .map((name) => `${folder}/${name}`)
    : [],
);
const isQuantised = (path: string): boolean =>
  /int8|quant|_i8|kws_ref_model\.|str_ww|person|micro/u.test(path);
/** DeepLab's 513 × 513 cells are for onnxruntime, in bench/peers. */
const quick = present.filter((path) => !path.includes('deeplab'));

describe('floats, and ONNX files: what they gave', () => {
  for (const path of quick.filter((file) => !isQuantised(file) || file.endsWith('.onnx')))
    itWithData(
      path,
      [path],
      () => {
        const graph = readNetwork(path);
        for (const pair of roundTrip(graph, randomInputs(graph, 1), {}, fast)) {
          const largest = pair.original.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          expect(distance(pair)).toBeLessThanOrEqual(pair.isFloat ? 1e-6 * largest : 0);
        }
      },
      60_000,
    );

  for (const path of present.filter((file) => file.endsWith('.onnx')))
    itWithData(`${path}: no transpose more than there was`, [path], () => {
      const before = countOf(lookInto(readData(path)), 'Transpose');
      // Rows and columns of new cells lie among channels: reshape, transpose, reshape.
      const more = countOf(lookInto(readData(path)), 'DepthToSpace');
      for (const graph of [readNetwork(path), optimize(readNetwork(path)).graph]) {
        const written = lookInto(writeOnnx(graph));
        expect(countOf(written, 'Transpose')).toBeLessThanOrEqual(before + more);
      }
    });
});

/** Stored by TensorFlow Lite with its XNNPACK kernels; `flip`: stored as u8, taken as i8. */
interface Stored {
  readonly network: string;
  readonly inputs: string;
  readonly outputs: string;
  readonly items?: number;
  readonly flip?: boolean;
}

const golden = (folder: string, name: string, item: string): Stored => ({
  network: `${folder}/${name}.tflite`,
  inputs: `${item}.in0.bin`,
  outputs: `${item}.out0.bin`,
});
const stored: readonly Stored[] = [
  {
    network: 'mlperf-tiny/kws/kws_ref_model.tflite',
    inputs: 'mlperf-tiny/kws/kws01-inputs-700.bin',
    outputs: 'mlperf-tiny/kws/kws01-int8-outputs-700.bin',
  },
  {
    network: 'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
    inputs: 'cifar10/test-images-0000-4999.bin',
    outputs: 'mlperf-tiny/ic/pretrainedResnet_quant-int8-outputs-0000-4999.bin',
    items: 500,
    flip: true,
  },
  ...['cat', 'grace_hopper'].map((picture) =>
    golden('mlperf-tiny/vww', 'vww_96_int8', `mlperf-tiny/golden/vww_96_int8.tflite.${picture}`),
  ),
  golden('mlperf-tiny/ad', 'ad01_int8', 'mlperf-tiny/golden/ad01_int8.tflite'),
  golden('mlperf-tiny/sww', 'str_ww_ref_model', 'mlperf-tiny/golden/str_ww_ref_model.tflite'),
  ...[
    'micro_speech_quantized',
    'mobilenet_v1_0.25_128_quant',
    'mobilenet_v1_0.75_192_quant',
    'mobilenet_v2_1.0_224_quant',
    'mobilenet_v2_quantized_1x3x224x224',
  ].map((name) => golden('models/tflite', name, `models/golden/${name}.tflite`)),
];

describe('int8 TFLite networks', () => {
  for (const { network, inputs, outputs, items, flip } of stored)
    for (const form of integerForms)
      itWithData(
        `${inputs} through ${network}, ${form}: every byte as TensorFlow Lite stored it`,
        [network, inputs, outputs],
        () => {
          const session = compile(readOnnx(writeOnnx(readNetwork(network), { form })));
          const given = flip ? readData(inputs).map((byte) => byte ^ 128) : readData(inputs);
          const { dtype } = session.inputs[0]!;
          const input = session.input(0);
          const as = (bytes: Uint8Array) => (dtype === 'i8' ? new Int8Array(bytes) : bytes);
          const signed = (bytes: Uint8Array) => (dtype === 'i8' ? new Int8Array(bytes.buffer) : bytes);
          const expected = signed(readData(outputs));
          const count = items ?? given.length / input.length;
          const stray = compareAll(expected, session.output(0).length);
          for (let item = 0; item < count; item++) {
            input.set(as(given.subarray(item * input.length, (item + 1) * input.length)));
            session.run();
            stray.take(session.output(0), item);
          }
          expect(stray.agreement().largest).toBe(0);
        },
        60_000,
      );

  for (const path of quick.filter((file) => isQuantised(file) && file.endsWith('.tflite')))
    itWithData(`${path}, as floats: the same answer, or one as good`, [path], () => {
      const graph = readNetwork(path);
      const [pair] = roundTrip(graph, randomInputs(graph, 3), { form: 'float' }, fast);
      const { original, written } = pair!;
      // Of noise the best answers lie close together.
      expect(written[classOf(original)]).toBeGreaterThanOrEqual(Math.max(...written) - 12);
    });
});
