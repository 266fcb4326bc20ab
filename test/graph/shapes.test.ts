/** Shape inference: what each operator makes, and each rule it keeps by an operand that breaks it. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../src/errors.ts';
import type { Op } from '../../src/graph/ops.ts';
import { broadcastShapes, inferShape, samePad, windowCount } from '../../src/graph/shapes.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import type { Shape } from '../../src/tensor.ts';
import { pad } from '../kernels/products.ts';

const window = { stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: noClamp } as const;
const conv = { kind: 'conv2d', ...window, groups: 1 } as const;
const depthwise = { kind: 'depthwiseConv2d', ...window } as const;
const transposed = { kind: 'transposedConv2d', stride: [2, 2], pad: noPad, clamp: noClamp } as const;
const dense = { kind: 'dense', clamp: noClamp } as const;
const pool = { kind: 'maxPool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp } as const;
const add = { kind: 'binary', fn: 'add', clamp: noClamp } as const;
const slice = { kind: 'slice', begin: [0, 1], size: [2, 2], step: [1, 1] } as const;
const mirror = { kind: 'mirrorPad', before: [1], after: [1], mode: 'reflect' } as const;
const resize = {
  kind: 'resize',
  mode: 'nearest',
  size: [4, 6],
  alignCorners: false,
  halfPixelCenters: false,
} as const;

const good: [label: string, op: Op, inputs: Shape[], output: Shape, declared?: Shape][] = [
  [
    'conv2d',
    conv,
    [
      [2, 5, 6, 3],
      [4, 3, 3, 3],
    ],
    [2, 3, 4, 4],
  ],
  [
    'conv2d with stride, pad, dilation and bias',
    { ...conv, stride: [2, 3], dilation: [2, 1], pad: pad(1, 1, 2, 0) },
    [[1, 8, 9, 3], [4, 3, 3, 3], [4]],
    [1, 4, 3, 4],
  ],
  [
    'conv2d in groups',
    { ...conv, groups: 2 },
    [
      [1, 3, 3, 4],
      [6, 1, 1, 2],
    ],
    [1, 3, 3, 6],
  ],
  [
    'depthwiseConv2d',
    depthwise,
    [
      [1, 5, 5, 3],
      [1, 3, 3, 6],
    ],
    [1, 3, 3, 6],
  ],
  [
    'transposedConv2d',
    transposed,
    [
      [1, 3, 4, 2],
      [5, 3, 3, 2],
    ],
    [1, 7, 9, 5],
  ],
  [
    'transposedConv2d with a declared size',
    transposed,
    [
      [1, 3, 4, 2],
      [5, 3, 3, 2],
    ],
    [1, 8, 9, 5],
    [1, 8, 9, 5],
  ],
  [
    'codebookConv2d',
    { kind: 'codebookConv2d', stride: [2, 2], dilation: [1, 1], pad: pad(1, 1, 1, 1), clamp: noClamp },
    [[1, 8, 8, 6], [3, 16, 2], [5, 3, 3, 3], [5]],
    [1, 4, 4, 5],
  ],
  ['dense', dense, [[2, 3, 4], [5, 4], [5]], [2, 3, 5]],
  ['dense of a vector', dense, [[4], [5, 4]], [5]],
  ['maxPool2d, cells left over', pool, [[1, 5, 7, 3]], [1, 2, 3, 3]],
  ['averagePool2d', { ...pool, kind: 'averagePool2d', pad: pad(1, 1, 1, 1) }, [[1, 4, 4, 3]], [1, 3, 3, 3]],
  [
    'binary',
    add,
    [
      [2, 1, 3],
      [4, 1],
    ],
    [2, 4, 3],
  ],
  ['prelu', { kind: 'prelu' }, [[1, 4, 4, 3], [3]], [1, 4, 4, 3]],
  ['softmax', { kind: 'softmax', beta: 1, log: false }, [[2, 9]], [2, 9]],
  ['l2Normalize', { kind: 'l2Normalize' }, [[2, 9]], [2, 9]],
  ['unary', { kind: 'unary', fn: 'abs', alpha: 0 }, [[2, 0]], [2, 0]],
  ['clamp', { kind: 'clamp', clamp: noClamp }, [[]], []],
  ['convert', { kind: 'convert', rounding: 'away' }, [[3]], [3]],
  ['cast', { kind: 'cast' }, [[3]], [3]],
  ['reduce', { kind: 'reduce', fn: 'mean', axes: [0, 2] }, [[2, 3, 4]], [1, 3, 1]],
  ['argMax', { kind: 'argMax', axis: 1, least: false, last: false }, [[2, 3, 4]], [2, 4]],
  [
    'gather',
    { kind: 'gather', axis: 1, batchDims: 0 },
    [
      [2, 3, 4],
      [5, 6],
    ],
    [2, 5, 6, 4],
  ],
  [
    'gather with a batch',
    { kind: 'gather', axis: 2, batchDims: 1 },
    [
      [2, 3, 4],
      [2, 5],
    ],
    [2, 3, 5],
  ],
  ['resize', resize, [[1, 2, 3, 5]], [1, 4, 6, 5]],
  ['mirrorPad', mirror, [[2]], [4]],
  ['rfft2d', { kind: 'rfft2d', length: [1, 8] }, [[3, 1, 5]], [3, 1, 5, 2]],
  ['complexAbs', { kind: 'complexAbs' }, [[3, 5, 2]], [3, 5]],
  ['reshape', { kind: 'reshape', shape: [6] }, [[2, 3]], [6]],
  ['transpose', { kind: 'transpose', perm: [2, 0, 1] }, [[2, 3, 4]], [4, 2, 3]],
  [
    'concat',
    { kind: 'concat', axis: 1 },
    [
      [2, 3],
      [2, 4],
      [2, 0],
    ],
    [2, 7],
  ],
  ['slice', slice, [[2, 3]], [2, 2]],
  ['slice backwards', { kind: 'slice', begin: [4], size: [3], step: [-2] }, [[5]], [3]],
  ['slice of nothing', { kind: 'slice', begin: [9], size: [0], step: [1] }, [[5]], [0]],
  ['pad', { kind: 'pad', before: [1, 0], after: [0, 2], value: 0 }, [[2, 3]], [3, 5]],
];

const bad: [label: string, op: Op, inputs: Shape[], message: string, declared?: Shape][] = [
  ...(
    [
      [
        'codebook for other channels',
        [3, 16, 3],
        [5, 1, 1, 3],
        'codebook [3, 16, 3] expects 9 input channels, got 6',
      ],
      ['codebook of 257 words', [3, 257, 2], [5, 1, 1, 3], 'a codebook of 257 codewords'],
      ['codebook without words', [3, 0, 2], [5, 1, 1, 3], 'codebook expects positive integers'],
      [
        'indices for other sub-spaces',
        [3, 16, 2],
        [5, 1, 1, 2],
        'indices [5, 1, 1, 2] do not fit codebook [3, 16, 2]',
      ],
      ['indices wider than the picture', [3, 16, 2], [5, 9, 1, 3], 'a 9×1 kernel does not fit'],
    ] as const
  ).map(([label, codebook, indices, message]): [string, Op, Shape[], string] => [
    label,
    { kind: 'codebookConv2d', stride: [1, 1], dilation: [1, 1], pad: pad(0, 0, 0, 0), clamp: noClamp },
    [[1, 8, 8, 6], codebook, indices],
    message,
  ]),
  ['too few inputs', conv, [[1, 3, 3, 1]], 'expected 2 to 3 inputs, got 1'],
  ['too many inputs', pool, [[1, 3, 3, 1], [1]], 'expected 1 inputs, got 2'],
  [
    'rank',
    conv,
    [
      [3, 3, 1],
      [1, 1, 1, 1],
    ],
    'the input expects rank 4, got [3, 3, 1]',
  ],
  [
    'channels',
    conv,
    [
      [1, 3, 3, 4],
      [2, 1, 1, 3],
    ],
    'weights expect 3 input channels, got 4',
  ],
  [
    'groups of outputs',
    { ...conv, groups: 2 },
    [
      [1, 3, 3, 4],
      [3, 1, 1, 2],
    ],
    '3 output channels do not divide into 2 groups',
  ],
  [
    'groups',
    { ...conv, groups: 0 },
    [
      [1, 3, 3, 4],
      [3, 1, 1, 2],
    ],
    'groups expects positive integers',
  ],
  ['bias', conv, [[1, 3, 3, 4], [3, 1, 1, 4], [2]], 'bias expects 3 elements, got [2]'],
  [
    'stride 0',
    { ...conv, stride: [0, 1] },
    [
      [1, 3, 3, 4],
      [3, 1, 1, 4],
    ],
    'stride expects positive integers, got [0, 1]',
  ],
  [
    'half a dilation',
    { ...conv, dilation: [1, 1.5] },
    [
      [1, 3, 3, 4],
      [3, 1, 1, 4],
    ],
    'dilation expects positive integers',
  ],
  [
    'negative pad',
    { ...conv, pad: pad(0, -1, 0, 0) },
    [
      [1, 3, 3, 4],
      [3, 1, 1, 4],
    ],
    'padding expects integers of at least 0',
  ],
  [
    'kernel too large',
    conv,
    [
      [1, 2, 2, 1],
      [1, 3, 3, 1],
    ],
    'a 3×3 kernel does not fit into [1, 2, 2, 1]',
  ],
  [
    'depthwise weights',
    depthwise,
    [
      [1, 5, 5, 3],
      [1, 3, 3, 4],
    ],
    'weights [1, 3, 3, 4] do not fit 3 input channels',
  ],
  [
    'transposed channels',
    transposed,
    [
      [1, 3, 3, 2],
      [1, 2, 2, 3],
    ],
    'weights expect 3 input channels, got 2',
  ],
  [
    'transposed size',
    transposed,
    [
      [1, 3, 3, 2],
      [1, 2, 2, 2],
    ],
    'output [1, 6, 6, 9] does not fit',
    [1, 6, 6, 9],
  ],
  [
    'dense depth',
    dense,
    [
      [2, 3],
      [5, 4],
    ],
    'weights expect 4 inputs, got [2, 3]',
  ],
  [
    'pad as large as the pool',
    { ...pool, pad: pad(2, 0, 0, 0) },
    [[1, 4, 4, 1]],
    'padding is as large as the kernel',
  ],
  [
    'broadcast',
    add,
    [
      [2, 3],
      [2, 4],
    ],
    'shapes [2, 3] and [2, 4] do not broadcast',
  ],
  ['slope', { kind: 'prelu' }, [[3], [2, 3]], 'slope [2, 3] does not broadcast to [3]'],
  ['a scalar', { kind: 'softmax', beta: 1, log: false }, [[]], 'expected at least rank 1'],
  ['axis', { kind: 'reduce', fn: 'sum', axes: [2] }, [[2, 3]], 'axis 2 is outside [2, 3]'],
  ['axes in order', { kind: 'reduce', fn: 'sum', axes: [1, 0] }, [[2, 3]], 'axes [1, 0] are not ascending'],
  ['argMax axis', { kind: 'argMax', axis: -1, least: false, last: false }, [[2]], 'axis -1 is outside [2]'],
  ['batch dims', { kind: 'gather', axis: 0, batchDims: 1 }, [[2], [2]], 'batch dims 1 do not fit axis 0'],
  [
    'batch extents',
    { kind: 'gather', axis: 1, batchDims: 1 },
    [[2, 3], [3]],
    'batch extents of [2, 3] and [3] differ',
  ],
  ['size 0', { ...resize, size: [0, 1] }, [[1, 2, 2, 1]], 'size expects positive integers'],
  ['mirror too far', mirror, [[1]], 'padding 1 of axis 0 is outside 0…0'],
  ['mirror rank', mirror, [[2, 2]], 'expected 2 pairs of paddings'],
  ['a spectrum of a row', { kind: 'rfft2d', length: [1, 8] }, [[8]], 'expected at least rank 2'],
  ['no pairs', { kind: 'complexAbs' }, [[3]], 'expected pairs in the last axis, got [3]'],
  ['element count', { kind: 'reshape', shape: [5] }, [[2, 3]], 'cannot see [2, 3] as [5]'],
  ['an open extent', { kind: 'reshape', shape: [-1, -6] }, [[2, 3]], 'cannot see [2, 3] as [-1, -6]'],
  ['an order', { kind: 'transpose', perm: [0, 0] }, [[2, 3]], '[0, 0] is no order of the axes of [2, 3]'],
  [
    'other extents',
    { kind: 'concat', axis: 0 },
    [
      [2, 3],
      [2, 4],
    ],
    'differ outside axis 0',
  ],
  ['nothing to join', { kind: 'concat', axis: 0 }, [], 'expected at least 1 input, got none'],
  ['past the end', { ...slice, begin: [0, 2] }, [[2, 3]], 'axis 1: elements 2 to 3 are outside 0…2'],
  [
    'before the start',
    { kind: 'slice', begin: [1], size: [3], step: [-1] },
    [[3]],
    'axis 0: elements 1 to -1 are outside 0…2',
  ],
  ['step 0', { kind: 'slice', begin: [0], size: [1], step: [0] }, [[3]], 'axis 0: begin 0, size 1, step 0'],
  ['slice rank', slice, [[2]], 'expected 1 begins, sizes and steps'],
  ['less than nothing', { kind: 'pad', before: [-1], after: [0], value: 0 }, [[3]], 'axis 0: padding -1, 0'],
  ['pad rank', { kind: 'pad', before: [1], after: [0], value: 0 }, [[3, 3]], 'expected 2 pairs of paddings'],
];

const shaped = (shapes: readonly Shape[]) => shapes.map((shape) => ({ shape }));

describe('inferShape', () => {
  it.each(good)('%s', (_, op, inputs, output, declared) => {
    expect(inferShape(op, shaped(inputs), 'here', declared)).toEqual(output);
  });

  it.each(bad)('refuses: %s', (_, op, inputs, message, declared) => {
    let error: unknown;
    try {
      inferShape(op, shaped(inputs), 'some/node', declared);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(VireoError);
    expect(error).toMatchObject({ code: 'bad-graph' });
    expect((error as Error).message).toContain(`${op.kind} "some/node": `);
    expect((error as Error).message).toContain(message);
  });
});

describe('extents', () => {
  it('windows are counted as they are placed', () => {
    for (let extent = 1; extent < 9; extent++)
      for (let k = 1; k < 4; k++)
        for (let stride = 1; stride < 4; stride++)
          for (let dilation = 1; dilation < 3; dilation++)
            for (let around = 0; around < 4; around++) {
              let count = 0;
              for (let at = 0; at + (k - 1) * dilation < extent + around; at += stride) count++;
              expect(Math.max(0, windowCount(extent, k, stride, dilation, around))).toBe(count);
            }
  });

  it('SAME padding gives ⌈in/stride⌉ windows, the odd cell at the end', () => {
    for (let extent = 1; extent < 12; extent++)
      for (let k = 1; k < 6; k++)
        for (let stride = 1; stride < 4; stride++)
          for (let dilation = 1; dilation < 3; dilation++) {
            const { top, bottom, left, right } = samePad([extent, 7], [k, 3], [stride, 2], [dilation, 1]);
            expect(windowCount(extent, k, stride, dilation, top + bottom)).toBe(Math.ceil(extent / stride));
            expect(bottom - top === 0 || bottom - top === 1).toBe(true);
            expect([left, right]).toEqual([1, 1]);
          }
  });

  it.each([
    [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
    [[], [4], [4]],
    [
      [3, 1],
      [1, 4],
      [3, 4],
    ],
    [
      [5, 1, 2],
      [7, 1],
      [5, 7, 2],
    ],
    [[0], [1], [0]],
    [[2], [3], null],
    [[2, 3], [3, 2], null],
  ])('broadcast %j and %j', (a, b, expected) => {
    expect(broadcastShapes(a, b)).toEqual(expected);
    expect(broadcastShapes(b, a)).toEqual(expected);
  });
});
