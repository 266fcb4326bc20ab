/** int8 operators with ONNX's rule: the exact sum times a float32 multiplier, halves to even. */
import { describe, expect, it } from 'vitest';
import type { BinaryFn, Clamp } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { roundHalfEven } from '../../src/kernels/requantize.ts';
import { callOf, result, row } from './onnx-call.ts';
import {
  activation,
  constant,
  integers,
  operandsOf,
  perChannel,
  perTensor,
  random,
  runCall,
} from './run-call.ts';

const window = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;
const relu: Clamp = { min: 0, max: Number.POSITIVE_INFINITY };

describe('roundHalfEven', () => {
  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, 0],
    [-1.5, -2],
    [-2.5, -2],
    [0.49999999999999994, 0],
    [2 ** 52 + 1, 2 ** 52 + 1],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ])('%f', (x, is) => expect(roundHalfEven(x) + 0).toBe(is));
});

/** One output channel of `sum` = x·w with scales 1, 1 and `scale`. */
const products: readonly {
  label: string;
  call: (sum: readonly number[], clamp: Clamp) => Parameters<typeof callOf>;
}[] = [
  {
    label: 'conv2d',
    call: (sum, clamp) => [
      { kind: 'conv2d', ...window, groups: 1, clamp, rounding: 'even' },
      [
        activation('i8', [1, 1, sum.length, 1], sum, perTensor(1, 0)),
        constant('i8', [1, 1, 1, 1], [1], perTensor(1, 0)),
      ],
      'i8',
      [1, 1, sum.length, 1],
      perTensor(2, 3),
    ],
  },
  {
    label: 'depthwiseConv2d',
    call: (sum, clamp) => [
      { kind: 'depthwiseConv2d', ...window, clamp, rounding: 'even' },
      [
        activation('i8', [1, 1, sum.length, 1], sum, perTensor(1, 0)),
        constant('i8', [1, 1, 1, 1], [1], perTensor(1, 0)),
      ],
      'i8',
      [1, 1, sum.length, 1],
      perTensor(2, 3),
    ],
  },
  {
    label: 'dense',
    call: (sum, clamp) => [
      { kind: 'dense', clamp, rounding: 'even' },
      [activation('i8', [sum.length, 1], sum, perTensor(1, 0)), constant('i8', [1, 1], [1], perTensor(1, 0))],
      'i8',
      [sum.length, 1],
      perTensor(2, 3),
    ],
  },
];

describe.each(products)('$label', ({ call }) => {
  it('halves go to even, in front of the zero point', () => {
    expect(result(...call([1, 3, 5, -1, -3, -5], noClamp))).toEqual([3, 5, 5, 3, 1, 1]);
  });
  it('clamps at real bounds', () => {
    expect(result(...call([-9, 4, 7], relu))).toEqual([3, 5, 7]);
  });
  it('the typed-array set serves it too', () => {
    expect(js.offer(operandsOf(callOf(...call([1, 2], noClamp))))).not.toBeNull();
  });
});

it('conv2d with a bias, zero points and a scale a channel: float32 arithmetic', () => {
  const { fround } = Math;
  const next = random(3);
  const [x, w, bias] = [
    integers(next, 3, 0, 255),
    integers(next, 6, -127, 127),
    integers(next, 2, -999, 999),
  ];
  const [sx, sy, sw] = [fround(0.0123), fround(0.31), [0.021, 0.0037].map(fround)];
  const call = callOf(
    { kind: 'conv2d', ...window, groups: 1, clamp: noClamp, rounding: 'even' },
    [
      activation('u8', [1, 1, 1, 3], x, perTensor(sx, 113)),
      constant('i8', [2, 1, 1, 3], w, perChannel(sw, 0)),
      constant('i32', [2], bias),
    ],
    'u8',
    [1, 1, 1, 2],
    perTensor(sy, 90),
  );
  const is = [0, 1].map((c) => {
    let sum = bias[c];
    for (let k = 0; k < 3; k++) sum += (x[k] - 113) * w[3 * c + k];
    const scale = fround(fround(sx * sw[c]) / sy);
    return Math.min(Math.max(roundHalfEven(fround(fround(sum) * scale)) + 90, 0), 255);
  });
  expect([...runCall(reference, call)]).toEqual(is);
});

describe('binary through float32', () => {
  const pair = (fn: BinaryFn, a: number, b: number, clamp = noClamp) =>
    result(
      { kind: 'binary', fn, clamp, rounding: 'even' },
      [row('i8', [a], perTensor(0.5, 1)), row('i8', [b], perTensor(0.25, -1))],
      'i8',
      [1],
      perTensor(1, 2),
    )[0];

  it.each([
    { label: 'add: 1 + 0.5 is a half', fn: 'add', a: 3, b: 1, is: 4 }, // 1.5 → 2
    { label: 'add: 2.5', fn: 'add', a: 5, b: 1, is: 4 }, // 2 + 0.5 → 2
    { label: 'sub: −0.5', fn: 'sub', a: 1, b: 1, is: 2 },
    { label: 'mul: 5·0.5', fn: 'mul', a: 11, b: 1, is: 4 },
    { label: 'div: 1 / 0.25', fn: 'div', a: 3, b: 0, is: 6 },
    { label: 'max', fn: 'max', a: 3, b: 19, is: 7 },
    { label: 'saturates', fn: 'mul', a: 127, b: 127, is: 127 },
  ] as const)('$label', ({ fn, a, b, is }) => expect(pair(fn, a, b)).toBe(is));

  it('clamps real numbers', () => expect(pair('sub', 1, 11, relu)).toBe(2));

  it('the typed-array set serves it too', () => {
    const inputs = [row('i8', [1], perTensor(0.5, 1)), row('i8', [1], perTensor(0.5, 1))];
    const call = callOf(
      { kind: 'binary', fn: 'add', clamp: noClamp, rounding: 'even' },
      inputs,
      'i8',
      [1],
      perTensor(1, 2),
    );
    expect(js.offer(operandsOf(call))).not.toBeNull();
  });
});

describe('averagePool2d', () => {
  const pool = (x: readonly number[], from = perTensor(0.5, 1), to = perTensor(0.5, 1)) =>
    callOf(
      { kind: 'averagePool2d', kernel: [1, 2], stride: [1, 2], pad: noPad, clamp: noClamp, rounding: 'even' },
      [activation('i8', [1, 1, x.length, 1], x, from)],
      'i8',
      [1, 1, x.length / 2, 1],
      to,
    );

  it('a mean between two steps goes to the even one, counted from the zero point', () => {
    expect([...runCall(reference, pool([1, 2, 2, 3, 0, 1, -1, 0]))]).toEqual([1, 3, 1, -1]);
  });
  it('into another scale', () => {
    expect([...runCall(reference, pool([1, 3, 5, 7], perTensor(0.5, 1), perTensor(0.25, 0)))]).toEqual([
      2, 10,
    ]);
  });
  it('the typed-array set serves it too', () => {
    expect(js.offer(operandsOf(pool([1, 2])))).not.toBeNull();
  });
});
