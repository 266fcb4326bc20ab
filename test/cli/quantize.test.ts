/** `vireo quantize`: its report, its refusals, and the file that it writes. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { readVireo, readVireoMetadata, writeVireo } from '../../src/io/vireo/index.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { randomStream } from '../../src/random.ts';
import { dataPath, itWithData } from '../data.ts';
import { classOf } from '../networks/accuracy.ts';
import { vireo } from './command.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
const random = randomStream(3);
const numbers = (count: number, size = 1): Float32Array =>
  Float32Array.from({ length: count }, () => size * random.normal());

/** dense → exp → dense → softmax; the exponential has no int8 form. */
function network(): Graph {
  const b = new GraphBuilder('toy');
  const x = b.input('x', 'f32', [1, 16]);
  const w1 = b.constant('w1', 'f32', [12, 16], numbers(192, 0.2));
  const hidden = b.add({ kind: 'dense', clamp: { min: 0, max: Infinity } }, [x, w1], { name: 'hidden' });
  const grown = b.add({ kind: 'unary', fn: 'exp', alpha: 0 }, [hidden], { name: 'grown' });
  const w2 = b.constant('w2', 'f32', [5, 12], numbers(60));
  const scores = b.add({ kind: 'dense', clamp: noClamp }, [grown, w2], { name: 'scores' });
  return b.finish([b.add({ kind: 'softmax', beta: 1, log: false }, [scores], { name: 'classes' })]);
}

const toy = network();
const count = 400;

