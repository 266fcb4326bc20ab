/** The requantisation that 8-bit kernels emit, equal to requantize.ts in every form and layout of its outputs. */
import { describe, expect, it } from 'vitest';
import type { Clamp, KernelCall, Operand } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { encodedBytes, encodingOffset } from '../../src/kernels/encoding.ts';
import { channelEpilogue } from '../../src/kernels/requantize.ts';
import type { Local } from '../../src/kernels/wasm/asm/function.ts';
import {
  Epilogue,
  type EpilogueSpec,
  epilogueConstants,
  epilogueSpec,
  groupBytes,
} from '../../src/kernels/wasm/epilogue-i8.ts';
import { Program } from '../../src/kernels/wasm/program.ts';
import { type F32Requantizer, proveRequantizer } from '../../src/kernels/wasm/requantize-f32.ts';
import { probe, type Target } from '../../src/kernels/wasm/target.ts';
import { integers, perChannel, perTensor, random } from './run-call.ts';

const machine = probe() as Target;
const plain = probe({ relaxed: false }) as Target;
const targets = [
  { on: 'as the machine can', target: machine },
  { on: 'without relaxed SIMD', target: plain },
];

const pixels = 5;
const outC = 20;

interface Layer {
  readonly label: string;
  readonly dtype?: 'i8' | 'u8';
  readonly zero?: number;
  readonly clamp?: Clamp;
  /** Of every channel, but for a factor between 1 and 2. */
  readonly multiplier?: number;
  readonly reach?: number;
}

const layers: readonly Layer[] = [
  { label: 'no bounds' },
  { label: 'u8', dtype: 'u8', zero: 131 },
  { label: 'from the zero point up', zero: -128, clamp: { min: 0, max: Number.POSITIVE_INFINITY } },
  { label: 'from a zero point inside up', zero: -20, clamp: { min: 0, max: 60 } },
  { label: 'around the zero point', clamp: { min: -20, max: 30 } },
  { label: 'below the zero point', clamp: { min: -60, max: -3 } },
  { label: 'one number', clamp: { min: 4, max: 4 } },
  { label: 'multiplier 1/2', multiplier: 0.5, reach: 900 },
  { label: 'multiplier 3: shifted left', multiplier: 3, reach: 90 },
  { label: 'multiplier 2⁻¹⁶', multiplier: 2 ** -16, reach: 2 ** 25 },
  { label: 'multiplier 2⁻²²', multiplier: 2 ** -22, reach: 2 ** 30 },
  { label: 'multiplier 2⁻⁴⁰, which is 0', multiplier: 2 ** -40, reach: 2 ** 30 },
];

describe.each(targets)('epilogue-i8 $on', ({ target }) => {
  describe.each([{ rounding: {} }, { rounding: { rounding: 'even' } }] as const)('%o', ({ rounding }) => {
    it.each(layers)('$label', (layer) => {
      const { reach = 60_000, clamp = noClamp } = layer;
      const call = callOf(layer, rounding);
      const ends = Float64Array.from({ length: 2 * outC }, (_, i) => (i % 2 === 0 ? -reach : reach));
      const proven = proveRequantizer(call, ends, clampOf(clamp), target.madd)!;
      const exact = channelEpilogue(call, clampOf(clamp));
      const sums = sumsUpTo(reach);
      for (const requantizer of [proven, ...asIntegers(proven, call)])
        for (const encoding of ['stored', 'u8', 'i16'] as const)
          for (const count of [1, 2, 3, 4, 5, 8, 9, 12, 15, 16, 20]) {
            const spec = epilogueSpec(requantizer, call.output, encoding, target);
            const codes = run(spec, requantizer, sums, count, encodedBytes(call.output, encoding));
            const offset = encodingOffset(call.output, encoding);
            for (let i = 0; i < codes.length; i++) {
              const [p, c] = [Math.floor(i / (count + 1)), i % (count + 1)];
              const expected = c === count ? mark : exact(sums[p * outC + c], c) + offset;
              const where = `${requantizer.form} ${encoding}, ${count} channels, pixel ${p}, channel ${c}`;
              if (codes[i] !== expected) expect(`${codes[i]} ${where}`).toBe(`${expected} ${where}`);
            }
          }
    });
  });

  it('relaxed truncation only where no sum can leave int32', () => {
    const call = callOf({ label: '' }, {});
    const form = (multiplier: number): EpilogueSpec => {
      const scale = new Float32Array(outC).fill(multiplier);
      const empty = new Float32Array(outC);
      const requantizer = proveRequantizer(call, new Float64Array(2 * outC), noClamp, target.madd)!;
      return epilogueSpec(
        { ...requantizer, scale, bias: empty, negativeBias: empty },
        call.output,
        'u8',
        target,
      );
    };
    expect(form(0.25).relaxed).toBe(target.madd);
    expect(form(3).relaxed).toBe(false);
  });
});

