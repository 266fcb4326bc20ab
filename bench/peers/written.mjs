/**
 * Written ONNX files under onnxruntime: every network of the data folder in every form, both engines on the same
 * inputs. A check, nothing is timed.
 *
 *   npm ci --prefix bench/peers               # after `npm run build` in the project's root
 *   node bench/peers/written.mjs [--filter kws] [--inputs 16] [--json | --markdown]
 *
 * Three comparisons of onnxruntime's outputs: with vireo on the same file, with vireo on the network that it was
 * written from, with stored ones of TensorFlow Lite (XNNPACK) or, for ONNX files, of onnxruntime on the original.
 * Exits with 1 where
 *
 *   - a file does not load, or its ends are not those of the network,
 *   - the two engines differ on one file: floats by 10⁻⁴ of the largest value, integers by more than one step, or
 *     answers, one in a thousand of them (of equals, any is right),
 *   - floats, or integers by ONNX's rule, differ so from the network's own,
 *   - integers, in pairs or by QLinear operators, differ so from the stored ones.
 *
 * One integer in two hundred may be further off: onnxruntime's addition of uint8 takes one sum of some 50,000 the other
 * way (303 of 14.3 million in ResNet-8), and a softmax behind it makes steps of that. Networks by TensorFlow Lite's rule
 * round otherwise in vireo than in any of these files (docs/decisions/0001): that difference is only shown.
 */
import ort from 'onnxruntime-node';
import { compile } from '../../dist/index.js';
import { readOnnx } from '../../dist/io/onnx/index.js';
import { writeOnnx } from '../../dist/io/onnx/write/index.js';
import { countOption, readOptions } from '../support/options.mjs';
import { progress, report, table } from '../support/report.mjs';
import { packageVersion } from './engines/shims.mjs';
import { inputsOf, networkFiles, readNetwork } from './written-inputs.mjs';

const usage = 'node bench/peers/written.mjs [--filter TEXT] [--inputs N] [--json | --markdown]';
const options = readOptions(usage, { inputs: { type: 'string' } });
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const most = countOption(options.inputs, 16);
const floatTolerance = 1e-4;
const nothing = { relative: 0, steps: 0, beyond: 0, differing: 0, of: 0, answers: 0, same: 0 };
const types = { f32: 'float32', i8: 'int8', u8: 'uint8', i64: 'int64' };

/**
 * How two lists of outputs differ. An output is an array, and how many of its numbers make one answer: the largest of
 * them, or a class itself, where equals are all that can be compared.
 */
function compare(ours, theirs) {
  const result = { ...nothing };
  theirs.forEach(({ data: b, width, isClass }, k) => {
    const { data: a } = ours[k];
    let [largest, far] = [0, a.length === b.length ? 0 : Number.POSITIVE_INFINITY];
    for (let i = 0; i < b.length; i++) {
      const difference = Math.abs(Number(a[i]) - Number(b[i]));
      largest = Math.max(largest, Math.abs(Number(b[i])));
      if (!(difference <= far)) far = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      if (difference !== 0) result.differing++;
      if (difference > 1 && !isClass) result.beyond++;
    }
    result.of += b.length;
    if (!isClass) result.steps = Math.max(result.steps, far);
    if (!isClass) result.relative = Math.max(result.relative, far / (largest || 1));
    for (let from = 0; from < b.length; from += width) {
      result.answers++;
      const best = bestOf(a, from, width);
      const isSame = isClass ? a[from] === b[from] : b[from + best] === b[from + bestOf(b, from, width)];
      if (isSame) result.same++;
    }
  });
  return result;
}

function bestOf(scores, from, width) {
  let best = 0;
  for (let i = 1; i < width; i++) if (scores[from + i] > scores[from + best]) best = i;
  return best;
}

const add = (a, b) => ({
  relative: Math.max(a.relative, b.relative),
  steps: Math.max(a.steps, b.steps),
  beyond: a.beyond + b.beyond,
  differing: a.differing + b.differing,
  of: a.of + b.of,
  answers: a.answers + b.answers,
  same: a.same + b.same,
});

