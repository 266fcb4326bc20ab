/**
 * Cases in the layout of the ONNX backend suite, run one after another:
 *
 *   …/NAME/model.onnx    …/NAME/test_data_set_K/input_J.pb    …/NAME/test_data_set_K/output_J.pb
 *
 * Comes from a folder or an archive; at no time more than one case is in memory.
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { VireoError } from '../errors.ts';
import type { Graph } from '../graph/ir.ts';
import { compile } from '../graph/run/compile.ts';
import { byteReader } from '../io/datasets/byte-reader.ts';
import { readTar } from '../io/datasets/tar.ts';
import { OnnxUnsupported, onnxInputs, readOnnx, readOnnxTensor } from '../io/onnx/index.ts';
import { js } from '../kernels/js/index.ts';
import { reference } from '../kernels/reference/index.ts';
import { type Shape, sameShape, showShape, type Tensor } from '../tensor.ts';

export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** What the suite allows where a case says nothing else. */
export const suiteTolerance: Tolerance = { relative: 1e-3, absolute: 1e-7 };

/** The files of one case: `model.onnx`, `test_data_set_0/input_0.pb`, … */
export interface Case {
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export type Verdict =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'unsupported'; readonly operators: readonly string[]; readonly reason: string };

export interface ConformanceReport {
  readonly total: number;
  readonly passed: number;
  readonly failed: readonly string[];
  readonly unsupported: readonly { readonly name: string; readonly operators: readonly string[] }[];
}

export interface Verdicts {
  readonly report: ConformanceReport;
  /** Why each case that did not pass did not. */
  readonly reasons: ReadonlyMap<string, string>;
}

/** `through`: what becomes of each network before it is run. */
export async function runSuite(
  cases: AsyncIterable<Case>,
  onCase: (done: number, name: string) => void = () => {},
  through: (graph: Graph) => Graph = (graph) => graph,
): Promise<Verdicts> {
  const failed: string[] = [];
  const unsupported: { name: string; operators: readonly string[] }[] = [];
  const reasons = new Map<string, string>();
  let total = 0;
  let passed = 0;
  for await (const one of cases) {
    total++;
    onCase(total, one.name);
    const verdict = runCase(one, suiteTolerance, through);
    if (verdict.kind === 'passed') passed++;
    else {
      reasons.set(one.name, verdict.reason);
      if (verdict.kind === 'failed') failed.push(one.name);
      else unsupported.push({ name: one.name, operators: verdict.operators });
    }
  }
  return { report: { total, passed, failed, unsupported }, reasons };
}

/** A wrong answer is a failure, and so is anything that stops the network but a lack of support. */
export function runCase(
  one: Case,
  tolerance = suiteTolerance,
  through: (graph: Graph) => Graph = (graph) => graph,
): Verdict {
  try {
    const model = one.files.get('model.onnx');
    if (!model) return { kind: 'failed', reason: 'there is no model.onnx' };
    if (!one.files.has('test_data_set_0/output_0.pb'))
      return { kind: 'failed', reason: 'there is no test_data_set_0/output_0.pb' };
    for (let set = 0; one.files.has(`test_data_set_${set}/output_0.pb`); set++) {
      const reason = runSet(one, model, `test_data_set_${set}/`, tolerance, through);
      if (reason !== '') return { kind: 'failed', reason: `data set ${set}: ${reason}` };
    }
    return { kind: 'passed' };
  } catch (error) {
    if (!(error instanceof VireoError)) throw new Error(one.name, { cause: error });
    if (error.code !== 'unsupported') return { kind: 'failed', reason: `${error.code}: ${error.message}` };
    const operators =
      error instanceof OnnxUnsupported
        ? [...new Set(error.nodes.map((node) => node.operator || node.reason))]
        : [error.message.split('\n').pop()!.trim().slice(0, 100)];
    return { kind: 'unsupported', operators, reason: error.message };
  }
}

/** '' where the outputs are as the case says. */
function runSet(
  { files }: Case,
  model: Uint8Array,
  folder: string,
  tolerance: Tolerance,
  through: (graph: Graph) => Graph,
): string {
  const tensor = (file: string): Tensor => readOnnxTensor(files.get(folder + file)!, file);
  const fed = onnxInputs(model);
  const inputs = new Map<string, Tensor>();
  for (let j = 0; files.has(`${folder}input_${j}.pb`); j++) {
    const input = fed[j];
    if (!input) return `input_${j}.pb belongs to no input`;
    if (input.kind !== 'tensor') throw new VireoError('unsupported', `${input.kind} input "${input.name}"`);
    inputs.set(input.name, tensor(`input_${j}.pb`));
  }
  const graph = through(readBound(model, inputs));
  const session = compile(graph, { kernels: [js, reference] });
  for (const { name, dtype } of session.inputs) {
    const given = inputs.get(name);
    if (!given) return `there is no file for input "${name}"`;
    const array = session.input(name, dtype);
    if (given.dtype !== dtype || given.data.length !== array.length)
      return `input "${name}" is ${dtype} of ${array.length}, the file has ${given.dtype}${showShape(given.shape)}`;
    array.set(given.data as never);
  }
  session.run();
  if (files.has(`${folder}output_${session.outputs.length}.pb`)) return 'more output files than outputs';
  for (const [j, info] of session.outputs.entries()) {
    if (!files.has(`${folder}output_${j}.pb`)) return `there is no file for output "${info.name}"`;
    const made = { ...info, data: session.output(j, info.dtype) } as Tensor;
    const reason = difference(made, tensor(`output_${j}.pb`), tolerance);
    if (reason !== '') return `output "${info.name}": ${reason}`;
  }
  return '';
}