const mark = 77;
const scaleY = 0.05;

function clampOf({ min, max }: Clamp): Clamp {
  return { min: min * scaleY, max: max * scaleY };
}

function callOf({ dtype = 'i8', zero = 3, multiplier = 0.003 }: Layer, rounding: object): KernelCall {
  const next = random(11);
  const operand = (shape: number[], quantization: Operand['quantization']): Operand => ({
    dtype,
    shape,
    quantization,
    data: null,
  });
  const scales = Array.from({ length: outC }, () => multiplier * scaleY * (1 + next()));
  return {
    arithmetic: { kind: 'dense', clamp: noClamp, ...rounding },
    inputs: [operand([pixels, 1], perTensor(1, 0)), operand([outC, 1], perChannel(scales, 0))],
    output: operand([pixels, outC], perTensor(scaleY, zero)),
  };
}

/** The form that takes what the others leave, where it applies. */
function asIntegers(proven: F32Requantizer, { output }: KernelCall): F32Requantizer[] {
  if (proven.form === 'even') return [];
  const start = new Int32Array(outC);
  return [{ ...proven, form: 'integer', start, base: output.quantization!.zeroPoint[0] }];
}

/** Some around every step of every size, and the ends. */
function sumsUpTo(reach: number): Int32Array {
  const next = random(3);
  const sums = new Int32Array(pixels * outC);
  for (let c = 0; c < outC; c++) {
    sums[c] = reach;
    sums[outC + c] = -reach;
    for (let p = 2; p < pixels; p++)
      sums[p * outC + c] =
        integers(next, 1, -reach, reach)[0] * (p === 2 ? 1 : 2 ** -integers(next, 1, 0, 10)[0]);
  }
  return sums;
}

/** Codes of `count` channels for all pixels, and the element behind them. */
function run(
  spec: EpilogueSpec,
  requantizer: F32Requantizer,
  sums: Int32Array,
  count: number,
  size: number,
): ArrayLike<number> {
  const groups = Math.ceil(count / 4);
  const bytes = pixels * (count + 1) * size;
  const program = new Program(bytes);
  const started = sums.map((sum, i) => sum + requantizer.start[i % outC]);
  const addresses = [
    program.constantOf(started),
    program.constantOf(epilogueConstants(requantizer, 0, outC)),
    0,
  ];
  const kernel = program.kernel('epilogue', { spec, count }, 3, (f, _, [from, constants, to]) => {
    const epilogue = new Epilogue(f, spec);
    const tile: Local<'v128'>[][] = [];
    for (let p = 0; p < pixels; p++) {
      tile.push(f.locals('v128', groups));
      tile[p].forEach((sum, g) => {
        f.set(sum, f.load('v128.load', f.get(from!), (p * outC + 4 * g) * 4));
      });
    }
    for (let g = 0; g < groups; g++)
      epilogue.requantizeAll(
        tile.map((pixel) => pixel[g]),
        constants!,
        g * groupBytes(spec.form),
      );
    const at = tile.map((_, p) => ({ pointer: to!, offset: p * (count + 1) * size }));
    epilogue.storeAll(tile, count, at);
  });
  program.step([kernel, ...addresses]);
  const { buffer, steps } = program.link({ stretches: [] });
  const codes = codesIn(buffer, spec, requantizer, bytes, size);
  codes.fill(mark);
  steps[0]();
  return codes;
}

function codesIn(
  buffer: ArrayBufferLike,
  { origin }: EpilogueSpec,
  { lo }: F32Requantizer,
  bytes: number,
  size: number,
): Int16Array | Int8Array | Uint8Array {
  if (size === 2) return new Int16Array(buffer, 0, bytes / 2);
  return lo < 0 && origin === lo ? new Int8Array(buffer, 0, bytes) : new Uint8Array(buffer, 0, bytes);
}
