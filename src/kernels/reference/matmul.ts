/** The matrix product of two tensors, batches broadcast. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, View } from '../call.ts';
import { broadcastStrides, indexOf } from '../geometry.ts';
import { cellsOf, isBigType, isFloating, numbersOf, offer } from './support.ts';

/**
 * C[s,m,n] = Σₖ A[s,m,k]·B[s,k,n]
 *
 *   A  (batch…, M, K)     B  (batch…, K, N)     C  (batch…, M, N)     one dtype
 *
 * s counts the batches of C; those of A and B repeat as numpy broadcasts them.
 * Order: s, m, n outside; k inside.
 * Exact: f32 sums in f64 and rounds once; integers (i32, u32, i64, u64) wrap around.
 * Source: ONNX operator MatMul; numpy.matmul.
 */
export function matmul(call: KernelCall): Offer | null {
  const [{ shape: aShape, dtype }, { shape: bShape }] = call.inputs;
  const { shape } = call.output;
  if (!['f32', 'f64', 'i32', 'u32', 'i64', 'u64'].includes(dtype)) return null;
  if (call.inputs[1].dtype !== dtype || call.output.dtype !== dtype) return null;
  const [M, K] = aShape.slice(-2);
  const N = bShape[bShape.length - 1];
  const batch = shape.slice(0, -2);
  const batches = elementCount(batch);
  const aStrides = broadcastStrides(aShape.slice(0, -2), batch); // in matrices
  const bStrides = broadcastStrides(bShape.slice(0, -2), batch);
  const dot = isBigType(dtype) ? dotBig : isFloating(dtype) ? dotFloat : dotInt;
  return offer(`matmul-${dtype}`, ([a, b], y) => () => {
    for (let s = 0; s < batches; s++) {
      const aAt = a.offset + indexOf(s, batch, aStrides) * M * K;
      const bAt = b.offset + indexOf(s, batch, bStrides) * K * N;
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          dot(a, aAt + m * K, b, bAt + n, y, y.offset + (s * M + m) * N + n, K, N);
        }
      }
    }
  });
}

/** y[yAt] = Σₖ a[aAt + k]·b[bAt + N·k] */
type Dot = (a: View, aAt: number, b: View, bAt: number, y: View, yAt: number, K: number, N: number) => void;

const dotFloat: Dot = (aView, aAt, bView, bAt, y, yAt, K, N) => {
  const a = numbersOf(aView);
  const b = numbersOf(bView);
  let sum = 0;
  for (let k = 0; k < K; k++) sum += a[aAt + k] * b[bAt + k * N];
  numbersOf(y)[yAt] = sum;
};

const dotInt: Dot = (aView, aAt, bView, bAt, y, yAt, K, N) => {
  const a = numbersOf(aView);
  const b = numbersOf(bView);
  let sum = 0;
  for (let k = 0; k < K; k++) sum = (sum + Math.imul(a[aAt + k], b[bAt + k * N])) | 0;
  numbersOf(y)[yAt] = sum;
};

const dotBig: Dot = (aView, aAt, bView, bAt, y, yAt, K, N) => {
  const a = cellsOf<bigint>(aView);
  const b = cellsOf<bigint>(bView);
  let sum = 0n;
  for (let k = 0; k < K; k++) sum = BigInt.asIntN(64, sum + a[aAt + k] * b[bAt + k * N]);
  cellsOf<bigint>(y)[yAt] = sum;
};
