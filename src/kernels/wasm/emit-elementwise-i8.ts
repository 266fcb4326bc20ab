/**
 * The code of elementwise-i8.ts: one or two operands, broadcast, 16 elements at a time.
 *
 *   row:  for each half of 16:  a = load8x8 a, + addₐ;   b alike          16 bits
 *     shift    a, clamped                                                 → narrowed, stored
 *     extreme  max or min of a and b, clamped                             → narrowed, stored
 *   for each quarter, in 32 bits and f32:
 *     line     a                                                          → epilogue-i8.ts
 *     product  a·b                                                        → epilogue-i8.ts
 *     sum      trunc(a·A + (b·B + G))                                     → narrowed, stored
 *     real     nearest(clamp(f(a·sₐ, b·s_b)) / s)                         → narrowed, stored
 *
 * An operand that stands still along the innermost axis is loaded once a row. Constants of a layer come from
 * memory, so that layers of one shape share their code:
 *
 *   line, product  as epilogue-i8.ts has them;   sum  A, B, G;   real  sₐ, s_b, s, min, max        each ×4
 */
import type { Nest } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { I32, V128 } from './asm/opcodes.ts';
import { Epilogue, type EpilogueSpec } from './epilogue-i8.ts';
import { clampCodes, type Lie, lieBytes, loadHalf, loadSplat, pick, storeCodes } from './lanes-i8.ts';
import { emitNest, emitRow } from './nest.ts';
import type { Parameters } from './program.ts';

export type RealFn = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';

export type PairwiseStep =
  /** Bounds as y lies. */
  | { readonly kind: 'shift'; readonly lo: number; readonly hi: number }
  | { readonly kind: 'extreme'; readonly fn: 'max' | 'min'; readonly lo: number; readonly hi: number }
  | { readonly kind: 'line' | 'product'; readonly start: number; readonly epilogue: EpilogueSpec }
  | { readonly kind: 'sum'; readonly relaxed: boolean; readonly epilogue: EpilogueSpec }
  | {
      readonly kind: 'real';
      readonly fn: RealFn;
      readonly clamps: boolean;
      readonly epilogue: EpilogueSpec;
    };

export interface ElementwiseSpec {
  readonly [key: string]: unknown;
  /** The operands, then y; bytes. */
  readonly nest: Nest;
  readonly from: readonly Lie[];
  /** What is added to the numbers of each operand, in 16 bits. */
  readonly add: readonly number[];
  readonly to: Lie;
  readonly step: PairwiseStep;
}

const lanes = 16;

/** Parameters: addresses of the operands, of y, of the constants. */
export function buildElementwiseI8(f: FunctionBuilder, spec: ElementwiseSpec, parameters: Parameters): void {
  const { nest, from, add, to, step } = spec;
  const count = from.length;
  const pointers = parameters.slice(0, count + 1);
  const y = pointers[count];
  const inner = nest.extents.length - 1;
  const steps = nest.strides.map((strides) => strides[inner]);
  const operands = from.map((lie, j) => new HalvesOf(f, lie, add[j], pointers[j], steps[j] === 0));
  const body =
    step.kind === 'shift' || step.kind === 'extreme'
      ? shortBody(f, step, operands, to, y)
      : longBody(f, step, operands, parameters[count + 1], y);
  const rows = pointers.map((pointer, j) => ({ pointer, bytes: steps[j] }));
  emitNest(f, nest, pointers, () => {
    for (const operand of operands) operand.begin();
    return emitRow(f, nest.extents[inner], lanes, 1, rows, (element, stored) =>
      body(
        steps.map((bytes) => bytes * element),
        stored,
      ),
    );
  });
}

/** Writes 16 elements; the operands' and y's displacements in bytes. */
type Body = (offsets: readonly number[], stored: number) => void;

/** The numbers of one operand in 16 bits, eight at a time. */
class HalvesOf {
  readonly #f: FunctionBuilder;
  readonly #lie: Lie;
  readonly #add: number;
  readonly #pointer: Local<'i32'>;
  readonly #still: Local<'v128'> | null;
  readonly half: Local<'v128'>;

  constructor(f: FunctionBuilder, lie: Lie, add: number, pointer: Local<'i32'>, still: boolean) {
    this.#f = f;
    this.#lie = lie;
    this.#add = add;
    this.#pointer = pointer;
    this.half = f.local('v128');
    this.#still = still ? f.local('v128') : null;
  }

