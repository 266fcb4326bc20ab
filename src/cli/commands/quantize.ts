/** `vireo quantize`: a float network to int8, with what that costs said before anything is written. */
import { basename, resolve } from 'node:path';
import { VireoError } from '../../errors.ts';
import { countNetwork } from '../../graph/cost/counts.ts';
import { energyOf } from '../../graph/cost/energy.ts';
import { profileOf } from '../../graph/cost/profiles.ts';
import { storedBits, storedSize } from '../../graph/cost/size.ts';
import type { Graph } from '../../graph/ir.ts';
import {
  calibrate,
  correctBias,
  equalize,
  outputFidelity,
  prepare,
  quantize,
  rangeMethods,
  sensitivities,
  weightFidelity,
} from '../../quant/index.ts';
import { writeCardBeside } from '../cards.ts';
import { openDataSet } from '../data-set.ts';
import { chosenProfile, profileOption, tierOption } from '../energy/profiles.ts';
import { dataFolder, sha256, writeWhole } from '../files.ts';
import { formatOf } from '../formats.ts';
import { type Command, cardOption, jsonOption, operandsOf, shapeOption } from '../options.ts';
import { judge, judgedBy } from '../quantize/answers.ts';
import { writtenInput } from '../quantize/card.ts';
import { measure, mostKept, tune } from '../quantize/measure.ts';
import { precisionOf, settingsOf, showSettings } from '../quantize/settings.ts';
import { type Report, reportAsJson, showReport } from '../quantize/show.ts';
import { openSource, type Source } from '../quantize/source.ts';
import { progress } from '../terminal.ts';
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
      ? await judge(source, quantized.graph, judges, { settings, isSame: judges === set })
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
