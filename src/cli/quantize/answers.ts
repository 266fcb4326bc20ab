/** What two networks answer to the same items: right answers of each, and how many differ. */
import type { Session } from '../../graph/run/session.ts';
import type { InputCard } from '../../io/cards/index.ts';
import { planInput } from '../../io/cards/index.ts';
import { largest } from '../commands/eval.ts';
import type { DataItem } from '../data-set.ts';
import { feed, read } from '../network.ts';

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
