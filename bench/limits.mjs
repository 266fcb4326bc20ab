/**
 * What one core can do at best: vector arithmetic, reads from each level of memory, a call into WebAssembly. Another
 * benchmark's figure over one of these is its share of the limit.
 *
 *   node bench/limits.mjs [--json | --markdown]
 *
 * Each is a loop in WebAssembly over twelve accumulators that wait for no other: more than the latency of any of these
 * instructions asks for, and few enough to stay in registers beside two operands. The best of many short samples
 * counts. What the engine does not validate is null.
 */
import { pathToFileURL } from 'node:url';
import { readOptions } from './support/options.mjs';
import { report, table } from './support/report.mjs';

const accumulators = 12;

/** Numbers as in the specification's index of instructions; those above 127 behind the prefix fd take two bytes. */
const op = {
  loop: [0x03, 0x40],
  end: [0x0b],
  br_if: (depth) => [0x0d, depth],
  'local.get': (index) => [0x20, index],
  'local.set': (index) => [0x21, index],
  'local.tee': (index) => [0x22, index],
  'i32.const': (value) => [0x41, ...signed(value)],
  'i32.add': [0x6a],
  'i32.sub': [0x6b],
  'v128.load': (offset) => simd(0x00, 4, ...unsigned(offset)),
  'i8x16.splat': simd(0x0f),
  'f32x4.splat': simd(0x13),
  'i32x4.extract_lane': (lane) => simd(0x1b, lane),
  'v128.xor': simd(0x51),
  'i32x4.add': simd(0xae),
  'i32x4.dot_i16x8_s': simd(0xba),
  'f32x4.add': simd(0xe4),
  'f32x4.mul': simd(0xe6),
  'f32x4.relaxed_madd': simd(0x105),
  'i32x4.relaxed_dot_i8x16_i7x16_add_s': simd(0x113),
};
const floatConst = (value) => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)];
const floats = (value) => [...floatConst(value), ...op['f32x4.splat']];
const bytes = (value) => [...op['i32.const'](value), ...op['i8x16.splat']];

function simd(number, ...rest) {
  return [0xfd, ...unsigned(number), ...rest];
}

function unsigned(value) {
  const more = value >>> 7;
  return more === 0 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(more)];
}

function signed(value) {
  const more = value >> 7;
  const isLast = (more === 0 && !(value & 0x40)) || (more === -1 && value & 0x40);
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(more)];
}

const section = (id, content) => [id, ...unsigned(content.length), ...content];

