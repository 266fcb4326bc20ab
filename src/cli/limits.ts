/**
 * What one core can do at best in WebAssembly: vector arithmetic, reads from each level of memory, a call from
 * JavaScript. A kernel's figure over one of these is its share of the limit.
 *
 * Arithmetic is a loop over twelve accumulators that wait for no other: more than the latency of any of these
 * instructions asks for, and few enough to stay in registers beside two operands. The best of many short samples counts.
 */
import type { FunctionBuilder, Local } from '../kernels/wasm/asm/function.ts';
import { ModuleBuilder } from '../kernels/wasm/asm/module.ts';
import type { V128 } from '../kernels/wasm/asm/opcodes.ts';
import { type Memory, webAssembly } from '../kernels/wasm/web-assembly.ts';

export interface Limit {
  readonly unit: 'GFLOP/s' | 'GMAC/s' | 'GB/s' | 'ns';
  /** null where the engine does not know the instruction. A multiply and an add are two FLOP, or one MAC. */
  readonly value: number | null;
}
export type LimitName = keyof typeof arithmetic | keyof typeof reads | typeof call;

type Vector = () => V128;
type StepOf = (f: FunctionBuilder, sum: Vector, x: Vector, y: Vector) => V128;

const arithmetic = {
  'f32 mul + add': {
    unit: 'GFLOP/s',
    perStep: 8,
    step: (f, sum, x, y) => f.op('f32x4.add', f.op('f32x4.mul', sum(), x()), y()),
  },
  'f32 relaxed_madd': {
    unit: 'GFLOP/s',
    perStep: 8,
    step: (f, sum, x, y) => f.op('f32x4.relaxed_madd', sum(), x(), y()),
  },
  'i32x4.dot_i16x8_s': {
    unit: 'GMAC/s',
    perStep: 8,
    step: (f, sum, x, y) => f.op('i32x4.add', f.op('i32x4.dot_i16x8_s', sum(), x()), y()),
  },
  'i32x4.relaxed_dot_i8x16_i7x16_add_s': {
    unit: 'GMAC/s',
    perStep: 16,
    step: (f, sum, x, y) => f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s', x(), y(), sum()),
  },
} as const satisfies Record<string, { unit: Limit['unit']; perStep: number; step: StepOf }>;

const kib = 1024;
const reads = { 'read L1': 24 * kib, 'read L2': 384 * kib, 'read DRAM': 256 * kib * kib } as const;

const call = 'JS → wasm call';

export const limitNames = [...Object.keys(arithmetic), ...Object.keys(reads), call] as readonly LimitName[];

const accumulators = 12;

/** `ms`: for each figure. Reading DRAM takes 256 MB of memory. */
export function measureLimits(names: readonly LimitName[], ms = 150): Partial<Record<LimitName, Limit>> {
  const limits: Partial<Record<LimitName, Limit>> = {};
  for (const name of names)
    if (name === call) limits[name] = { unit: 'ns', value: callTime(ms) };
    else if (isRead(name)) limits[name] = { unit: 'GB/s', value: readRate(reads[name], ms) };
    else limits[name] = arithmeticLimit(arithmetic[name], ms);
  return limits;
}

const isRead = (name: string): name is keyof typeof reads => name in reads;

function arithmeticLimit(
  { unit, perStep, step }: { unit: Limit['unit']; perStep: number; step: StepOf },
  ms: number,
): Limit {
  // Halves and three quarters: sums stay finite and normal. As bytes they are as good as any.
  const operand = unit === 'GFLOP/s' ? [0.75, 0.5] : null;
  const run = start(1, (f, [steps]) => {
    const value = (i: 0 | 1): V128 => (operand ? f.f32x4(operand[i]) : f.i8x16(3 + i));
    const [x, y, ...sums] = f.locals('v128', 2 + accumulators);
    f.set(x!, value(0));
    f.set(y!, value(1));
    for (const sum of sums) f.set(sum, value(1));
    f.loop((again) => {
      for (const sum of sums)
        f.set(
          sum,
          step(
            f,
            () => f.get(sum),
            () => f.get(x!),
            () => f.get(y!),
          ),
        );
      countDown(f, steps!, again);
    });
    keep(f, sums);
  });
  if (!run) return { unit, value: null };
  const steps = 20_000;
  return { unit, value: (steps * accumulators * perStep) / best(() => run(steps), ms) / 1e9 };
}

