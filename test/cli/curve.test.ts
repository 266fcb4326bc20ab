/** The learning curve: a document that stands alone, with points where they belong. */
import { describe, expect, it } from 'vitest';
import type { EpochRecord } from '../../src/cli/train/curve.ts';
import { learningCurve } from '../../src/cli/train/curve.ts';

function record(epoch: number, loss: number, accuracy: number, validated = true): EpochRecord {
  return {
    epoch,
    trainLoss: loss,
    trainAccuracy: accuracy,
    validationLoss: validated ? 1.5 * loss : null,
    validationAccuracy: validated ? accuracy - 0.05 : null,
    rate: 0.1 / epoch,
    seconds: 2,
  };
}

const falling = (count: number, validated = true): EpochRecord[] =>
  Array.from({ length: count }, (_, i) => record(i + 1, 2 / (i + 1), 1 - 0.8 / (i + 1), validated));

/** Elements left open at the end; throws at one that is closed and was not open. */
function openElements(xml: string): string[] {
  const open: string[] = [];
  for (const [, closing, name, alone] of xml.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/gu)) {
    if (closing === '/') expect(open.pop()).toBe(name);
    else if (alone !== '/') open.push(name);
  }
  return open;
}

/** The points of the lines drawn from epoch to epoch, in the order of the panels. */
function linesOf(svg: string, role: string): number[][][] {
  return [...svg.matchAll(/<polyline class="([a-z]+)" points="([^"]*)"/gu)]
    .filter(([, name]) => name === role)
    .map(([, , points]) => points.split(' ').map((point) => point.split(',').map(Number)));
}

const textOf = (svg: string): string => svg.replace(/<style>.*?<\/style>/su, '').replace(/<[^>]*>/gu, '\n');

