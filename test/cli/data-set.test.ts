/** Data sets: every format on files made here, what happens to damaged ones, and the public sets if they are there. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findNetworkCard } from '../../src/cli/cards.ts';
import { type DataItem, type DataSet, openDataSet } from '../../src/cli/data-set.ts';
import { VireoError } from '../../src/errors.ts';
import { encodeWav } from '../../src/io/audio/index.ts';
import { prepareInput } from '../../src/io/cards/index.ts';
import { parseDataCard } from '../../src/io/datasets/index.ts';
import { encodePng } from '../../src/io/image/index.ts';
import { dataFolder, dataPath, itWithData, readData } from '../data.ts';
import { entry, tarFile } from './tar-writer.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vireo-data-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let cards = 0;
/** Writes files and a card beside them, and opens the card. */
async function openCard(
  card: object,
  files: Readonly<Record<string, Uint8Array | string>> = {},
): Promise<DataSet> {
  const own = join(folder, `set${cards++}`);
  mkdirSync(own);
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(join(own, name, '..'), { recursive: true });
    writeFileSync(join(own, name), bytes);
  }
  const path = join(own, 'card.json');
  writeFileSync(path, JSON.stringify({ vireo: 'data-card/1', name: 'made here', ...card }));
  return openDataSet(path, { dataFolder: own });
}

async function all(set: DataSet): Promise<DataItem[]> {
  const items: DataItem[] = [];
  for await (const item of set.items()) items.push(item);
  return items;
}

async function failure(deed: Promise<unknown>): Promise<VireoError> {
  try {
    await deed;
  } catch (error) {
    expect(error).toBeInstanceOf(VireoError);
    if (error instanceof VireoError) return error;
  }
  throw new Error('expected a VireoError');
}

const bytesTo = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i);
const rawItems = { kind: 'raw', file: 'x.bin', dtype: 'u8', shape: [2, 3], as: 'picture' };

describe('raw tensors', () => {
  it('pictures, labels of bytes, class names', async () => {
    const set = await openCard(
      { items: rawItems, labels: { kind: 'raw', file: 'y.bin' }, classes: ['a', 'b'], count: 4 },
      { 'x.bin': bytesTo(24), 'y.bin': Uint8Array.of(1, 0, 1, 1) },
    );
    expect([set.name, set.count, set.classes]).toEqual(['made here', 4, ['a', 'b']]);
    const items = await all(set);
    expect(items.map(({ index, name, label }) => [index, name, label])).toEqual([
      [0, '0', 1],
      [1, '1', 0],
      [2, '2', 1],
      [3, '3', 1],
    ]);
    expect(items[1].source).toEqual({
      kind: 'picture',
      picture: { width: 3, height: 2, channels: 1, data: Uint8Array.of(6, 7, 8, 9, 10, 11) },
    });
  });

  it('tensors of wider types after a header, with quantisation, over several blocks', async () => {
    const count = 300_000;
    const values = Int32Array.from({ length: count }, (_, i) => i - 1000);
    const file = new Uint8Array(5 + values.byteLength);
    file.set(new Uint8Array(values.buffer), 5);
    const set = await openCard(
      {
        items: {
          kind: 'raw',
          file: 'x.bin',
          dtype: 'i32',
          shape: [2],
          as: 'tensor',
          headerBytes: 5,
          quantization: { scale: 0.5, zeroPoint: -3 },
        },
      },
      { 'x.bin': file },
    );
    expect(set.count).toBe(count / 2);
    let next = 0;
    for await (const { source, label, index } of set.items()) {
      expect(label).toBeUndefined();
      if (source.kind !== 'tensor') throw new Error(source.kind);
      if (source.tensor.data[0] !== 2 * index - 1000 || source.tensor.data[1] !== 2 * index - 999) {
        expect(source.tensor.data, `${index}`).toBe(0);
      }
      if (next++ === 7) expect(source.quantization).toEqual({ scale: [0.5], zeroPoint: [-3], axis: 0 });
    }
    expect(next).toBe(count / 2);
  });

  it('an iteration can stop early and begin again', async () => {
    const set = await openCard({ items: rawItems, count: 4 }, { 'x.bin': bytesTo(24) });
    for (let repeat = 0; repeat < 2; repeat++) {
      for await (const { index } of set.items()) if (index === 1) break;
    }
    expect((await all(set)).length).toBe(4);
  });

  it('selected by a list, by a column, by a pattern', async () => {
    const files = { 'x.bin': bytesTo(60), 'i.csv': 'a,index\nx,9\ny,2\nz,77\n' };
    const chosen = async (select: object, count?: number): Promise<number[]> => {
      const set = await openCard(
        { items: rawItems, select, ...(count === undefined ? {} : { count }) },
        files,
      );
      return (await all(set)).map(({ index }) => index);
    };
    expect(await chosen({ indices: [3, 1, 50] }, 2)).toEqual([1, 3]);
    expect(await chosen({ indices: { file: 'i.csv', column: 'index' } }, 2)).toEqual([2, 9]);
    expect(await chosen({ names: '^[3-5]$' })).toEqual([3, 4, 5]);
    expect((await failure(chosen({ names: '^[3-5]$' }, 4))).message).toMatch(
      /count is 4, the files give 3 items/,
    );
  });
});

