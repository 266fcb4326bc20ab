/** Layers shared by threads: the same numbers as on one, whatever the split, and no thread left behind. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile.ts';
import { noClamp, type Pad } from '../../src/kernels/call.ts';
import type { Quantization } from '../../src/tensor.ts';
import { compileThreaded } from '../../src/threads/index.ts';
import { integers, random } from '../kernels/run-call.ts';

/** Rows enough to share (3×3 with stride 2, 1×1, depthwise 3×3), a residual, then few rows and many channels. */
function wideNetwork(dtype: 'f32' | 'i8'): Graph {
  const next = random(5);
  const b = new GraphBuilder(`wide ${dtype}`);
  const isFloat = dtype === 'f32';
  const q = (scale: number, zeroPoint: number): Quantization | null =>
    isFloat ? null : { scale: [Math.fround(scale)], zeroPoint: [zeroPoint], axis: 0 };
  const weights = (shape: readonly number[], outC: number): number[] => {
    const count = shape.reduce((x, y) => x * y, 1);
    const values = Float32Array.from({ length: count }, () => next() - 0.5);
    const perChannel = {
      scale: new Array<number>(outC).fill(Math.fround(0.01)),
      zeroPoint: new Array<number>(outC).fill(0),
      axis: shape[0] === outC ? 0 : 3,
    };
    return [
      isFloat
        ? b.constant('w', 'f32', shape, values)
        : b.constant('w', 'i8', shape, Int8Array.from(integers(next, count, -127, 127)), perChannel),
      isFloat
        ? b.constant('b', 'f32', [outC], values.slice(0, outC))
        : b.constant('b', 'i32', [outC], Int32Array.from(integers(next, outC, -900, 900))),
    ];
  };
  const output = { quantization: q(0.4, 3) };
  const conv = (x: number, k: number, inC: number, outC: number, stride: number, pad: Pad): number =>
    b.add(
      {
        kind: 'conv2d',
        stride: [stride, stride],
        dilation: [1, 1],
        pad,
        groups: 1,
        clamp: { min: 0, max: Number.POSITIVE_INFINITY },
      },
      [x, ...weights([outC, k, k, inC], outC)],
      output,
    );
  const around: Pad = { top: 1, left: 1, bottom: 1, right: 1 };
  const none: Pad = { top: 0, left: 0, bottom: 0, right: 0 };
  const x = b.input('x', dtype, [1, 53, 37, 8], q(0.05, -3));
  const stem = conv(x, 3, 8, 64, 2, around);
  const point = conv(stem, 1, 64, 64, 1, none);
  const depthwise = b.add(
    { kind: 'depthwiseConv2d', stride: [1, 1], dilation: [1, 1], pad: around, clamp: noClamp },
    [point, ...weights([1, 3, 3, 64], 64)],
    output,
  );
  const again = conv(depthwise, 3, 64, 64, 1, around);
  const sum = b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [again, stem], output);
  const pooled = b.add(
    { kind: 'averagePool2d', kernel: [9, 9], stride: [9, 9], pad: none, clamp: noClamp },
    [sum],
    output,
  );
  return b.finish([conv(pooled, 1, 64, 4096, 1, none), sum]);
}

/** Integers to the bit; floats within the bound of Winograd, which a part may take where the whole does not. */
function expectAlike(graph: Graph, session: Outputs, one: Outputs): void {
  graph.outputs.forEach((id, i) => {
    const [actual, expected] = [session.output(i), one.output(i)];
    const bound = graph.values[id].dtype === 'f32' ? 1e-5 * Math.max(...Array.from(expected, Math.abs)) : 0;
    for (let k = 0; k < expected.length; k++)
      if (!(Math.abs(actual[k]! - expected[k]!) <= bound))
        expect.fail(`output ${i}, element ${k}: ${actual[k]}, one thread ${expected[k]}`);
  });
}

interface Outputs {
  output(i: number): ArrayLike<number>;
}

describe('threads', () => {
  it.each([
    ['f32', 2],
    ['i8', 2],
    ['i8', 3],
  ] as const)('%s on %i give what one gives, run after run', async (dtype, threads) => {
    const graph = wideNetwork(dtype);
    const one = compile(graph);
    const session = await compileThreaded(graph, { threads, keep: true });
    try {
      expect(session.threads).toBe(threads);
      expect(session.info.notices.join()).toMatch(/[4-9] layers on/u);
      for (let round = 0; round < 5; round++) {
        const next = random(round);
        const numbers = integers(next, one.input(0).length, -128, 127).map((n) =>
          dtype === 'f32' ? n / 64 : n,
        );
        one.input(0).set(numbers);
        session.input(0).set(numbers);
        one.run();
        session.run();
        expectAlike(graph, session, one);
      }
      expect(new Set(one.output(1)).size).toBeGreaterThan(20);
    } finally {
      await session.close();
    }
    session.run();
    expectAlike(graph, session, one);
  });

  it('are left out, and it is said, where no layer is worth sharing', async () => {
    const b = new GraphBuilder('small');
    const x = b.input('x', 'f32', [1, 4, 4, 4]);
    const graph = b.finish([b.add({ kind: 'clamp', clamp: { min: 0, max: 6 } }, [x])]);
    const session = await compileThreaded(graph, { threads: 2 });
    expect(session.threads).toBe(1);
    expect(session.info.notices.join()).toMatch(/one thread: /u);
    await session.close();
  });

  it.each([0, 1, 1.5, 65])('refuse %d of them', async (threads) => {
    await expect(compileThreaded(wideNetwork('i8'), { threads })).rejects.toThrow(/threads: expected/u);
  });
});