/** GB/s, with as many accumulators as serve this engine best: some move registers about when there are many. */
function readRate(size: number, ms: number): number {
  const passes = Math.max(1, Math.round((1024 * kib) / size));
  const counts = [4, 6, 8];
  const seconds = counts.map((count) => {
    const run = start(Math.ceil(size / 65536) + 1, (f, [blocks, from]) => {
      const sums = f.locals('v128', count);
      f.loop((again) => {
        for (let i = 0; i < 16; i++) {
          const sum = sums[i % count]!;
          f.set(sum, f.op('v128.xor', f.get(sum), f.load('v128.load', f.get(from!), 16 * i)));
        }
        f.advance(from!, 256);
        countDown(f, blocks!, again);
      });
      keep(f, sums);
    })!;
    best(() => run(64), 20); // compiled well before a pass takes long
    return best(() => {
      for (let pass = 0; pass < passes; pass++) run(size / 256);
    }, ms / counts.length);
  });
  return (passes * size) / Math.min(...seconds) / 1e9;
}

function callTime(ms: number): number {
  // Of an empty function newer engines would not leave the call.
  const run = start(1, (f, [value]) => f.store('i32.store', f.i32(0), f.get(value!)))!;
  const calls = 20_000;
  const seconds = best(() => {
    for (let i = 0; i < calls; i++) run(i);
  }, ms);
  return (seconds / calls) * 1e9;
}

function countDown(f: FunctionBuilder, count: Local<'i32'>, again: { readonly depth: number }): void {
  f.brIf(again, f.tee(count, f.op('i32.sub', f.get(count), f.i32(1))));
}

/** Stores the sum of all vectors at address 0, so that none is dead. */
function keep(f: FunctionBuilder, sums: readonly Local<'v128'>[]): void {
  const [first, ...rest] = sums;
  for (const sum of rest) f.set(first!, f.op('v128.xor', f.get(first!), f.get(sum)));
  f.store('v128.store', f.i32(0), f.get(first!));
}

/** The function as `(count) → nothing`, its second parameter 0; null where the engine does not validate it. */
function start(
  pages: number,
  build: (f: FunctionBuilder, parameters: readonly Local<'i32'>[]) => void,
): ((count: number) => void) | null {
  const module = new ModuleBuilder();
  const run = module.function({ parameters: ['i32', 'i32'] }, (f, parameters) =>
    build(f, parameters as Local<'i32'>[]),
  );
  module.export('run', run);
  const { Memory: NewMemory, Module, Instance } = webAssembly();
  const memory: Memory = new NewMemory({ initial: pages, maximum: pages });
  new Uint8Array(memory.buffer).fill(1); // pages never written are one and the same page of zeros
  try {
    const code = new Module(module.bytes({ module: 'vireo', name: 'memory', pages }));
    const { exports } = new Instance(code, { vireo: { memory } });
    const f = exports['run'] as (count: number, from: number) => void;
    return (count) => f(count, 0);
  } catch {
    return null;
  }
}

/** Seconds of the fastest of all runs in `ms`, and of three at least. */
function best(run: () => void, ms: number): number {
  let least = Number.POSITIVE_INFINITY;
  const end = performance.now() + ms;
  for (let i = 0; i < 3 || performance.now() < end; i++) {
    const before = process.hrtime.bigint();
    run();
    least = Math.min(least, Number(process.hrtime.bigint() - before) / 1e9);
  }
  return least;
}