function idx(type: number, extents: readonly number[], values: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + 4 * extents.length + values.length);
  const view = new DataView(out.buffer);
  out[2] = type;
  out[3] = extents.length;
  for (const [i, extent] of extents.entries()) view.setUint32(4 + 4 * i, extent);
  out.set(values, 4 + 4 * extents.length);
  return out;
}

describe('idx', () => {
  const items = { kind: 'idx', file: 'x.idx.gz', as: 'picture' };
  it('compressed pictures and labels', async () => {
    const set = await openCard(
      { items, labels: { kind: 'idx', file: 'y.idx' }, count: 3 },
      { 'x.idx.gz': gzipSync(idx(8, [3, 2, 2], bytesTo(12))), 'y.idx': idx(8, [3], Uint8Array.of(7, 8, 9)) },
    );
    const found = await all(set);
    expect(found.map(({ label }) => label)).toEqual([7, 8, 9]);
    expect(found[2].source).toEqual({
      kind: 'picture',
      picture: { width: 2, height: 2, channels: 1, data: Uint8Array.of(8, 9, 10, 11) },
    });
  });

  it('numbers are big-endian', async () => {
    const set = await openCard(
      { items: { kind: 'idx', file: 'x.idx', as: 'tensor' } },
      { 'x.idx': idx(11, [2, 1], Uint8Array.of(1, 2, 0xff, 0xfe)) },
    );
    const values = (await all(set)).map(({ source }) =>
      source.kind === 'tensor' ? source.tensor.data[0] : 'x',
    );
    expect(values).toEqual([258, -2]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['not idx', bytesTo(30), /not an idx file/],
    ['header cut', Uint8Array.of(0, 0, 8, 3, 0, 0), /ends at byte 6/],
    ['items cut', idx(8, [3, 2, 2], bytesTo(9)), /ends at byte 25, 3 short of item 2 of 3/],
    ['items too many', idx(8, [2, 2, 2], bytesTo(9)), /goes on after the 2 items/],
    ['not a picture', idx(8, [3], bytesTo(3)), /are not pictures/],
    ['huge items', idx(8, [3, 65536, 65536], bytesTo(3)), /items of 4294967296 bytes/],
  ])('%s', async (_, bytes, message) => {
    const opened = openCard({ items: { ...items, file: 'x.idx' } }, { 'x.idx': bytes });
    expect((await failure(opened.then(all))).message).toMatch(message);
  });

  it('a cut gzip file', async () => {
    const whole = gzipSync(
      idx(
        8,
        [300, 20, 20],
        Uint8Array.from({ length: 120_000 }, (_, i) => (i * i * 7) % 251),
      ),
    );
    const opened = openCard({ items }, { 'x.idx.gz': whole.subarray(0, whole.length >> 1) });
    const error = await failure(opened.then(all));
    expect(error.code).toBe('bad-file');
    expect(error.message).toMatch(/x\.idx\.gz: /);
  });
});

const wav = (value: number): Uint8Array =>
  encodeWav({ sampleRate: 8000, channels: [new Float32Array(300).fill(value)] });
const png = (value: number): Uint8Array =>
  encodePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(4).fill(value) });

