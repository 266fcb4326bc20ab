/**
 * Writes the body of one function. An expression is written as it is nested: operands are emitted while they
 * are evaluated, so
 *
 *   f.set(sum, f.op('i32.add', f.get(sum), f.load('i32.load', f.get(p), 8)))
 *
 * emits  local.get sum, local.get p, i32.load offset=8, i32.add, local.set sum. What the methods return is only
 * the type of what lies on the operand stack, checked by TypeScript; use it at once or not at all.
 */
import type { Bytes } from './bytes.ts';
import {
  type F32,
  type F64,
  type I32,
  type I64,
  type LaneOpcode,
  type MemoryLaneOpcode,
  type MemoryOpcode,
  type Opcode,
  type OperandsOf,
  opcodes,
  type PlainOpcode,
  type ResultOf,
  structure,
  type Typed,
  type V128,
  type ValueType,
} from './opcodes.ts';

/** A local variable or parameter. */
export interface Local<T extends ValueType = ValueType> extends Typed<T> {
  readonly index: number;
}

/** A function of the module under construction. */
export interface FunctionRef {
  readonly index: number;
}

/** Where a branch goes: the start of a loop, the end of a block. */
export interface Label {
  readonly depth: number;
}

export const typeCodes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};
const emptyBlock = 0x40;

/** What every method returns that leaves a value on the stack: its type is TypeScript's business alone. */
const onStack = {} as never;

export class FunctionBuilder {
  readonly #code: Bytes;
  readonly #locals: ValueType[] = [];
  readonly #parameters: number;
  #depth = 0;

  constructor(code: Bytes, parameters: number) {
    this.#code = code;
    this.#parameters = parameters;
  }

  // Variables.

