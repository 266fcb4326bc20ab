/**
 * dx = dy where min < y < max, else 0                        clamp-input-f32-4-wasm
 *
 *   row:  (v128.load y > min) & (y < max) & v128.load dy, v128.store dx       4 elements; 16 a turn
 *
 * Equal to reference.
 */
import { elementCount } from '../../../tensor.ts';
import type { EmittedOffer, KernelCall } from '../../call.ts';
import { isEmpty } from '../../js/views.ts';
import { emitRow, storePart } from '../../wasm/nest.ts';
import type { TrainingOf } from '../call.ts';

export function offerClamp(call: KernelCall, { bounds }: TrainingOf<'clamp'>): EmittedOffer | null {
  if (isEmpty(call)) return null;
  const min = bounds.min === Number.NEGATIVE_INFINITY ? null : bounds.min; // JSON, as specs are, knows no infinity
  const max = bounds.max === Number.POSITIVE_INFINITY ? null : bounds.max;
  if (min === null && max === null) return null;
  const spec = { min, max, count: elementCount(call.output.shape) };
  return {
    kernel: 'clamp-input-f32-4-wasm',
    overwrites: [0, 1],
    emit: (program, [y, dy], dx) => {
      const kernel = program.kernel('clamp-input-f32', spec, 3, (f, s, pointers) => {
        const [yAt, dyAt, dxAt] = pointers;
        const value = f.local('v128');
        const above = () => f.op('f32x4.gt', f.get(value), f.f32x4(s.min!));
        const below = () => f.op('f32x4.lt', f.get(value), f.f32x4(s.max!));
        const inside = () =>
          s.max === null ? above() : s.min === null ? below() : f.op('v128.and', above(), below());
        const moved = pointers.map((pointer) => ({ pointer, bytes: 4 }));
        emitRow(f, s.count, 4, 4, moved, (element, stored) => {
          f.set(value, f.load('v128.load', f.get(yAt!), 4 * element));
          f.set(value, f.op('v128.and', inside(), f.load('v128.load', f.get(dyAt!), 4 * element)));
          storePart(f, dxAt!, value, 4 * stored, 4 * element);
        });
      });
      program.step([kernel, y!.address, dy!.address, dx.address]);
    },
  };
}