describe('archives and folders', () => {
  const files = [
    ['0_ann_3.wav', wav(0.25)],
    ['readme.txt', new Uint8Array(700)],
    ['7_bob_0.wav', wav(0.5)],
    ['3_ann_1.png', png(9)],
  ] as const;
  const labels = { kind: 'name', pattern: '^(\\d)_' };

  it.each([
    ['tar', { kind: 'tar', file: 'x.tar' }, { 'x.tar': tarFile(files) }],
    ['tar with pax names', { kind: 'tar', file: 'x.tar' }, { 'x.tar': tarFile(files, { pax: true }) }],
    ['tar.gz', { kind: 'tar', file: 'x.tar.gz' }, { 'x.tar.gz': gzipSync(tarFile(files)) }],
  ])('%s: recordings and pictures, labels from names', async (_, items, contents) => {
    const set = await openCard({ items, labels, count: 3 }, contents);
    expect(set.count).toBe(3);
    const found = await all(set);
    expect(found.map(({ name, label }) => [name, label])).toEqual([
      ['0_ann_3.wav', 0],
      ['7_bob_0.wav', 7],
      ['3_ann_1.png', 3],
    ]);
    const [first, , last] = found.map(({ source }) => source);
    if (first.kind !== 'recording' || last.kind !== 'picture') throw new Error(`${first.kind} ${last.kind}`);
    expect(first.recording.channels[0]).toEqual(new Float32Array(300).fill(0.25));
    expect(last.picture.data).toEqual(new Uint8Array(4).fill(9));
  });

  it('a folder: sorted, with folders inside; classes from their names', async () => {
    const set = await openCard(
      {
        items: { kind: 'folder', folder: 'x' },
        labels: { kind: 'name', pattern: '^([^/]+)/' },
        classes: ['cat', 'dog'],
      },
      { 'x/dog/1.png': png(1), 'x/cat/2.png': png(2), 'x/cat/1.png': png(3), 'x/notes.md': 'no' },
    );
    expect((await all(set)).map(({ name, label }) => [name, label])).toEqual([
      ['cat/1.png', 0],
      ['cat/2.png', 0],
      ['dog/1.png', 1],
    ]);
  });

  it('labels from a table by name; only some names', async () => {
    const set = await openCard(
      {
        items: { kind: 'tar', file: 'x.tar' },
        labels: { kind: 'csv', file: 'l.csv', column: 'digit', key: 'file' },
        select: { names: '_ann_' },
        count: 2,
      },
      { 'x.tar': tarFile(files), 'l.csv': 'digit,file\n3,3_ann_1.png\n0,0_ann_3.wav\n7,7_bob_0.wav\n' },
    );
    expect((await all(set)).map(({ name, label }) => [name, label])).toEqual([
      ['0_ann_3.wav', 0],
      ['3_ann_1.png', 3],
    ]);
  });

  const cut = tarFile(files);
  it.each<[string, Uint8Array, RegExp]>([
    [
      'cut inside a file',
      cut.subarray(0, 900),
      /ends at byte 900, .* short of the 644 bytes of 0_ann_3\.wav/,
    ],
    ['cut between files', cut.subarray(0, 1536), /ends without an end-of-archive mark/],
    ['no tar at all', new Uint8Array(2000).fill(65), /entry 0 is no tar header/],
    ['a damaged header', cut.slice().fill(0x41, 10, 20), /entry 0 is no tar header/],
    ['a recording that is none', tarFile([['1.wav', bytesTo(50)]]), /1\.wav: neither a PNG nor a WAV/],
    [
      'a damaged recording',
      tarFile([['1.wav', wav(0).subarray(0, 60)]]),
      /x\.tar: 1\.wav: wav: chunk "data"/,
    ],
    ['an entry of gigabytes', hugeEntry(), /entry 0 has 8589934591 bytes, the limit/],
  ])('%s', async (_, bytes, message) => {
    const opened = openCard({ items: { kind: 'tar', file: 'x.tar' } }, { 'x.tar': bytes });
    expect((await failure(opened.then(all))).message).toMatch(message);
  });

  it('fewer or more items than the card says', async () => {
    const opened = openCard({ items: { kind: 'tar', file: 'x.tar' }, count: 4 }, { 'x.tar': tarFile(files) });
    expect((await failure(opened.then(all))).message).toMatch(/count is 4, the files give 3 items/);
  });
});

function hugeEntry(): Uint8Array {
  const [header] = entry('1.wav', new Uint8Array(0), '0');
  header.set(new TextEncoder().encode('77777777777'), 124);
  header.fill(32, 148, 156);
  const sum = header.reduce((a, b) => a + b, 0);
  header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return header;
}

