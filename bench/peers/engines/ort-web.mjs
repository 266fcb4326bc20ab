/** onnxruntime-web: wasm with SIMD, one thread, no worker. */
import ort from 'onnxruntime-web/wasm';
import { openSession } from './onnx.mjs';
import { packageVersion } from './shims.mjs';

export const format = 'onnx';
export const name = 'ort-web';

export const version = () => `onnxruntime-web ${packageVersion('onnxruntime-web')} (wasm SIMD)`;

ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = false;
ort.env.logLevel = 'error';

export const open = (model) => openSession(ort, model, { providers: ['wasm'], writesInto: false });
