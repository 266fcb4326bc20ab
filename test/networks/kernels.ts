/** Kernel sets as a user names them; without relaxed SIMD is what other machines and older engines get. */
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { wasm, wasmKernels } from '../../src/kernels/wasm/index.ts';

export const kernels = [
  { label: 'wasm', sets: [wasm, js, reference] },
  { label: 'wasm without relaxed SIMD', sets: [wasmKernels({ relaxed: false }), js, reference] },
  { label: 'js', sets: [js, reference] },
];
