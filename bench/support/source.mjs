/** What the benchmarks take from src/, the package's doors and what is behind them: bundled as the doors are, when a benchmark starts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const contents = `
export * from './src/index.ts';
export { byteLength } from './src/tensor.ts';
export { encodedBytes, encodingOf, encodingOffset } from './src/kernels/encoding.ts';
export { probe } from './src/kernels/wasm/target.ts';
export { limitNames, measureLimits } from './src/cli/limits.ts';
export { timeSteps } from './src/cli/timing.ts';
`;

const root = fileURLToPath(new URL('../..', import.meta.url));
const { outputFiles } = await build({
  absWorkingDir: root,
  stdin: { contents, resolveDir: root, loader: 'ts' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  target: 'es2022',
  write: false,
  logLevel: 'error',
});
const folder = mkdtempSync(join(tmpdir(), 'vireo-bench-'));
const file = join(folder, 'source.mjs');
writeFileSync(file, outputFiles[0].contents);

export const {
  byteLength,
  encodedBytes,
  encodingOf,
  encodingOffset,
  js,
  limitNames,
  measureLimits,
  noClamp,
  noPad,
  opMacs,
  probe,
  reference,
  timeSteps,
  wasm,
  wasmKernels,
} = await import(pathToFileURL(file).href).finally(() => rmSync(folder, { recursive: true }));
