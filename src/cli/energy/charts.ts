/** The pictures of an energy report, as SVG text: stacked bars and a roofline. Colours are classes of the page. */
import type { EnergyReport, LayerEnergy, Parts } from '../../graph/cost/energy.ts';
import type { HardwareProfile } from '../../graph/cost/profile.ts';
import { partNames, tiers } from '../../graph/cost/tiers.ts';
import { showEnergy } from './show.ts';

const width = 900;

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/gu, (c) => `&#${c.charCodeAt(0)};`);

const clip = (text: string, most: number): string => (text.length > most ? `…${text.slice(1 - most)}` : text);
const at = (value: number): string => value.toFixed(1);

function stack(parts: Parts, total: number, x: number, y: number, length: number, height: number): string {
  let from = x;
  return partNames
    .map((part) => {
      const w = total > 0 ? (parts[part] / total) * length : 0;
      const rect =
        w < 0.05
          ? ''
          : `<rect class="${part}" x="${at(from)}" y="${at(y)}" width="${at(w)}" height="${height}"/>`;
      from += w;
      return rect;
    })
    .join('');
}

const titled = (title: string, content: string): string =>
  `<g><title>${escapeHtml(title)}</title>${content}</g>`;

/** The whole inference as one bar, with the share of each part written into it where there is room. */
export function totalBar({ parts, total, unit }: EnergyReport): string {
  const height = 34;
  let x = 0;
  const labels = partNames.map((part) => {
    const w = total > 0 ? (parts[part] / total) * width : 0;
    const middle = x + w / 2;
    x += w;
    const share = `${Math.round((100 * parts[part]) / total)} %`;
    return w < 44
      ? ''
      : `<text class="on ${part}-on" x="${at(middle)}" y="22" text-anchor="middle">${share}</text>`;
  });
  const title = partNames.map((part) => `${part} ${showEnergy(parts[part], unit)}`).join(', ');
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">${stack(parts, total, 0, 0, width, height)}${labels.join('')}</svg>`;
}

