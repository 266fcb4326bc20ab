/** `vireo quantize`: a float network to int8, with what that costs said before anything is written. */
import { basename, resolve } from 'node:path';
import { VireoError } from '../../errors.ts';
import { countNetwork } from '../../graph/cost/counts.ts';
import { energyOf } from '../../graph/cost/energy.ts';
import { profileOf } from '../../graph/cost/profiles.ts';
import { storedBits, storedSize } from '../../graph/cost/size.ts';
import type { Graph, Node } from '../../graph/ir.ts';
import { compile } from '../../graph/run/compile.ts';
import { type InputCard, planInput } from '../../io/cards/index.ts';
import {
  calibrate,
  calibrator,
  correctBias,
  dequantize,
  equalize,
  fineTune,
  isMove,
  mustBeFloat,
  outputFidelity,
  prepare,
  type QuantizeOptions,
  quantize,
  type RangeMethod,
  rangeMethods,
  type Sample,
  sensitivities,
  weightFidelity,
} from '../../quant/index.ts';
import type { TensorData } from '../../tensor.ts';
import { findNetworkCard, writeCardBeside } from '../cards.ts';
import { type DataItem, type DataSet, openDataSet } from '../data-set.ts';
import { chosenProfile, profileOption, tierOption } from '../energy/profiles.ts';
import { dataFolder, readNetwork, sha256, writeWhole } from '../files.ts';
import { formatOf } from '../formats.ts';
import {
  type Command,
  cardOption,
  type Given,
  jsonOption,
  operandsOf,
  shapeOption,
  shapesOf,
} from '../options.ts';
import { type Answers, compareAnswers } from '../quantize/answers.ts';
import { realInput, writtenInput } from '../quantize/card.ts';
import { spread } from '../quantize/items.ts';
import { type Report, reportAsJson, showReport } from '../quantize/show.ts';
import { percent, progress } from '../terminal.ts';
import { version } from '../version.ts';

