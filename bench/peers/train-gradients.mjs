/**
 * TensorFlow.js' gradients. tfjs-core's file for Node leaves them out: importing this registers them as the package
 * `@tensorflow/tfjs` does, whose file for Node has a copy of them that shares tfjs-core's registry through a global.
 */
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { packageFolder } from './engines/shims.mjs';

const { outputFiles } = buildSync({
  entryPoints: [join(packageFolder('@tensorflow/tfjs-core'), 'dist/register_all_gradients.js')],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
  logLevel: 'error',
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
await import(`data:text/javascript;base64,${code}`);