/** One bar a layer, as long as its energy. */
export function layerBars({ layers, unit }: EnergyReport): string {
  const rows = layers.filter(({ isModelled, total }) => isModelled && total > 0);
  const [left, right, row, bar] = [232, 118, 22, 15];
  const most = Math.max(...rows.map(({ total }) => total));
  const height = rows.length * row + 4;
  const drawn = rows.map(({ layer, parts, total, share }, i) => {
    const y = i * row + 2;
    const length = (total / most) * (width - left - right);
    const title = `${layer.name}: ${partNames.map((part) => `${part} ${showEnergy(parts[part], unit)}`).join(', ')}`;
    return titled(
      title,
      `<text x="0" y="${y + 12}"><tspan class="soft">${i + 1}</tspan> ${escapeHtml(layer.kind)} <tspan class="soft">${escapeHtml(clip(layer.name, 26 - layer.kind.length))}</tspan></text>` +
        stack(parts, total, left, y, length, bar) +
        `<text x="${at(left + length + 8)}" y="${y + 12}">${showEnergy(total, unit)} <tspan class="soft">${(100 * share).toFixed(0)} %</tspan></text>`,
    );
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="energy of each layer">${drawn.join('')}</svg>`;
}

interface Point {
  readonly number: number;
  readonly name: string;
  /** Multiply-accumulates for each byte of weights, inputs and outputs. */
  readonly intensity: number;
  /** Multiply-accumulates for each unit of energy. */
  readonly efficiency: number;
  readonly isWeightBound: boolean;
}

/**
 * The roofline of energy: a layer of I multiply-accumulates a byte spends at least c + m/I on each of them, c the least
 * computation takes in this network and m a byte from outside of the chip.
 *
 * Source: Choi, Bedard, Fowler, Vuduc, "A roofline model of energy", IPDPS 2013.
 */
export function roofline(report: EnergyReport, profile: HardwareProfile): string {
  const shown = report.layers.filter(({ isModelled, total }) => isModelled && total > 0);
  const products = shown.filter(({ layer }) => layer.macs > 0);
  if (products.length === 0) return '';
  const { outside, skipsZeros } = tiers[profile.tier];
  const points = products.map((layer): Point => pointOf(layer, shown.indexOf(layer) + 1, skipsZeros));
  const perByte = profile.constants[outside.cost].value / outside.bytes;
  const least = Math.min(...products.map(({ layer, parts }) => parts.compute / layer.macs));
  const roof = (intensity: number): number => 1 / (least + perByte / intensity);

  const [left, top, right, bottom] = [64, 12, 16, 44];
  const [w, h] = [width - left - right, 300];
  const xs = points.map((p) => Math.log10(p.intensity));
  const [x0, x1] = [Math.floor(Math.min(...xs) - 0.1), Math.ceil(Math.max(...xs) + 0.1)];
  const ys = [...points.map((p) => p.efficiency), roof(10 ** x0), roof(10 ** x1)].map(Math.log10);
  const [y0, y1] = [Math.floor(Math.min(...ys) + 0.05), Math.ceil(Math.max(...ys) + 0.05)];
  const X = (value: number): number => left + ((Math.log10(value) - x0) / (x1 - x0)) * w;
  const Y = (value: number): number => top + h - ((Math.log10(value) - y0) / (y1 - y0)) * h;

  // MACs a picojoule are shown as MACs a nanojoule: whole numbers.
  const shift = profile.unit === 'pJ' ? 3 : 0;
  const decade = (k: number): string => (k >= 0 && k < 5 ? String(10 ** k) : `10${superscript(k)}`);
  const grid: string[] = [];
  for (let k = x0; k <= x1; k++) {
    const x = at(X(10 ** k));
    grid.push(`<line class="grid" x1="${x}" y1="${top}" x2="${x}" y2="${top + h}"/>`);
    grid.push(`<text class="soft" x="${x}" y="${top + h + 16}" text-anchor="middle">${decade(k)}</text>`);
  }
  for (let k = y0; k <= y1; k++) {
    const y = at(Y(10 ** k));
    grid.push(`<line class="grid" x1="${left}" y1="${y}" x2="${left + w}" y2="${y}"/>`);
    grid.push(
      `<text class="soft" x="${left - 8}" y="${Number(y) + 4}" text-anchor="end">${decade(k + shift)}</text>`,
    );
  }
  const curve = Array.from({ length: 81 }, (_, i) => 10 ** (x0 + ((x1 - x0) * i) / 80))
    .map((x) => `${at(X(x))},${at(Y(roof(x)))}`)
    .join(' ');
  const unit = profile.unit === 'pJ' ? 'nanojoule' : 'energy of a 16-bit one';
  const dots = placeLabels(points.map((p) => ({ p, x: X(p.intensity), y: Y(p.efficiency) }))).map(
    ({ p, x, y, label, dx, dy }) =>
      titled(
        `${p.name}: ${p.intensity.toPrecision(3)} MACs a byte`,
        `<circle class="${p.isWeightBound ? 'weights' : 'inputs'}" cx="${at(x)}" cy="${at(y)}" r="5"/>` +
          (label === '' ? '' : `<text class="tag" x="${at(x + dx)}" y="${at(y + dy)}">${label}</text>`),
      ),
  );
  return (
    `<svg viewBox="0 0 ${width} ${top + h + bottom}" role="img" aria-label="roofline of energy">` +
    `${grid.join('')}<polyline class="roof" points="${curve}"/>${dots.join('')}` +
    `<text x="${left + w / 2}" y="${top + h + 36}" text-anchor="middle">multiply-accumulates for each byte of weights, inputs and outputs</text>` +
    `<text transform="translate(14 ${top + h / 2}) rotate(-90)" text-anchor="middle">MACs for each ${unit}</text></svg>`
  );
}

function pointOf({ layer, parts, total }: LayerEnergy, number: number, skipsZeros: boolean): Point {
  const weights = layer.weights.bytes * (skipsZeros ? layer.nonZeroMacs / layer.macs : 1);
  const bytes = weights + layer.bias.bytes + layer.inputs.bytes + layer.outputs.bytes;
  return {
    number,
    name: layer.name,
    intensity: layer.macs / bytes,
    efficiency: layer.macs / total,
    isWeightBound: parts.weights > parts.inputs + parts.outputs,
  };
}

const superscript = (k: number): string => [...String(k)].map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)] ?? '⁻').join('');

interface Dot {
  readonly p: Point;
  readonly x: number;
  readonly y: number;
}

interface Labelled extends Dot {
  readonly label: string;
  readonly dx: number;
  readonly dy: number;
}

/** Numbers beside their dots, out of each other's way; dots upon each other share one list of numbers. */
function placeLabels(dots: readonly Dot[]): Labelled[] {
  const labels = dots.map((dot, i) => {
    const group = dots.filter((other) => Math.hypot(other.x - dot.x, other.y - dot.y) < 6);
    return group[0] === dots[i] ? group.map(({ p }) => p.number).join(' ') : '';
  });
  const taken: Box[] = dots.map(({ x, y }) => ({ x: x - 5, y: y - 5, w: 10, h: 10 }));
  return dots.map((dot, i): Labelled => {
    const label = labels[i];
    if (label === '') return { ...dot, label, dx: 0, dy: 0 };
    const w = 6.5 * label.length;
    const ways = [
      [8, 4],
      [-w / 2, -9],
      [-w / 2, 18],
      [-w - 8, 4],
      [8, -9],
      [8, 18],
      [-w / 2, -21],
      [-w / 2, 30],
      [-w / 2, -33],
      [-w / 2, 42],
    ] as const;
    const boxOf = ([dx, dy]: readonly [number, number]): Box => ({
      x: dot.x + dx,
      y: dot.y + dy - 9,
      w,
      h: 10,
    });
    const way = ways.find((one) => taken.every((box) => !overlap(box, boxOf(one)))) ?? ways[0];
    taken.push(boxOf(way));
    return { ...dot, label, dx: way[0], dy: way[1] };
  });
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
