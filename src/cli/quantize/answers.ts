/** What two networks answer to the same items: right answers of each, and how many differ. */
import type { Graph } from '../../graph/ir.ts';
import { compile } from '../../graph/run/compile.ts';
import type { Session } from '../../graph/run/session.ts';
import type { InputCard } from '../../io/cards/index.ts';
import { planInput } from '../../io/cards/index.ts';
import type { DataItem, DataSet } from '../data-set.ts';
import { feed, read } from '../network.ts';
import { largest } from '../scores.ts';
import { percent, progress } from '../terminal.ts';
import { spread } from './items.ts';
import type { Settings } from './settings.ts';
import type { Source } from './source.ts';

export interface Contender {
  readonly session: Session;
  readonly input: InputCard;
}

export interface Answers {
  readonly count: number;
  /** Items with a label. */
  readonly labelled: number;
  readonly correct: readonly [before: number, after: number];
  readonly changed: number;
  /** Of the networks alone, a run. */
  readonly milliseconds: readonly [before: number, after: number];
}

export async function compareAnswers(
  before: Contender,
  after: Contender,
  items: AsyncIterable<DataItem>,
  each: (done: number, answers: Answers) => void,
): Promise<Answers> {
  const contenders = [before, after].map(({ session, input }) => ({
    session,
    plan: planInput(input, session.inputs[0]),
  }));
  const correct: [number, number] = [0, 0];
  const spent: [number, number] = [0, 0];
  let [count, labelled, changed] = [0, 0, 0];
  const now = (): Answers => ({
    count,
    labelled,
    correct: [...correct],
    changed,
    milliseconds: [spent[0] / Math.max(count, 1), spent[1] / Math.max(count, 1)],
  });
  for await (const { label, source } of items) {
    const [a, b] = contenders.map(({ session, plan }, i) => {
      feed(session, 0, plan.prepare(source));
      const started = performance.now();
      session.run();
      spent[i as 0 | 1] += performance.now() - started;
      const answer = largest(read(session, 0));
      if (answer === label) correct[i as 0 | 1]++;
      return answer;
    });
    count++;
    if (label !== undefined) labelled++;
    if (a !== b) changed++;
    each(count, now());
  }
  return now();
}

/** On all items, or, of the set that was calibrated on, on those that are left. */
export async function judge(
  source: Source,
  graph: Graph,
  set: DataSet,
  { settings, isSame }: { readonly settings: Settings; readonly isSame: boolean },
): Promise<Answers> {
  const session = compile(graph);
  const before = { session: compile(source.given), input: source.givenInput };
  const after = { session, input: source.input };
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

export function judgedBy(isClassifier: boolean, labelled: number, isSame: boolean, name: string): string {
  if (!isClassifier) return 'the network is no classifier';
  if (labelled === 0) return `no item of ${name} that is left has a label`;
  return isSame ? `on the ${labelled} other items` : `on ${labelled} items of ${name}`;
}
