/** Who takes part: files in engines/, in the order of the table. */
export const engines = [
  'vireo',
  'vireo-js',
  'ort-node',
  'litert',
  'tfjs-tflite',
  'tfjs-wasm',
  'ort-web',
  'tfjs-cpu',
];

/** TensorFlow.js has no int8. */
export const floatOnly = ['tfjs-wasm', 'tfjs-cpu'];
