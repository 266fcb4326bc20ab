/**
 * The lines of bench/shapes/*.txt:
 *
 *   conv2d 32×32×16 → 32×32×16 k3×3 s1×1 p1,1,1,1 0…6 ×2
 *   depthwise 25×5×64 → 25×5×64 k3×3 s1×1 p1,1,1,1 0…∞
 *   dense 640 → 128
 *   averagepool 8×8×64 → 1×1×64 k8×8 s8×8
 *   add 32×32×16 → 32×32×16 0…∞
 *   softmax 10 → 10
 *
 * Padding, dilation (`d2×2`), groups (`g2`), bounds and a count of 1 are left out where they say nothing. An addition
 * is of two tensors of one shape.
 */
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../shapes/', import.meta.url);
const opNames = {
  conv2d: 'conv2d',
  depthwiseConv2d: 'depthwise',
  dense: 'dense',
  maxPool2d: 'maxpool',
  averagePool2d: 'averagepool',
  binary: 'add',
  softmax: 'softmax',
};
const kinds = Object.fromEntries(Object.entries(opNames).map(([kind, name]) => [name, kind]));
const isSame = (a, b) => a.join() === b?.join();

/** The line of a node, or `null` if it is of another kind. `[x, w]`: shapes of its inputs; `y` of its output. */
export function showShape(op, [x, w], y) {
  const name = opNames[op.kind];
  if (!name || x[0] !== 1 || (op.kind === 'binary' && (op.fn !== 'add' || !isSame(x, w)))) return null;
  if (op.kind === 'softmax' && (op.beta !== 1 || op.log)) return null;
  const { min, max } = op.clamp ?? { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  const end = (bound) => (Number.isFinite(bound) ? bound : bound < 0 ? '-∞' : '∞');
  const bounds = Number.isFinite(min) || Number.isFinite(max) ? ` ${end(min)}…${end(max)}` : '';
  if (op.kind === 'dense') return `${name} ${w[1]} → ${w[0]}${bounds}`;
  const sizes = `${x.slice(1).join('×')} → ${y.slice(1).join('×')}`;
  if (!op.stride) return `${name} ${sizes}${bounds}`;
  const { top, left, bottom, right } = op.pad;
  const pad = top + left + bottom + right > 0 ? ` p${[top, left, bottom, right]}` : '';
  const dilation = op.dilation?.some((d) => d !== 1) ? ` d${op.dilation.join('×')}` : '';
  const groups = (op.groups ?? 1) !== 1 ? ` g${op.groups}` : '';
  const kernel = (op.kernel ?? w.slice(1, 3)).join('×');
  return `${name} ${sizes} k${kernel} s${op.stride.join('×')}${pad}${dilation}${groups}${bounds}`;
}

/**
 * One line as the arithmetic and shapes of a kernel call: `x`, `y`, and `w`, `null` where there are no weights.
 * `times` is how often its network has it.
 */
export function parseShape(line) {
  const { 1: name, 2: from, 3: to, 4: rest } = /^(\w+) (\S+) → (\S+)(.*)$/.exec(line) ?? {};
  const kind = kinds[name];
  if (!kind) throw new Error(`shape "${line}": what is "${name}"?`);
  const numbers = (text, by) => text.split(by).map(Number);
  const [x, y] = [numbers(from, '×'), numbers(to, '×')];
  const clamp = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  const pad = { top: 0, left: 0, bottom: 0, right: 0 };
  let [kernel, stride, dilation, groups, times] = [[1, 1], [1, 1], [1, 1], 1, 1];
  for (const word of rest.split(' ').filter(Boolean)) {
    const value = word.slice(1);
    if (word.includes('…')) {
      [clamp.min, clamp.max] = word.split('…').map((end) => Number(end.replace('∞', 'Infinity')));
    } else if (word[0] === 'k') kernel = numbers(value, '×');
    else if (word[0] === 's') stride = numbers(value, '×');
    else if (word[0] === 'd') dilation = numbers(value, '×');
    else if (word[0] === 'g') groups = Number(value);
    else if (word[0] === '×') times = Number(value);
    else if (word[0] === 'p') [pad.top, pad.left, pad.bottom, pad.right] = numbers(value, ',');
    else throw new Error(`shape "${line}": what is "${word}"?`);
  }
  const outC = y[y.length - 1];
  const inC = x[x.length - 1];
  const shape = { line, times, x: [1, ...x], y: [1, ...y], w: null };
  switch (kind) {
    case 'dense':
      return { ...shape, op: { kind, clamp }, w: [outC, inC] };
    case 'conv2d':
      return {
        ...shape,
        op: { kind, clamp, dilation, groups, pad, stride },
        w: [outC, ...kernel, inC / groups],
      };
    case 'depthwiseConv2d':
      return { ...shape, op: { kind, clamp, dilation, pad, stride }, w: [1, ...kernel, outC] };
    case 'binary':
      return { ...shape, op: { kind, fn: 'add', clamp } };
    case 'softmax':
      return { ...shape, op: { kind, beta: 1, log: false } };
    default:
      return { ...shape, op: { kind, kernel, stride, pad, clamp } };
  }
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
