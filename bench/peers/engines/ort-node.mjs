/** onnxruntime-node: native code (AVX2, AVX-512, VNNI), one thread. */
import ort from 'onnxruntime-node';
import { openSession } from './onnx.mjs';
import { packageVersion } from './shims.mjs';

export const format = 'onnx';
export const name = 'ort-node';

export const version = () => `onnxruntime-node ${packageVersion('onnxruntime-node')} (native)`;

export const open = (model) => openSession(ort, model, { providers: ['cpu'], writesInto: true });
