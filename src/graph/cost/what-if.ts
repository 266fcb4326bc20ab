/** What the same network would cost if something about it were otherwise. Arithmetic on counts: nothing is rebuilt. */
import type { Graph } from '../ir.ts';
import { type Assume, countNetwork } from './counts.ts';
import { type EnergyReport, energyOf } from './energy.ts';
import type { HardwareProfile } from './profile.ts';

export interface Question {
  readonly name: string;
  readonly about: string;
  readonly assume: Assume;
}

export const questions: readonly Question[] = [
  { name: 'as it is', about: '', assume: {} },
  { name: 'all int8', about: 'every activation and weight in 8 bits', assume: { bits: 8, integer: true } },
  { name: '50 % zeros', about: 'half of the weights that are not zero become zero', assume: { keep: 0.5 } },
  { name: 'half width', about: 'half of the channels between the ends', assume: { width: 0.5 } },
  {
    name: 'all three',
    about: 'half width, half zeros, 8 bits',
    assume: { bits: 8, integer: true, keep: 0.5, width: 0.5 },
  },
];

export interface Answer extends Question {
  /** One for each profile, in their order. */
  readonly reports: readonly EnergyReport[];
}

/** `assume` holds in every row, under what the row asks. */
export function whatIf(
  graph: Graph,
  profiles: readonly HardwareProfile[],
  assume: Assume = {},
): readonly Answer[] {
  return questions.map((question) => {
    const counts = countNetwork(graph, { ...assume, ...question.assume });
    return { ...question, reports: profiles.map((profile) => energyOf(counts, profile)) };
  });
}
