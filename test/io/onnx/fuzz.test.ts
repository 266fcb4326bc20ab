/** Damaged files: each is read, or refused with a VireoError, quickly and in little memory. */
import { describe, expect, it } from 'vitest';
import { casesIn } from '../../../src/cli/conformance.ts';
import { VireoError } from '../../../src/errors.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import { readOnnx } from '../../../src/io/onnx/index.ts';
import { dataPath, itWithData, readData } from '../../data.ts';
import { mutate } from '../../mutate.ts';
import { floats, longs, type NodeSpec, oneNode, writeModel } from './write.ts';

interface Count {
  read: number;
  readonly refused: Map<string, number>;
  worst: number;
}

/** One seed of one file. */
function survive(bytes: Uint8Array, seed: number, count: Count, label: string): void {
  const damaged = mutate(bytes, seed);
  const start = performance.now();
  try {
    compile(readOnnx(damaged), { limits }).run();
    count.read++;
  } catch (error) {
    if (!(error instanceof VireoError)) throw new Error(`${label}, seed ${seed}`, { cause: error });
    if (!error.message) throw new Error(`${label}, seed ${seed}: no message`);
    count.refused.set(error.code, (count.refused.get(error.code) ?? 0) + 1);
  }
  const time = performance.now() - start;
  if (time > 2000) throw new Error(`${label}, seed ${seed}: ${time.toFixed(0)} ms`);
  count.worst = Math.max(count.worst, time);
}

/** Small enough that what is read can also be run. */
const limits = { work: 2 ** 27, bytes: 2 ** 28 };

const fresh = (): Count => ({ read: 0, refused: new Map(), worst: 0 });

const node = (type: string, ins: readonly string[], out: string, attributes = {}): NodeSpec => ({
  type,
  in: ins,
  out: [out],
  attributes,
});

/** A little of everything that shapes something. */
const mixed = writeModel({
  inputs: [{ name: 'x', type: 'float', shape: [1, 2, 6, 6] }],
  outputs: [{ name: 'y', type: 'float', shape: [] }],
  initializers: [
    floats(
      'w',
      [2, 2, 3, 3],
      Array.from({ length: 36 }, (_, i) => i / 36),
    ),
    longs('shape', [1, -1, 13]),
    longs('begin', [0, 0]),
    longs('end', [9, 2]),
    longs('wide', [2, 1, 1]),
    longs('pads', [0, 1, 0, 0, 2, 0]),
    floats('scales', [4], [1, 1, 2, 2]),
    floats('s', [], [0.1]),
  ],
  nodes: [
    node('Conv', ['x', 'w'], 'a', { pads: { ints: [1, 1, 1, 1] } }),
    node('MaxPool', ['a'], 'b', { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }),
    node('Resize', ['b', '', 'scales'], 'c', { mode: { s: 'cubic' } }),
    node('ConvTranspose', ['c', 'w'], 'd', { strides: { ints: [2, 2] } }),
    node('QuantizeLinear', ['d', 's'], 'q'),
    node('DequantizeLinear', ['q', 's'], 'e'),
    node('Reshape', ['e', 'shape'], 'f'),
    node('Slice', ['f', 'begin', 'end'], 'g'),
    node('Expand', ['g', 'wide'], 'h'),
    node('Pad', ['h', 'pads'], 'i', { mode: { s: 'reflect' } }),
    node('Tile', ['i', 'wide'], 'j'),
    node('Softmax', ['j'], 'y', { axis: { i: 1 } }),
  ],
});

