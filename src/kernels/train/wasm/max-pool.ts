/**
 * dx += dy at the first of the greatest elements of each window        max-pool-input-f32-wasm
 *
 * Windows without padding. dx is cleared, then each window is walked twice, up to 4 channels at once:
 *
 *   best = max over the cells;   for each cell: hit = (x = best) & ¬done,  dx += hit & dy,  done |= hit
 *
 * Equal to reference, but for windows that hold NaN.
 */
import { elementCount } from '../../../tensor.ts';
import type { EmittedOffer, KernelCall } from '../../call.ts';
import type { WindowGeometry } from '../../geometry.ts';
import { isEmpty } from '../../js/views.ts';
import type { FunctionBuilder } from '../../wasm/asm/function.ts';
import { storeLanes } from '../../wasm/epilogue-conv-f32.ts';
import { emitRow, storePart } from '../../wasm/nest.ts';
import type { Parameters } from '../../wasm/program.ts';
import { layerGeometry, type TrainingOf } from '../call.ts';

export function offerMaxPool(call: KernelCall, op: TrainingOf<'maxPool2d'>): EmittedOffer | null {
  const { top, left, bottom, right } = op.pad;
  if (isEmpty(call) || top + left + bottom + right > 0) return null;
  const spec = { ...layerGeometry(call, op), cells: elementCount(call.output.shape) };
  return {
    kernel: 'max-pool-input-f32-wasm',
    emit: (program, [x, dy], dx) =>
      program.step([
        program.kernel('max-pool-input-f32', spec, 3, build),
        x!.address,
        dy!.address,
        dx.address,
      ]),
  };
}

/** Parameters: addresses of x, dy, dx, all dense. */
function build(
  f: FunctionBuilder,
  s: WindowGeometry & { readonly cells: number },
  [x, dy, dx]: Parameters,
): void {
  const [best, done, value, gradient] = f.locals('v128', 4);
  const start = f.local('i32');
  f.set(start, f.get(dx!));
  f.set(value!, f.f32x4(0));
  emitRow(f, s.cells, 4, 4, [{ pointer: start, bytes: 4 }], (element, stored) =>
    storePart(f, start, value!, 4 * stored, 4 * element),
  );
  const pixel = 4 * s.inC;
  const row = pixel * s.inW;
  const cells = Array.from(
    { length: s.kH * s.kW },
    (_, i) => Math.floor(i / s.kW) * row + (i % s.kW) * pixel,
  );
  const window = (lanes: number, bytes: number): void => {
    f.set(best!, f.load('v128.load', f.get(x!)));
    for (const at of cells.slice(1))
      f.set(best!, f.op('f32x4.pmax', f.get(best!), f.load('v128.load', f.get(x!), at)));
    f.set(gradient!, f.load('v128.load', f.get(dy!)));
    f.set(done!, f.i32x4(0));
    for (const at of cells) {
      // andnot(a, b) = a & ¬b
      f.set(
        value!,
        f.op('v128.andnot', f.op('f32x4.eq', f.get(best!), f.load('v128.load', f.get(x!), at)), f.get(done!)),
      );
      f.set(done!, f.op('v128.or', f.get(done!), f.get(value!)));
      f.set(
        value!,
        f.op(
          'f32x4.add',
          f.op('v128.and', f.get(value!), f.get(gradient!)),
          f.load('v128.load', f.get(dx!), at),
        ),
      );
      storeLanes(f, lanes, dx!, value!, at);
    }
    for (const pointer of [x!, dy!, dx!]) f.advance(pointer, bytes);
  };
  const whole = Math.floor((s.inC - 1) / 4);
  const move = (bytes: number): void => {
    f.advance(x!, bytes);
    f.advance(dx!, bytes);
  };
  f.repeat(s.n, () => {
    f.repeat(s.outH, () => {
      f.repeat(s.outW, () => {
        f.repeat(whole, () => window(4, 16));
        window(s.inC - 4 * whole, 4 * (s.inC - 4 * whole));
        move(s.strideW * pixel - pixel);
      });
      move(s.strideH * row - s.outW * s.strideW * pixel);
    });
    move(s.inH * row - s.outH * s.strideH * row);
  });
}
