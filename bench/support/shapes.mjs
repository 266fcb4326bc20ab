/**
 * The lines of bench/shapes/*.txt:
 *
 *   conv2d 32×32×16 → 32×32×16 k3×3 s1×1 p1,1,1,1 0…6 ×2
 *   depthwise 25×5×64 → 25×5×64 k3×3 s1×1 p1,1,1,1 0…∞
 *   dense 640 → 128
 *
 * Padding, dilation (`d2×2`), bounds and a count of 1 are left out where they say nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../shapes/', import.meta.url);
const opNames = { conv2d: 'conv2d', depthwiseConv2d: 'depthwise', dense: 'dense' };

/** The line of a node, or `null` if it is of another kind. `w`: the shape of its weights. */
export function showShape(op, x, w, y) {
  const name = opNames[op.kind];
  if (!name) return null;
  const { min, max } = op.clamp;
  const end = (bound) => (Number.isFinite(bound) ? bound : bound < 0 ? '-∞' : '∞');
  const bounds = Number.isFinite(min) || Number.isFinite(max) ? ` ${end(min)}…${end(max)}` : '';
  if (op.kind === 'dense') return `${name} ${w[1]} → ${w[0]}${bounds}`;
  const { top, left, bottom, right } = op.pad;
  const pad = top + left + bottom + right > 0 ? ` p${[top, left, bottom, right]}` : '';
  const dilation = op.dilation.some((d) => d !== 1) ? ` d${op.dilation.join('×')}` : '';
  const groups = (op.groups ?? 1) !== 1 ? ` g${op.groups}` : '';
  const sizes = `${x.slice(1).join('×')} → ${y.slice(1).join('×')} k${w[1]}×${w[2]} s${op.stride.join('×')}`;
  return `${name} ${sizes}${pad}${dilation}${groups}${bounds}`;
}

/** One line as the arithmetic and shapes of a kernel call; `times` is how often its network has it. */
export function parseShape(line) {
  const { 1: name, 2: from, 3: to, 4: rest } = /^(\w+) (\S+) → (\S+)(.*)$/.exec(line) ?? {};
  const numbers = (text, by) => text.split(by).map(Number);
  const [x, y] = [numbers(from, '×'), numbers(to, '×')];
  const shape = { line, times: 1 };
  const op = { clamp: { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY } };
  if (name !== 'dense') {
    op.dilation = [1, 1];
    op.pad = { top: 0, left: 0, bottom: 0, right: 0 };
    if (name === 'conv2d') op.groups = 1;
  }
  let kernel = [1, 1];
  for (const word of rest.split(' ').filter(Boolean)) {
    const value = word.slice(1);
    if (word.includes('…')) {
      const [min, max] = word.split('…').map((end) => Number(end.replace('∞', 'Infinity')));
      op.clamp = { min, max };
    } else if (word[0] === 'k') kernel = numbers(value, '×');
    else if (word[0] === 's') op.stride = numbers(value, '×');
    else if (word[0] === 'd') op.dilation = numbers(value, '×');
    else if (word[0] === 'g') op.groups = Number(value);
    else if (word[0] === '×') shape.times = Number(value);
    else if (word[0] === 'p') {
      const [top, left, bottom, right] = numbers(value, ',');
      op.pad = { top, left, bottom, right };
    } else throw new Error(`shape "${line}": what is "${word}"?`);
  }
  const outC = y[y.length - 1];
  const inC = x[x.length - 1];
  if (name === 'dense')
    return { ...shape, op: { kind: 'dense', ...op }, x: [1, inC], w: [outC, inC], y: [1, outC] };
  const ends = { x: [1, ...x], y: [1, ...y] };
  if (name === 'depthwise')
    return { ...shape, op: { kind: 'depthwiseConv2d', ...op }, ...ends, w: [1, ...kernel, outC] };
  return { ...shape, op: { kind: 'conv2d', ...op }, ...ends, w: [outC, ...kernel, inC / op.groups] };
}

/** Every shape of every file, each once, under the network that has it first. */
export function readShapes() {
  const shapes = new Map();
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort())
    for (const line of readFileSync(new URL(file, folder), 'utf8').split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const shape = parseShape(line);
      const key = line.replace(/ ×\d+$/, '');
      if (!shapes.has(key)) shapes.set(key, { ...shape, line: key, network: file.replace('.txt', '') });
    }
  return [...shapes.values()];
}