  local<T extends ValueType>(type: T): Local<T> {
    return { type, index: this.#parameters + this.#locals.push(type) - 1 };
  }

  locals<T extends ValueType>(type: T, count: number): Local<T>[] {
    const locals: Local<T>[] = [];
    for (let i = 0; i < count; i++) locals.push(this.local(type));
    return locals;
  }

  get<T extends ValueType>(local: Local<T>): Typed<T> {
    this.#code.coded(structure['local.get'], local.index);
    return local;
  }

  set<T extends ValueType>(local: Local<T>, _value: Typed<T>): void {
    this.#code.coded(structure['local.set'], local.index);
  }

  tee<T extends ValueType>(local: Local<T>, _value: Typed<T>): Typed<T> {
    this.#code.coded(structure['local.tee'], local.index);
    return local;
  }

  /** local += amount, nothing where that is 0. */
  advance(local: Local<'i32'>, amount: number): void {
    if (amount !== 0) this.set(local, this.op('i32.add', this.get(local), this.i32(amount)));
  }

  // Constants.

  i32(value: number): I32 {
    this.#code.byte(structure['i32.const']);
    this.#code.s32(value);
    return onStack;
  }

  i64(value: bigint): I64 {
    this.#code.byte(structure['i64.const']);
    this.#code.s64(value);
    return onStack;
  }

  f32(value: number): F32 {
    this.#code.byte(structure['f32.const']);
    this.#code.f32(value);
    return onStack;
  }

  f64(value: number): F64 {
    this.#code.byte(structure['f64.const']);
    this.#code.f64(value);
    return onStack;
  }

  /** Sixteen bytes, the lowest lane first. */
  v128(bytes: ArrayLike<number>): V128 {
    this.#opcode(structure['v128.const']);
    for (let i = 0; i < 16; i++) this.#code.byte(bytes[i]! & 0xff);
    return onStack;
  }

  i8x16(value: number): V128 {
    return this.v128(new Uint8Array(16).fill(value));
  }

  i16x8(value: number): V128 {
    return this.v128(new Uint8Array(new Int16Array(8).fill(value).buffer));
  }

  i32x4(value: number): V128 {
    return this.v128(new Uint8Array(new Int32Array(4).fill(value).buffer));
  }

  f32x4(value: number): V128 {
    return this.v128(new Uint8Array(new Float32Array(4).fill(value).buffer));
  }

  // Instructions.

  op<N extends PlainOpcode>(name: N, ...operands: OperandsOf<N>): ResultOf<N>;
  op(name: PlainOpcode): never {
    this.#instruction(name);
    return onStack;
  }

  /** Loads and stores; `offset` in bytes, 0 or more. */
  load<N extends MemoryOpcode>(
    name: N,
    ...operands: [...OperandsOf<N>, offset?: number | undefined]
  ): ResultOf<N> {
    this.#access(name, operands);
    return onStack;
  }

  /** The same under the name that reads better where nothing comes back. */
  store<N extends MemoryOpcode>(name: N, ...operands: [...OperandsOf<N>, offset?: number | undefined]): void {
    this.#access(name, operands);
  }

  /** Loads or stores of one lane of a vector. */
  memoryLane<N extends MemoryLaneOpcode>(
    name: N,
    lane: number,
    ...operands: [...OperandsOf<N>, offset?: number | undefined]
  ): ResultOf<N> {
    this.#access(name, operands);
    this.#code.byte(lane);
    return onStack;
  }

  lane<N extends LaneOpcode>(name: N, lane: number, ...operands: OperandsOf<N>): ResultOf<N>;
  lane(name: LaneOpcode, lane: number): never {
    this.#instruction(name);
    this.#code.byte(lane);
    return onStack;
  }

  /** Bytes 0…15 are those of a, 16…31 those of b. */
  shuffle(lanes: ArrayLike<number>, _a: V128, _b: V128): V128 {
    this.#instruction('i8x16.shuffle');
    for (let i = 0; i < 16; i++) this.#code.byte(lanes[i]!);
    return onStack;
  }

  /** Stops the program with an error of the engine. */
  unreachable(): void {
    this.#code.byte(structure.unreachable);
  }

  /** Takes the value on top of the stack away. */
  drop(): void {
    this.#code.byte(structure.drop);
  }

  call(target: FunctionRef, ..._operands: readonly Typed<ValueType>[]): void {
    this.#code.coded(structure.call, target.index);
  }

  // Structure.

  /** A branch to its label leaves it. */
  block(body: (end: Label) => void): void {
    this.#nest(structure.block, body);
  }

  /** A branch to its label starts it again; without one it is left at its end. */
  loop(body: (start: Label) => void): void {
    this.#nest(structure.loop, body);
  }

  if(_condition: I32, then: () => void, otherwise?: () => void): void {
    this.#open(structure.if);
    then();
    if (otherwise) {
      this.#code.byte(structure.else);
      otherwise();
    }
    this.#close();
  }

  br(label: Label): void {
    this.#code.coded(structure.br, this.#depth - label.depth);
  }

  brIf(label: Label, _condition: I32): void {
    this.#code.coded(structure.br_if, this.#depth - label.depth);
  }

  /** body() as often as a constant says; nothing is emitted around it for once. */
  repeat(count: number, body: () => void): void {
    if (count <= 0) return;
    if (count === 1) {
      body();
      return;
    }
    const left = this.local('i32');
    this.set(left, this.i32(count));
    this.loop((again) => {
      body();
      this.brIf(again, this.tee(left, this.op('i32.sub', this.get(left), this.i32(1))));
    });
  }

  /** for (; index < end; index += step) body(), with a check before the first. `end` is a constant or a local. */
  while(index: Local<'i32'>, end: number | Local<'i32'>, step: number, body: () => void): void {
    const bound = (): I32 => (typeof end === 'number' ? this.i32(end) : this.get(end));
    this.block((done) => {
      this.brIf(done, this.op('i32.ge_s', this.get(index), bound()));
      this.loop((again) => {
        body();
        this.advance(index, step);
        this.brIf(again, this.op('i32.lt_s', this.get(index), bound()));
      });
    });
  }

  /** The locals in runs of one type, as the binary format has them in front of the code. */
  writeLocals(to: Bytes): void {
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.#locals) {
      const last = runs[runs.length - 1];
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    to.u32(runs.length);
    for (const { type, count } of runs) {
      to.u32(count);
      to.byte(typeCodes[type]);
    }
  }

  #opcode(code: number): void {
    if (code >= 0x100) this.#code.coded(code >> 12, code & 0xfff);
    else this.#code.byte(code);
  }

  #instruction(name: Opcode): void {
    this.#opcode(opcodes[name][0]);
  }

  /** An instruction whose last operand is its offset, where that is a number. */
  #access(name: MemoryOpcode | MemoryLaneOpcode, operands: readonly unknown[]): void {
    const offset = operands[operands.length - 1];
    this.#instruction(name);
    this.#code.coded(opcodes[name][2].charCodeAt(7) - 48, typeof offset === 'number' ? offset : 0);
  }

  #nest(code: number, body: (label: Label) => void): void {
    this.#open(code);
    body({ depth: this.#depth });
    this.#close();
  }

  #open(code: number): void {
    this.#code.byte(code);
    this.#code.byte(emptyBlock);
    this.#depth++;
  }

  #close(): void {
    this.#code.byte(structure.end);
    this.#depth--;
  }
}
