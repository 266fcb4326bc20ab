/** TensorFlow.js, its plain JavaScript backend: the language and the thread of vireo's `js` kernels. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

export { format, open } from './tfjs.mjs';

export const name = 'tfjs-cpu';

tf.enableProdMode();
await tf.setBackend('cpu');
await tf.ready();

export const version = () => `tfjs ${tf.version_core}, backend ${tf.getBackend()}`;
