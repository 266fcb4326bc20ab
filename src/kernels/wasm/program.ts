/**
 * One network's generated code: a module whose functions work on one memory.
 *
 *   ┌───────────┬───────────┬───────┐
 *   │ arena     │ constants │ slack │      byte addresses, all known before the code is written
 *   └───────────┴───────────┴───────┘
 *
 * A kernel is a function of addresses, written once for all layers of the same spec; a step is a call of it
 * with its addresses as immediates. Vectors may be loaded (never stored) up to `slack` bytes past what they need.
 */
import { VireoError } from '../../errors.ts';
import type { Place, Step } from '../call.ts';
import type { FunctionBuilder, FunctionRef, Local } from './asm/function.ts';
import { ModuleBuilder } from './asm/module.ts';
import { emitBorder } from './border.ts';
import { emitTeam, teamBytes } from './team.ts';
import { type Memory, type Module, webAssembly } from './web-assembly.ts';

/** Plain data from which a kernel's code is written: equal specs share one function. */
export type Spec = Readonly<Record<string, unknown>>;

export type Parameters = readonly Local<'i32'>[];

/** Code that is linked to its memory. */
export interface LinkedProgram {
  readonly buffer: ArrayBuffer;
  /** One for each step, in the order of emission. */
  readonly steps: readonly Step[];
  /** One for each stretch asked for. */
  readonly stretches: readonly Step[];
  readonly module: Uint8Array<ArrayBuffer>;
  readonly constantBytes: number;
  /** With a team: a whole run by all threads, and what the others link: the same code on the same memory. */
  readonly team: { readonly lead: Step; readonly module: Module; readonly memory: Memory } | null;
}

export interface LinkOptions {
  /** Steps that are to run in one call: from, to, from, to, …, each up to, not including, `to`. */
  readonly stretches: readonly (readonly number[])[];
  readonly team?: Team;
}

/** Several threads on one memory, and the steps that they share: index of the step → for each thread its part. */
export interface Team {
  readonly threads: number;
  readonly parts: ReadonlyMap<number, readonly (readonly FunctionRef[])[]>;
}

interface Constant {
  readonly address: number;
  readonly bytes: number;
  readonly fill: (bytes: Uint8Array) => void;
}

const slack = 4096; // more than any pixel that is read past
const page = 65536;
const alignment = 16;

export class Program {
  readonly #module = new ModuleBuilder();
  readonly #kernels = new Map<string, FunctionRef>();
  readonly #steps: FunctionRef[] = [];
  readonly #constants: Constant[] = [];
  #end: number;
  readonly #constantsAt: number;

  constructor(arenaBytes: number) {
    this.#constantsAt = Math.ceil(arenaBytes / alignment) * alignment;
    this.#end = this.#constantsAt;
  }

  /** Steps so far. */
  get stepCount(): number {
    return this.#steps.length;
  }

  /** Room for constants; `fill` writes them when the memory is there. Returns the byte address. */
  constant(bytes: number, fill: (bytes: Uint8Array) => void): number {
    const address = this.#end;
    this.#constants.push({ address, bytes, fill });
    this.#end = address + Math.ceil(bytes / alignment) * alignment;
    return address;
  }

  /** The same, from an array. */
  constantOf(data: ArrayBufferView): number {
    return this.constant(data.byteLength, (bytes) =>
      bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    );
  }

  /**
   * The function `name` for `spec`: i32 parameters in, nothing out. `build` may use nothing but its arguments,
   * since another layer with an equal spec gets the same function.
   */
  kernel<S extends Spec>(
    name: string,
    spec: S,
    parameters: number,
    build: (f: FunctionBuilder, spec: S, parameters: Parameters) => void,
  ): FunctionRef {
    const key = `${name} ${JSON.stringify(spec)}`;
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      kernel = this.#module.function({ parameters: new Array<'i32'>(parameters).fill('i32') }, (f, locals) =>
        build(f, spec, locals as Parameters),
      );
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  /** The next step of the network: one call, or several in a row. */
  step(...calls: readonly (readonly [kernel: FunctionRef, ...values: number[]])[]): void {
    const step = this.#module.function({ parameters: [] }, (f) => {
      for (const [kernel, ...values] of calls) {
        for (const value of values) f.i32(value);
        f.call(kernel);
      }
    });
    this.#steps.push(step);
  }

  /** A step that writes the border of a tensor; `value` as it lies in memory, an integer or 0. */
  border(place: Place, shape: readonly number[], elementBytes: number, value: number): void {
    emitBorder(this, place, shape, elementBytes, value);
  }

  /** The steps that `emit` adds, kept apart from those of the network. */
  capture(emit: () => void): readonly FunctionRef[] {
    const own = this.#steps.length;
    emit();
    return this.#steps.splice(own);
  }

  /** Synchronous. */
  link(options: LinkOptions): LinkedProgram {
    const bytes = this.#bytes(options);
    return this.#start(new (webAssembly().Module)(bytes), bytes, options);
  }

  async linkAsync(options: LinkOptions): Promise<LinkedProgram> {
    const bytes = this.#bytes(options);
    return this.#start(await webAssembly().compile(bytes), bytes, options);
  }

  get #pages(): number {
    return Math.ceil((this.#end + slack) / page);
  }

  #bytes({ stretches, team }: LinkOptions): Uint8Array<ArrayBuffer> {
    const module = this.#module;
    this.#steps.forEach((step, i) => {
      module.export(`step${i}`, step);
    });
    stretches.forEach((ranges, i) => {
      const stretch = module.function({ parameters: [] }, (f) => {
        for (let at = 0; at < ranges.length; at += 2)
          for (const step of this.#steps.slice(ranges[at], ranges[at + 1])) f.call(step);
      });
      module.export(`stretch${i}`, stretch);
    });
    if (team) {
      const cells = this.constant(teamBytes(team.threads), (bytes) => bytes.fill(0));
      emitTeam(
        module,
        this.#steps.map((step, i) => team.parts.get(i) ?? step),
        team.threads,
        cells,
      );
    }
    return module.bytes({ module: 'vireo', name: 'memory', pages: this.#pages, shared: team !== undefined });
  }

  #start(module: Module, bytes: Uint8Array<ArrayBuffer>, { stretches, team }: LinkOptions): LinkedProgram {
    const memory = this.#allocate(team !== undefined);
    for (const constant of this.#constants)
      constant.fill(new Uint8Array(memory.buffer, constant.address, constant.bytes));
    const { exports } = new (webAssembly().Instance)(module, { vireo: { memory } });
    const all = (name: string, count: number): Step[] =>
      Array.from({ length: count }, (_, i) => exports[`${name}${i}`] as Step);
    return {
      buffer: memory.buffer,
      steps: all('step', this.#steps.length),
      stretches: all('stretch', stretches.length),
      module: bytes,
      constantBytes: this.#end - this.#constantsAt,
      team: team ? { lead: exports['lead'] as Step, module, memory } : null,
    };
  }

  #allocate(shared: boolean): Memory {
    const pages = this.#pages;
    try {
      return new (webAssembly().Memory)({ initial: pages, maximum: pages, shared });
    } catch {
      throw new VireoError('too-large', `no WebAssembly memory of ${pages * page} bytes could be had`);
    }
  }
}