/** Both engines on a written file; throws where onnxruntime does not take it. */
async function check(file, graph, form, { inputs, stored }) {
  const bytes = writeOnnx(graph, { form });
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const ends = (ids, metadata) =>
    ids.map((id, i) => {
      const { name, dtype, shape } = graph.values[id];
      const wanted = `${name} ${types[dtype]} ${shape}`;
      const found = `${metadata[i]?.name} ${metadata[i]?.type} ${metadata[i]?.shape}`;
      return wanted === found ? '' : `${found}, expected ${wanted}`;
    });
  const problems = [
    ...ends(graph.inputs, session.inputMetadata),
    ...ends(graph.outputs, session.outputMetadata),
  ].filter(Boolean);
  const [own, again] = [compile(graph), compile(readOnnx(bytes))];
  const info = graph.values[graph.inputs[0]];
  const outputsOf = (vireo, x) => {
    vireo.input(0, info.dtype).set(x);
    vireo.run();
    return graph.outputs.map((id, i) => {
      const { dtype } = graph.values[id];
      return { ...kindOf(graph.values[id]), data: vireo.output(i, dtype) };
    });
  };
  const result = { network: file, form, bytes: bytes.length, inputs: inputs.length, problems };
  let [same, source, others] = [nothing, nothing, null];
  for (const [i, x] of inputs.entries()) {
    const fed = new ort.Tensor(types[info.dtype], x, info.shape);
    const made = await session.run({ [info.name]: fed });
    const theirs = graph.outputs.map((id) => {
      const { name } = graph.values[id];
      return { ...kindOf(graph.values[id]), data: made[name].data };
    });
    same = add(same, compare(theirs, outputsOf(again, x)));
    source = add(source, compare(theirs, outputsOf(own, x)));
    if (!stored[i]) continue;
    const wanted = stored[i].map((data, k) => ({ ...theirs[k], data }));
    others = add(others ?? nothing, compare(theirs, wanted));
  }
  return { ...result, same, source, stored: others };
}

function kindOf({ dtype, shape }) {
  const isClass = dtype === 'i64';
  return { width: isClass ? 1 : (shape.at(-1) ?? 1), isClass };
}

/** Activations, not weights alone. */
const isQuantised = (graph) =>
  graph.values.some(
    ({ dtype, quantization, data }) => quantization && !data && (dtype === 'i8' || dtype === 'u8'),
  );

/** What is wrong, in words. */
function faults({ network, form, problems, same, source, stored, isInteger }) {
  const found = [...problems];
  const byOnnx = network.endsWith('.onnx');
  const isRounded = isInteger && form !== 'float';
  if (isFar(same, isInteger)) found.push('the engines differ');
  if ((!isInteger || (byOnnx && isRounded)) && isFar(source, isInteger)) found.push('other than the network');
  if (stored && isRounded && isFar(stored, isInteger)) found.push('other than stored');
  return found;
}

/** One picture has 263,169 classes, of which some are near a border; elsewhere one answer is too many. */
function isFar({ beyond, of, relative, same, answers }, isInteger) {
  return (isInteger ? beyond > 0.005 * of : relative > floatTolerance) || same < 0.999 * answers;
}

const rows = [];
const files = networkFiles(options.filter);
if (files.length === 0) {
  console.error(`VIREO_DATA has no network called "${options.filter ?? ''}" (see docs/data.md)`);
  process.exit(1);
}
for (const file of files) {
  const graph = readNetwork(file);
  const isInteger = isQuantised(graph);
  const given = inputsOf(file, graph, most);
  for (const form of isInteger ? ['qdq', 'qlinear', 'float'] : ['float']) {
    progress(`${file} ${form}`);
    let row;
    try {
      row = { ...(await check(file, graph, form, given)), isInteger };
    } catch (error) {
      row = { network: file, form, isInteger, problems: [error.message.split('\n')[0]] };
    }
    rows.push({ ...row, faults: row.same ? faults(row) : row.problems });
  }
}
progress('');

const shown = (c, isInteger) => {
  if (!c) return '';
  if (c.differing === 0) return '=';
  if (c.steps === 0) return `${c.differing} of ${c.of}`;
  return isInteger ? `${c.steps} (${c.differing} of ${c.of})` : c.relative.toExponential(0);
};
const answers = (c) => (c ? `${c.same}/${c.answers}` : '');
const wrong = rows.filter(({ faults: found }) => found.length > 0);
report(options, {
  title: 'Written ONNX files under onnxruntime',
  tables: {
    Networks: table(
      {
        network: ({ network }) => network.replace(/^(mlperf-tiny|models\/(tflite|onnx))\//, ''),
        form: ({ form }) => form,
        'KB>': ({ bytes }) => (bytes ? Math.round(bytes / 1000) : ''),
        'inputs>': ({ inputs }) => inputs ?? '',
        'vireo, same file>': ({ same, isInteger }) => shown(same, isInteger),
        'answers>': ({ same }) => answers(same),
        'vireo, the network>': ({ source, isInteger }) => shown(source, isInteger),
        'its answers>': ({ source }) => answers(source),
        'stored>': ({ stored, isInteger }) => shown(stored, isInteger),
        '': ({ faults: found }) => found.join('; '),
      },
      rows,
    ),
  },
  notes: [
    `onnxruntime-node ${packageVersion('onnxruntime-node')} beside: vireo on the written file; vireo on the network that was written; outputs stored in the data. Floats: largest difference over the largest value; integers: steps (how many values); = where no value differs.`,
    wrong.length === 0 ? 'All agree.' : `${wrong.length} of ${rows.length} do not agree.`,
  ],
  data: { rows },
});
process.exit(wrong.length === 0 ? 0 : 1);