/** 400 vectors, labelled as the float network answers: its accuracy is 100 %. */
function writeData(): void {
  const items = numbers(16 * count);
  const session = compile(toy);
  const labels = Uint8Array.from({ length: count }, (_, i) => {
    session.input(0).set(items.subarray(16 * i, 16 * (i + 1)));
    session.run();
    return classOf(session.output(0));
  });
  writeFileSync(at('items.bin'), new Uint8Array(items.buffer));
  writeFileSync(at('labels.bin'), labels);
  items[16 * 7 + 3] = Number.NaN;
  writeFileSync(at('nan.bin'), new Uint8Array(items.buffer));
  writeFileSync(at('empty.bin'), new Uint8Array(0));
  const card = (name: string, file: string, labelled: boolean): void =>
    writeFileSync(
      at(`${name}.json`),
      JSON.stringify({
        vireo: 'data-card/1',
        name: `toy ${name}`,
        items: { kind: 'raw', file, dtype: 'f32', shape: [16], as: 'tensor' },
        ...(labelled && { labels: { kind: 'raw', file: 'labels.bin' } }),
      }),
    );
  card('data', 'items.bin', true);
  card('unlabelled', 'items.bin', false);
  card('nan', 'nan.bin', false);
  card('empty', 'empty.bin', false);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vireo-quantize-'));
  mkdirSync(at('out'));
  writeFileSync(at('toy.vireo'), writeVireo(toy));
  writeData();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const quantize = (...args: string[]) => vireo('quantize', at('toy.vireo'), '--samples', '50', ...args);
const data = (name = 'data'): string[] => ['--data', at(`${name}.json`)];

describe('vireo quantize', () => {
  it('says what it costs: accuracy with intervals, changed answers, bytes, energy and its profile, layers', () => {
    const { status, stdout, stderr } = quantize(...data(), '--max-drop', '5');
    expect(status).toBe(0);
    for (const text of [
      'on 50 items of toy data: ranges mse, rounding learned, bias mean, weights 8 bits',
      '100.00 % (95 % interval 98.91 % to 100.00 %) in float',
      'points, on the 350 other items',
      'of 350 answers',
      'scales counted',
      'modelled by profile horowitz-45nm, tier H',
      'sensitivity dB',
    ])
      expect(stdout).toContain(text);
    expect(stderr).toContain('note: unary "grown" stays in float: 256 numbers are too few for exp');
  });

  it('--json: the same for programs, and a file with its origin', () => {
    const out = at('out/toy-int8.vireo');
    const { status, stdout } = quantize(...data(), '--out', out, '--json', '--max-drop', '5');
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      calibration: { data: 'toy data', samples: 50, ranges: 'mse', rounding: 'learned' },
      accuracy: { count: 350, labelled: 350, before: { correct: 350, top1: 1 }, allowedDropInPoints: 5 },
      energy: { profile: 'horowitz-45nm', tier: 'H', method: 'modelled', unit: 'pJ' },
      warnings: ['unary "grown" stays in float: 256 numbers are too few for exp'],
      written: out,
    });
    expect(report.accuracy.changedAnswers).toBe(350 - report.accuracy.after.correct);
    expect(report.layers.map((l: { name: string }) => l.name)).toEqual([
      'hidden',
      'grown',
      'scores',
      'classes',
    ]);
    expect(report.layers[0].weightSnr).toBeGreaterThan(35);
    expect(report.layers[0].outputSnr).toBeGreaterThan(30);
    expect(report.layers[0].sensitivity).toBeGreaterThan(20);
    expect(report.bytes.after).toBeLessThan(0.4 * report.bytes.before);
    const bytes = new Uint8Array(readFileSync(out));
    expect(report.bytes.file).toBe(bytes.length);
    const graph = readVireo(bytes);
    expect(graph.values[graph.inputs[0]].dtype).toBe('i8');
    expect(readVireoMetadata(bytes)).toMatchObject({
      source: 'toy.vireo',
      calibration: '50 items of toy data, ranges mse, rounding learned, bias mean, weights 8 bits',
    });
    const again = quantize(...data(), '--out', at('out/again.vireo'), '--quick', '--max-drop', '5');
    expect(again.status).toBe(0);
    expect(new Uint8Array(readFileSync(at('out/again.vireo')))).toEqual(bytes);
  });

  it('refuses to write when more is lost than allowed: exit 3; --force writes', () => {
    const out = at('out/refused.vireo');
    const refused = quantize(...data(), '--out', out, '--quick', '--max-drop=-1');
    expect(refused.status).toBe(3);
    expect(existsSync(out)).toBe(false);
    expect(refused.stdout).toContain('toy.vireo');
    expect(refused.stderr).toMatch(/accuracy falls by .* points, --max-drop allows -1: .* is not written/u);
    const forced = quantize(...data(), '--out', out, '--quick', '--max-drop=-1', '--force');
    expect([forced.status, existsSync(out)]).toEqual([0, true]);
  });

  it('without labels nothing is judged, and it says so', () => {
    const { status, stdout } = quantize(...data('unlabelled'), '--quick');
    expect(status).toBe(0);
    expect(stdout).toContain('not judged: no item of toy unlabelled that is left has a label');
  });

  it('--keep and --int8 take names and numbers, --io float keeps the ends', () => {
    const { status, stdout } = quantize(
      ...[...data(), '--quick', '--json', '--max-drop', '100', '--io', 'float'],
      ...['--int4-weights', '--keep', 'hidden', '--int8', '3', '--out', at('out/mixed.vireo')],
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout).layers.map((l: { precision: string }) => l.precision)).toEqual([
      'float',
      'float',
      'int8',
      'int8',
    ]);
    const graph = readVireo(new Uint8Array(readFileSync(at('out/mixed.vireo'))));
    expect([graph.inputs, graph.outputs].map(([id]) => graph.values[id].dtype)).toEqual(['f32', 'f32']);
  });

  it.each<[string, () => string[], number, RegExp]>([
    ['no data card', () => ['--quick'], 2, /expects --data CARD/u],
    ['an unknown method', () => [...data(), '--method', 'best'], 2, /--method expects minmax, moving/u],
    [
      'an unknown layer',
      () => [...data(), '--keep', '9'],
      2,
      /--keep: no layer "9"; expected a name or 1 to 4/u,
    ],
    ['--int8 without --int4-weights', () => [...data(), '--int8', '1'], 2, /--int8 is for networks with/u],
    ['a drop that is no number', () => [...data(), '--max-drop', 'much'], 2, /--max-drop expects a number/u],
    [
      'an ending that nothing writes',
      () => [...data(), '--out', at('out/a.txt')],
      2,
      /expected a name that ends in/u,
    ],
    ['NaN in the data', () => data('nan'), 1, /nan\.json: item 7: .*input "x" holds NaN at element 3/u],
    ['an empty card', () => data('empty'), 1, /empty\.json: has no items to calibrate "x" on/u],
    ['a card that is not there', () => ['--data', at('none.json')], 1, /none\.json/u],
  ])('%s', (_, args, code, message) => {
    const { status, stdout, stderr } = vireo('quantize', at('toy.vireo'), '--samples', '400', ...args());
    expect([status, stdout]).toEqual([code, '']);
    expect(stderr).toMatch(message);
  });

  it('a network that is quantised already: named; --again takes it apart and quantises it anew', () => {
    const int8 = at('out/once.vireo');
    expect(quantize(...data(), '--out', int8, '--quick', '--force').status).toBe(0);
    const refused = vireo('quantize', int8, ...data());
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('is quantised already: dense "hidden" has 8-bit operands');
    const again = vireo('quantize', int8, ...data(), '--again', '--quick', '--json', '--max-drop', '5');
    expect(again.status).toBe(0);
    const weights = JSON.parse(again.stdout).layers[0];
    expect(weights.weightSnr ?? 999).toBeGreaterThan(100);
  });

  const resnet = 'mlperf-tiny/ic/pretrainedResnet.tflite';
  itWithData(
    'keeps the card: the file answers pictures by name',
    [resnet, 'cifar10/train-images-10000.bin', 'models/images/cat.png'],
    () => {
      const out = at('out/resnet.vireo');
      const card = 'weights/cards/data/cifar10-train-10000.json';
      const { status } = vireo(
        ...['quantize', dataPath(resnet), '--data', card, '--samples', '20', '--limit', '100'],
        ...['--quick', '--force', '--rounding', 'nearest', '--out', out],
      );
      expect(status).toBe(0);
      const answer = vireo('run', out, dataPath('models/images/cat.png'));
      expect(answer.status).toBe(0);
      expect(answer.stdout).toContain('cat');
    },
    60_000,
  );
});
