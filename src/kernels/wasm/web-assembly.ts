/** The little of the WebAssembly JavaScript API that is used, without the types of any host. */
import { VireoError } from '../../errors.ts';

export type Module = object;
export interface Memory {
  readonly buffer: ArrayBuffer;
}
interface Instance {
  readonly exports: Readonly<Record<string, unknown>>;
}
export interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => Module;
  readonly Instance: new (
    module: Module,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => Instance;
  readonly Memory: new (limits: { initial: number; maximum: number; shared?: boolean }) => Memory;
  readonly compile: (bytes: Uint8Array<ArrayBuffer>) => Promise<Module>;
}

/** What the host offers, if anything: it may still refuse to compile. */
export function webAssemblyOrNull(): WebAssemblyApi | null {
  return (globalThis as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly ?? null;
}

export function webAssembly(): WebAssemblyApi {
  const api = webAssemblyOrNull();
  if (api === null) throw new VireoError('unsupported', 'this JavaScript engine has no WebAssembly');
  return api;
}
