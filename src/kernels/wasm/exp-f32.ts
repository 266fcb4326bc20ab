/**
 * e^x and its kin on four lanes of f32.
 *
 *   x = n·ln 2 + r,  n whole, |r| ≤ ln 2 / 2          (Cody and Waite: ln 2 in two parts, n·ln2High is exact)
 *   e^r − 1 = r + r²·P(r)                             P of degree 5
 *   e^x     = (1 + (e^r − 1))·2^n                     2^n in two factors, so results may be subnormal
 *   e^x − 1 = 2^n·(e^r − 1) + (2^n − 1)               exact where n = 0, so small x keep their digits
 *
 * n comes of adding 1.5·2²³, which leaves it in the low bits of the sum. Relative difference of e^x from
 * the true value rounded to f32 below 1.25·2⁻²³ where that is a normal number, of e^x − 1 (x ≤ 0) the same; measured on
 * 200,000 numbers, 2⁻²³. NaN gives NaN.
 * Source: Cephes, expf.c, for P and the parts of ln 2.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';

const log2e = Math.LOG2E;
const magic = 12582912; // 1.5·2²³
const ln2High = 0.693359375;
const ln2Low = -2.1219444005469057e-4;
const P = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
];
/** e^x is ∞ from the upper one on and 0 up to the lower one. */
const highest = 89;
const lowest = -104;
/** e^x − 1 is −1 up to here. */
const lowestMinusOne = -18;

const constants = [log2e, magic, ln2High, ln2Low, ...P, 1];
export const expConstants: readonly number[] = [...constants, highest, lowest];
export const expMinusOneConstants: readonly number[] = [...constants, lowestMinusOne];

/** Vectors of one f32 each, in locals that are set where this is called: before the loops. */
export class Splats {
  readonly #f: FunctionBuilder;
  readonly #locals = new Map<number, Local<'v128'>>();

  constructor(f: FunctionBuilder, values: readonly number[]) {
    this.#f = f;
    for (const value of values) {
      if (this.#locals.has(value)) continue;
      const local = f.local('v128');
      f.set(local, f.f32x4(value));
      this.#locals.set(value, local);
    }
  }

  get(value: number): V128 {
    return this.#f.get(this.#locals.get(value)!);
  }
}

/** What the functions here work with. */
export class ExpF32 {
  readonly #f: FunctionBuilder;
  readonly #splats: Splats;
  readonly #madd: boolean;
  readonly #n: Local<'v128'>;
  readonly #p: Local<'v128'>;

  constructor(f: FunctionBuilder, splats: Splats, madd: boolean) {
    this.#f = f;
    this.#splats = splats;
    this.#madd = madd;
    this.#n = f.local('v128');
    this.#p = f.local('v128');
  }

  /** x ← e^x */
  exp(x: Local<'v128'>): void {
    const f = this.#f;
    const [n, p] = [this.#n, this.#p];
    const k = this.#splats;
    f.set(x, f.op('f32x4.pmin', f.op('f32x4.pmax', f.get(x), k.get(lowest)), k.get(highest)));
    this.#reduce(x);
    // x: 1 + (e^r − 1); p: ⌊n/2⌋; n: the rest of it
    f.set(x, f.op('f32x4.add', f.get(p), k.get(1)));
    f.set(n, f.op('i32x4.sub', f.get(n), k.get(magic)));
    f.set(p, f.op('i32x4.shr_s', f.get(n), f.i32(1)));
    f.set(n, f.op('i32x4.sub', f.get(n), f.get(p)));
    f.set(x, f.op('f32x4.mul', f.op('f32x4.mul', f.get(x), this.#power(p)), this.#power(n)));
  }

  /** x ← e^x − 1 for x ≤ 0 */
  expMinusOne(x: Local<'v128'>): void {
    const f = this.#f;
    const [n, p] = [this.#n, this.#p];
    const k = this.#splats;
    f.set(x, f.op('f32x4.pmax', f.get(x), k.get(lowestMinusOne)));
    this.#reduce(x);
    f.set(n, this.#power(n)); // its upper bits, and with them those of the magic number, are shifted out
    f.set(x, f.op('f32x4.sub', f.get(n), k.get(1)));
    f.set(
      x,
      this.#multiplyAdd(
        () => f.get(n),
        () => f.get(p),
        () => f.get(x),
      ),
    );
  }

  /** x ← r, n ← n + magic, p ← e^r − 1 */
  #reduce(x: Local<'v128'>): void {
    const f = this.#f;
    const [n, p] = [this.#n, this.#p];
    const k = this.#splats;
    const get = (local: Local<'v128'>) => () => f.get(local);
    const constant = (value: number) => () => k.get(value);
    f.set(n, this.#multiplyAdd(get(x), constant(log2e), constant(magic)));
    f.set(p, f.op('f32x4.sub', f.get(n), k.get(magic)));
    f.set(x, f.op('f32x4.sub', f.get(x), f.op('f32x4.mul', f.get(p), k.get(ln2High))));
    f.set(x, f.op('f32x4.sub', f.get(x), f.op('f32x4.mul', f.get(p), k.get(ln2Low))));
    f.set(p, k.get(P[0]));
    for (const coefficient of P.slice(1)) f.set(p, this.#multiplyAdd(get(p), get(x), constant(coefficient)));
    f.set(p, f.op('f32x4.mul', f.get(p), f.get(x)));
    f.set(p, this.#multiplyAdd(get(p), get(x), get(x)));
  }

  /** 2^n of whole numbers in the low bits. */
  #power(n: Local<'v128'>): V128 {
    const f = this.#f;
    return f.op('i32x4.add', f.op('i32x4.shl', f.get(n), f.i32(23)), this.#splats.get(1));
  }

  #multiplyAdd(a: () => V128, b: () => V128, c: () => V128): V128 {
    const f = this.#f;
    if (this.#madd) return f.op('f32x4.relaxed_madd', a(), b(), c());
    return f.op('f32x4.add', f.op('f32x4.mul', a(), b()), c());
  }
}
