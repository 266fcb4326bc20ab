/**
 * dist/ from src/: one module for each door of the package and for the command, what they share in chunks, packages
 * left outside. A network is ready sooner when the engine reads a few files instead of two hundred.
 */
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports, bin } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const targets = [...Object.values(exports).flatMap((door) => door.default ?? []), ...Object.values(bin)];
const sourceOf = (target) => target.replace(/^(\.\/)?dist\//u, 'src/').replace(/\.js$/u, '.ts');

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true }); // nothing deleted from src/ lives on
await build({
  absWorkingDir: root,
  entryPoints: [...targets.map(sourceOf), 'src/cli/train/worker.ts'],
  outbase: 'src',
  outdir: 'dist',
  // As deep as the command's own file: paths beside `import.meta.url` hold in either.
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  target: 'es2022',
  // An engine reads all of it before the first call: without blanks and comments a tenth sooner. Names stay, for errors.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning',
});
