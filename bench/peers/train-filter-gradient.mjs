/**
 * TensorFlow.js' kernel for gradients of filters, put together from others. Its wasm backend has none; that of its cpu
 * backend takes nine tenths of a step.
 *
 *   dw[i, j, c, o] = Σₙ Σₕ Σᵥ x[n, h·stride + i − top, v·stride + j − left, c] · dy[n, h, v, o]
 *
 * is a convolution of x, with channels as its batch and pictures as its channels, by dy, with the stride as dilation.
 */
import * as tf from '@tensorflow/tfjs-core';

const kernelName = 'Conv2DBackpropFilter';

export function computeFilterGradientsByConvolution(backendName) {
  if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ kernelName, backendName, kernelFunc: filterGradient });
}

function filterGradient({ inputs: { x, dy }, attrs: { strides, pad, filterShape } }) {
  const [kH, kW, inC, outC] = filterShape;
  return tf.tidy(() => {
    const channels = tf.transpose(x, [3, 1, 2, 0]); // (inC, H, W, N)
    const filter = tf.transpose(dy, [1, 2, 0, 3]); // (outH, outW, N, outC)
    const taps = tf.conv2d(channels, filter, 1, pad, 'NHWC', strides);
    return tf.transpose(tf.slice(taps, [0, 0, 0, 0], [inC, kH, kW, outC]), [1, 2, 0, 3]);
  });
}
