/** What is measured on data: the calibration, and the weights that go on learning. */
import { VireoError } from '../../errors.ts';
import type { Graph } from '../../graph/ir.ts';
import { type InputCard, planInput } from '../../io/cards/index.ts';
import { calibrator, fineTune, type quantize, type Sample } from '../../quant/index.ts';
import type { TensorData } from '../../tensor.ts';
import type { DataSet } from '../data-set.ts';
import { progress } from '../terminal.ts';
import { spread } from './items.ts';
import type { Settings } from './settings.ts';

/** Samples that are kept for what is measured afterwards. */
export const mostKept = 64;

export function tune(
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

export async function measure(
  float: Graph,
  input: InputCard,
  set: DataSet,
  settings: Settings,
  path: string,
) {
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
