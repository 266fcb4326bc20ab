/**
 * tfjs-tflite, wasm, one thread: the .tflite file as it is.
 *
 * Through the web API client in the package, `TFLiteWebModelRunner`, which lends typed arrays on its memory: what
 * the package adds on top copies every value through a TensorFlow.js tensor and makes int32 of int8.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder, packageVersion, runScript, workerScope } from './shims.mjs';

export const format = 'tflite';
export const name = 'tfjs-tflite';

export const version = () => `tfjs-tflite ${packageVersion('@tensorflow/tfjs-tflite')} (SIMD)`;

let client = null;

async function load() {
  const folder = join(packageFolder('@tensorflow/tfjs-tflite'), 'wasm');
  workerScope();
  runScript(join(folder, 'tflite_web_api_client.js'));
  const { tfweb } = globalThis;
  tfweb.tflite_web_api.setWasmPath(`${folder}/`);
  // It takes its threaded build wherever it finds shared memory; the answer is kept.
  const { SharedArrayBuffer: shared } = globalThis;
  globalThis.SharedArrayBuffer = undefined;
  await tfweb.tflite_web_api.getWasmFeatures();
  globalThis.SharedArrayBuffer = shared;
  // The bytes by hand, since there is no address to fetch them from.
  globalThis.importScripts = (file) => {
    runScript(file);
    const make = globalThis.tflite_web_api_ModuleFactory;
    const wasmBinary = readFileSync(file.replace(/\.js$/, '.wasm'));
    const quiet = { print: () => {}, printErr: () => {} };
    globalThis.tflite_web_api_ModuleFactory = (module) => make({ ...module, ...quiet, wasmBinary });
  };
  return tfweb.TFLiteWebModelRunner;
}

export async function open({ bytes }) {
  client ??= await load();
  const runner = await client.create(bytes.slice().buffer, { numThreads: 1 });
  const [input] = runner.getInputs();
  const outputs = runner.getOutputs();
  let results = null;
  return {
    prepare: (x) => x,
    run(x) {
      input.data().set(x); // asked for each time: the memory may have grown
      if (!runner.infer()) throw new Error('tfjs-tflite: inference failed');
      results ??= outputs.map((output) => output.data().slice());
      for (let i = 0; i < outputs.length; i++) results[i].set(outputs[i].data());
    },
    outputs: () => results,
  };
}
