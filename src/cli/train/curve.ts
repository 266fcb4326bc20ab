/**
 * How a training went, as one SVG file: loss, accuracy and learning rate over the epochs. No script, nothing loaded,
 * light and dark by the reader's preference.
 */
import { escapeHtml } from '../energy/charts.ts';
import { percent, showTime } from '../terminal.ts';

/** What an epoch came to; losses are means over its samples, accuracies shares of them. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** null where nothing was validated. */
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  /** The learning rate of the epoch's last step. */
  readonly rate: number;
  readonly seconds: number;
}

const style = `
svg { --page: #ffffff; --ink: #1d2530; --soft: #66717f; --line: #dde2e8; --training: #2f6fb0; --validation: #d57e14;
  font: 12.5px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --page: #12161b; --ink: #e4e9ef; --soft: #95a1ae; --line: #2c343d;
  --training: #5b9bd8; --validation: #e8a94f; } }
text { fill: var(--ink); font-variant-numeric: tabular-nums; } .title { font-size: 17px; font-weight: 600; } .soft { fill: var(--soft); }
.page { fill: var(--page); } .grid { stroke: var(--line); stroke-width: 1; }
polyline { fill: none; stroke-linejoin: round; stroke-linecap: round; }
.training { stroke: var(--training); stroke-width: 1.8; } .validation { stroke: var(--validation); stroke-width: 1.8; }
.rate { stroke: var(--soft); stroke-width: 1; }
circle.training { fill: var(--training); } circle.validation { fill: var(--validation); } circle.rate { fill: var(--soft); }
circle.best { fill: none; }
`;

/** The drawing's width, and where panels begin and end in it. */
const [width, left, right] = [900, 64, 726];
/** Epochs up to which every one gets a dot. */
const dotted = 30;

type Role = 'training' | 'validation' | 'rate';

/** One line of a panel. */
interface Series {
  readonly role: Role;
  readonly points: readonly Point[];
  /** A point to be ringed. */
  readonly best?: Point | undefined;
}

interface Point {
  readonly epoch: number;
  readonly value: number;
}

interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  readonly isLogarithmic: boolean;
}

interface Panel {
  readonly name: string;
  readonly series: readonly Series[];
  readonly axis: Axis;
  readonly show: (value: number) => string;
  /** What stands beside the end of a line. */
  readonly label: (role: Role, value: number) => string;
  readonly top: number;
  readonly height: number;
}

/** An SVG document of the whole log; an empty log says so. */
export function learningCurve(log: readonly EpochRecord[], title: string): string {
  const pick = (key: keyof EpochRecord): Point[] =>
    log.flatMap((record) => {
      const value = record[key];
      return value !== null && Number.isFinite(value) ? [{ epoch: record.epoch, value }] : [];
    });
  const trainLoss = pick('trainLoss');
  const validationLoss = pick('validationLoss');
  const trainAccuracy = pick('trainAccuracy');
  const validationAccuracy = pick('validationAccuracy');
  const rates = pick('rate');
  const best = validationAccuracy.reduce<Point | undefined>(
    (top, point) => (top && top.value >= point.value ? top : point),
    undefined,
  );
  const highestRate = Math.max(0, ...rates.map(({ value }) => value));
  const panels: Panel[] = [
    {
      name: 'loss',
      series: [
        { role: 'training', points: trainLoss },
        { role: 'validation', points: validationLoss },
      ],
      axis: lossAxis([...trainLoss, ...validationLoss]),
      show: showNumber,
      label: (role, value) => `${role} ${value.toPrecision(3)}`,
      top: 94,
      height: 208,
    },
    {
      name: 'accuracy',
      series: [
        { role: 'training', points: trainAccuracy },
        { role: 'validation', points: validationAccuracy, best },
      ],
      axis: accuracyAxis([...trainAccuracy, ...validationAccuracy]),
      show: (value) => `${showNumber(100 * value)} %`,
      label: (role, value) => `${role} ${percent(value)}`,
      top: 344,
      height: 208,
    },
    {
      name: 'learning rate',
      series: [{ role: 'rate', points: rates }],
      axis: linearAxis(0, highestRate, 1),
      show: showNumber,
      label: () => `at most ${showNumber(Number(highestRate.toPrecision(3)))}`,
      top: 594,
      height: 48,
    },
  ];
  const height = 690;
  const first = log[0]?.epoch ?? 1;
  const last = log[log.length - 1]?.epoch ?? 1;
  const X = (epoch: number): number =>
    first === last ? (left + right) / 2 : left + ((epoch - first) / (last - first)) * (right - left);
  const epochs = epochTicks(first, last);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeHtml(`learning curve of ${title}`)}">`,
    `<style>${style}</style><rect class="page" width="${width}" height="${height}"/>`,
    `<text class="title" x="24" y="34">${escapeHtml(title)}</text>`,
    `<text class="soft" x="24" y="56">${escapeHtml(summaryOf(log, best))}</text>`,
    ...panels.map((panel) => draw(panel, epochs, X)),
    ...epochs.map(
      (epoch) => `<text class="soft" x="${at(X(epoch))}" y="660" text-anchor="middle">${epoch}</text>`,
    ),
    `<text x="${(left + right) / 2}" y="679" text-anchor="middle">epoch</text>`,
    '</svg>\n',
  ].join('\n');
}

function summaryOf(log: readonly EpochRecord[], best: Point | undefined): string {
  if (log.length === 0) return 'no epoch is finished yet';
  const seconds = log.reduce((sum, record) => sum + record.seconds, 0);
  const count = `${log.length} ${log.length === 1 ? 'epoch' : 'epochs'} in ${showTime(seconds)}`;
  return best ? `${count}; best validation accuracy ${percent(best.value)} after epoch ${best.epoch}` : count;
}