export const quantizeNetwork: Command = {
  name: 'quantize',
  operands: 'MODEL --data CARD',
  about:
    'Quantises a float network to int8 and says what that costs; writes it if it may (docs/quantization.md).',
  options: [
    { name: 'data', value: 'CARD', about: 'the data card to calibrate on (docs/data.md)' },
    { name: 'eval', value: 'CARD', about: 'the one to judge by (default: what --data has besides)' },
    { name: 'out', value: 'FILE', about: 'where the network goes; without it, only the report' },
    { name: 'samples', value: 'N', about: 'how many items to calibrate on, spread evenly (default 500)' },
    { name: 'limit', value: 'N', about: 'judge by the first N items only' },
    {
      name: 'method',
      value: rangeMethods.join('|'),
      about: 'how the range of a value is found (default mse)',
    },
    { name: 'rounding', value: 'learned|nearest', about: 'how weights are rounded (default learned)' },
    {
      name: 'bias',
      value: 'mean|measured|none',
      about: 'what biases make up for: rounded weights, or all that was measured (default mean)',
    },
    {
      name: 'fine-tune',
      value: 'EPOCHS',
      about: 'let the integers learn from the float network, on the items calibrated on',
    },
    { name: 'equalize', about: 'balance the channels between layers first' },
    { name: 'int4-weights', about: 'weights of 4 bits' },
    { name: 'int8', value: 'LAYER', about: 'a layer that keeps 8 bits, by name or number', repeats: true },
    { name: 'keep', value: 'LAYER', about: 'a layer that stays in float, by name or number', repeats: true },
    { name: 'io', value: 'int8|float', about: "the network's inputs and outputs (default int8)" },
    { name: 'again', about: 'the network is quantised already: take that back first' },
    { name: 'max-drop', value: 'POINTS', about: 'accuracy that may be lost, else exit 3 (default 0.5)' },
    { name: 'force', about: 'write it in any case' },
    { name: 'quick', about: 'leave out what each layer alone would cost' },
    profileOption,
    tierOption,
    shapeOption,
    cardOption,
    jsonOption,
  ],
  example: 'vireo quantize net.tflite --data train.json --eval test.json --out net-int8.tflite',
  run: async (given) => {
    const settings = settingsOf(given);
    const [model] = operandsOf(quantizeNetwork, given, 1, 1);
    const [dataPath, evalPath] = [given.text('data'), given.text('eval')];
    if (dataPath === undefined) throw new VireoError('usage', 'vireo quantize expects --data CARD');
    const out = given.text('out');
    if (out !== undefined) formatOf(out); // before the work, not after it
    const source = openSource(model, given);
    const set = await openDataSet(resolve(dataPath), { dataFolder });
    const judges = evalPath === undefined ? set : await openDataSet(resolve(evalPath), { dataFolder });
    const watch = stopwatch();

    const prepared = prepare(source.float);
    const float = settings.equalize ? equalize(prepared.graph).graph : prepared.graph;
    const options = { ...settings.quantize, ...precisionOf(given, float) };
    const { calibration, kept } = await measure(float, source.input, set, settings, dataPath);
    watch.lap('calibration');
    let quantized = quantize(float, calibration, options);
    watch.lap('rounding');
    if (settings.fineTune > 0) {
      const tuned = tune(float, quantized, kept, settings.fineTune);
      const own = { method: settings.method, inputs: 'means' } as const;
      quantized = quantize(tuned, calibrate(tuned, kept, own), options);
      watch.lap('fine-tuning');
    }
    if (settings.bias === 'measured') {
      quantized = { ...quantized, graph: correctBias(float, quantized, kept.slice(0, mostKept)).graph };
      watch.lap('bias');
    }
    const output = outputFidelity(float, quantized, kept.slice(0, mostKept));
    const layers = quantized.report.layers.filter(({ weightSnr }) => weightSnr !== null);
    const bar = progress(given.flag('quick') ? 0 : layers.length);
    const sensitivity = given.flag('quick')
      ? {}
      : sensitivities(
          float,
          calibration,
          layers.map(({ name }) => name),
          kept.slice(0, 8),
          options,
          (n) => bar.update(n, 'each layer alone'),
        );
    bar.end();
    watch.lap('layers');
    const judged = source.isClassifier
      ? await judge(source, quantized.graph, judges, { settings, isSame: judges === set, given })
      : null;
    watch.lap('judging');

    const { labelled = 0, correct = [0, 0] } = judged ?? {};
    const drop = labelled > 0 ? (100 * (correct[0] - correct[1])) / labelled : null;
    const isTooMuch = drop !== null && drop > settings.mostDrop + 1e-9;
    const isAllowed = !isTooMuch || given.flag('force');
    const profile = chosenProfile(given, profileOf.H);
    const energy = (graph: Graph) =>
      energyOf(countNetwork(graph, { bitsOf: (_, v) => (v.data ? storedBits(v) : undefined) }), profile);
    const written =
      out !== undefined && isAllowed
        ? write(out, quantized.graph, source, {
            calibration: `${calibration.samples} items of ${set.name}, ${showSettings(settings)}`,
          })
        : null;
    const report: Report = {
      model,
      data: set.name,
      samples: calibration.samples,
      settings: settings.shown,
      layers: quantized.report,
      weights: weightFidelity(float, quantized),
      output,
      sensitivity,
      answers: judged,
      judgedBy: judgedBy(source.isClassifier, labelled, judges === set, judges.name),
      sizes: [storedSize(float), storedSize(quantized.graph)],
      energies: [energy(source.float), energy(quantized.graph)],
      seconds: watch.seconds,
      notes: source.notes,
      drop,
      mostDrop: settings.mostDrop,
      written,
    };
    for (const note of [...source.notes, ...quantized.report.warnings]) console.error(`note: ${note}`);
    console.log(given.flag('json') ? JSON.stringify(reportAsJson(report), null, 2) : showReport(report));
    if (isTooMuch)
      console.error(
        `vireo: accuracy falls by ${drop.toFixed(2)} points, --max-drop allows ${settings.mostDrop}${out === undefined ? '' : isAllowed ? '; written all the same' : `: ${out} is not written (--force writes it)`}`,
      );
    return isAllowed ? 0 : 3;
  },
};

interface Settings {
  readonly quantize: QuantizeOptions;
  readonly method: RangeMethod;
  readonly bias: 'mean' | 'measured' | 'none';
  readonly equalize: boolean;
  /** Epochs. */
  readonly fineTune: number;
  readonly samples: number;
  readonly limit: number;
  readonly mostDrop: number;
  readonly shown: Readonly<Record<string, string>>;
}

