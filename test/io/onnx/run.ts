/** Runs an ONNX file on one input and gives what comes out, as plain numbers. */
import { compile } from '../../../src/graph/run/compile.ts';
import { type ReadOnnxOptions, readOnnx } from '../../../src/io/onnx/index.ts';
import { js } from '../../../src/kernels/js/index.ts';
import { reference } from '../../../src/kernels/reference/index.ts';

export function runOnnx(bytes: Uint8Array, x: readonly number[], options: ReadOnnxOptions = {}): number[] {
  const session = compile(readOnnx(bytes, options), { kernels: [js, reference] });
  for (const { dtype } of session.inputs.slice(0, 1)) {
    const array = session.input(0, dtype);
    if (array.length !== x.length) throw new Error(`expected ${array.length} numbers, got ${x.length}`);
    x.forEach((number, i) => {
      array[i] = array instanceof BigInt64Array || array instanceof BigUint64Array ? BigInt(number) : number;
    });
  }
  session.run();
  const y: ArrayLike<number | bigint> = session.output(0, session.outputs[0]!.dtype);
  return Array.from(y, Number);
}
