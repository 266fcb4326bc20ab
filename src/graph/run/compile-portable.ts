/** Compiling without WebAssembly and without the code that would generate it. */
import { js } from '../../kernels/js/index.ts';
import { reference } from '../../kernels/reference/index.ts';
import { compilersWith } from './session.ts';

export const { compile, compileAsync } = compilersWith([js, reference]);
