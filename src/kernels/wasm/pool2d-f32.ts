/**
 * y[n,oh,ow,c] = stages(max or mean of the cells of a window that lie inside the picture)
 *                                                        max-pool-f32-wasm, average-pool-f32-wasm
 *
 *   x, y   f32, NHWC, strided
 *
 * Rows of windows that are cut alike at the picture's edges, and columns likewise, make rectangles of outputs whose
 * windows all have the same size; each is one call (window-f32.ts):
 *
 *   ┌──┬─────────┬──┐    a 3×3 window, padded by 1, stride 1:
 *   ├──┼─────────┼──┤    2×2, 2×3, 2×2
 *   │  │         │  │    3×2, 3×3, 3×2
 *   ├──┼─────────┼──┤    2×2, 2×3, 2×2
 *   └──┴─────────┴──┘
 *
 * A window wholly outside gives 0. Exact: as window-f32.ts; the mean is the sum times 1/count.
 */
import type { EmittedOffer, KernelCall } from '../call.ts';
import { windowGeometry } from '../geometry.ts';
import { isEmpty, isFloat } from '../js/views.ts';
import type { FunctionRef } from './asm/function.ts';
import { epilogueOf } from './epilogue-conv-f32.ts';
import type { Target } from './target.ts';
import { buildWindows, type WindowSpec } from './window-f32.ts';

export function offerPool2dF32(call: KernelCall, _target: Target): EmittedOffer | null {
  const { arithmetic: op } = call;
  if ((op.kind !== 'maxPool2d' && op.kind !== 'averagePool2d') || !isFloat(call) || isEmpty(call))
    return null;
  const epilogue = epilogueOf(call, op.clamp);
  if (!epilogue || epilogue.residual !== -1) return null;
  const g = windowGeometry(call);
  const isMax = op.kind === 'maxPool2d';
  return {
    kernel: `${isMax ? 'max' : 'average'}-pool-f32-wasm`,
    strided: true,
    emit: (program, [x], y) => {
      const [xN, xH, xW] = x!.strides.map((stride) => 4 * stride);
      const [yN, yH, yW] = y.strides.map((stride) => 4 * stride);
      const calls: (readonly [FunctionRef, ...number[]])[] = [];
      for (const high of runsOf(g.outH, g.strideH, g.padTop, g.kH, g.inH))
        for (const wide of runsOf(g.outW, g.strideW, g.padLeft, g.kW, g.inW)) {
          const cells = high.cells * wide.cells;
          const spec: WindowSpec = {
            fn: isMax ? 'max' : 'sum',
            scale: isMax || cells === 0 ? 1 : Math.fround(1 / cells),
            pictures: g.n,
            rows: high.count,
            columns: wide.count,
            channels: g.outC,
            kH: high.cells,
            kW: wide.cells,
            cell: [xW, xH],
            x: [wide.step * xW, high.step * xH, xN],
            y: [yW, yH, yN],
            stages: epilogue.stages,
          };
          const from = x!.address + high.from * xH + wide.from * xW;
          const to = y.address + high.first * yH + wide.first * yW;
          calls.push([program.kernel('windows-f32', spec, 2, buildWindows), from, to]);
        }
      program.step(...calls);
    },
  };
}

/** Outputs `first` … `first + count − 1` of an axis: windows of `cells`, the first at `from`, each `step` further. */
interface Run {
  readonly first: number;
  readonly from: number;
  readonly cells: number;
  count: number;
  step: number;
}

export function runsOf(
  outputs: number,
  stride: number,
  padding: number,
  kernel: number,
  extent: number,
): Run[] {
  const runs: Run[] = [];
  for (let o = 0; o < outputs; o++) {
    const start = o * stride - padding;
    const from = Math.min(Math.max(0, start), extent);
    const cells = Math.max(0, Math.min(extent, start + kernel) - from);
    const last = runs[runs.length - 1];
    const step = last ? (from - last.from) / last.count : 0;
    if (last && last.cells === cells && (last.count === 1 || step === last.step)) {
      last.step = step;
      last.count++;
    } else {
      runs.push({ first: o, from: cells === 0 ? 0 : from, cells, count: 1, step: 0 });
    }
  }
  return runs;
}
