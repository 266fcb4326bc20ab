/** The repository's own networks: their bytes, their recipes, and what they are said to answer right. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseNetworkCard } from '../src/io/cards/index.ts';
import { parseRecipe } from '../src/io/recipes/recipe.ts';
import { readVireo, readVireoMetadata } from '../src/io/vireo/index.ts';
import { vireo } from './cli/command.ts';
import { itWithData } from './data.ts';

const folder = fileURLToPath(new URL('../weights/', import.meta.url));
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(folder + name));
const textOf = (name: string): string => readFileSync(folder + name, 'utf8');
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

interface Own {
  readonly name: string;
  readonly samples: string;
  /** Right answers among the samples. */
  readonly right: number;
  readonly test: string;
  readonly files: readonly string[];
}

const networks: readonly Own[] = [
  {
    name: 'written-digits',
    samples: 'samples-digits',
    right: 15,
    test: 'mnist-test',
    files: ['mnist/t10k-images-idx3-ubyte.gz', 'mnist/t10k-labels-idx1-ubyte.gz'],
  },
  {
    name: 'spoken-digits',
    samples: 'samples-spoken',
    right: 14,
    test: 'fsdd-test',
    files: ['fsdd/test.tar'],
  },
  {
    name: 'cifar10-resnet8',
    samples: 'samples-pictures',
    right: 13,
    test: 'cifar10-test',
    files: ['cifar10/test-images-0000-4999.bin', 'cifar10/test-labels-0000-4999.bin'],
  },
];
const evaluated = (name: string, card: string): { correct: number; count: number } =>
  JSON.parse(
    vireo('eval', `${folder}${name}.vireo`, '--data', `${folder}cards/data/${card}.json`, '--json').stdout,
  );

it('every network in weights/ is listed here', () => {
  const found = readdirSync(folder).filter((name) => name.endsWith('.vireo'));
  expect(found.sort()).toEqual(networks.map(({ name }) => `${name}.vireo`).sort());
});

it('together they take less than 4 MB', () => {
  expect(networks.reduce((sum, { name }) => sum + bytesOf(`${name}.vireo`).length, 0)).toBeLessThan(4e6);
});

describe.each(networks)('$name', ({ name, samples, right, test, files }) => {
  it('is the network of its card and of its recipe', () => {
    const card = parseNetworkCard(textOf(`${name}.card.json`), name);
    expect(card.sha256).toEqual([sha256(bytesOf(`${name}.vireo`))]);
    const recipe = textOf(`recipes/${name}.json`);
    expect(parseRecipe(recipe, name).name).toBe(card.name);
    expect(readVireoMetadata(bytesOf(`${name}.vireo`))).toMatchObject({ recipe: sha256(recipe) });
    expect(readVireo(bytesOf(`${name}.vireo`)).inputs).toHaveLength(1);
  });
  it('README.md gives its SHA-256 and its result', () => {
    const readme = textOf('README.md');
    expect(readme).toContain(sha256(bytesOf(`${name}.vireo`)));
    const { test: result } = readVireoMetadata(bytesOf(`${name}.vireo`));
    expect(readme).toContain(result);
  });
  it('answers the samples of the repository', () => {
    expect(evaluated(name, samples)).toMatchObject({ correct: right, count: right });
  });
  itWithData('has the accuracy it is said to have, on data that training never saw', files, () => {
    const { correct, count } = evaluated(name, test);
    expect(readVireoMetadata(bytesOf(`${name}.vireo`))['test']).toBe(`${correct} of ${count}`);
  });
});
