/** Small networks of many operators, and graphs as JSON. */
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import type { Quantization } from '../../src/tensor.ts';
import { integers, random } from '../kernels/run-call.ts';

/** Convolutions with and without border, depthwise, a residual, a concatenation, pools, dense, softmax. */
export function smallNetwork(dtype: 'f32' | 'i8'): Graph {
  const next = random(9);
  const isFloat = dtype === 'f32';
  const q = (scale: number, zeroPoint: number): Quantization | null =>
    isFloat ? null : { scale: [Math.fround(scale)], zeroPoint: [zeroPoint], axis: 0 };
  const b = new GraphBuilder(`small ${dtype}`);
  const weights = (shape: readonly number[], outC: number): number[] => {
    const count = shape.reduce((x, y) => x * y, 1);
    const scale = 1 / Math.sqrt(count / outC);
    return [
      isFloat
        ? b.constant(
            'w',
            'f32',
            shape,
            Float32Array.from({ length: count }, () => (next() * 2 - 1) * scale),
          )
        : b.constant('w', 'i8', shape, Int8Array.from(integers(next, count, -127, 127)), q(scale / 127, 0)),
      isFloat
        ? b.constant(
            'b',
            'f32',
            [outC],
            Float32Array.from({ length: outC }, () => next() - 0.5),
          )
        : b.constant('b', 'i32', [outC], Int32Array.from(integers(next, outC, -2000, 2000))),
    ];
  };
  const output = { quantization: q(0.03, -5) };
  const relu = { min: 0, max: Number.POSITIVE_INFINITY };
  const plain = {
    stride: [1, 1],
    dilation: [1, 1],
    pad: { top: 1, left: 1, bottom: 1, right: 1 },
    clamp: relu,
  } as const;
  const x = b.input('x', dtype, [1, 8, 8, 3], q(0.02, 3));
  const c1 = b.add({ kind: 'conv2d', ...plain, groups: 1 }, [x, ...weights([9, 3, 3, 3], 9)], output);
  const c2 = b.add({ kind: 'depthwiseConv2d', ...plain }, [c1, ...weights([1, 3, 3, 9], 9)], output);
  const c3 = b.add(
    { kind: 'conv2d', ...plain, pad: noPad, groups: 1 },
    [c2, ...weights([9, 1, 1, 9], 9)],
    output,
  );
  const sum = b.add({ kind: 'binary', fn: 'add', clamp: relu }, [c1, c3], output);
  const all = b.add({ kind: 'concat', axis: 3 }, [sum, c3], output);
  const d5 = b.add(
    { kind: 'depthwiseConv2d', ...plain, stride: [2, 2], pad: { top: 2, left: 2, bottom: 2, right: 2 } },
    [all, ...weights([1, 5, 5, 18], 18)],
    output,
  );
  const swish = b.add({ kind: 'unary', fn: 'hardSwish', alpha: 0 }, [d5], output);
  const padded = b.add({ kind: 'pad', before: [0, 1, 0, 0], after: [0, 0, 1, 0], value: 0 }, [swish]);
  const pooled = b.add({ kind: 'maxPool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp }, [
    padded,
  ]);
  const mean = b.add(
    { kind: 'averagePool2d', kernel: [2, 2], stride: [1, 1], pad: noPad, clamp: noClamp },
    [pooled],
    output,
  );
  const row = b.add({ kind: 'reshape', shape: [1, 18] }, [mean]);
  const logits = b.add({ kind: 'dense', clamp: noClamp }, [row, ...weights([5, 18], 5)], output);
  const scores = b.add({ kind: 'softmax', beta: 1, log: false }, [logits], {
    quantization: q(1 / 256, -128),
  });
  return b.finish([scores, logits]);
}

/** A graph as JSON text: constants become lists of numbers. */
export function graphToJson(graph: Graph): string {
  return JSON.stringify(graph, (_, value: unknown) =>
    ArrayBuffer.isView(value)
      ? { numbers: Array.from(value as unknown as ArrayLike<number | bigint>, String) }
      : value === Number.POSITIVE_INFINITY
        ? { infinity: 1 }
        : value === Number.NEGATIVE_INFINITY
          ? { infinity: -1 }
          : value,
  );
}