/** A module with memory `m` (imported, if `pages`) and one function `f (a: i32, b: i32) → i32` with v128 locals. */
function moduleOf(body, vectors, pages = 0) {
  const code = [1, ...unsigned(vectors), 0x7b, ...body, ...op.end];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
    ...(pages ? section(2, [1, 0, 1, 0x6d, 2, 0, ...unsigned(pages)]) : []),
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x66, 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** `f(n)`: n times, for every accumulator, acc ← step(acc). Locals: n, –, x, y, accumulators. */
function arithmetic(step, x, y, start) {
  const [get, set] = [op['local.get'], op['local.set']];
  const all = Array.from({ length: accumulators }, (_, i) => 4 + i);
  const body = [
    ...[...x, ...set(2), ...y, ...set(3)],
    ...all.flatMap((acc) => [...start, ...set(acc)]),
    ...op.loop,
    ...all.flatMap((acc) => [...step(get(acc), get(2), get(3)), ...set(acc)]),
    ...[...get(0), ...op['i32.const'](1), ...op['i32.sub'], ...op['local.tee'](0), ...op.br_if(0)],
    ...op.end,
    ...fold(all),
  ];
  return moduleOf(body, 2 + accumulators);
}

/** `f(address, n)`: reads n times 256 bytes. */
function reader(count) {
  const [get, set] = [op['local.get'], op['local.set']];
  const all = Array.from({ length: count }, (_, i) => 2 + i);
  const body = [
    ...op.loop,
    ...Array.from({ length: 16 }, (_, i) => {
      const acc = all[i % all.length];
      return [...get(acc), ...get(0), ...op['v128.load'](16 * i), ...op['v128.xor'], ...set(acc)];
    }).flat(),
    ...[...get(0), ...op['i32.const'](256), ...op['i32.add'], ...set(0)],
    ...[...get(1), ...op['i32.const'](1), ...op['i32.sub'], ...op['local.tee'](1), ...op.br_if(0)],
    ...op.end,
    ...fold(all),
  ];
  return moduleOf(body, count, 1);
}

/** All vectors into one number, so that none is dead. */
function fold([first, ...rest]) {
  const get = op['local.get'];
  return [
    ...get(first),
    ...rest.flatMap((acc) => [...get(acc), ...op['v128.xor']]),
    ...op['i32x4.extract_lane'](0),
  ];
}

const nothing = moduleOf(op['local.get'](0), 0);

/** `perStep`: operations of one accumulator's step. The operands keep every number finite and normal. */
const loops = {
  'f32 mul + add': {
    unit: 'GFLOP/s',
    perStep: 8,
    code: arithmetic(
      (acc, x, y) => [...acc, ...x, ...op['f32x4.mul'], ...y, ...op['f32x4.add']],
      floats(0.75),
      floats(0.5),
      floats(1),
    ),
  },
  'f32 relaxed_madd': {
    unit: 'GFLOP/s',
    perStep: 8,
    code: arithmetic(
      (acc, x, y) => [...x, ...y, ...acc, ...op['f32x4.relaxed_madd']],
      floats(0.75),
      floats(0.5),
      floats(1),
    ),
  },
  'i32x4.dot_i16x8_s': {
    unit: 'GMAC/s',
    perStep: 8,
    code: arithmetic(
      (acc, x, y) => [...acc, ...x, ...op['i32x4.dot_i16x8_s'], ...y, ...op['i32x4.add']],
      bytes(3),
      bytes(5),
      bytes(7),
    ),
  },
  'i32x4.relaxed_dot_i8x16_i7x16_add_s': {
    unit: 'GMAC/s',
    perStep: 16,
    code: arithmetic(
      (acc, x, y) => [...x, ...y, ...acc, ...op['i32x4.relaxed_dot_i8x16_i7x16_add_s']],
      bytes(3),
      bytes(5),
      bytes(7),
    ),
  },
};

const kib = 1024;
const reads = { 'read L1': 24 * kib, 'read L2': 384 * kib, 'read DRAM': 256 * kib * kib };

/**
 * `name ↦ { unit, value }`, value null where the engine does not know the instruction. `ms`: for each figure.
 * `only`: names, if not all; reading DRAM takes 256 MB.
 */
export function measureLimits({ ms = 150, only = null } = {}) {
  const limits = {};
  const wanted = (name) => only === null || only.includes(name);
  for (const [name, { unit, perStep, code }] of Object.entries(loops)) {
    if (!wanted(name)) continue;
    const steps = 20_000;
    const run = WebAssembly.validate(code) ? instance(code) : null;
    const seconds = run ? best(() => run(steps, 0), ms) : null;
    limits[name] = { unit, value: run ? (steps * accumulators * perStep) / seconds / 1e9 : null };
  }
  const sizes = Object.entries(reads).filter(([name]) => wanted(name));
  if (sizes.length > 0) {
    const pages = Math.max(...sizes.map(([, size]) => size)) / (64 * kib) + 1;
    const memory = new WebAssembly.Memory({ initial: Math.ceil(pages) });
    new Uint8Array(memory.buffer).fill(1); // pages never written are one and the same page of zeros
    // Older engines move registers about when there are many accumulators, and few wait for each other.
    const runs = [4, 6, 8].map((count) => instance(reader(count), memory));
    for (const run of runs) best(() => run(0, 64), 20); // compiled well before a pass takes long
    for (const [name, size] of sizes) {
      const passes = Math.max(1, Math.round((1024 * kib) / size));
      const timeOf = (run) =>
        best(() => {
          for (let pass = 0; pass < passes; pass++) run(0, size / 256);
        }, ms / runs.length);
      const seconds = Math.min(...runs.map(timeOf));
      limits[name] = { unit: 'GB/s', value: (passes * size) / seconds / 1e9 };
    }
  }
  if (wanted('JS → wasm call')) {
    const run = instance(nothing);
    const calls = 20_000;
    const seconds = best(() => {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += run(i, 0);
      return sum;
    }, ms);
    limits['JS → wasm call'] = { unit: 'ns', value: (seconds / calls) * 1e9 };
  }
  return limits;
}

function instance(code, memory) {
  const module = new WebAssembly.Module(code);
  return new WebAssembly.Instance(module, memory ? { '': { m: memory } } : {}).exports.f;
}

/** Seconds of the fastest of all runs in `ms`, and of three at least. */
function best(run, ms) {
  let least = Number.POSITIVE_INFINITY;
  const end = performance.now() + ms;
  for (let i = 0; i < 3 || performance.now() < end; i++) {
    const start = process.hrtime.bigint();
    run();
    least = Math.min(least, Number(process.hrtime.bigint() - start) / 1e9);
  }
  return least;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const usage = 'node bench/limits.mjs [--json | --markdown]';
  const options = readOptions(usage);
  if (options.help) console.log(usage);
  else {
    const limits = measureLimits({ ms: 300 });
    const rows = Object.entries(limits).map(([name, limit]) => ({ name, ...limit }));
    report(options, {
      title: 'Limits of one core',
      tables: {
        limits: table(
          {
            limit: (row) => row.name,
            'best>': (row) => row.value?.toFixed(row.value < 10 ? 2 : 1) ?? '–',
            unit: (row) => row.unit,
          },
          rows,
        ),
      },
      notes: [
        'The best of many samples. A multiply and an add count as two FLOP, or as one MAC. –: the engine does not know the instruction.',
      ],
      data: { limits },
    });
  }
}
