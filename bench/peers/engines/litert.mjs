/**
 * LiteRT.js, wasm, one thread: the .tflite file as it is.
 *
 * Through its raw binding, float too: the public `Tensor` knows no int8 and makes a buffer for every call. The
 * build with relaxed SIMD is taken where the engine has that, as the library itself would.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder, packageVersion, workerScope } from './shims.mjs';

export const format = 'tflite';
export const name = 'LiteRT.js';

const options = { accelerator: 'wasm', cpuOptions: { numThreads: 1 }, gpuOptions: {}, webNNOptions: {} };

let lite = null;
let build = '';

async function load() {
  const folder = join(packageFolder('@litertjs/core'), 'wasm');
  workerScope();
  const { loadLiteRt, supportsFeature } = await import('@litertjs/core');
  build = (await supportsFeature('relaxedSimd')) ? 'litert_wasm_internal' : 'litert_wasm_compat_internal';
  // Emscripten's `Module`: the bytes by hand, since there is no address to fetch them from.
  const quiet = { print: () => {}, printErr: () => {} };
  globalThis.Module = { wasmBinary: readFileSync(join(folder, `${build}.wasm`)), ...quiet };
  const { warn } = console;
  console.warn = () => {}; // that there is no WebGPU
  try {
    return await loadLiteRt(join(folder, `${build}.js`));
  } finally {
    console.warn = warn;
  }
}

export const version = () =>
  `LiteRT.js ${packageVersion('@litertjs/core')} (${build.includes('compat') ? 'SIMD' : 'relaxed SIMD'})`;

export async function open({ bytes, dtype }) {
  lite ??= await load();
  const wasm = lite.liteRtWasm;
  const environment = lite.getDefaultEnvironment();
  const at = wasm._malloc(bytes.length);
  wasm.HEAPU8.set(bytes, at);
  const model = wasm.loadModel(environment.liteRtEnvironment, at, bytes.length);
  const compiled = await wasm.compileModel(environment.liteRtEnvironment, model, { ...options, environment });
  const type = model.getInputTensorType(0, 0);
  const input = wasm.LiteRtTensorBuffer.createManaged(
    environment.liteRtEnvironment,
    wasm.LiteRtTensorBufferType.HOST_MEMORY,
    type,
    type.bytes(),
  );
  const { READ, WRITE } = wasm.LiteRtTensorBufferLockMode;
  const inputs = [input];
  const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
  let results = null;
  return {
    prepare: bytesOf,
    run(x) {
      wasm.HEAPU8.set(x, input.lock(WRITE));
      input.unlock();
      const outputs = compiled.run(0, inputs);
      results ??= outputs.map((output) => new Uint8Array(output.packedSize()));
      for (let i = 0; i < outputs.length; i++) {
        const from = outputs[i].lock(READ);
        results[i].set(wasm.HEAPU8.subarray(from, from + results[i].length));
        outputs[i].unlock();
        outputs[i].delete();
      }
    },
    outputs() {
      const Type = { f32: Float32Array, i8: Int8Array, u8: Uint8Array }[dtype];
      return results.map(({ buffer }) => new Type(buffer));
    },
  };
}
