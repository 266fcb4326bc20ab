/**
 * y[m,n] = requantize(Σₖ x[m,k]·w[n,k] + start[n])                     dense-i8-1x32-wasm, dense-i8-4x8-wasm
 *
 *   x  (M, K)                  encoded (call.ts, `Encoding`), kr to a 32-bit lane; as stored it is encoded first
 *   w  (⌈N/nr⌉, ⌈K/kr⌉, nr, kr)   pack-i8.ts: kr is 4 bytes (u8) or 2 words (i16); read once for each mr rows
 *   c  (⌈N/4⌉)                 [start ×4] and the constants of epilogue-i8.ts
 *   y  (M, N)                  any encoding
 *
 * Order: blocks of nr outputs, tiles of mr rows, k innermost; sums stay in locals. One row has nr = 32 (u8), whose
 * eight sums hide the latency of the dot product, or 16 (i16). Fewer outputs share the sums out over k (`ways`).
 * The inner loop, mr = 1, for one group of kr:
 *
 *   u8    xs = v128.load32_splat x;   sumⱼ = relaxed_dot(v128.load w+16j, xs, sumⱼ)             j < nr/4
 *   i16   xs = v128.load32_splat x;   sumⱼ = sumⱼ + i32x4.dot_i16x8_s(v128.load w+16j, xs)
 *
 * u8 weights that do not fit s8 around their zero point lie around 128, and e·Σₖ x[m,k] is taken off, e what is left
 * of the zero point: one more sum a row.
 *
 * Measured, i16: weights as bytes, widened here, take 1.3 times as long as words from a cache that holds them; more
 * than eight dot products in a loop take twice as long.
 * Exact: equal to reference. Sums wrap as an int32 does; requantize-f32.ts proves the rest.
 */
import { elementCount } from '../../tensor.ts';
import type { EmittedOffer, Encoding, KernelCall } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { reachOf } from '../js/pack-i8.ts';
import { isEmpty, numbersOf } from '../js/views.ts';
import { isQuantizedProduct } from '../requantize.ts';
import type { FunctionBuilder, FunctionRef, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { encodeCall } from './encode-i8.ts';
import { Epilogue, type EpilogueSpec, epilogueSpec, groupBytes } from './epilogue-i8.ts';
import { lieOf } from './lanes-i8.ts';
import { groupsOf, packChannels, packedBytes, packWeights, weightCentres } from './pack-i8.ts';
import type { Parameters } from './program.ts';
import { proveRequantizer } from './requantize-f32.ts';
import { dotReason, type Target } from './target.ts';

export function offerDenseI8(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'dense' || following || isEmpty(call) || !isQuantizedProduct(call)) return null;
  const [x, w, bias] = inputs;
  if (!numbersOf(w) || (bias && !numbersOf(bias))) return null;
  const [outC, depth] = w.shape;
  const reach = reachOf(call, depth, depth, 1);
  const centred = weightCentres(call, depth, target);
  const requantizer = centred && proveRequantizer(call, reach.ends, op.clamp, target.madd);
  if (!requantizer) return null;
  const rows = elementCount(output.shape) / outC;
  const { mr, nr } = tileFor(rows, outC, target);
  const runs = { runs: 1, length: depth };
  const groups = groupsOf(runs, target);
  const size = encodedBytes(x, target.encoding);
  const left = -centred.windowFactor;
  const isReady = (encoding: Encoding): boolean =>
    encodedBytes(x, encoding) === size &&
    encodingOffset(x, encoding) === encodingOffset(x, target.encoding) &&
    // The additional sum also sees what lies behind each row.
    (left === 0 || depth * size === 4 * groups);
  return {
    kernel: `dense-i8-${mr}x${nr}-wasm`,
    reason: dotReason(target),
    encoding: target.encoding,
    scratch: (ready) =>
      isReady(ready ? target.encoding : 'stored') ? 0 : Math.ceil((rows * 4 * groups + 32) / 8) * 8,
    emit: (program, [place], y, scratch) => {
      const calls: (readonly [FunctionRef, ...number[]])[] = [];
      let { address } = place!;
      let stride = depth * size;
      if (!isReady(place!.encoding)) {
        stride = 4 * groups;
        const add = encodingOffset(x, target.encoding) - encodingOffset(x, place!.encoding);
        const from = lieOf(x, place!.encoding);
        const spec = { rows, count: depth, from, wide: size === 2, add, stride };
        calls.push(encodeCall(program, spec, address, scratch));
        address = scratch;
      }
      const weights = program.constant(packedBytes(outC, runs, target), (bytes) =>
        packWeights(bytes, call, centred.centres, runs, nr, target),
      );
      const channels = program.constantOf(packChannels(call, reach, requantizer, target));
      const epilogue = epilogueSpec(requantizer, output, y.encoding, target);
      const outBytes = epilogue.wide ? 2 : 1;
      for (const block of parts(outC, nr))
        for (const tile of parts(rows, mr)) {
          const spec: DenseSpec = {
            dot: target.dot,
            groups,
            mr: tile.size,
            nr: block.size,
            blocks: block.count,
            tiles: tile.count,
            stride,
            outStride: outC * outBytes,
            left,
            epilogue,
          };
          calls.push([
            program.kernel('dense-i8', spec, 4, buildDense),
            address + tile.first * stride,
            weights + block.first * groups * 4,
            channels + (block.first / 4) * (16 + groupBytes(epilogue.form)),
            y.address + (tile.first * outC + block.first) * outBytes,
          ]);
        }
      program.step(...calls);
    },
  };
}

