/** Random networks from a seed: every operator that the planner treats in its own way, in every company. */
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import type { Op } from '../../src/graph/ops.ts';
import { samePad } from '../../src/graph/shapes.ts';
import { type Clamp, noClamp, noPad, type Pad, type Pair } from '../../src/kernels/call.ts';
import { elementCount, type Quantization, type Shape, type TensorData, viewOf } from '../../src/tensor.ts';
import { random } from '../kernels/run-call.ts';

const mostElements = 600;

export type NetworkType = 'f32' | 'i8' | 'u8';

/** A network of about `size` operators; some of them lead nowhere. */
export function randomGraph(seed: number, dtype: NetworkType, size = 12): Graph {
  const next = random(seed);
  const between = (lo: number, hi: number): number => lo + Math.floor(next() * (hi - lo + 1));
  const chance = (p: number): boolean => next() < p;
  const pick = <T>(list: readonly T[]): T => list[between(0, list.length - 1)];
  const isFloat = dtype === 'f32';
  const zeroLow = dtype === 'u8' ? 100 : -20;
  const params = (): Quantization | null =>
    isFloat
      ? null
      : { scale: [Math.fround(0.02 + next() * 0.06)], zeroPoint: [between(zeroLow, zeroLow + 40)], axis: 0 };
  const builder = new GraphBuilder(`random ${seed}`);
  const shapeOf = (id: ValueId): Shape => builder.value(id).shape;

  const live: ValueId[] = [];
  const batch = chance(0.25) ? between(2, 3) : 1;
  for (let i = between(1, 3); i > 0; i--)
    live.push(builder.input(`in${i}`, dtype, [batch, between(1, 7), between(1, 7), between(1, 6)], params()));
  const inputs = [...live];

  const recent = (): ValueId =>
    chance(0.6) ? live[live.length - 1 - between(0, Math.min(2, live.length - 1))] : pick(live);
  const ofRank = (rank: number): ValueId | undefined => {
    const fit = live.filter((id) => shapeOf(id).length === rank);
    return fit.length === 0
      ? undefined
      : chance(0.6)
        ? fit[fit.length - 1 - between(0, Math.min(2, fit.length - 1))]
        : pick(fit);
  };
  const add = (op: Op, from: readonly ValueId[], quantization?: Quantization | null): void => {
    live.push(builder.add(op, from, quantization === undefined ? {} : { quantization }));
  };
  const clampOf = (): Clamp =>
    pick([
      noClamp,
      noClamp,
      { min: 0, max: Number.POSITIVE_INFINITY },
      { min: 0, max: 1 },
      { min: -0.5, max: 0.7 },
    ]);
  const weights = (shape: Shape, terms: number): ValueId => {
    const count = elementCount(shape);
    if (isFloat) {
      const scale = 1 / Math.sqrt(terms);
      return builder.constant(
        'w',
        'f32',
        shape,
        Float32Array.from({ length: count }, () => (next() * 2 - 1) * scale),
      );
    }
    const scale = [Math.fround(0.02 / Math.sqrt(terms))];
    return dtype === 'u8'
      ? builder.constant(
          'w',
          'u8',
          shape,
          Uint8Array.from({ length: count }, () => between(0, 255)),
          {
            scale,
            zeroPoint: [between(110, 150)],
            axis: 0,
          },
        )
      : builder.constant(
          'w',
          'i8',
          shape,
          Int8Array.from({ length: count }, () => between(-127, 127)),
          {
            scale,
            zeroPoint: [0],
            axis: 0,
          },
        );
  };
  const bias = (count: number): ValueId[] => {
    if (chance(0.3)) return [];
    return isFloat
      ? [
          builder.constant(
            'b',
            'f32',
            [count],
            Float32Array.from({ length: count }, () => next() - 0.5),
          ),
        ]
      : [
          builder.constant(
            'b',
            'i32',
            [count],
            Int32Array.from({ length: count }, () => between(-500, 500)),
          ),
        ];
  };
  const windowOf = (shape: Shape, kernel: Pair): { stride: Pair; dilation: Pair; pad: Pad } | undefined => {
    const stride: Pair = chance(0.7) ? [1, 1] : [between(1, 2), between(1, 2)];
    const dilation: Pair = chance(0.85) ? [1, 1] : [between(1, 2), between(1, 2)];
    const pad = chance(0.6)
      ? samePad([shape[1], shape[2]], kernel, stride, dilation)
      : chance(0.5)
        ? noPad
        : { top: between(0, 2), left: between(0, 2), bottom: between(0, 2), right: between(0, 2) };
    const fits = [0, 1].every(
      (axis) =>
        shape[1 + axis] + (axis === 0 ? pad.top + pad.bottom : pad.left + pad.right) >=
        (kernel[axis] - 1) * dilation[axis] + 1,
    );
    return fits ? { stride, dilation, pad } : undefined;
  };

  const makers: (() => void)[] = [
    function conv2d() {
      const x = ofRank(4);
      if (x === undefined) return;
      const shape = shapeOf(x);
      const kernel: Pair = chance(0.4) ? [1, 1] : [between(1, 3), between(1, 3)];
      const window = windowOf(shape, kernel);
      if (!window) return;
      const groups = shape[3] % 2 === 0 && chance(0.2) ? 2 : 1;
      const outC = groups * between(1, 5);
      const depth = shape[3] / groups;
      const w = weights([outC, ...kernel, depth], kernel[0] * kernel[1] * depth);
      add({ kind: 'conv2d', ...window, groups, clamp: clampOf() }, [x, w, ...bias(outC)], params());
    },
    function depthwise() {
      const x = ofRank(4);
      if (x === undefined) return;
      const shape = shapeOf(x);
      const kernel: Pair = chance(0.7) ? [3, 3] : [between(1, 3), between(1, 3)];
      const window = windowOf(shape, kernel);
      if (!window) return;
      const outC = shape[3] * (chance(0.8) ? 1 : 2);
      const w = weights([1, ...kernel, outC], kernel[0] * kernel[1]);
      add({ kind: 'depthwiseConv2d', ...window, clamp: clampOf() }, [x, w, ...bias(outC)], params());
    },
    function pool() {
      const x = ofRank(4);
      if (x === undefined) return;
      const kernel: Pair = [between(1, 3), between(1, 3)];
      const window = windowOf(shapeOf(x), kernel);
      if (!window) return;
      const { stride, pad } = window;
      const [, h, w] = shapeOf(x);
      if (h + pad.top + pad.bottom < kernel[0] || w + pad.left + pad.right < kernel[1]) return;
      if (Math.max(pad.top, pad.bottom) >= kernel[0] || Math.max(pad.left, pad.right) >= kernel[1]) return;
      const kind = pick(['maxPool2d', 'averagePool2d'] as const);
      add({ kind, kernel, stride, pad, clamp: clampOf() }, [x], builder.value(x).quantization);
    },
    function dense() {
      const x = recent();
      const depth = shapeOf(x)[shapeOf(x).length - 1] ?? 0;
      if (depth === 0) return;
      const outC = between(1, 6);
      add({ kind: 'dense', clamp: clampOf() }, [x, weights([outC, depth], depth), ...bias(outC)], params());
    },
    function sum() {
      const a = recent();
      const same = live.filter((id) => `${shapeOf(id)}` === `${shapeOf(a)}`);
      const fn = pick(['add', 'add', 'sub', 'mul', 'max', 'min'] as const);
      add(
        { kind: 'binary', fn, clamp: clampOf() },
        chance(0.5) ? [a, pick(same)] : [pick(same), a],
        params(),
      );
    },
    function broadcast() {
      const a = recent();
      const shape = shapeOf(a)
        .map((extent) => (chance(0.5) ? 1 : extent))
        .slice(between(0, 1));
      const count = elementCount(shape);
      const b = isFloat
        ? builder.constant(
            'k',
            'f32',
            shape,
            Float32Array.from({ length: count }, () => next() * 2 - 1),
          )
        : builder.constant('k', dtype, shape, bytes(dtype, count, between), params());
      const fn = pick(['add', 'sub', 'mul'] as const);
      add({ kind: 'binary', fn, clamp: clampOf() }, chance(0.5) ? [a, b] : [b, a], params());
    },
    function clamp() {
      const x = recent();
      add({ kind: 'clamp', clamp: clampOf() }, [x], builder.value(x).quantization);
    },
    function unary() {
      const x = recent();
      const fn = pick(['abs', 'neg', 'tanh', 'logistic', 'hardSwish', 'leakyRelu'] as const);
      add({ kind: 'unary', fn, alpha: 0.2 }, [x], params());
    },
    function softmax() {
      const x = recent();
      if (shapeOf(x).length === 0) return;
      const fixed = { scale: [1 / 256], zeroPoint: [dtype === 'u8' ? 0 : -128], axis: 0 };
      add({ kind: 'softmax', beta: 1, log: false }, [x], isFloat ? null : fixed);
    },
    function reduce() {
      const x = ofRank(4);
      if (x !== undefined) add({ kind: 'reduce', fn: 'mean', axes: pick([[1, 2], [3], [1]]) }, [x], params());
    },
    function convert() {
      if (!isFloat) add({ kind: 'convert', rounding: 'away' }, [recent()], params());
    },
    function reshape() {
      const x = recent();
      const count = elementCount(shapeOf(x));
      const extents = [1, 2, 3, 4, 5, 6].filter((extent) => count % extent === 0);
      const first = pick(extents);
      const second = pick(extents.filter((extent) => (count / first) % extent === 0));
      const rest = count / first / second;
      const shape = pick([
        [1, first, second, rest],
        [first, rest, 1, second],
        [1, count],
        [count],
        [first, second, rest],
        shapeOf(x),
      ]);
      add({ kind: 'reshape', shape }, [x]);
    },
    function concat() {
      const first = recent();
      const rank = shapeOf(first).length;
      if (rank === 0) return;
      const axis = chance(0.6) ? rank - 1 : between(0, rank - 1);
      const fit = live.filter(
        (id) =>
          shapeOf(id).length === rank &&
          shapeOf(id).every((extent, i) => i === axis || extent === shapeOf(first)[i]),
      );
      const parts = [first];
      while (parts.length < 4 && chance(0.7)) parts.splice(between(0, parts.length), 0, pick(fit));
      add({ kind: 'concat', axis }, parts);
    },
    function slice() {
      const x = recent();
      const shape = shapeOf(x);
      const stepped = chance(0.2);
      const begin: number[] = [];
      const size: number[] = [];
      const step: number[] = [];
      shape.forEach((extent) => {
        const whole = chance(0.5);
        const by = stepped && chance(0.5) ? pick([-1, 2, -2]) : 1;
        const steps = Math.floor((extent - 1) / Math.abs(by));
        const count = whole && by === 1 ? extent : between(1, steps + 1);
        const span = (count - 1) * by;
        begin.push(span < 0 ? between(-span, extent - 1) : between(0, extent - 1 - span));
        size.push(count);
        step.push(by);
      });
      add({ kind: 'slice', begin, size, step }, [x]);
    },
    function split() {
      const x = recent();
      const shape = shapeOf(x);
      const axis = shape.length - 1;
      if (axis < 0 || shape[axis] < 2) return;
      const at = between(1, shape[axis] - 1);
      for (const [from, to] of [
        [0, at],
        [at, shape[axis]],
      ])
        add(
          {
            kind: 'slice',
            begin: shape.map((_, i) => (i === axis ? from : 0)),
            size: shape.map((extent, i) => (i === axis ? to - from : extent)),
            step: shape.map(() => 1),
          },
          [x],
        );
    },
    function pad() {
      const x = recent();
      const shape = shapeOf(x);
      if (shape.length === 0) return;
      const spatial = shape.length === 4 && chance(0.7);
      const cells = () =>
        shape.map((_, i) => (spatial && (i === 0 || i === 3) ? 0 : chance(0.5) ? between(0, 2) : 0));
      add({ kind: 'pad', before: cells(), after: cells(), value: chance(0.8) ? 0 : 0.3 }, [x]);
    },
    function mirrorPad() {
      const x = recent();
      const shape = shapeOf(x);
      const cells = () => shape.map((extent) => between(0, Math.min(1, extent)));
      add({ kind: 'mirrorPad', before: cells(), after: cells(), mode: 'symmetric' }, [x]);
    },
    function transpose() {
      const x = recent();
      const perm = shapeOf(x).map((_, i) => i);
      for (let i = perm.length - 1; i > 0; i--) {
        const j = between(0, i);
        [perm[i], perm[j]] = [perm[j], perm[i]];
      }
      add({ kind: 'transpose', perm }, [x]);
    },
    function resize() {
      const x = ofRank(4);
      if (x === undefined) return;
      add(
        {
          kind: 'resize',
          mode: 'nearest',
          size: [between(1, 6), between(1, 6)],
          alignCorners: false,
          halfPixelCenters: false,
        },
        [x],
        builder.value(x).quantization,
      );
    },
  ];
  // The ones that share memory more often than the rest.
  const weighted = [
    ...makers,
    ...makers.filter((make) =>
      ['conv2d', 'concat', 'slice', 'split', 'reshape', 'sum', 'depthwise'].includes(make.name),
    ),
  ];
  for (let made = 0; made < size; ) {
    const before = live.length;
    pick(weighted)();
    if (live.length > before && elementCount(shapeOf(live[live.length - 1])) > mostElements) live.pop();
    made += Math.max(1, live.length - before);
  }

  const read = new Set(builder.finish([]).nodes.flatMap((node) => node.inputs));
  const leaves = live.filter((id) => !read.has(id));
  const outputs =
    leaves.length === 0
      ? [live[live.length - 1]]
      : leaves.filter((id) => !inputs.includes(id) || chance(0.3));
  for (const id of live)
    if (!outputs.includes(id) && chance(0.08)) outputs.splice(between(0, outputs.length), 0, id);
  if (outputs.length === 0) outputs.push(live[live.length - 1]);
  if (chance(0.05)) outputs.push(outputs[0]);
  return builder.finish(outputs);
}

function bytes(dtype: 'i8' | 'u8', count: number, between: (lo: number, hi: number) => number): TensorData {
  const values = Uint8Array.from({ length: count }, () => between(0, 255));
  return dtype === 'u8' ? values : new Int8Array(values.buffer);
}

/** Numbers for each input of a graph. */
export function randomInputs(graph: Graph, seed: number): TensorData[] {
  const next = random(seed + 77);
  return graph.inputs.map((id) => {
    const { dtype, shape } = graph.values[id];
    const count = elementCount(shape);
    const data = viewOf(dtype, new ArrayBuffer(count * 8), 0, count);
    for (let i = 0; i < count; i++) {
      if (data instanceof BigInt64Array) data[i] = BigInt(Math.floor(next() * 4));
      else if (dtype === 'f32') data[i] = next() * 2 - 1;
      else data[i] = Math.floor(next() * 256);
    }
    return data;
  });
}
