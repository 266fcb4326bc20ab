/** TensorFlow.js, its wasm backend (XNNPACK inside): SIMD, one thread. */
import { join } from 'node:path';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { packageFolder } from './shims.mjs';

export { format, open } from './tfjs.mjs';

export const name = 'tfjs-wasm';

tf.enableProdMode();
tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
setThreadsCount(1);
setWasmPaths(join(packageFolder('@tensorflow/tfjs-backend-wasm'), 'dist/'));
await tf.setBackend('wasm');
await tf.ready();

export const version = () =>
  `tfjs ${tf.version_core}, backend ${tf.getBackend()} (${tf.env().getBool('WASM_HAS_SIMD_SUPPORT') ? 'SIMD' : 'no SIMD'})`;