describe('damaged ONNX files', () => {
  it('that one is right before it is damaged', () => {
    expect(() => compile(readOnnx(mixed))).not.toThrow();
  });

  it('1,500 times a file of many operators', () => {
    const count = fresh();
    for (let seed = 0; seed < 1500; seed++) survive(mixed, seed, count, 'mixed');
    expect(count.read).toBeGreaterThan(0);
    expect(count.refused.get('bad-file')).toBeGreaterThan(0);
    expect(count.refused.get('unsupported')).toBeGreaterThan(0);
  }, 120_000);

  it('every length of it', () => {
    for (let length = 0; length < mixed.length; length++)
      try {
        readOnnx(mixed.slice(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(VireoError);
      }
  }, 60_000);

  const suite = 'onnx-backend-suite/node.tar.gz';
  itWithData(
    'once each case of the suite',
    [suite],
    async () => {
      const count = fresh();
      let seed = 20_000;
      for await (const { name, files } of casesIn(dataPath(suite)))
        survive(files.get('model.onnx')!, seed++, count, name);
      expect(count.read).toBeGreaterThan(5);
    },
    120_000,
  );

  for (const path of [
    'models/onnx/mnist.onnx',
    'models/onnx/version-slim-320.onnx',
    'peer-models/kws_i8.onnx',
  ])
    itWithData(
      `200 times ${path}`,
      [path],
      () => {
        const count = fresh();
        const bytes = readData(path);
        for (let seed = 10_000; seed < 10_200; seed++) survive(bytes, seed, count, path);
        expect(count.read).toBeGreaterThan(0);
      },
      120_000,
    );
});

describe('files of a few bytes that ask for much', () => {
  const huge = 2 ** 40;
  const cases: readonly [string, Uint8Array][] = [
    [
      'ConstantOfShape',
      oneNode({ type: 'ConstantOfShape', in: ['n'] }, { shape: [1] }, { initializers: [longs('n', [huge])] }),
    ],
    ['Expand', oneNode({ type: 'Expand' }, { shape: [1] }, { initializers: [longs('n', [huge])] })],
    [
      'Expand, just under 1 GiB',
      oneNode({ type: 'Expand' }, { shape: [1] }, { initializers: [longs('n', [2 ** 28])] }),
    ],
    ['Tile', oneNode({ type: 'Tile' }, { shape: [1] }, { initializers: [longs('n', [huge])] })],
    [
      'Range',
      oneNode(
        { type: 'Range', in: ['a', 'b', 'c'] },
        { shape: [1] },
        { initializers: [floats('a', [], [0]), floats('b', [], [1e30]), floats('c', [], [1])] },
      ),
    ],
    [
      'Pad',
      oneNode(
        { type: 'Pad', attributes: { mode: { s: 'edge' } } },
        { shape: [1] },
        { initializers: [longs('n', [huge, huge])] },
      ),
    ],
    [
      'Resize',
      oneNode(
        { type: 'Resize', in: ['x', '', 's'], attributes: { mode: { s: 'linear' } } },
        { shape: [1, 1] },
        { initializers: [floats('s', [2], [1e9, 1e9])] },
      ),
    ],
    ['an input', oneNode({ type: 'Relu' }, { shape: [huge] })],
    [
      'AveragePool',
      oneNode(
        { type: 'AveragePool', attributes: { kernel_shape: { ints: [3] }, pads: { ints: [huge, huge] } } },
        { shape: [1, 1, 1] },
      ),
    ],
    ['Split', oneNode({ type: 'Split', attributes: { num_outputs: { i: huge } } }, { shape: [4] })],
    ['rank 10,000', oneNode({ type: 'Transpose' }, { shape: new Array<number>(10_000).fill(1) })],
    [
      'NonMaxSuppression',
      writeModel({
        outputs: [{ name: 'y', type: 'int64', shape: [] }],
        initializers: [longs('b', [1, 2 ** 20, 4]), longs('s', [1, 1, 2 ** 20]), longs('n', [2 ** 20])],
        nodes: [
          node('ConstantOfShape', ['b'], 'boxes'),
          node('ConstantOfShape', ['s'], 'scores'),
          node('NonMaxSuppression', ['boxes', 'scores', 'n'], 'y'),
        ],
      }),
    ],
  ];
  it.each(cases)('%s', (_, bytes) => {
    const start = performance.now();
    expect(() => readOnnx(bytes)).toThrow(VireoError);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
