/** `vireo run`: pictures and recordings to answers, or raw tensors to raw tensors. */
import { VireoError } from '../../errors.ts';
import {
  combineWindows,
  describeOutput,
  detect,
  type Label,
  type OutputCard,
  planInput,
  readReal,
} from '../../io/cards/index.ts';
import { drawRectangles, encodePng, type Picture, type Rectangle } from '../../io/image/index.ts';
import { viewOf } from '../../tensor.ts';
import { readFile, writeWhole } from '../files.ts';
import { feed, type Network, openNetwork, read } from '../network.ts';
import { type Command, cardOption, jsonOption, kernelsOption, operandsOf, shapeOption } from '../options.ts';
import { readSource } from '../sources.ts';
import { percent, progress, showBytes, showCount, table } from '../terminal.ts';

export const run: Command = {
  name: 'run',
  operands: 'MODEL [FILE…]',
  about: 'Runs a network on PNG pictures or WAV recordings, or on raw little-endian tensors.',
  options: [
    {
      name: 'raw',
      value: '[NAME=]FILE',
      about: 'feed raw tensors, as many as the file holds; one --raw for each input',
      repeats: true,
    },
    { name: 'out', value: 'FILE', about: 'write the raw outputs, run after run' },
    { name: 'boxes', value: 'FILE', about: 'write the picture as PNG with a box around everything found' },
    { name: 'top', value: 'N', about: 'how many answers to show (default 5)' },
    shapeOption,
    kernelsOption,
    cardOption,
    jsonOption,
  ],
  example: 'vireo run net.tflite cat.png',
  run: (given) => {
    const [model, ...files] = operandsOf(run, given, 1, Number.POSITIVE_INFINITY);
    const raw = given.texts('raw');
    if (files.length > 0 === raw.length > 0)
      throw new VireoError('usage', 'vireo run expects either pictures and recordings, or --raw FILE');
    const boxes = given.text('boxes');
    if (boxes !== undefined && files.length !== 1)
      throw new VireoError('usage', `--boxes expects one picture, got ${files.length}`);
    const network = openNetwork(model, given);
    if (boxes !== undefined && !network.outputCards.some(({ kind }) => kind === 'detection'))
      throw new VireoError('usage', `--boxes: the card of ${model} has no output of kind "detection"`);
    const out = given.text('out');
    const collected: Uint8Array[] | undefined = out === undefined ? undefined : [];
    const keep = (): void => {
      for (let i = 0; i < network.session.outputs.length; i++)
        collected?.push(bytesOf(read(network.session, i)).slice());
    };
    const report =
      raw.length > 0
        ? runRaw(network, raw, keep)
        : runFiles(network, files, given.count('top') ?? 5, keep, given.flag('json'));
    if (out !== undefined && collected) writeWhole(out, Buffer.concat(collected));
    if (boxes !== undefined && report.answers) writeWhole(boxes, withBoxes(report.answers[0]));
    if (given.flag('json')) console.log(JSON.stringify({ kernels: network.kernels, ...report }, null, 2));
    else if (raw.length > 0)
      console.log(`${report.runs} runs, ${report.milliseconds.toFixed(2)} ms each${out ? ` → ${out}` : ''}`);
    return 0;
  },
};

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** `NAME=FILE`, or just `FILE` for the next input without one. */
function runRaw(network: Network, given: readonly string[], keep: () => void): Report {
  const { session } = network;
  const names = session.inputs.map((info) => info.name);
  const files = new Array<string | undefined>(names.length).fill(undefined);
  for (const text of given) {
    const named = names.findIndex((name) => text.startsWith(`${name}=`));
    const index = named >= 0 ? named : files.indexOf(undefined);
    if (index < 0 || files[index] !== undefined)
      throw new VireoError(
        'usage',
        `--raw ${text}: the network has ${names.length} inputs (${names.join(', ')})`,
      );
    files[index] = named >= 0 ? text.slice(names[named].length + 1) : text;
  }
  let runs = 0;
  const tensors = session.inputs.map(({ name, dtype }, i) => {
    const path = files[i];
    if (path === undefined) throw new VireoError('usage', `input "${name}" has no --raw ${name}=FILE`);
    const bytes = readFile(path);
    const view = session.input(i, dtype);
    const count = bytes.byteLength / view.byteLength;
    if (!Number.isInteger(count) || count === 0)
      throw new VireoError(
        'bad-input',
        `${path}: ${bytes.byteLength} bytes are no whole number of "${name}" tensors of ${view.byteLength} bytes`,
      );
    if (i > 0 && count !== runs)
      throw new VireoError('bad-input', `${path}: holds ${count} tensors, the first file ${runs}`);
    runs = count;
    return viewOf(dtype, bytes.slice().buffer, 0, count * view.length);
  });
  const bar = progress(runs);
  const started = performance.now();
  for (let r = 0; r < runs; r++) {
    tensors.forEach((all, i) => {
      const { length } = session.input(i, session.inputs[i].dtype);
      feed(session, i, all.subarray(r * length, (r + 1) * length));
    });
    session.run();
    keep();
    bar.update(r + 1);
  }
  bar.end();
  return { runs, milliseconds: (performance.now() - started) / runs };
}

interface Report {
  readonly runs: number;
  readonly milliseconds: number;
  readonly answers?: readonly Answer[];
}