/** Rows and outputs of a tile. */
function tileFor(rows: number, outC: number, { dot }: Target): { mr: number; nr: number } {
  const mr = dot === 'i16' && rows === 3 ? 2 : Math.min(rows, 4); // 3×8 takes twice as long there
  const widest = [dot === 'u8' ? 32 : 16, 16, 8, 8][mr - 1];
  return { mr, nr: Math.min(Math.ceil(outC / 4) * 4, widest) };
}

/** As many parts of `size` as there are, and what is left. */
function* parts(whole: number, size: number): Generator<{ first: number; size: number; count: number }> {
  const left = whole % size;
  if (whole > left) yield { first: 0, size, count: (whole - left) / size };
  if (left > 0) yield { first: whole - left, size: left, count: 1 };
}

interface DenseSpec {
  readonly [key: string]: unknown;
  readonly dot: Target['dot'];
  /** K/kr, rounded up. */
  readonly groups: number;
  readonly mr: number;
  /** Outputs of a block. */
  readonly nr: number;
  readonly blocks: number;
  readonly tiles: number;
  /** Bytes between rows. */
  readonly stride: number;
  readonly outStride: number;
  /** e. */
  readonly left: number;
  readonly epilogue: EpilogueSpec;
}

/** Sums in locals. */
const mostSums = { u8: 8, i16: 4 } as const;

/** Parameters: addresses of x, w, c, y. */
function buildDense(f: FunctionBuilder, spec: DenseSpec, [x, w, c, y]: Parameters): void {
  const { dot, groups, mr, nr, blocks, tiles, stride, outStride, left } = spec;
  const width = Math.ceil(nr / 4);
  const ways = Math.max(1, Math.min(Math.floor(mostSums[dot] / (mr * width)), groups));
  const perGroup = 16 + groupBytes(spec.epilogue.form);
  const outBytes = spec.epilogue.wide ? 2 : 1;
  const epilogue = new Epilogue(f, spec.epilogue);
  const e = f.local('v128');
  if (left !== 0) f.set(e, f.i8x16(left));
  const sums = Array.from({ length: ways }, () => Array.from({ length: mr }, () => f.locals('v128', width)));
  const extra = left === 0 ? [] : f.locals('v128', mr);
  const spread = f.locals('v128', mr);
  const weight = f.local('v128');
  const atX = f.local('i32');
  const atW = f.local('i32');
  const atY = f.local('i32');
  const row = f.local('i32');

  const accumulate = (sum: Local<'v128'>, weights: () => V128, xs: Local<'v128'>): void =>
    f.set(
      sum,
      dot === 'u8'
        ? f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s', weights(), f.get(xs), f.get(sum))
        : f.op('i32x4.add', f.get(sum), f.op('i32x4.dot_i16x8_s', weights(), f.get(xs))),
    );
  const multiply = (groupsAtOnce: number): void => {
    for (let g = 0; g < groupsAtOnce; g++) {
      spread.forEach((xs, m) => {
        f.set(xs, f.load('v128.load32_splat', f.get(atX), 4 * g + m * stride));
        if (left !== 0) accumulate(extra[m], () => f.get(e), xs);
      });
      for (let v = 0; v < width; v++) {
        const load = (): V128 => f.load('v128.load', f.get(atW), (g * width + v) * 16);
        if (mr > 1) f.set(weight, load());
        spread.forEach((xs, m) => {
          accumulate(sums[g][m][v], mr > 1 ? () => f.get(weight) : load, xs);
        });
      }
    }
    f.advance(atX, 4 * groupsAtOnce);
    f.advance(atW, width * 16 * groupsAtOnce);
  };

  f.repeat(blocks, () => {
    f.set(row, f.get(x));
    f.set(atY, f.get(y));
    f.repeat(tiles, () => {
      f.set(atX, f.get(row));
      f.set(atW, f.get(w));
      sums.forEach((way, i) => {
        for (const line of way)
          line.forEach((sum, v) => {
            f.set(sum, i === 0 ? f.load('v128.load', f.get(c), v * perGroup) : f.i32x4(0));
          });
      });
      for (const sum of extra) f.set(sum, f.i32x4(0));
      f.repeat(Math.floor(groups / ways), () => multiply(ways));
      multiply(groups % ways);
      sums[0].forEach((line, m) => {
        line.forEach((sum, v) => {
          for (const way of sums.slice(1)) f.set(sum, f.op('i32x4.add', f.get(sum), f.get(way[m][v])));
          if (left !== 0) f.set(sum, f.op('i32x4.sub', f.get(sum), f.get(extra[m])));
        });
      });
      for (let v = 0; v < width; v++)
        epilogue.requantizeAll(
          sums[0].map((line) => line[v]),
          c,
          v * perGroup + 16,
        );
      sums[0].forEach((line, m) => {
        epilogue.store(line, nr, () => f.get(atY), m * outStride);
      });
      f.advance(row, mr * stride);
      f.advance(atY, mr * outStride);
    });
    f.advance(w, groups * width * 16);
    f.advance(c, width * perGroup);
    f.advance(y, nr * outBytes);
  });
}
