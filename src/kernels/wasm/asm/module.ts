/**
 * A WebAssembly module: one imported memory, functions, exports.
 * Source: WebAssembly Core Specification, §5.5.
 */
import { Bytes } from './bytes.ts';
import { FunctionBuilder, type FunctionRef, type Local, typeCodes } from './function.ts';
import { structure, type ValueType } from './opcodes.ts';

export interface MemoryImport {
  readonly module: string;
  readonly name: string;
  /** Pages of 64 KiB. */
  readonly pages: number;
  /** Shared memories have a maximum: the same pages. */
  readonly shared?: boolean;
}

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results?: readonly ValueType[];
}

const sections = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const kinds = { function: 0, memory: 2 } as const;

export class ModuleBuilder {
  readonly #types = new Map<string, number>();
  readonly #typeBytes = new Bytes(64);
  readonly #functionTypes: number[] = [];
  readonly #exports: { readonly name: string; readonly index: number }[] = [];
  readonly #code = new Bytes(1 << 15);
  readonly #body = new Bytes(1 << 13);
  readonly #locals = new Bytes(1 << 7);

  /** Bytes of code so far. */
  get codeBytes(): number {
    return this.#code.length;
  }

  /** Adds a function; `build` writes its body with the parameters as locals. Functions are built one at a time. */
  function(
    { parameters, results = [] }: Signature,
    build: (f: FunctionBuilder, parameters: readonly Local[]) => void,
  ): FunctionRef {
    const body = this.#body;
    body.length = 0;
    const f = new FunctionBuilder(body, parameters.length);
    build(
      f,
      parameters.map((type, index) => ({ type, index })),
    );
    body.byte(structure.end);
    const locals = this.#locals;
    locals.length = 0;
    f.writeLocals(locals);
    this.#code.u32(locals.length + body.length);
    this.#code.append(locals.data);
    this.#code.append(body.data);
    return { index: this.#functionTypes.push(this.#typeOf(parameters, results)) - 1 };
  }

  export(name: string, { index }: FunctionRef): void {
    this.#exports.push({ name, index });
  }

  bytes(memory: MemoryImport): Uint8Array<ArrayBuffer> {
    const out = new Bytes(this.#code.length + 1024);
    out.append([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, count: number, write: (to: Bytes) => void): void => {
      const content = new Bytes(256);
      content.u32(count);
      write(content);
      out.byte(id);
      out.sized(content);
    };
    section(sections.type, this.#types.size, (to) => to.append(this.#typeBytes.data));
    section(sections.import, 1, (to) => {
      to.name(memory.module);
      to.name(memory.name);
      to.byte(kinds.memory);
      to.byte(memory.shared ? 3 : 0);
      to.u32(memory.pages);
      if (memory.shared) to.u32(memory.pages);
    });
    section(sections.function, this.#functionTypes.length, (to) => {
      for (const type of this.#functionTypes) to.u32(type);
    });
    section(sections.export, this.#exports.length, (to) => {
      for (const { name, index } of this.#exports) {
        to.name(name);
        to.byte(kinds.function);
        to.u32(index);
      }
    });
    section(sections.code, this.#functionTypes.length, (to) => to.append(this.#code.data));
    return out.data.slice();
  }

  #typeOf(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters.join()}:${results.join()}`;
    let index = this.#types.get(key);
    if (index === undefined) {
      index = this.#types.size;
      this.#types.set(key, index);
      this.#typeBytes.byte(0x60);
      for (const list of [parameters, results]) {
        this.#typeBytes.u32(list.length);
        for (const type of list) this.#typeBytes.byte(typeCodes[type]);
      }
    }
    return index;
  }
}
