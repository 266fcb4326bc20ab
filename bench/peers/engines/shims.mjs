/**
 * What two libraries written for the browser ask of it, and no more: a global `self`, an `importScripts` that
 * evaluates a file in place, a `location`, and packages found on the disk.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

const require = createRequire(import.meta.url);

/** The folder of an installed package, whatever its `exports` let through. */
export function packageFolder(name) {
  const folder = require.resolve.paths(name).find((path) => existsSync(join(path, name, 'package.json')));
  if (!folder) throw new Error(`${name} is not installed: npm ci --prefix bench/peers`);
  return join(folder, name);
}

export function packageVersion(name) {
  return JSON.parse(readFileSync(join(packageFolder(name), 'package.json'), 'utf8')).version;
}

/**
 * Evaluates a script in the global scope: a `var` at its top becomes a global, as in a worker. Code that
 * Emscripten made finds out that it is in Node, and then wants the variables of a CommonJS module.
 */
export function runScript(file) {
  globalThis.require = require;
  globalThis.exports = {};
  globalThis.__filename = file;
  globalThis.__dirname = dirname(file);
  vm.runInThisContext(readFileSync(file, 'utf8'), { filename: file });
}

/** The global scope of a worker, as far as a loader of scripts looks at it. */
export function workerScope() {
  globalThis.self = globalThis;
  globalThis.importScripts = runScript;
  globalThis.location = { origin: '', href: '' };
}