function settingsOf(given: Given): Settings {
  const oneOf = <T extends string>(name: string, choices: readonly T[], otherwise: T): T => {
    const text = given.text(name) ?? otherwise;
    const found = choices.find((choice) => choice === text);
    if (found === undefined)
      throw new VireoError('usage', `--${name} expects ${choices.join(', ')}, got ${JSON.stringify(text)}`);
    return found;
  };
  const method = oneOf('method', rangeMethods, 'mse');
  const rounding = oneOf('rounding', ['learned', 'nearest'] as const, 'learned');
  const bias = oneOf('bias', ['mean', 'measured', 'none'] as const, 'mean');
  const io = oneOf('io', ['int8', 'float'] as const, 'int8');
  const text = given.text('max-drop') ?? '0.5';
  const mostDrop = Number(text);
  if (text.trim() === '' || !Number.isFinite(mostDrop))
    throw new VireoError('usage', `--max-drop expects a number of points, got ${JSON.stringify(text)}`);
  const isInt4 = given.flag('int4-weights');
  if (!isInt4 && given.texts('int8').length > 0)
    throw new VireoError('usage', '--int8 is for networks with --int4-weights');
  const fineTune = given.count('fine-tune') ?? 0;
  const isEqualized = given.flag('equalize');
  return {
    quantize: { io, rounding, correctBias: bias !== 'none' },
    method,
    bias,
    equalize: isEqualized,
    fineTune,
    samples: given.count('samples') ?? 500,
    limit: given.count('limit') ?? Number.POSITIVE_INFINITY,
    mostDrop,
    shown: {
      ranges: method,
      rounding,
      bias,
      weights: isInt4 ? '4 bits' : '8 bits',
      ...(fineTune > 0 && { 'fine-tuned': `${fineTune} epochs` }),
      ...(isEqualized && { channels: 'equalized' }),
    },
  };
}

const showSettings = ({ shown }: Settings): string =>
  Object.entries(shown)
    .map(([what, how]) => `${what} ${how}`)
    .join(', ');

interface Source {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** What the user has: it is judged against. */
  readonly given: Graph;
  readonly givenInput: InputCard;
  /** The same in float. */
  readonly float: Graph;
  readonly input: InputCard;
  readonly card: ReturnType<typeof findNetworkCard>;
  readonly isClassifier: boolean;
  readonly notes: readonly string[];
}

function openSource(path: string, given: Given): Source {
  const { bytes, graph } = readNetwork(path, shapesOf(given));
  const again = given.flag('again');
  if (!again) mustBeFloat(graph);
  if (graph.inputs.length !== 1)
    throw new VireoError('usage', `${path}: has ${graph.inputs.length} inputs; a data card feeds one`);
  const card = findNetworkCard(path, bytes, { card: given.text('card'), dataFolder });
  const givenInput: InputCard = card?.card.inputs[0] ?? { kind: 'raw', about: '' };
  const input = graph.values[graph.inputs[0]];
  const kind = card?.card.outputs[0]?.kind ?? 'classification';
  return {
    path,
    bytes,
    given: graph,
    givenInput,
    float: again ? dequantize(graph).graph : graph,
    input: again ? realInput(givenInput, input.quantization) : givenInput,
    card,
    isClassifier: kind === 'classification',
    notes: [...graph.notes, ...(card?.notes ?? [])],
  };
}

/** `--keep` and `--int8` by the node's name or by its number in the report. */
function precisionOf(given: Given, float: Graph): Pick<QuantizeOptions, 'keep' | 'weightBits'> {
  const layers = float.nodes.filter(({ op }) => !isMove(op.kind));
  const named = (option: string): ReadonlySet<Node> =>
    new Set(
      given.texts(option).map((text) => {
        const found = layers.find(({ name }) => name === text) ?? layers[Number(text) - 1];
        if (!found)
          throw new VireoError(
            'usage',
            `--${option}: no layer ${JSON.stringify(text)}; expected a name or 1 to ${layers.length}`,
          );
        return found;
      }),
    );
  const [kept, wide] = [named('keep'), named('int8')];
  return {
    keep: (node) => kept.has(node),
    weightBits: (node) => (given.flag('int4-weights') && !wide.has(node) ? 4 : 8),
  };
}

/** Samples that are kept for what is measured afterwards. */
const mostKept = 64;

