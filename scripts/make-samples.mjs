/**
 * The repository's own samples, weights/samples/, drawn and spoken anew; what they are is in their README.
 *
 *   node scripts/make-samples.mjs                          digits, pictures; spoken digits where espeak-ng is installed
 *   node scripts/make-samples.mjs --spoken-set FOLDER    more spoken digits, of other voices, into FOLDER
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const usage = 'usage: node scripts/make-samples.mjs [--spoken-set FOLDER]';
const root = fileURLToPath(new URL('..', import.meta.url));
const setFolder = readOptions()['spoken-set'];
const samples = await source();
const espeak = samples.espeakVersion();

if (setFolder !== undefined) {
  if (espeak === undefined) fail('espeak-ng is not installed, and it speaks the digits');
  writeSpoken(setFolder, samples.spokenSet());
} else {
  const folder = join(root, 'weights/samples');
  writeDrawn(join(folder, 'digits'), samples.digitForms, samples.drawDigit);
  writeDrawn(join(folder, 'pictures'), samples.pictureNames, samples.drawPicture);
  if (espeak === undefined) console.log('spoken: left as it is; espeak-ng is not installed');
  else writeSpoken(join(folder, 'spoken'), samples.spokenSamples);
}

function writeDrawn(folder, names, draw) {
  writeAll(folder, '.png', names, (name) => samples.encodePng(draw(name)));
}

function writeSpoken(folder, utterances) {
  if (espeak !== samples.spokenWith)
    console.log(`espeak-ng is ${espeak}; the samples are of ${samples.spokenWith}, and may sound different`);
  const byName = new Map(utterances.map((utterance) => [utterance.name, utterance]));
  writeAll(folder, '.wav', [...byName.keys()], (name) => samples.encodeWav(samples.speak(byName.get(name))));
}

function writeAll(folder, ending, names, make) {
  samples.makeFolder(folder);
  let bytes = 0;
  for (const name of names) {
    const file = make(name);
    samples.writeWhole(join(folder, name + ending), file);
    bytes += file.length;
  }
  console.log(`${folder}: ${names.length} files, ${bytes} bytes`);
}

/** What draws and speaks is TypeScript: bundled into one file, which is gone once it is loaded. */
async function source() {
  const contents = `
    export * from './scripts/samples/digits.ts';
    export * from './scripts/samples/pictures.ts';
    export * from './scripts/samples/spoken.ts';
    export { encodePng } from './src/io/image/index.ts';
    export { encodeWav } from './src/io/audio/index.ts';
    export { makeFolder, writeWhole } from './src/cli/files.ts';`;
  // pngjs is CommonJS and asks for zlib by `require`, which a module has to make for itself.
  const banner = {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  };
  const folder = mkdtempSync(join(tmpdir(), 'vireo-samples-'));
  const outfile = join(folder, 'samples.mjs');
  try {
    const stdin = { contents, resolveDir: root, loader: 'ts' };
    await build({ stdin, bundle: true, format: 'esm', platform: 'node', banner, outfile, logLevel: 'error' });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readOptions() {
  try {
    return parseArgs({ options: { 'spoken-set': { type: 'string' } } }).values;
  } catch (error) {
    fail(`${error.message}\n${usage}`);
  }
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
