/**
 * Batch normalisation by the statistics of the batch, and its gradients, as in reference/batch-norm.ts.
 *
 *   moments-f32-wasm             two passes over x: μ, then Σ(x − μ)²
 *   batch-norm-f32-wasm          y = stages(x·a + b)             a = γ·r, b = β − μ·a
 *   batch-norm-sums-f32-wasm     Σdy, r·Σdy·(x − μ)              one pass
 *   batch-norm-input-f32-wasm    dx = dy·a + x·p + q             p = −a·r·S₂/m, q = −a·S₁/m − μ·p
 *
 * Up to 4 vectors of channels are taken at a time, what belongs to a channel in locals, the rows in a loop:
 *
 *   loop   s0 = s0 + v128.load x    …   s3 = s3 + v128.load x+48     x += row
 *
 * Exact: sums are in f32, of at most `part` rows before they are added to the others: relative to Σ|terms| the error is
 * at most (part + m/part + 2)·2⁻²⁴. An element of y or dx is off by at most 4·2⁻²⁴·(|x·a| + |b| + …), the terms above.
 */
import { elementCount } from '../../../tensor.ts';
import { type EmittedOffer, type KernelCall, noClamp } from '../../call.ts';
import { isEmpty } from '../../js/views.ts';
import type { FunctionBuilder, Local } from '../../wasm/asm/function.ts';
import type { V128 } from '../../wasm/asm/opcodes.ts';
import { emitStages, epilogueOf, type Stage, storeLanes } from '../../wasm/epilogue-conv-f32.ts';
import type { Parameters } from '../../wasm/program.ts';
import type { Training } from '../call.ts';

type Fn = 'moments' | 'batchNorm' | 'batchNormSums' | 'batchNormInput';

interface Spec {
  readonly [key: string]: unknown;
  readonly rows: number;
  readonly channels: number;
  readonly epsilon: number;
  readonly stages: readonly Stage[];
}

type Build = (f: FunctionBuilder, s: Spec, parameters: Parameters) => void;

const kernels: Readonly<
  Record<Fn, { readonly name: string; readonly build: Build; readonly overwrites: number[] }>
> = {
  moments: { name: 'moments', build: buildMoments, overwrites: [] },
  batchNorm: { name: 'batch-norm', build: buildNorm, overwrites: [0] },
  batchNormSums: { name: 'batch-norm-sums', build: buildSums, overwrites: [] },
  batchNormInput: { name: 'batch-norm-input', build: buildInput, overwrites: [0, 3] },
};

export function offerBatchNorm(
  call: KernelCall,
  op: Extract<Training, { readonly fn: Fn }>,
): EmittedOffer | null {
  const { inputs, following } = call;
  const epilogue = epilogueOf(call, noClamp);
  if (isEmpty(call) || !epilogue || (following && op.fn !== 'batchNorm')) return null;
  const { shape } = inputs[0]!;
  const channels = shape[shape.length - 1]!;
  const { name, build, overwrites } = kernels[op.fn];
  const { stages, residual } = epilogue;
  const epsilon = 'epsilon' in op ? op.epsilon : 0;
  const spec: Spec = { rows: elementCount(shape) / channels, channels, epsilon, stages };
  return {
    kernel: `${name}-f32-wasm`,
    overwrites: residual === -1 ? overwrites : [...overwrites, residual],
    emit: (program, places, y) => {
      // Without a residual the kernel takes any address in its place.
      const operands = op.fn === 'batchNorm' ? [...places.slice(0, 4), places[residual] ?? y] : places;
      const addresses = operands.map((place) => place!.address);
      const kernel = program.kernel(`${name}-f32`, spec, addresses.length + 1, build);
      program.step([kernel, ...addresses, y.address]);
    },
  };
}

const mostVectors = 4;

/** body for each block of channels; the pointers move from block to block and are back afterwards. */
function overChannels(
  f: FunctionBuilder,
  channels: number,
  pointers: readonly Local<'i32'>[],
  body: (vectors: number, lanes: number) => void,
): void {
  const vectors = Math.ceil(channels / 4);
  const whole = Math.floor((vectors - 1) / mostVectors);
  f.repeat(whole, () => {
    body(mostVectors, 4);
    for (const pointer of pointers) f.advance(pointer, 16 * mostVectors);
  });
  body(vectors - whole * mostVectors, ((channels - 1) % 4) + 1);
}

/** The largest divisor of `rows` that is at most 512. */
function partOf(rows: number): number {
  let part = Math.min(rows, 512);
  while (rows % part !== 0) part--;
  return part;
}

/** Vectors in locals. */
class Lanes {
  readonly f: FunctionBuilder;
  readonly #hand: Local<'v128'>;

  constructor(f: FunctionBuilder) {
    this.f = f;
    this.#hand = f.local('v128');
  }