function tune(
  float: Graph,
  quantized: ReturnType<typeof quantize>,
  samples: readonly Sample[],
  epochs: number,
): Graph {
  const bar = progress(epochs * Math.ceil(samples.length / 32));
  const each = (done: number, _: number, loss: number): void =>
    bar.update(done, `fine-tuning, loss ${loss.toPrecision(3)}`);
  const { graph, report } = fineTune(float, quantized, samples, { epochs, each });
  bar.end();
  const [before, after] = report.losses.map((loss) => loss.toPrecision(3));
  console.error(
    `note: fine-tuning: loss ${before} → ${after}, ${report.moved} of ${report.weights} weights are others`,
  );
  return graph;
}

async function measure(float: Graph, input: InputCard, set: DataSet, settings: Settings, path: string) {
  const { name, dtype, shape, quantization } = float.values[float.inputs[0]];
  const plan = planInput(input, { dtype, shape, quantization });
  const inputs = settings.quantize.rounding === 'learned' ? 'gram' : 'means';
  const { add, finish } = calibrator(float, { method: settings.method, inputs });
  const kept: Sample[] = [];
  const bar = progress(Math.min(settings.samples, set.count ?? settings.samples));
  let count = 0;
  for await (const { item, chosen } of spread(set, settings.samples)) {
    if (!chosen) continue;
    const data: TensorData = plan.prepare(item.source);
    try {
      add([data]);
    } catch (error) {
      if (!(error instanceof VireoError)) throw error;
      throw new VireoError(error.code, `${path}: item ${item.name}: ${error.message}`);
    }
    if (kept.length < mostKept || settings.fineTune > 0) kept.push([data]);
    bar.update(++count, 'calibrating');
    if (count >= settings.samples) break;
  }
  bar.end();
  if (count === 0) throw new VireoError('bad-input', `${path}: has no items to calibrate "${name}" on`);
  return { calibration: finish(), kept };
}

async function judge(
  source: Source,
  graph: Graph,
  set: DataSet,
  { settings, isSame, given }: { settings: Settings; isSame: boolean; given: Given },
): Promise<Answers> {
  const session = compile(graph);
  const isInt8 = session.inputs[0].dtype === 'i8';
  const before = { session: compile(source.given), input: source.givenInput };
  const after = { session, input: isInt8 || given.flag('again') ? source.input : source.givenInput };
  async function* items(): AsyncGenerator<DataItem> {
    let count = 0;
    for await (const { item, chosen } of isSame ? spread(set, settings.samples) : all(set)) {
      if (chosen) continue;
      yield item;
      if (++count >= settings.limit) return;
    }
  }
  const rest =
    set.count === undefined ? undefined : set.count - (isSame ? Math.min(settings.samples, set.count) : 0);
  const bar = progress(rest === undefined ? undefined : Math.min(rest, settings.limit));
  const answers = await compareAnswers(before, after, items(), (done, { correct, labelled }) =>
    bar.update(done, labelled > 0 ? correct.map((right) => percent(right / labelled)).join(' → ') : ''),
  );
  bar.end();
  return answers;
}

async function* all(set: DataSet) {
  for await (const item of set.items()) yield { item, chosen: false };
}

function judgedBy(isClassifier: boolean, labelled: number, isSame: boolean, name: string): string {
  if (!isClassifier) return 'the network is no classifier';
  if (labelled === 0) return `no item of ${name} that is left has a label`;
  return isSame ? `on the ${labelled} other items` : `on ${labelled} items of ${name}`;
}

function write(
  out: string,
  graph: Graph,
  source: Source,
  more: Readonly<Record<string, string>>,
): { readonly file: string; readonly bytes: number } {
  const metadata = {
    producer: `vireo-nn ${version()}`,
    source: basename(source.path),
    'source-sha256': sha256(source.bytes),
    ...more,
  };
  const bytes = formatOf(out).write(graph, metadata, (note) => console.error(`note: ${note}`));
  writeWhole(out, bytes);
  const inputs = source.input === source.givenInput ? undefined : [writtenInput(source.input)];
  if (source.card) writeCardBeside(out, bytes, source.card, inputs);
  return { file: out, bytes: bytes.length };
}

/** Seconds between laps. */
function stopwatch() {
  const seconds: Record<string, number> = {};
  let last = performance.now();
  return {
    seconds,
    lap: (what: string): void => {
      const now = performance.now();
      seconds[what] = (now - last) / 1000;
      last = now;
    },
  };
}