describe('what does not fit together names the file and the numbers', () => {
  const files = { 'x.bin': bytesTo(24), 'y.bin': Uint8Array.of(1, 0, 1), 'y.txt': 'a\nb\na\nc\n' };
  it.each<[string, object, RegExp, string]>([
    [
      'fewer labels',
      { items: rawItems, labels: { kind: 'raw', file: 'y.bin' } },
      /y\.bin: 3 labels for the 4 items/,
      'bad-file',
    ],
    [
      'a label without a class',
      { items: rawItems, labels: { kind: 'lines', file: 'y.txt' }, classes: ['a', 'b'] },
      /y\.txt: line 4: "c" is no class/,
      'bad-file',
    ],
    [
      'half an item',
      { items: { ...rawItems, shape: [5, 5] } },
      /x\.bin: 24 bytes are not items of 25/,
      'bad-file',
    ],
    [
      'another count',
      { items: rawItems, count: 5 },
      /x\.bin: gives 4 items, the card's count is 5/,
      'bad-file',
    ],
    ['no such file', { items: { ...rawItems, file: 'z.bin' } }, /z\.bin: ENOENT/, 'io'],
    ['a folder for a file', { items: { ...rawItems, file: '.' } }, /not a file/, 'io'],
    [
      'an absolute path',
      { items: { ...rawItems, file: '/x.bin' } },
      /items\.file: expected a relative path/,
      'bad-file',
    ],
  ])('%s', async (_, card, message, code) => {
    const error = await failure(openCard(card, files).then(all));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('a label beyond the classes', async () => {
    const card = { items: rawItems, labels: { kind: 'raw', file: 'y.bin' }, classes: ['a', 'b'] };
    const opened = openCard(card, { 'x.bin': bytesTo(18), 'y.bin': Uint8Array.of(1, 2, 0) });
    expect((await failure(opened.then(all))).message).toMatch(/item 1 has label 2 of 2 classes/);
  });

  it('the data folder must be known when it is meant', async () => {
    const path = join(folder, 'lone.json');
    writeFileSync(
      path,
      JSON.stringify({ vireo: 'data-card/1', name: 'x', items: { ...rawItems, file: 'data:x' } }),
    );
    expect((await failure(openDataSet(path))).message).toMatch(
      /data:x lies in the data folder, and none is set/,
    );
  });

  it.each<[string, object, string]>([
    ['a dtype', { items: { ...rawItems, dtype: 'uint8' } }, 'c.json: items.dtype: expected "f32" or "i8"'],
    [
      'a shape',
      { items: { ...rawItems, shape: [0] } },
      'c.json: items.shape[0]: expected a whole number, from 1',
    ],
    [
      'a picture of numbers',
      { items: { ...rawItems, dtype: 'f32' } },
      'c.json: items.shape: expected a picture',
    ],
    [
      'no role',
      { items: { ...rawItems, as: undefined } },
      'c.json: items.as: expected "picture" or "tensor", got nothing',
    ],
    [
      'a pattern',
      { items: rawItems, select: { names: '(' } },
      'c.json: select.names: expected a regular expression',
    ],
    ['a misspelt field', { items: rawItems, label: 1 }, 'c.json: label: unknown'],
    [
      'a scale',
      { items: { ...rawItems, quantization: { scale: 0, zeroPoint: 0 } } },
      'c.json: items.quantization.scale: expected a positive',
    ],
  ])('%s', (_, card, message) => {
    const text = JSON.stringify({ vireo: 'data-card/1', name: 'x', ...card });
    expect(() => parseDataCard(text, 'c.json')).toThrow(message);
  });
});

describe('the public sets', () => {
  const own = fileURLToPath(new URL('../../weights/cards/data', import.meta.url));
  it.each(readdirSync(own))('%s is well-formed', (name) => {
    expect(parseDataCard(readFileSync(join(own, name), 'utf8'), name).count).toBeGreaterThan(0);
  });

  const open = (name: string): Promise<DataSet> => openDataSet(join(own, `${name}.json`), { dataFolder });
  async function histogram(name: string): Promise<number[]> {
    const counts: number[] = [];
    for await (const { label } of (await open(name)).items()) {
      if (label !== undefined) counts[label] = (counts[label] ?? 0) + 1;
    }
    return counts;
  }

  itWithData(
    'cifar10-test: classes as often as its description says',
    ['cifar10/test-images-0000-4999.bin'],
    async () => {
      expect(await histogram('cifar10-test')).toEqual([488, 505, 512, 497, 507, 488, 491, 495, 504, 513]);
      const set = await open('cifar10-perf-108');
      expect((await all(set)).length).toBe(108);
    },
  );

  itWithData('cifar10-train-10000: 1000 of every class', ['cifar10/train-images-10000.bin'], async () => {
    expect(await histogram('cifar10-train-10000')).toEqual(new Array<number>(10).fill(1000));
  });

  itWithData(
    'mnist: both halves, through gzip, in little memory',
    ['mnist/train-images-idx3-ubyte.gz'],
    async () => {
      expect(await histogram('mnist-test')).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      let count = 0;
      for await (const { source } of (await open('mnist-train')).items()) {
        if (count++ % 1000 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers);
        if (source.kind !== 'picture') throw new Error(source.kind);
      }
      expect(count).toBe(60_000);
      expect(most - before).toBeLessThan(100 * 2 ** 20); // garbage included; the whole would be 47 MB twice over
    },
  );

  itWithData('fsdd-test: 300 recordings, 30 of every digit', ['fsdd/test.tar'], async () => {
    expect(await histogram('fsdd-test')).toEqual(new Array<number>(10).fill(30));
    for await (const { source, name } of (await open('fsdd-test')).items()) {
      if (source.kind !== 'recording') throw new Error(name);
      expect(source.recording.sampleRate).toBe(8000);
      expect(source.recording.channels[0].length).toBeGreaterThanOrEqual(1148);
    }
  });

  itWithData(
    'fsdd-train: recordings of the length that its table gives',
    ['fsdd/train.tar', 'fsdd/train-labels.csv'],
    async () => {
      const rows = new TextDecoder().decode(readData('fsdd/train-labels.csv')).trim().split('\n').slice(1);
      const table = new Map(rows.map((row) => [row.split(',')[0], row.split(',')]));
      let count = 0;
      for await (const { source, name, label } of (await open('fsdd-train')).items()) {
        const row = table.get(name);
        if (source.kind !== 'recording' || row === undefined) throw new Error(name);
        if (String(source.recording.channels[0].length) !== row[4] || String(label) !== row[1])
          throw new Error(`${row}`);
        count++;
      }
      expect(count).toBe(2700);
    },
  );

  itWithData(
    'kws01-700 feeds the int8 network as it is and the float one dequantised',
    [
      'mlperf-tiny/kws/kws01-inputs-700.bin',
      'mlperf-tiny/kws/kws_ref_model.tflite',
      'mlperf-tiny/kws/kws_ref_model_float32.tflite',
    ],
    async () => {
      expect(await histogram('kws01-700')).toEqual([68, 66, 54, 60, 49, 61, 54, 56, 57, 60, 55, 60]);
      const inputOf = (name: string) => {
        const path = `mlperf-tiny/kws/${name}.tflite`;
        const found = findNetworkCard(dataPath(path), readData(path), { dataFolder });
        if (found === undefined) throw new Error(name);
        return found.card.inputs[0];
      };
      const int8 = inputOf('kws_ref_model');
      const float = inputOf('kws_ref_model_float32');
      const bytes = new Int8Array(readData('mlperf-tiny/kws/kws01-inputs-700.bin').buffer);
      const shape = [1, 49, 10, 1];
      const quantization = { scale: [0.5847029089927673], zeroPoint: [83], axis: 0 };
      for await (const { index, source } of (await open('kws01-700')).items()) {
        const stored = bytes.subarray(490 * index, 490 * (index + 1));
        expect(prepareInput(int8, { dtype: 'i8', shape, quantization }, source)).toEqual(stored);
        if (index % 100 > 0) continue;
        const real = prepareInput(float, { dtype: 'f32', shape }, source);
        expect(real).toEqual(Float32Array.from(stored, (value) => 0.58470291 * (value - 83)));
      }
    },
  );

  itWithData(
    'cifar10 feeds the int8 network pixel − 128 and the float one the pixel',
    [
      'cifar10/test-images-0000-4999.bin',
      'mlperf-tiny/ic/pretrainedResnet.tflite',
      'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
    ],
    async () => {
      const pixels = readData('cifar10/test-images-0000-4999.bin').subarray(0, 3072);
      const set = await open('cifar10-test');
      for await (const { source } of set.items()) {
        const inputs = ['pretrainedResnet', 'pretrainedResnet_quant'].map((name) => {
          const path = `mlperf-tiny/ic/${name}.tflite`;
          const found = findNetworkCard(dataPath(path), readData(path), { dataFolder });
          if (found === undefined) throw new Error(name);
          return found.card.inputs[0];
        });
        const shape = [1, 32, 32, 3];
        expect(prepareInput(inputs[0], { dtype: 'f32', shape }, source)).toEqual(Float32Array.from(pixels));
        const quantization = { scale: [1], zeroPoint: [-128], axis: 0 };
        const int8 = prepareInput(inputs[1], { dtype: 'i8', shape, quantization }, source);
        expect(int8).toEqual(Int8Array.from(pixels, (value) => value - 128));
        break;
      }
    },
  );
});
