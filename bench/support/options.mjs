/** Command-line options that every benchmark shares. */
import { parseArgs } from 'node:util';

/**
 * `--json`, `--markdown` and `--filter TEXT`, with `own` beside them (as `parseArgs` takes them).
 * Exits with the usage line on an option it does not know.
 */
export function readOptions(usage, own = {}) {
  const shared = { json: { type: 'boolean' }, markdown: { type: 'boolean' }, filter: { type: 'string' } };
  try {
    return parseArgs({ options: { ...shared, ...own, help: { type: 'boolean' } } }).values;
  } catch (error) {
    console.error(`${error.message}\nusage: ${usage}`);
    process.exit(2);
  }
}

/** A whole number of at least `least` from an option, or `fallback`. */
export function countOption(value, fallback, least = 1) {
  const count = value === undefined ? fallback : Number(value);
  if (Number.isInteger(count) && count >= least) return count;
  console.error(`expected a whole number of at least ${least}, got ${value}`);
  process.exit(2);
}

/** `--kernels wasm|js`, `wasm` if not given: `{ name, title }`. */
export function kernelsOption(value = 'wasm') {
  const titles = { wasm: 'generated WebAssembly', js: 'plain JavaScript' };
  if (titles[value]) return { name: value, title: titles[value] };
  console.error(`--kernels expects wasm or js, got ${value}`);
  process.exit(2);
}
