/** Compiling with every kernel set: generated WebAssembly where the engine allows it, else plain JavaScript. */
import { js } from '../../kernels/js/index.ts';
import { reference } from '../../kernels/reference/index.ts';
import { wasm } from '../../kernels/wasm/index.ts';
import { compilersWith } from './session.ts';

export const { compile, compileAsync } = compilersWith([wasm, js, reference]);
