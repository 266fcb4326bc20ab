/** Softmax over the innermost axis: softmax-f32.ts and softmax-i8.ts. Logarithms are left to reference. */
import { elementCount } from '../../tensor.ts';
import type { EmittedOffer, KernelCall, Place } from '../call.ts';
import { encodedBytes } from '../encoding.ts';
import { isEmpty, isFloat, type Nest } from '../js/views.ts';
import { hasSoftmaxScale } from '../reference/softmax.ts';
import { nestOf } from './nest.ts';
import { buildSoftmaxF32, isNarrow } from './softmax-f32.ts';
import { buildSoftmaxI8, exponentials, formsOf } from './softmax-i8.ts';
import type { Target } from './target.ts';

export type RowsSpec = {
  /** The rows, and inside them nothing; strides in bytes. */
  readonly nest: Nest;
  readonly columns: number;
};

export function offerSoftmax(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'softmax' || op.log || following || isEmpty(call)) return null;
  const [x] = inputs;
  if (x.data || output.shape.length === 0) return null;
  const columns = output.shape[output.shape.length - 1];
  if (isFloat(call)) {
    if (!Number.isFinite(op.beta)) return null;
    const narrow = isNarrow(columns, elementCount(output.shape) / columns);
    return {
      kernel: narrow ? `softmax-f32-4x${columns}-wasm` : 'softmax-f32-row-wasm',
      strided: true,
      overwrites: [0],
      emit: (program, [from], to) => {
        const spec = { ...rowsOf(call, from!, to), beta: op.beta, madd: target.madd };
        const kernel = program.kernel('softmax-f32', spec, 2, buildSoftmaxF32);
        program.step([kernel, from!.address, to.address]);
      },
    };
  }
  if (x.dtype !== output.dtype || !hasSoftmaxScale(x, output)) return null;
  return {
    kernel: 'softmax-i8-wasm',
    strided: true,
    encoding: target.encoding,
    emit: (program, [from], to) => {
      const spec = { ...rowsOf(call, from!, to), ...formsOf(x, from!, output, to) };
      const kernel = program.kernel('softmax-i8', spec, 3, buildSoftmaxI8);
      program.step([kernel, from!.address, to.address, program.constantOf(exponentials(x, op.beta))]);
    },
  };
}

function rowsOf({ inputs, output }: KernelCall, from: Place, to: Place): RowsSpec {
  const outer = (place: Place, bytes: number): number[] =>
    place.strides.slice(0, -1).map((stride) => stride * bytes);
  const strides = [
    outer(from, encodedBytes(inputs[0], from.encoding)),
    outer(to, encodedBytes(output, to.encoding)),
  ];
  return { nest: nestOf(output.shape.slice(0, -1), strides), columns: output.shape[output.shape.length - 1] };
}