describe('learning curve', () => {
  it.each([
    ['no epoch', []],
    ['one epoch', falling(1)],
    ['one epoch, not validated', falling(1, false)],
    ['two epochs', falling(2)],
    ['500 epochs', falling(500)],
    [
      'validated now and then',
      falling(9).map((r) => (r.epoch % 3 === 0 ? r : record(r.epoch, 1, 0.5, false))),
    ],
    ['a log that begins at epoch 7', falling(20).slice(6)],
    [
      'numbers that are none',
      [record(1, Number.NaN, 0.5), record(2, Number.POSITIVE_INFINITY, 0.6), record(3, 1, 0.7)],
    ],
    ['a loss of zero', [record(1, 1, 0.5), record(2, 0, 1)]],
    ['a negative loss', [record(1, 1, 0.5), record(2, -3, 1)]],
    ['losses 15 powers of ten apart', [record(1, 1e3, 0.5), record(2, 1e-12, 1)]],
    ['nothing learnt', [record(1, 2.3, 0.1), record(2, 2.3, 0.1)]],
    ['all right', [record(1, 0.01, 1, false), record(2, 0.01, 1, false)]],
  ])('%s: well-formed, and everything lies on the page', (_, log) => {
    const svg = learningCurve(log, 'net');
    expect(openElements(svg)).toEqual([]);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null/u);
    for (const [, axis, value] of svg.matchAll(/ (x|y|x1|x2|y1|y2|cx|cy)="([^"]*)"/gu)) {
      expect(Number(value)).toBeGreaterThanOrEqual(0);
      expect(Number(value)).toBeLessThanOrEqual(axis.includes('x') ? 900 : 690);
    }
    for (const role of ['training', 'validation', 'rate']) {
      for (const [x, y] of linesOf(svg, role).flat()) {
        expect(x).toBeGreaterThanOrEqual(64);
        expect(x).toBeLessThanOrEqual(734);
        expect(y).toBeGreaterThanOrEqual(80);
        expect(y).toBeLessThanOrEqual(642);
      }
    }
  });

  it('stands alone: no script, nothing loaded, light and dark', () => {
    const svg = learningCurve(falling(3), 'net');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 900 690"/u);
    expect(svg).not.toMatch(/<script|href|url\(|@import|@font-face|<foreignObject/u);
    expect(svg).toContain('prefers-color-scheme: dark');
  });

  it('a title is text, whatever it holds', () => {
    const svg = learningCurve(falling(1), '<script>"&\'');
    expect(svg).not.toContain('<script>');
    expect(svg).toContain('&#60;script&#62;&#34;&#38;&#39;');
    expect(openElements(svg)).toEqual([]);
  });

  it('says what came out', () => {
    const text = textOf(
      learningCurve([record(1, 0.5, 0.9), record(2, 0.25, 0.95), record(3, 0.2, 0.93)], 'net'),
    );
    for (const part of [
      'training 0.200',
      'validation 0.300',
      'training 93.00 %',
      'validation 88.00 %',
      'at most 0.1',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toContain('3 epochs in 6.0 s; best validation accuracy 90.00 % after epoch 2');
    for (const part of ['loss', 'accuracy', 'learning rate', 'epoch'])
      expect(text).toMatch(new RegExp(`^${part}$`, 'mu'));
  });

  it('of equally good epochs the first is ringed', () => {
    const svg = learningCurve([record(1, 1, 0.5), record(2, 1, 0.8), record(3, 1, 0.8)], 'net');
    expect(textOf(svg)).toContain('after epoch 2');
    expect(svg).toMatch(/<circle class="validation best" cx="395\.0"/u); // the middle of 64 … 726
  });

  it('points lie where their numbers say: axes from 0 to 1 and from 50 % to 100 %', () => {
    const svg = learningCurve(
      [record(1, 1, 0.5, false), record(2, 0.5, 0.75, false), record(3, 0.25, 1, false)],
      'net',
    );
    const [loss, accuracy] = linesOf(svg, 'training').filter((line) => line.length === 3);
    // The panels are 208 high, from 94 and from 344.
    expect(loss).toEqual([
      [64, 94],
      [395, 94 + 104],
      [726, 94 + 156],
    ]);
    expect(accuracy).toEqual([
      [64, 344 + 208],
      [395, 344 + 104],
      [726, 344],
    ]);
    expect(textOf(svg)).not.toMatch(/validation|logarithmic/u);
  });

  it('losses more than 20 times apart: a logarithmic axis, equal ratios are equal ways', () => {
    const svg = learningCurve(
      [record(1, 1, 0.5, false), record(2, 0.1, 0.8, false), record(3, 0.01, 0.9, false)],
      'net',
    );
    expect(textOf(svg)).toContain('logarithmic');
    const [loss] = linesOf(svg, 'training').filter((line) => line.length === 3);
    expect(loss.map(([, y]) => y)).toEqual([94, 198, 302]);
    for (const tick of ['0.01', '0.02', '0.05', '0.1', '0.2', '0.5', '1'])
      expect(textOf(svg).split('\n')).toContain(tick);
  });

  it.each([
    [1, ['1']],
    [2, ['1', '2']],
    [12, ['1', '2', '4', '6', '8', '10', '12']],
    [30, ['1', '5', '10', '15', '20', '25', '30']],
    [102, ['1', '20', '40', '60', '80', '102']],
    [500, ['1', '50', '100', '150', '200', '250', '300', '350', '400', '450', '500']],
  ])('%i epochs: the first, the last and round ones between them are named', (count, expected) => {
    const svg = learningCurve(falling(count), 'net');
    const names = [...svg.matchAll(/y="660" text-anchor="middle">(\d+)</gu)].map(([, name]) => name);
    expect(names).toEqual(expected);
  });

  it('names at the ends of lines never lie upon each other', () => {
    for (const gap of [0, 1e-6, 0.001, 0.01, 0.1]) {
      const log: EpochRecord = {
        ...record(1, 1, 0.9),
        validationLoss: 1 - gap,
        validationAccuracy: 0.9 - gap,
      };
      const svg = learningCurve([log], 'net');
      const heights = [...svg.matchAll(/<text x="758" y="([^"]*)">/gu)].map(([, y]) => Number(y));
      expect(heights.length).toBe(5);
      expect(Math.abs(heights[0] - heights[1])).toBeGreaterThanOrEqual(16.9);
      expect(Math.abs(heights[2] - heights[3])).toBeGreaterThanOrEqual(16.9);
    }
  });
});
