/** `vireo export`: from any network to a `.vireo` file, which every command reads. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readVireoMetadata } from '../../src/io/vireo/index.ts';
import { dataPath, itWithData, readData } from '../data.ts';
import { vireo } from './command.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vireo-export-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kws = 'mlperf-tiny/kws/kws_ref_model.tflite';
const kwsInputs = 'mlperf-tiny/kws/kws01-inputs-700.bin';
const digits = 'models/onnx/mnist.onnx';
const textLine = 'models/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx';
const version = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;

const exported = (path: string, ...more: string[]): string => {
  const out = join(folder, 'net.vireo');
  const { status, stderr } = vireo('export', dataPath(path), '--to', 'vireo', '--out', out, ...more);
  expect([status, stderr]).toEqual([0, '']);
  return out;
};

describe('export', () => {
  itWithData('writes a network that gives the same bytes', [kws, kwsInputs], () => {
    const net = exported(kws);
    const [before, after] = [dataPath(kws), net].map((path, i) => {
      const out = join(folder, `outputs-${i}.bin`);
      expect(vireo('run', path, '--raw', dataPath(kwsInputs), '--out', out).status).toBe(0);
      return readFileSync(out);
    });
    expect(before!.length).toBe(700 * 12);
    expect(after!.equals(before!)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  itWithData('says what came of what, in the file and to the user', [kws], () => {
    const out = join(folder, 'told.vireo');
    const args = ['export', dataPath(kws), '--to', 'vireo', '--out', out];
    expect(vireo(...args).stdout).toMatch(
      /^before +52\.7 KiB .*kws_ref_model\.tflite\nafter +27\.\d KiB +52\.\d+ % .*told\.vireo\ncard .*told\.card\.json\n$/u,
    );
    const card = JSON.parse(readFileSync(join(folder, 'told.card.json'), 'utf8'));
    expect(card.inputs).toEqual([{ kind: 'audio', frontEnd: 'mlperf-tiny-kws-mfcc', rounding: 'truncate' }]);
    expect(card.outputs[0].labels).toContain('yes');
    const bytes = readFileSync(out);
    const sha256 = (of: Uint8Array): string => createHash('sha256').update(of).digest('hex');
    expect(readVireoMetadata(bytes)).toEqual({
      producer: `vireo-nn ${version}`,
      source: 'kws_ref_model.tflite',
      'source-sha256': sha256(readData(kws)),
    });
    expect(card.sha256).toEqual([sha256(bytes)]);
    expect(JSON.parse(vireo(...args, '--json').stdout)).toEqual({
      out,
      card: join(folder, 'told.card.json'),
      format: 'vireo',
      before: 53936,
      after: bytes.length,
      sha256: sha256(bytes),
    });
    expect(readFileSync(out)).toEqual(bytes);
  });

  itWithData('fixes the shapes that it is given', [textLine], () => {
    const net = exported(textLine, '--shape', 'x=1x3x48x192');
    const { inputs } = JSON.parse(vireo('inspect', net, '--json').stdout);
    expect(inputs).toMatchObject([{ name: 'x', shape: [1, 3, 48, 192] }]);
    const { status, stderr } = vireo('inspect', net, '--shape', 'x=1x3x48x96');
    expect([status, stderr]).toEqual([2, expect.stringContaining('fixes the shapes')]);
  });

  itWithData('leaves out constants that nothing reads; a .vireo file is exported as it was', [digits], () => {
    const net = exported(digits);
    const bytes = readFileSync(net);
    expect(bytes.length).toBeLessThan(readData(digits).length);
    expect(vireo('check', net).status).toBe(0);
    const again = join(folder, 'again.vireo');
    expect(vireo('export', net, '--to', 'vireo', '--out', again).status).toBe(0);
    expect(vireo('inspect', again, '--json').stdout).toBe(vireo('inspect', net, '--json').stdout);
  });

  it.each([
    [
      'a name of no format',
      ['--out', 'x.net'],
      /x\.net: expected a name that ends in \.vireo, \.onnx, \.tflite/u,
    ],
    ['an unknown format', ['--to', 'fly', '--out', 'x.vireo'], /--to expects vireo.*"fly"/u],
    ['no file', ['--to', 'vireo'], /--out expects/u],
  ])('%s is wrong usage', (_, args, message) => {
    const { status, stdout, stderr } = vireo('export', 'net.tflite', ...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  itWithData('a damaged file is said to be, and one that cannot be written leaves nothing', [kws], () => {
    const bytes = readFileSync(exported(kws));
    bytes[bytes.length >> 1]! ^= 1;
    const damaged = join(folder, 'damaged.vireo');
    writeFileSync(damaged, bytes);
    const { status, stderr } = vireo('inspect', damaged);
    expect([status, stderr]).toEqual([1, expect.stringContaining('the checksum does not agree')]);
    const nowhere = join(folder, 'no-such-folder', 'net.vireo');
    expect(vireo('export', dataPath(kws), '--to', 'vireo', '--out', nowhere).status).toBe(1);
    expect(existsSync(nowhere)).toBe(false);
  });

  it.each(['vireo', 'onnx', 'tflite'])('.%s answers as the network did, by its card', (ending) => {
    const out = join(folder, `digits.${ending}`);
    const own = fileURLToPath(new URL('../../weights/', import.meta.url));
    expect(vireo('export', `${own}written-digits.vireo`, '--out', out).status).toBe(0);
    const { stdout } = vireo('eval', out, '--data', `${own}cards/data/samples-digits.json`, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ correct: 15, count: 15 });
  });
});
