/** The memory plan as a picture in text: bytes upward, steps to the right. */
import type { Plan } from '../graph/plan/plan.ts';
import { showBytes, table } from './terminal.ts';

const columns = 72;
const rows = 24;
/** The end of a name is what tells it from others. */
const short = (name: string): string => (name.length > 48 ? `…${name.slice(-47)}` : name);
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 *   ┌──────────┐ 51.0 KiB
 *   │AAAAA··DDD│        each letter a buffer, · bytes that no value needs at that step
 *   │BBBBCCCCDD│
 *   └──────────┘ 0
 */
export function drawPlan(plan: Plan): string {
  const steps = Math.max(1, plan.steps.length);
  const width = steps <= columns ? steps * Math.floor(columns / steps) : columns;
  const buffers = [...plan.buffers].sort((a, b) => b.bytes - a.bytes);
  const name = (i: number): string => letters[i % letters.length];
  const lines: string[] = [];
  for (let row = rows - 1; row >= 0; row--) {
    const at = ((row + 0.5) / rows) * plan.arenaBytes;
    let line = '';
    for (let column = 0; column < width; column++) {
      const step = Math.floor(((column + 0.5) / width) * steps);
      const i = buffers.findIndex(
        (b) => b.start <= step && step <= b.end && b.offset <= at && at < b.offset + b.bytes,
      );
      line += i < 0 ? '·' : name(i);
    }
    lines.push(`│${line}│`);
  }
  const legend = buffers
    .slice(0, 20)
    .map((b, i) => [
      `  ${name(i)}`,
      showBytes(b.bytes),
      `at ${b.offset}`,
      `steps ${b.start}–${b.end}`,
      b.holds.length > 1 ? `${short(b.holds[0])} and ${b.holds.length - 1} more` : short(b.holds[0]),
    ]);
  return [
    `Memory plan: ${showBytes(plan.arenaBytes)} for ${buffers.length} buffers over ${plan.steps.length} steps (lower bound ${showBytes(plan.lowerBound)})`,
    `┌${'─'.repeat(width)}┐ ${showBytes(plan.arenaBytes)}`,
    ...lines,
    `└${'─'.repeat(width)}┘ 0`,
    table(legend, [1]),
    ...(buffers.length > 20 ? [`  and ${buffers.length - 20} smaller ones`] : []),
  ].join('\n');
}
