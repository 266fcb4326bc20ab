/**
 * How well spoken digits are understood of a speaker that training never heard: one network for each of the six
 * speakers of the Free Spoken Digit Dataset, trained on all recordings of the other five and whatever else the recipe
 * trains on, judged on all 500 of his.
 *
 *   node scripts/leave-one-speaker-out.mjs [RECIPE.json]        default: weights/recipes/spoken-digits.json
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const recipePath = resolve(process.argv[2] ?? join(root, 'weights/recipes/spoken-digits.json'));
const recipe = JSON.parse(readFileSync(recipePath, 'utf8'));
const cards = [recipe.data.train, recipe.data.test].flat().map((card) => resolve(dirname(recipePath), card));
const people = cards.filter((card) => basename(card).startsWith('fsdd'));
const others = cards.filter((card) => !people.includes(card));
const speakers = ['george', 'jackson', 'lucas', 'nicolas', 'theo', 'yweweler'];
const folder = mkdtempSync(join(tmpdir(), 'vireo-speakers-'));
let right = 0;
let count = 0;
try {
  for (const speaker of speakers) {
    const only = (names) => people.map((card) => ({ card, names }));
    const data = { train: [...only(`^\\d_(?!${speaker}_)`), ...others], test: only(`^\\d_${speaker}_`) };
    const path = join(folder, `${speaker}.json`);
    writeFileSync(path, JSON.stringify({ ...recipe, name: `${recipe.name}, without ${speaker}`, data }));
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, 'dist/cli/main.js'), 'train', path, '--out', folder, '--json'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', process.stderr.isTTY ? 'inherit' : 'ignore'] },
    );
    if (status !== 0) throw new Error(`vireo train ended with ${status}`);
    const { test } = JSON.parse(stdout);
    right += test.right;
    count += test.count;
    console.log(
      `${speaker.padEnd(10)} ${test.right} of ${test.count}  ${(100 * test.accuracy).toFixed(1)} %`,
    );
  }
  console.log(`${'all'.padEnd(10)} ${right} of ${count}  ${((100 * right) / count).toFixed(2)} %`);
} finally {
  rmSync(folder, { recursive: true });
}
