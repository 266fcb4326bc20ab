/** Compiling with the kernels of training beside those of inference. */
import { js } from '../../kernels/js/index.ts';
import { reference } from '../../kernels/reference/index.ts';
import { trainReference } from '../../kernels/train/reference/index.ts';
import { trainWasm } from '../../kernels/train/wasm/index.ts';
import { wasm } from '../../kernels/wasm/index.ts';
import { compilersWith } from './session.ts';

const { compile, compileAsync } = compilersWith([wasm, trainWasm, js, trainReference, reference]);

export { compile as compileTraining, compileAsync as compileTrainingAsync };