interface Answer {
  readonly file: string;
  readonly milliseconds: number;
  readonly outputs: readonly {
    readonly name: string;
    readonly top: readonly Label[];
    readonly values?: readonly number[];
    readonly found?: readonly Found[];
  }[];
}

/** Something detected, and the pixels of the picture that it covers. */
type Found = Label & Rectangle;

function runFiles(
  network: Network,
  files: readonly string[],
  top: number,
  keep: () => void,
  quiet: boolean,
): Report {
  const { session, card } = network;
  if (!card)
    throw new VireoError(
      'bad-input',
      `${network.path}: no card says how a picture or recording becomes its input; write one beside it (docs/cards.md), or feed raw tensors with --raw`,
    );
  if (session.inputs.length !== 1)
    throw new VireoError(
      'unsupported',
      `${network.path}: has ${session.inputs.length} inputs; feed them with --raw`,
    );
  const started = performance.now();
  const answers = files.map((file): Answer => {
    const answer = answerFor(network, file, top, keep);
    if (!quiet) console.log(showAnswer(answer));
    return answer;
  });
  if (!quiet) {
    for (const note of network.notes) console.error(`note: ${note}`);
    console.log(
      `\n${card.name}: ${showCount(session.macs)} MACs, ${showBytes(session.memory.weights)} of weights, ${showBytes(session.memory.arena)} of activations`,
    );
  }
  return { runs: files.length, milliseconds: (performance.now() - started) / files.length, answers };
}

/** One file through the network; a recording longer than the input is heard window by window. */
export function answerFor(network: Network, file: string, top: number, keep: () => void = () => {}): Answer {
  const { session } = network;
  const input = planInput(network.inputCards[0], session.inputs[0]);
  const source = readSource(file);
  const windows: Float32Array[][] = session.outputs.map(() => []);
  let milliseconds = 0;
  let last: ReturnType<typeof read>[] = [];
  try {
    for (const { data } of input.windows(source)) {
      feed(session, 0, data);
      const started = performance.now();
      session.run();
      milliseconds += performance.now() - started;
      keep();
      last = session.outputs.map((_, i) => read(session, i));
      last.forEach((output, i) => {
        windows[i].push(readReal(output, session.outputs[i].quantization));
      });
    }
  } catch (error) {
    if (error instanceof VireoError) throw new VireoError(error.code, `${file}: ${error.message}`);
    throw error;
  }
  const outputs = session.outputs.map((info, i) => {
    const card = network.outputCards[i];
    if (card.kind === 'detection' && source.kind === 'picture')
      return { name: info.name, top: [], found: findIn(source.picture, network, card, i, last) };
    if (network.outputCards.some((other) => other.kind === 'detection' && other.boxes === i))
      return { name: info.name, top: [] };
    if (windows[i].length === 1) {
      const labels = describeOutput(card, last[i], info, top);
      return labels.length > 0
        ? { name: info.name, top: labels }
        : { name: info.name, top: labels, values: [...windows[i][0].slice(0, 8)] };
    }
    const combined = combineWindows(card, windows[i]);
    return { name: info.name, top: describeOutput(card, combined, { dtype: 'f32', shape: info.shape }, top) };
  });
  return { file, milliseconds: milliseconds / windows[0].length, outputs };
}

function findIn(
  { width, height }: Picture,
  { session }: Network,
  card: OutputCard & { readonly kind: 'detection' },
  scores: number,
  data: readonly ReturnType<typeof read>[],
): Found[] {
  const output = (i: number) => ({ data: data[i], info: session.outputs[i] });
  return detect(card, output(scores), output(card.boxes)).map(({ box, ...label }) => ({
    ...label,
    left: Math.round(box[0] * width),
    top: Math.round(box[1] * height),
    right: Math.round(box[2] * width) - 1,
    bottom: Math.round(box[3] * height) - 1,
  }));
}

/** The picture with a rectangle around everything found in it. */
function withBoxes({ file, outputs }: Answer): Uint8Array {
  const source = readSource(file);
  if (source.kind !== 'picture') throw new VireoError('bad-input', `${file}: expected a picture`);
  const { width, height } = source.picture;
  const line = Math.max(2, Math.round(Math.min(width, height) / 200));
  return encodePng(
    drawRectangles(
      source.picture,
      outputs.flatMap(({ found }) => found ?? []),
      line,
    ),
  );
}

function showAnswer({ file, milliseconds, outputs }: Answer): string {
  const lines = outputs.map(({ name, top, values, found }) => {
    if (values)
      return `  ${name}: ${values.map((v) => v.toPrecision(4)).join(', ')}${values.length === 8 ? ', …' : ''}`;
    if (found) return showFound(found);
    return table(top.map(({ label, confidence }) => [`  ${percent(confidence).padStart(8)}`, label]));
  });
  return [`${file}  (${milliseconds.toFixed(2)} ms)`, ...lines.filter((line) => line !== '')].join('\n');
}

function showFound(found: readonly Found[]): string {
  if (found.length === 0) return '  nothing found';
  return table(
    found.map(({ label, confidence, left, top, right, bottom }) => [
      `  ${percent(confidence).padStart(8)}`,
      label,
      `x ${left} to ${right}, y ${top} to ${bottom}`,
    ]),
  );
}
