/** `vireo train` on a set of a few synthetic pictures: files, bytes, interruption, and what is refused. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/cli/train/checkpoint.ts';
import { randomStream } from '../../src/random.ts';
import { mainPath, vireo } from './command.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vireo-train-'));
  writeSet('train', 320);
  writeSet('test', 100);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Pictures of 8×8: a bar that lies, stands or is not there, in noise. */
function writeSet(name: string, count: number): void {
  const random = randomStream(count);
  const pixels = new Uint8Array(count * 64);
  const labels = new Uint8Array(count);
  for (let item = 0; item < count; item++) {
    const label = random.below(3);
    const at = random.below(8);
    labels[item] = label;
    for (let i = 0; i < 64; i++) {
      const inBar = (label === 0 && i >> 3 === at) || (label === 1 && (i & 7) === at);
      pixels[item * 64 + i] = (inBar ? 130 : 0) + random.below(120);
    }
  }
  writeFileSync(join(folder, `${name}.bin`), pixels);
  writeFileSync(join(folder, `${name}-labels.bin`), labels);
  const items = { kind: 'raw', file: `${name}.bin`, dtype: 'u8', shape: [8, 8], as: 'picture' };
  const card = { vireo: 'data-card/1', name, items, labels: { kind: 'raw', file: `${name}-labels.bin` } };
  writeFileSync(
    join(folder, `${name}.json`),
    JSON.stringify({ ...card, classes: ['lies', 'stands', 'none'] }),
  );
}

const recipe = {
  vireo: 'recipe/1',
  name: 'bars',
  network: {
    input: [8, 8, 1],
    layers: [
      { kind: 'conv', channels: 8, norm: true, activation: 'relu' },
      { kind: 'maxPool' },
      { kind: 'dense', units: 3, name: 'logits' },
    ],
  },
  input: { kind: 'image', channels: 'grey', real: { mean: [60], std: [60] } },
  data: { train: 'train.json', validation: 0.1, test: 'test.json' },
  augment: { shift: 1, flip: true },
  optimizer: { kind: 'sgd', momentum: 0.9 },
  schedule: { kind: 'cosine', rate: 0.05, warmUp: 1 },
  epochs: 6,
  batch: 32,
  seed: 3,
};
const recipePath = (name: string, change: object = {}): string => {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ ...recipe, ...change }));
  return path;
};
const out = (name: string): string => join(folder, name);
const bytesOf = (...path: string[]): string => readFileSync(join(folder, ...path)).toString('base64');