  each(locals: readonly Local<'v128'>[], value: (v: number) => V128): void {
    locals.forEach((local, v) => {
      this.f.set(local, value(v));
    });
  }

  load(at: Local<'i32'>, v: number, offset = 0): V128 {
    return this.f.load('v128.load', this.f.get(at), 16 * v + offset);
  }

  store(at: Local<'i32'>, locals: readonly Local<'v128'>[], lanes: number, offset = 0): void {
    locals.forEach((local, v) => {
      storeLanes(this.f, v === locals.length - 1 ? lanes : 4, at, local, 16 * v + offset);
    });
  }

  /** 1/√(σ² + ε), σ² at the pointer. */
  deviation(at: Local<'i32'>, v: number, offset: number, epsilon: number): V128 {
    const { f } = this;
    const hand = this.#hand;
    f.set(hand, f.op('f32x4.sqrt', f.op('f32x4.add', this.load(at, v, offset), f.f32x4(epsilon))));
    return f.op('f32x4.div', f.f32x4(1), f.get(hand));
  }

  /** totals += terms of all rows; `row` is left behind the last. */
  sums(
    s: Spec,
    totals: readonly Local<'v128'>[],
    parts: readonly Local<'v128'>[],
    rows: readonly Local<'i32'>[],
    add: () => void,
  ): void {
    const { f } = this;
    const part = partOf(s.rows);
    this.each(totals, () => f.f32x4(0));
    f.repeat(s.rows / part, () => {
      this.each(parts, () => f.f32x4(0));
      f.repeat(part, () => {
        add();
        for (const row of rows) f.advance(row, 4 * s.channels);
      });
      this.each(totals, (v) => f.op('f32x4.add', f.get(totals[v]!), f.get(parts[v]!)));
    });
  }
}

/** Parameters: addresses of x, of what inference takes, moments. */
function buildMoments(f: FunctionBuilder, s: Spec, [x, , y]: Parameters): void {
  const lanesOf = new Lanes(f);
  const row = f.local('i32');
  const all = { totals: f.locals('v128', mostVectors), parts: f.locals('v128', mostVectors) };
  const means = f.locals('v128', mostVectors);
  const hand = f.local('v128');
  overChannels(f, s.channels, [x!, y!], (vectors, lanes) => {
    const totals = all.totals.slice(0, vectors);
    const parts = all.parts.slice(0, vectors);
    const mean = means.slice(0, vectors);
    const share = (v: number): V128 => f.op('f32x4.mul', f.get(totals[v]!), f.f32x4(1 / s.rows));
    f.set(row, f.get(x!));
    lanesOf.sums(s, totals, parts, [row], () =>
      lanesOf.each(parts, (v) => f.op('f32x4.add', f.get(parts[v]!), lanesOf.load(row, v))),
    );
    lanesOf.each(mean, share);
    lanesOf.store(y!, mean, lanes);
    f.set(row, f.get(x!));
    lanesOf.sums(s, totals, parts, [row], () =>
      lanesOf.each(parts, (v) => {
        f.set(hand, f.op('f32x4.sub', lanesOf.load(row, v), f.get(mean[v]!)));
        return f.op('f32x4.add', f.get(parts[v]!), f.op('f32x4.mul', f.get(hand), f.get(hand)));
      }),
    );
    lanesOf.each(totals, share);
    lanesOf.store(y!, totals, lanes, 4 * s.channels);
  });
}

/** Parameters: addresses of x, moments, γ, β, the residual, y. */
function buildNorm(f: FunctionBuilder, s: Spec, [x, moments, gamma, beta, residual, y]: Parameters): void {
  const lanesOf = new Lanes(f);
  const rows = f.locals('i32', 3);
  const [xRow, added, yRow] = rows as [Local<'i32'>, Local<'i32'>, Local<'i32'>];
  const all = f.locals('v128', 3 * mostVectors);
  const hand = f.local('v128');
  overChannels(f, s.channels, [x!, moments!, gamma!, beta!, residual!, y!], (vectors, lanes) => {
    const [scale, shift, value] = [0, 1, 2].map((i) =>
      all.slice(i * mostVectors, i * mostVectors + vectors),
    ) as [Local<'v128'>[], Local<'v128'>[], Local<'v128'>[]];
    lanesOf.each(scale, (v) =>
      f.op('f32x4.mul', lanesOf.deviation(moments!, v, 4 * s.channels, s.epsilon), lanesOf.load(gamma!, v)),
    );
    lanesOf.each(shift, (v) =>
      f.op(
        'f32x4.sub',
        lanesOf.load(beta!, v),
        f.op('f32x4.mul', lanesOf.load(moments!, v), f.get(scale[v]!)),
      ),
    );
    for (const [i, from] of [x!, residual!, y!].entries()) f.set(rows[i]!, f.get(from));
    f.repeat(s.rows, () => {
      lanesOf.each(value, (v) =>
        f.op('f32x4.add', f.op('f32x4.mul', lanesOf.load(xRow, v), f.get(scale[v]!)), f.get(shift[v]!)),
      );
      emitStages(f, s.stages, value, hand, (v) => lanesOf.load(added, v));
      lanesOf.store(yRow, value, lanes);
      for (const row of rows) f.advance(row, 4 * s.channels);
    });
  });
}

