/**
 * Which values share a scale, and what it is.
 *
 * Values that an operator of the form 'same' ties together are one group; its range is that of all its members which
 * are calculated, and of the constants among its operands. A value on a fixed scale stays out of a group with others: where
 * it is concatenated, it is converted.
 */
import { VireoError } from '../errors.ts';
import { sameQuantization } from '../graph/build.ts';
import type { Graph, ValueId } from '../graph/ir.ts';
import type { Quantization } from '../tensor.ts';
import type { Calibration } from './calibrate.ts';
import type { Form } from './forms.ts';
import { parametersOf, type Range, uniteRanges } from './range.ts';

interface Group {
  range: Range | null;
  fixed: Quantization | null;
  parent: Group | null;
}

/** The parameters of any f32 value of the graph, constants included. */
export function assignScales(
  graph: Graph,
  forms: readonly Form[],
  int8Nodes: readonly boolean[],
  calibration: Calibration,
): (id: ValueId) => Quantization {
  const groups = new Map<ValueId, Group>();
  const measured = (id: ValueId): Range => {
    const { name, data } = graph.values[id];
    if (data) return rangeOfConstant(data as Float32Array); // f32 values only
    const range = calibration.ranges[name];
    if (!range)
      throw new VireoError(
        'bad-input',
        `the calibration has no range for "${name}": it is of another network, or of another preparation of this one`,
      );
    return range;
  };
  const group = (id: ValueId): Group => {
    let found = groups.get(id);
    if (!found) {
      found = { range: measured(id), fixed: null, parent: null };
      groups.set(id, found);
    }
    return rootOf(found);
  };
  graph.nodes.forEach(({ inputs, output, op }, i) => {
    const form = forms[i];
    if (!int8Nodes[i] || form.kind === 'index') return;
    if (form.kind === 'fixed') {
      groups.set(output, { range: null, fixed: form.quantization, parent: null });
      return;
    }
    if (form.kind !== 'same') return; // made when it is asked for
    const data = inputs.slice(0, form.data).map(group);
    const free = data.filter(({ fixed }) => !fixed);
    const alike = data.every(({ fixed }) => fixed && sameQuantization(fixed, data[0].fixed));
    const members = alike ? data.slice(0, 1) : free;
    if (members.length === 0) {
      group(output); // fixed scales that differ: a scale of its own
      return;
    }
    const [first, ...others] = members;
    for (const other of others) unite(first, other);
    const root = rootOf(first);
    if (op.kind === 'pad' && !root.fixed) include(root, { min: op.value, max: op.value });
    if (!alike && members.length < data.length) include(root, measured(output)); // what is converted must fit
    groups.set(output, root);
  });
  return (id) => {
    const { fixed, range } = group(id);
    return fixed ?? parametersOf(range!);
  };
}

function rootOf(group: Group): Group {
  let root = group;
  while (root.parent) root = root.parent;
  return root;
}

function unite(a: Group, b: Group): void {
  const [into, from] = [rootOf(a), rootOf(b)];
  if (into === from) return;
  into.range = uniteRanges(into.range!, from.range!);
  from.parent = into;
}

function include(group: Group, range: Range): void {
  group.range = uniteRanges(group.range!, range);
}

function rangeOfConstant(data: ArrayLike<number>): Range {
  let min = 0;
  let max = 0;
  for (let i = 0; i < data.length; i++) {
    min = Math.min(min, data[i]);
    max = Math.max(max, data[i]);
  }
  return { min, max };
}