/** The network, with those inputs made constants that shape it. */
function readBound(model: Uint8Array, inputs: ReadonlyMap<string, Tensor>): Graph {
  const bound = new Map<string, Tensor>();
  for (;;) {
    const shapes: Record<string, Shape> = {};
    for (const [name, { shape }] of inputs) if (!bound.has(name)) shapes[name] = shape;
    try {
      return readOnnx(model, { shapes, bind: Object.fromEntries(bound) });
    } catch (error) {
      if (!(error instanceof OnnxUnsupported)) throw error;
      let more = false;
      for (const name of error.parameters) {
        const tensor = inputs.get(name);
        if (!tensor || bound.has(name)) continue;
        bound.set(name, tensor);
        more = true;
      }
      if (!more) throw error;
    }
  }
}

/** '' where `made` is what was expected: floats within the tolerance, NaN as NaN, all others exactly. */
export function difference(made: Tensor, expected: Tensor, { relative, absolute }: Tolerance): string {
  if (made.dtype !== expected.dtype) return `expected ${expected.dtype}, got ${made.dtype}`;
  if (!sameShape(made.shape, expected.shape))
    return `expected ${showShape(expected.shape)}, got ${showShape(made.shape)}`;
  const isFloat = made.dtype === 'f32' || made.dtype === 'f64';
  for (let i = 0; i < expected.data.length; i++) {
    const e = expected.data[i]!;
    const m = made.data[i]!;
    if (m === e || (Number.isNaN(m) && Number.isNaN(e))) continue;
    const isClose =
      isFloat &&
      Math.abs(Number(m) - Number(e)) <= absolute + relative * Math.abs(Number(e)) &&
      Number.isFinite(Number(e));
    if (!isClose) return `element ${i}: expected ${e}, got ${m}`;
  }
  return '';
}

// Where cases come from

const fileInCase = /^(.*)\/(model\.onnx|test_data_set_\d+\/(?:in|out)put_\d+\.pb)$/u;

/** Cases in a folder (and the folders below it) or in a .tar, .tar.gz or .tgz file. */
export async function* casesIn(path: string): AsyncGenerator<Case> {
  const info = await refusedAs(path, () => stat(path));
  if (info.isDirectory()) yield* casesInFolder(path);
  else yield* casesInArchive(path);
}

async function* casesInFolder(path: string): AsyncGenerator<Case> {
  const entries = await refusedAs(path, () => readdir(path, { withFileTypes: true }));
  const names = entries.map((entry) => entry.name).sort();
  if (names.includes('model.onnx')) {
    const files = new Map<string, Uint8Array>();
    for (const name of await refusedAs(path, () => readdir(path, { recursive: true }))) {
      const plain = name.replaceAll('\\', '/');
      if (fileInCase.test(`/${plain}`))
        files.set(plain, new Uint8Array(await refusedAs(name, () => readFile(join(path, name)))));
    }
    yield { name: basename(path), files };
    return;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1)))
    if (entry.isDirectory()) yield* casesInFolder(join(path, entry.name));
}

/** The files of a case lie together in an archive; a case is run when the next one begins. */
async function* casesInArchive(path: string): AsyncGenerator<Case> {
  const seen = new Set<string>();
  let folder = '';
  let files = new Map<string, Uint8Array>();
  for await (const entry of readTar(byteReader(openArchive(path), path), path)) {
    const match = fileInCase.exec(entry.name);
    if (!match) continue;
    if (match[1] !== folder) {
      if (files.has('model.onnx')) yield { name: basename(folder), files };
      folder = match[1]!;
      files = new Map();
      if (seen.has(folder)) throw new VireoError('bad-file', `${path}: the files of ${folder} lie apart`);
      seen.add(folder);
    }
    files.set(match[2]!, await entry.read());
  }
  if (files.has('model.onnx')) yield { name: basename(folder), files };
}

/** Decompressed if the name ends in .gz or .tgz. */
function openArchive(path: string): AsyncIterable<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  if (!/\.t?gz$/u.test(path)) return file;
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  pipeline(file, gunzip, () => {}); // an error of either reaches whoever reads gunzip
  return gunzip;
}

async function refusedAs<T>(path: string, deed: () => Promise<T>): Promise<T> {
  try {
    return await deed();
  } catch (error) {
    throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : error}`);
  }
}