/** Parameters: addresses of x, moments, dy, the sums. */
function buildSums(f: FunctionBuilder, s: Spec, [x, moments, dy, y]: Parameters): void {
  const lanesOf = new Lanes(f);
  const [xRow, dyRow] = f.locals('i32', 2) as [Local<'i32'>, Local<'i32'>];
  const all = { totals: f.locals('v128', 2 * mostVectors), parts: f.locals('v128', 2 * mostVectors) };
  const means = f.locals('v128', mostVectors);
  const hand = f.local('v128');
  overChannels(f, s.channels, [x!, moments!, dy!, y!], (vectors, lanes) => {
    const totals = all.totals.slice(0, 2 * vectors);
    const parts = all.parts.slice(0, 2 * vectors);
    const mean = means.slice(0, vectors);
    lanesOf.each(mean, (v) => lanesOf.load(moments!, v));
    f.set(xRow, f.get(x!));
    f.set(dyRow, f.get(dy!));
    lanesOf.sums(s, totals, parts, [xRow, dyRow], () => {
      for (let v = 0; v < vectors; v++) {
        f.set(hand, lanesOf.load(dyRow, v));
        f.set(parts[v]!, f.op('f32x4.add', f.get(parts[v]!), f.get(hand)));
        const centred = (): V128 => f.op('f32x4.sub', lanesOf.load(xRow, v), f.get(mean[v]!));
        const product = (): V128 => f.op('f32x4.mul', f.get(hand), centred());
        f.set(parts[vectors + v]!, f.op('f32x4.add', f.get(parts[vectors + v]!), product()));
      }
    });
    const products = totals.slice(vectors);
    lanesOf.each(products, (v) =>
      f.op('f32x4.mul', lanesOf.deviation(moments!, v, 4 * s.channels, s.epsilon), f.get(products[v]!)),
    );
    lanesOf.store(y!, totals.slice(0, vectors), lanes);
    lanesOf.store(y!, products, lanes, 4 * s.channels);
  });
}

/** Parameters: addresses of x, moments, γ, dy, the sums, dx. */
function buildInput(f: FunctionBuilder, s: Spec, [x, moments, gamma, dy, sums, dx]: Parameters): void {
  const lanesOf = new Lanes(f);
  const rows = f.locals('i32', 3);
  const [xRow, dyRow, dxRow] = rows as [Local<'i32'>, Local<'i32'>, Local<'i32'>];
  const all = f.locals('v128', 3 * mostVectors);
  const hand = f.local('v128');
  const second = 4 * s.channels;
  overChannels(f, s.channels, [x!, moments!, gamma!, dy!, sums!, dx!], (vectors, lanes) => {
    const [a, p, q] = [0, 1, 2].map((i) => all.slice(i * mostVectors, i * mostVectors + vectors)) as [
      Local<'v128'>[],
      Local<'v128'>[],
      Local<'v128'>[],
    ];
    const share = (v: number, offset: number): V128 =>
      f.op('f32x4.mul', lanesOf.load(sums!, v, offset), f.f32x4(-1 / s.rows));
    for (let v = 0; v < vectors; v++) {
      f.set(p[v]!, lanesOf.deviation(moments!, v, second, s.epsilon));
      f.set(a[v]!, f.op('f32x4.mul', f.get(p[v]!), lanesOf.load(gamma!, v)));
      f.set(p[v]!, f.op('f32x4.mul', f.op('f32x4.mul', f.get(p[v]!), f.get(a[v]!)), share(v, second)));
      f.set(hand, f.op('f32x4.mul', lanesOf.load(moments!, v), f.get(p[v]!)));
      f.set(q[v]!, f.op('f32x4.sub', f.op('f32x4.mul', f.get(a[v]!), share(v, 0)), f.get(hand)));
    }
    for (const [i, from] of [x!, dy!, dx!].entries()) f.set(rows[i]!, f.get(from));
    f.repeat(s.rows, () => {
      for (let v = 0; v < vectors; v++) {
        const fromX = (): V128 =>
          f.op('f32x4.add', f.op('f32x4.mul', lanesOf.load(xRow, v), f.get(p[v]!)), f.get(q[v]!));
        f.set(hand, f.op('f32x4.add', f.op('f32x4.mul', lanesOf.load(dyRow, v), f.get(a[v]!)), fromX()));
        storeLanes(f, v === vectors - 1 ? lanes : 4, dxRow, hand, 16 * v);
      }
      for (const row of rows) f.advance(row, 4 * s.channels);
    });
  });
}