function draw(panel: Panel, epochs: readonly number[], X: (epoch: number) => number): string {
  const { name, series, axis, show, label, top, height } = panel;
  const bottom = top + height;
  const Y = (value: number): number => bottom - placeOn(axis, value) * height;
  const lines = epochs.map((epoch) => {
    const x = at(X(epoch));
    return `<line class="grid" x1="${x}" y1="${top}" x2="${x}" y2="${bottom}"/>`;
  });
  const levels = axis.ticks.map((value) => {
    const y = Y(value);
    return `<line class="grid" x1="${left}" y1="${at(y)}" x2="${right}" y2="${at(y)}"/><text class="soft" x="${left - 8}" y="${at(y + 4)}" text-anchor="end">${show(value)}</text>`;
  });
  const drawn = series.map(({ role, points, best }) => {
    const places = points.map(({ epoch, value }) => [at(X(epoch)), at(Y(value))]);
    const line =
      places.length > 1
        ? `<polyline class="${role}" points="${places.map((p) => p.join(',')).join(' ')}"/>`
        : '';
    const dots =
      role !== 'rate' && places.length <= dotted
        ? places.map(([x, y]) => `<circle class="${role}" cx="${x}" cy="${y}" r="1.8"/>`).join('')
        : '';
    const ring = best
      ? `<circle class="${role} best" cx="${at(X(best.epoch))}" cy="${at(Y(best.value))}" r="5"/>`
      : '';
    return line + dots + ring;
  });
  const ends = series.flatMap((one) => {
    const last = one.points[one.points.length - 1];
    return last
      ? [{ role: one.role, text: label(one.role, last.value), x: X(last.epoch), y: Y(last.value) }]
      : [];
  });
  const labels = apart(ends.map(({ y }) => y)).map((y, i) => {
    const { role, text, x, y: end } = ends[i];
    // A key: from the end of the line to its name.
    return `<polyline class="${role}" stroke-dasharray="1 3" points="${at(x)},${at(end)} ${right + 8},${at(y)}"/><line class="${role}" x1="${right + 10}" y1="${at(y)}" x2="${right + 26}" y2="${at(y)}"/><text x="${right + 32}" y="${at(y + 4)}">${escapeHtml(text)}</text>`;
  });
  const note = axis.isLogarithmic ? ' <tspan class="soft">logarithmic</tspan>' : '';
  return `<g><text x="24" y="${top - 16}">${name}${note}</text>${[...lines, ...levels, ...drawn, ...labels].join('')}</g>`;
}

const at = (value: number): string => value.toFixed(1);
const showNumber = (value: number): string => String(Number(value.toPrecision(6)));

/** Heights of labels beside lines that end at `ys`: at least a line of text between any two. */
function apart(ys: readonly number[]): number[] {
  const least = 17;
  if (ys.length < 2 || Math.abs(ys[0] - ys[1]) >= least) return [...ys];
  const middle = (ys[0] + ys[1]) / 2;
  const side = ys[0] < ys[1] ? -1 : 1;
  return [middle + (side * least) / 2, middle - (side * least) / 2];
}

/** 0 at the axis's lower end, 1 at its upper. */
function placeOn({ low, high, isLogarithmic }: Axis, value: number): number {
  if (low === high) return 0;
  return isLogarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** Logarithmic where the largest loss is over 20 times the least: else the end of a training is a flat line. */
function lossAxis(points: readonly Point[]): Axis {
  const values = points.map(({ value }) => value);
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (values.length === 0 || least <= 0 || most <= 20 * least) {
    return linearAxis(Math.min(0, values.length === 0 ? 0 : least), values.length === 0 ? 1 : most, 5);
  }
  const decades = Math.log10(most / least);
  const steps = decades > 8 ? [1] : decades > 2.5 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let k = Math.floor(Math.log10(least)); k <= Math.ceil(Math.log10(most)); k++) {
    for (const step of steps) ticks.push(step * 10 ** k);
  }
  const within = ticks.filter((_, i) => (ticks[i + 1] ?? most) > least && (ticks[i - 1] ?? least) < most);
  return { low: within[0], high: within[within.length - 1], ticks: within, isLogarithmic: true };
}

/** Up to 100 %, and no lower than needed. */
function accuracyAxis(points: readonly Point[]): Axis {
  const least = Math.min(1, ...points.map(({ value }) => value));
  return linearAxis(points.length === 0 || least < 0.02 ? 0 : Math.min(least, 0.995), 1, 5);
}

/** From `least` to `most`, both moved outwards to a tick; `count` or so steps of 1, 2 or 5 times a power of ten. */
function linearAxis(least: number, most: number, count: number): Axis {
  const range = most > least ? most - least : Math.abs(most) || 1;
  const raw = range / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw * 0.999) ?? 10);
  const from = Math.floor(least / step + 1e-9);
  const to = Math.max(from + 1, Math.ceil(most / step - 1e-9));
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step);
  return { low: from * step, high: to * step, ticks, isLogarithmic: false };
}

/** Up to a dozen whole numbers, the first and the last epoch among them. */
function epochTicks(first: number, last: number): number[] {
  const raw = (last - first) / 10;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, raw)));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10);
  const ticks = [first];
  for (let epoch = Math.ceil((first + 1) / step) * step; epoch < last; epoch += step) {
    if (epoch - first >= step / 2 && last - epoch >= step / 2) ticks.push(epoch);
  }
  return last > first ? [...ticks, last] : ticks;
}
