/**
 * What each door of the package weighs: bundled and minified, then gzipped, everything it exports included.
 *
 *   npm run build && node bench/size.mjs [--json | --markdown]
 *
 * Packages stay outside except in the last column; `node:` modules always stay outside. Door `./portable`, the core with
 * the reference and js kernels, may weigh 45 KB minified and gzipped; over that the exit code is 1.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, version } from 'esbuild';
import { readOptions } from './support/options.mjs';
import { report, table } from './support/report.mjs';

const usage = 'node bench/size.mjs [--json | --markdown]';
const options = readOptions(usage);
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const coreLimit = 45 * 1024;

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const doors = Object.entries(exports).filter(([, target]) => target.default);

const rows = [];
for (const [door, target] of doors) {
  const own = await weigh([target.default], true);
  const withCore = await weigh([exports['.'].default, target.default], true);
  const all = await weigh([target.default], false);
  rows.push({
    door,
    minified: own.minified,
    gzipped: own.gzipped,
    packages: own.packages,
    gzippedWithCore: withCore.gzipped,
    minifiedWithPackages: all.minified,
    gzippedWithPackages: all.gzipped,
  });
}

/** Bundles files as one; `packages` are the external imports that are left. */
async function weigh(files, packagesOutside) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    stdin: { contents: files.map((file) => `export * from '${file}';`).join('\n'), resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    // A package for Node finds its files as Node does; vireo's own code is bundled for any engine.
    ...(packagesOutside
      ? { platform: 'neutral', packages: 'external', external: ['node:*'] }
      : { platform: 'node', mainFields: ['module', 'main'] }),
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  const [{ contents }] = outputFiles;
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  return {
    minified: contents.length,
    gzipped: gzipSync(contents, { level: 9 }).length,
    packages: [...new Set(imports.map(({ path }) => path))].sort(),
  };
}

const core = rows.find(({ door }) => door === '.');
const portable = rows.find(({ door }) => door === './portable');
const isCoreSmall = portable.gzipped <= coreLimit;
const kb = (bytes) => (bytes / 1024).toFixed(1);
report(options, {
  title: 'Size of each door',
  tables: {
    doors: table(
      {
        door: (row) => `vireo-nn${row.door.slice(1)}`,
        'minified KB>': (row) => kb(row.minified),
        'gzipped KB>': (row) => kb(row.gzipped),
        imports: (row) => row.packages.join(', ') || 'nothing',
        'beside the core, gzipped KB>': (row) =>
          row === core ? '' : `+${kb(row.gzippedWithCore - core.gzipped)}`,
        'with packages, minified and gzipped KB>': (row) =>
          `${kb(row.minifiedWithPackages)}, ${kb(row.gzippedWithPackages)}`,
      },
      rows,
    ),
  },
  notes: [
    `portable, the core with reference and js kernels: ${kb(portable.minified)} KB minified, ${kb(portable.gzipped)} KB gzipped, ` +
      `limit ${coreLimit / 1024} KB gzipped: ${isCoreSmall ? 'kept' : 'OVER'}`,
    `1 KB is 1024 bytes. Bundled by esbuild ${version}, target es2022; gzip level 9.`,
  ],
  data: { esbuild: version, coreLimit, isCoreSmall, doors: rows },
});
if (!isCoreSmall) process.exitCode = 1;
