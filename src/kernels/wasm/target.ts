/**
 * What the engine and the machine at hand can do, found by running a few instructions.
 *
 *   dot    'u8'    i32x4.relaxed_dot_i8x16_i7x16_add_s multiplies s8 by u8 exactly (x86 with VNNI, engine willing):
 *                  activations lie as unsigned bytes
 *          'i16'   it does not, or is not there: i32x4.dot_i16x8_s, activations in 16 bits
 *   madd   f32x4.relaxed_madd is there; whether it is fused is not asked, kernels are right either way
 */
import type { Encoding } from '../call.ts';
import type { FunctionBuilder } from './asm/function.ts';
import { ModuleBuilder } from './asm/module.ts';
import { type WebAssemblyApi, webAssemblyOrNull } from './web-assembly.ts';

export interface Target {
  readonly dot: 'u8' | 'i16';
  readonly madd: boolean;
  readonly encoding: Encoding;
}

/** Why integer products are taken as they are. */
export function dotReason({ dot }: Target): string {
  return dot === 'u8' ? 'byte dot products, exact here' : '16-bit dot products, byte ones are not exact here';
}

/** The same for floats. */
export function maddReason({ madd }: Target): string {
  return madd ? 'relaxed multiply-add' : 'multiply, then add: no relaxed SIMD';
}

export interface TargetOptions {
  /** false: leave relaxed SIMD alone even where it is exact. */
  readonly relaxed?: boolean;
}

/** The target, or why there is none. */
export function probe({ relaxed = true }: TargetOptions = {}): Target | string {
  const api = webAssemblyOrNull();
  if (api === null) return 'this JavaScript engine has no WebAssembly';
  // Where the products run, all of SIMD is there.
  const sums = relaxed ? run(api, relaxedProducts) : null;
  if (sums) {
    const dot = isExact(sums) ? 'u8' : 'i16';
    return { dot, madd: true, encoding: dot };
  }
  try {
    new api.Module(moduleOf((f) => f.set(f.local('v128'), f.i32x4(1))));
  } catch (error) {
    return `WebAssembly with SIMD cannot be compiled here (${(error as Error).message})`;
  }
  return { dot: 'i16', madd: false, encoding: 'i16' };
}

/**
 * Products of signed by unsigned bytes whose pairs would saturate 16 bits, or whose second factor would be negative
 * as a signed byte.
 */
const signed = Int8Array.of(
  127,
  127,
  -128,
  -128,
  127,
  -128,
  1,
  -1,
  127,
  127,
  127,
  127,
  -128,
  -128,
  -128,
  -128,
);
const unsigned = Uint8Array.of(255, 255, 255, 255, 128, 128, 200, 3, 255, 254, 253, 252, 255, 255, 254, 129);
const start = Int32Array.of(5, -7, 1 << 30, -(1 << 30));

function relaxedProducts(f: FunctionBuilder): void {
  const v128 = ({ buffer }: ArrayBufferView) => f.v128(new Uint8Array(buffer));
  f.set(f.local('v128'), f.op('f32x4.relaxed_madd', f.f32x4(1), f.f32x4(2), f.f32x4(3)));
  f.store(
    'v128.store',
    f.i32(0),
    f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s', v128(signed), v128(unsigned), v128(start)),
  );
}

function isExact(memory: ArrayBuffer): boolean {
  const sums = new Int32Array(memory, 0, 4);
  return start.every((sum, lane) => {
    let expected = sum;
    for (let i = 4 * lane; i < 4 * lane + 4; i++) expected += signed[i]! * unsigned[i]!;
    return sums[lane] === expected;
  });
}

/** Runs a function once; gives its memory, or null where the engine does not know its instructions. */
function run(api: WebAssemblyApi, build: (f: FunctionBuilder) => void): ArrayBuffer | null {
  try {
    const memory = new api.Memory({ initial: 1, maximum: 1 });
    const { exports } = new api.Instance(new api.Module(moduleOf(build)), { vireo: { memory } });
    (exports['run'] as () => void)();
    return memory.buffer;
  } catch {
    return null;
  }
}

function moduleOf(build: (f: FunctionBuilder) => void): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.export('run', module.function({ parameters: [] }, build));
  return module.bytes({ module: 'vireo', name: 'memory', pages: 1 });
}