  /** No number is negative. */
  get isUnsigned(): boolean {
    return this.#lie === 'u8' && this.#add >= 0;
  }

  begin(): void {
    const f = this.#f;
    if (this.#still)
      f.set(
        this.#still,
        this.#added(() => loadSplat(f, this.#lie, this.#pointer)),
      );
  }

  get(offset: number, half: number): V128 {
    const f = this.#f;
    if (this.#still) return f.get(this.#still);
    return this.#added(() => loadHalf(f, this.#lie, this.#pointer, offset, half));
  }

  #added(value: () => V128): V128 {
    const f = this.#f;
    return this.#add === 0 ? value() : f.op('i16x8.add', value(), f.i16x8(this.#add));
  }
}

function shortBody(
  f: FunctionBuilder,
  step: Extract<PairwiseStep, { kind: 'shift' | 'extreme' }>,
  operands: readonly HalvesOf[],
  to: Lie,
  y: Local<'i32'>,
): Body {
  const results = f.locals('v128', 2);
  return (offsets, stored) => {
    const at = offsets[operands.length];
    results.forEach((result, h) => {
      if (8 * h >= stored) return;
      const halves = operands.map((operand, j) => () => operand.get(offsets[j], h));
      f.set(
        result,
        step.kind === 'extreme' ? pick(f, 'i16', step.fn, halves[0](), halves[1]()) : halves[0](),
      );
      clampCodes(f, 'i16', result, step.lo, step.hi);
    });
    storeCodes(f, 'i16', results, to, 0, stored, y, at);
  };
}

function longBody(
  f: FunctionBuilder,
  step: Exclude<PairwiseStep, { kind: 'shift' | 'extreme' }>,
  operands: readonly HalvesOf[],
  constants: Local<'i32'>,
  y: Local<'i32'>,
): Body {
  const epilogue = new Epilogue(f, step.epilogue);
  const groups = f.locals('v128', 4);
  const quarter = quarterOf(f, step, epilogue, constants);
  return (offsets, stored) => {
    const used = groups.slice(0, Math.ceil(stored / 4));
    used.forEach((group, q) => {
      if (q % 2 === 0)
        operands.forEach((operand, j) => {
          f.set(operand.half, operand.get(offsets[j], q >> 1));
        });
      quarter(group, q % 2 === 0 ? 'low' : 'high', operands);
    });
    epilogue.store(used, stored, () => f.get(y), offsets[operands.length]);
  };
}

/** Writes the code that makes four results from a part of the operands' halves. */
function quarterOf(
  f: FunctionBuilder,
  step: Exclude<PairwiseStep, { kind: 'shift' | 'extreme' }>,
  epilogue: Epilogue,
  constants: Local<'i32'>,
): (result: Local<'v128'>, part: 'low' | 'high', operands: readonly HalvesOf[]) => void {
  const whole = (operand: HalvesOf, part: 'low' | 'high'): V128 =>
    f.op(`i32x4.extend_${part}_i16x8_${operand.isUnsigned ? 'u' : 's'}`, f.get(operand.half));
  const real = (operand: HalvesOf, part: 'low' | 'high'): V128 =>
    f.op('f32x4.convert_i32x4_s', whole(operand, part));
  const keep = (count: number): Local<'v128'>[] =>
    f.locals('v128', count).map((kept, i) => {
      f.set(kept, f.load('v128.load', f.get(constants), 16 * i));
      return kept;
    });
  switch (step.kind) {
    case 'line':
    case 'product':
      return (result, part, [a, b]) => {
        const value = (): V128 =>
          step.kind === 'line'
            ? whole(a, part)
            : f.op(`i32x4.extmul_${part}_i16x8_s`, f.get(a.half), f.get(b.half));
        f.set(result, step.start === 0 ? value() : f.op('i32x4.add', value(), f.i32x4(step.start)));
        epilogue.requantize(result, constants, 0);
      };
    case 'sum': {
      const [factorA, factorB, addend] = keep(3) as [Local<'v128'>, Local<'v128'>, Local<'v128'>];
      const { madd } = step.epilogue;
      const join = (x: () => V128, factor: Local<'v128'>, to: () => V128): V128 =>
        madd
          ? f.op('f32x4.relaxed_madd', x(), f.get(factor), to())
          : f.op('f32x4.add', f.op('f32x4.mul', x(), f.get(factor)), to());
      return (result, part, [a, b]) => {
        const sum = join(
          () => real(a, part),
          factorA,
          () =>
            join(
              () => real(b, part),
              factorB,
              () => f.get(addend),
            ),
        );
        f.set(result, f.op(step.relaxed ? 'i32x4.relaxed_trunc_f32x4_s' : 'i32x4.trunc_sat_f32x4_s', sum));
      };
    }
    case 'real': {
      const [scaleA, scaleB, scale, min, max] = keep(5) as [
        Local<'v128'>,
        Local<'v128'>,
        Local<'v128'>,
        Local<'v128'>,
        Local<'v128'>,
      ];
      return (result, part, [a, b]) => {
        f.set(
          result,
          f.op(
            `f32x4.${step.fn}`,
            f.op('f32x4.mul', real(a, part), f.get(scaleA)),
            f.op('f32x4.mul', real(b, part), f.get(scaleB)),
          ),
        );
        // NaN stays: a < b ? b : a.
        if (step.clamps)
          f.set(result, f.op('f32x4.pmin', f.op('f32x4.pmax', f.get(result), f.get(min)), f.get(max)));
        f.set(
          result,
          f.op(
            'i32x4.trunc_sat_f32x4_s',
            f.op('f32x4.nearest', f.op('f32x4.div', f.get(result), f.get(scale))),
          ),
        );
      };
    }
  }
}

/** y[i] = table[x[i]]: tables of bytes or of 16 bits, by the byte that x is, or by x in 16 bits. */
export interface TableSpec {
  readonly [key: string]: unknown;
  readonly nest: Nest;
  readonly from: Lie;
  readonly to: Lie;
}

/** Parameters: addresses of x, of y, of the entry of 0. */
export function buildTableI8(
  f: FunctionBuilder,
  { nest, from, to }: TableSpec,
  [x, y, table]: Parameters,
): void {
  const inner = nest.extents.length - 1;
  const steps = nest.strides.map((strides) => strides[inner]);
  const bytes = lieBytes(to);
  const rows = [x, y].map((pointer, j) => ({ pointer, bytes: steps[j] }));
  emitNest(f, nest, [x, y], () =>
    emitRow(f, nest.extents[inner], 1, 8, rows, (element) => {
      const code = (): I32 =>
        f.load(from === 'i16' ? 'i32.load16_s' : 'i32.load8_u', f.get(x), element * steps[0]);
      if (bytes === 1) {
        const entry = (): I32 => f.load('i32.load8_u', f.op('i32.add', code(), f.get(table)));
        f.store('i32.store8', f.get(y), entry(), element * steps[1]);
      } else {
        const at = (): I32 => f.op('i32.add', f.op('i32.shl', code(), f.i32(1)), f.get(table));
        f.store('i32.store16', f.get(y), f.load('i32.load16_u', at()), element * steps[1]);
      }
    }),
  );
}

/** y[i] = table[a[i], b[i]] + add, of 256 × 256 bytes. */
export interface PairTableSpec {
  readonly [key: string]: unknown;
  readonly nest: Nest;
  readonly from: readonly Lie[];
  readonly to: Lie;
  readonly add: number;
}

/** Parameters: addresses of a, of b, of y, of the entry of 0, 0. */
export function buildPairTableI8(
  f: FunctionBuilder,
  spec: PairTableSpec,
  [a, b, y, table]: Parameters,
): void {
  const { nest, from, to, add } = spec;
  const inner = nest.extents.length - 1;
  const pointers = [a, b, y];
  const rows = pointers.map((pointer, j) => ({ pointer, bytes: nest.strides[j][inner] }));
  const code = (j: number, element: number): I32 =>
    f.load(from[j] === 'i16' ? 'i32.load16_s' : 'i32.load8_u', f.get(pointers[j]), element * rows[j].bytes);
  emitNest(f, nest, pointers, () =>
    emitRow(f, nest.extents[inner], 1, 4, rows, (element) => {
      const entry = (): I32 =>
        f.op(
          'i32.add',
          f.op('i32.add', f.op('i32.shl', code(0, element), f.i32(8)), f.get(table)),
          code(1, element),
        );
      f.store(
        to === 'i16' ? 'i32.store16' : 'i32.store8',
        f.get(y),
        f.op('i32.add', f.load('i32.load8_u', entry()), f.i32(add)),
        element * rows[2].bytes,
      );
    }),
  );
}
