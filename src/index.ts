/** vireo's runtime: build or read a graph, compile it, run it. ECMAScript and, where there is any, WebAssembly. */
export { compile, compileAsync } from './graph/run/compile.ts';
export { type TargetOptions, wasm, wasmKernels } from './kernels/wasm/index.ts';
export * from './portable.ts';
