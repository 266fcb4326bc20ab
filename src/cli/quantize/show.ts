/** The report of a quantisation, for a reader and for a program. */
import type { EnergyReport } from '../../graph/cost/energy.ts';
import { showProvenance } from '../../graph/cost/energy.ts';
import type { StoredSize } from '../../graph/cost/size.ts';
import type { Fidelity, LayerReport, QuantizeReport } from '../../quant/index.ts';
import { short, showEnergy } from '../energy/show.ts';
import { wilson } from '../scores.ts';
import { percent, showBytes, table } from '../terminal.ts';
import type { Answers } from './answers.ts';

export interface Report {
  readonly model: string;
  readonly data: string;
  readonly samples: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly layers: QuantizeReport;
  readonly weights: Fidelity;
  readonly output: Fidelity;
  readonly sensitivity: Fidelity;
  /** null where nothing was left to judge by. */
  readonly answers: Answers | null;
  readonly judgedBy: string;
  readonly sizes: readonly [before: StoredSize, after: StoredSize];
  readonly energies: readonly [before: EnergyReport, after: EnergyReport];
  readonly seconds: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  /** Percentage points; null where no label says. */
  readonly drop: number | null;
  readonly mostDrop: number;
  readonly written: { readonly file: string; readonly bytes: number } | null;
}

const bytesOf = ({ constants, scales }: StoredSize): number => constants + scales;
const decibels = (value: number | undefined): string =>
  value === undefined ? '' : Number.isFinite(value) ? value.toFixed(1) : 'exact';

export function showReport(report: Report): string {
  const { answers, sizes, energies, seconds, written } = report;
  const [before, after] = sizes.map(bytesOf);
  const [e0, e1] = energies;
  const rows = [
    ['calibrated', `on ${report.samples} items of ${report.data}: ${showSettings(report.settings)}`],
    ...accuracyRows(report),
    ...(answers && answers.count > 0 ? [['changed', `${answers.changed} of ${answers.count} answers`]] : []),
    ['constants', `${showBytes(before)} → ${showBytes(after)}: ${percent(after / before)}, scales counted`],
    [
      'energy',
      `${showEnergy(e0.total, e0.unit)} → ${showEnergy(e1.total, e1.unit)} an inference, ${showProvenance(e1)}`,
    ],
    ...(answers && answers.count > 0
      ? [['a run', answers.milliseconds.map((ms) => `${ms.toFixed(2)} ms`).join(' → ')]]
      : []),
    [
      'time',
      Object.entries(seconds)
        .map(([what, s]) => `${what} ${s.toFixed(1)} s`)
        .join(', '),
    ],
    ...(written ? [['written', `${written.file}, ${showBytes(written.bytes)}`]] : []),
  ];
  return [
    report.model,
    table(rows.map(([what, text]) => [`  ${what}`, text])),
    '',
    table(layerRows(report), [0, 3, 4, 5]),
  ].join('\n');
}

const showSettings = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([what, how]) => `${what} ${how}`)
    .join(', ');

function accuracyRows({ answers, judgedBy, drop }: Report): string[][] {
  if (!answers || answers.labelled === 0 || drop === null) return [['accuracy', `not judged: ${judgedBy}`]];
  const shown = answers.correct.map((right) => {
    const [low, high] = wilson(right, answers.labelled);
    return `${percent(right / answers.labelled)} (95 % interval ${percent(low)} to ${percent(high)})`;
  });
  const sign = drop > 0 ? '−' : '+';
  return [
    ['accuracy', `${shown[0]} in float`],
    ['', `${shown[1]} quantised: ${sign}${Math.abs(drop).toFixed(2)} points, ${judgedBy}`],
  ];
}

function layerRows({ layers: { layers }, weights, output, sensitivity }: Report): string[][] {
  return [
    ['#', 'layer', 'in', 'weights dB', 'output dB', 'sensitivity dB', 'rounding', 'node'],
    ...layers.map(({ name, kind, precision, rounding, reason }, i) => [
      String(i + 1),
      kind,
      precision,
      decibels(weights[name]),
      decibels(output[name]),
      decibels(sensitivity[name]),
      rounding ?? reason,
      short(name),
    ]),
  ];
}

/** Infinities, which JSON has not, are null. */
const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

export function reportAsJson(report: Report) {
  const { answers, sizes, energies, layers, output, sensitivity, drop } = report;
  const judged = (i: 0 | 1) =>
    answers && answers.labelled > 0
      ? {
          correct: answers.correct[i],
          top1: answers.correct[i] / answers.labelled,
          interval: wilson(answers.correct[i], answers.labelled),
        }
      : null;
  const [before, after] = sizes;
  const { profile, tier, method, unit } = energies[1];
  return {
    model: report.model,
    calibration: { data: report.data, samples: report.samples, ...report.settings },
    accuracy: answers && {
      judgedBy: report.judgedBy,
      count: answers.count,
      labelled: answers.labelled,
      before: judged(0),
      after: judged(1),
      dropInPoints: drop,
      allowedDropInPoints: report.mostDrop,
      changedAnswers: answers.changed,
    },
    bytes: {
      before: bytesOf(before),
      after: bytesOf(after),
      ratio: bytesOf(after) / bytesOf(before),
      file: report.written?.bytes ?? null,
    },
    energy: { profile, tier, method, unit, before: energies[0].total, after: energies[1].total },
    millisecondsARun: answers && { before: answers.milliseconds[0], after: answers.milliseconds[1] },
    seconds: report.seconds,
    layers: layers.layers.map((layer: LayerReport) => ({
      ...layer,
      weightSnr: finite(report.weights[layer.name]),
      outputSnr: finite(output[layer.name]),
      sensitivity: finite(sensitivity[layer.name]),
    })),
    warnings: layers.warnings,
    notes: report.notes,
    written: report.written?.file ?? null,
  };
}