describe('train', () => {
  it('writes the network, its card, a curve and a log, and no checkpoint is left', () => {
    const { status, stdout, stderr } = vireo('train', recipePath('bars'), '--out', out('first'), '--json');
    expect(stderr).toContain('epoch 6/6');
    expect(status).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ epochs: 6, test: { count: 100 }, validation: { count: 32 } });
    expect(result.test.accuracy).toBeGreaterThan(0.9);
    expect(readdirSync(out('first')).sort()).toEqual([
      'bars.card.json',
      'bars.log.jsonl',
      'bars.svg',
      'bars.vireo',
    ]);
    expect(
      readFileSync(join(out('first'), 'bars.log.jsonl'), 'utf8')
        .trim()
        .split('\n'),
    ).toHaveLength(6);
    const judged = JSON.parse(
      vireo('eval', result.network, '--data', join(folder, 'test.json'), '--json').stdout,
    );
    expect(judged).toMatchObject({ count: 100, correct: result.test.right });
  });

  it.each([1, 2, 3])('gives the same bytes with %i threads', (threads) => {
    const name = `threads${threads}`;
    const { status } = vireo('train', recipePath('bars'), '--out', out(name), '--threads', String(threads));
    expect(status).toBe(0);
    expect(bytesOf(name, 'bars.vireo')).toBe(bytesOf('first', 'bars.vireo'));
  });

  it('gives other bytes with another seed', () => {
    vireo('train', recipePath('bars', { seed: 4 }), '--out', out('seed'));
    expect(bytesOf('seed', 'bars.vireo')).not.toBe(bytesOf('first', 'bars.vireo'));
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s keeps a checkpoint; going on gives the same bytes',
    async (signal) => {
      const epochs = { epochs: 40 };
      const path = recipePath('long', epochs);
      if (!existsSync(out('straight'))) vireo('train', path, '--out', out('straight'));
      const child = spawn(process.execPath, [mainPath, 'train', path, '--out', out(signal)]);
      const ended = once(child, 'exit');
      let said = '';
      child.stderr.on('data', (text) => {
        said += text;
      });
      while (!said.includes('epoch  3/40')) await setTimeout(5);
      child.kill(signal);
      expect(await ended).toEqual([1, null]);
      expect(said).toContain('--resume goes on');
      expect(readdirSync(out(signal)).sort()).toEqual(['long.checkpoint', 'long.log.jsonl', 'long.svg']);
      expect(vireo('train', path, '--out', out(signal)).stderr).toMatch(/stopped here; --resume goes on/u);
      const resumed = vireo('train', path, '--out', out(signal), '--resume');
      expect(resumed.status).toBe(0);
      expect(bytesOf(signal, 'long.vireo')).toBe(bytesOf('straight', 'long.vireo'));
      expect(
        readFileSync(join(out(signal), 'long.log.jsonl'), 'utf8')
          .trim()
          .split('\n'),
      ).toHaveLength(40);
    },
  );

  it('stops when the validation gets no better, and keeps the best', () => {
    const change = { epochs: 200, patience: 2, schedule: { kind: 'constant', rate: 0.05 } };
    const { stdout } = vireo('train', recipePath('patient', change), '--out', out('patient'), '--json');
    const { epochs, validation } = JSON.parse(stdout);
    expect(epochs).toBeLessThan(200);
    const log = readFileSync(join(out('patient'), 'patient.log.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const accuracies = log.map((line) => JSON.parse(line).validationAccuracy);
    expect(validation.accuracy).toBe(Math.max(...accuracies));
    expect(log).toHaveLength(epochs);
  });
});

describe('train refuses', () => {
  const attempt = (name: string, change: object): ReturnType<typeof vireo> =>
    vireo('train', recipePath(name, change), '--out', out(name));
  it('a recipe with an unknown key', () => {
    const { status, stderr } = attempt('unknown', { epoch: 3 });
    expect(status).toBe(1);
    expect(stderr).toMatch(/unknown\.json: epoch: unknown; known are vireo, name/u);
  });
  it('a data set that is not there', () => {
    const { status, stderr } = attempt('missing', { data: { train: 'nowhere.json' } });
    expect(status).toBe(1);
    expect(stderr).toMatch(/nowhere\.json: ENOENT/u);
  });
  it('labels that the network does not tell', () => {
    const network = { ...recipe.network, layers: [{ kind: 'dense', units: 2 }] };
    expect(attempt('two', { network }).stderr).toMatch(/has label 2, the network tells 2 classes/u);
  });
  it('pictures for a network that hears', () => {
    const input = { kind: 'audio', frontEnd: 'log-mel' };
    expect(attempt('deaf', { input, augment: {} }).stderr).toMatch(/takes a recording, got a picture/u);
  });
  it('fewer items than a batch', () => {
    const { stderr } = attempt('few', { data: { train: { card: 'train.json', names: '^1$' } } });
    expect(stderr).toMatch(/1 items do not fill a batch of 32/u);
  });
  it('a loss that is no number, and keeps the last good checkpoint', () => {
    const layers = [
      { kind: 'conv', channels: 8 },
      { kind: 'dense', units: 3 },
    ]; // nothing that could die, so that weights grow without end
    const network = { ...recipe.network, layers };
    const schedule = { kind: 'cosine', rate: 0.01, end: 1000 };
    const path = recipePath('nan', { network, schedule, epochs: 1000 });
    const { status, stderr } = vireo('train', path, '--out', out('nan'));
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /epoch \d+, step \d+: the loss is (NaN|Infinity) at a learning rate of .* diverged/u,
    );
    expect(stderr).toMatch(/nan\.checkpoint has the last good weights/u);
    const { weights } = readCheckpoint(join(out('nan'), 'nan.checkpoint'));
    expect(weights.every(Number.isFinite)).toBe(true);
    expect(existsSync(join(out('nan'), 'nan.vireo'))).toBe(false);
  });
  it('to write where a file cannot be, and keeps the checkpoint', () => {
    mkdirSync(join(out('full'), 'full.vireo'), { recursive: true });
    const { status, stderr } = attempt('full', {});
    expect(status).toBe(1);
    expect(stderr).toMatch(/full\.vireo: /u);
    expect(readdirSync(out('full')).sort()).toEqual([
      'full.checkpoint',
      'full.log.jsonl',
      'full.svg',
      'full.vireo',
    ]);
  });
  it('to resume what was never begun, or by another recipe', () => {
    const path = recipePath('none');
    expect(vireo('train', path, '--out', out('none'), '--resume').stderr).toMatch(/no checkpoint to resume/u);
    const other = recipePath('full', { seed: 99 });
    expect(vireo('train', other, '--out', out('full'), '--resume').stderr).toMatch(/made by another recipe/u);
  });
  it('a checkpoint that is none', () => {
    mkdirSync(out('bad'), { recursive: true });
    writeFileSync(join(out('bad'), 'bad.checkpoint'), 'no container');
    const { status, stderr } = vireo('train', recipePath('bad'), '--out', out('bad'), '--resume');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^vireo: .*bad\.checkpoint/u);
  });
});
