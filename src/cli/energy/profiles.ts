/** The hardware profile that a command line asks for. */
import { existsSync } from 'node:fs';
import { VireoError } from '../../errors.ts';
import { type HardwareProfile, readProfile } from '../../graph/cost/profile.ts';
import { profileOf, profiles } from '../../graph/cost/profiles.ts';
import { isTier, tierNames } from '../../graph/cost/tiers.ts';
import { readFile } from '../files.ts';
import type { Given, Option } from '../options.ts';

export const profileOption: Option = {
  name: 'profile',
  value: 'NAME|FILE',
  about: `what operations and accesses cost: ${profiles.map(({ name }) => name).join(', ')}, or a JSON file`,
};
export const tierOption: Option = {
  name: 'tier',
  value: tierNames.join('|'),
  about: 'the model: the built-in profile of that tier (default H)',
};

/** By `--profile`, else by `--tier`; `otherwise` where neither is given. */
export function chosenProfile(given: Given, otherwise: HardwareProfile): HardwareProfile {
  const name = given.text('profile');
  const tier = given.text('tier');
  if (tier !== undefined && !isTier(tier))
    throw new VireoError('usage', `--tier expects ${tierNames.join(', ')}, got ${JSON.stringify(tier)}`);
  const profile = name === undefined ? undefined : namedProfile(name);
  if (profile && tier !== undefined && profile.tier !== tier)
    throw new VireoError('usage', `profile ${profile.name} is for tier ${profile.tier}, --tier says ${tier}`);
  return profile ?? (tier === undefined ? otherwise : profileOf[tier]);
}

function namedProfile(name: string): HardwareProfile {
  const builtIn = profiles.find((profile) => profile.name === name);
  if (builtIn) return builtIn;
  if (!existsSync(name))
    throw new VireoError(
      'io',
      `no profile ${JSON.stringify(name)}: expected ${profiles.map((p) => p.name).join(', ')}, or the path of a JSON file`,
    );
  return readProfile(new TextDecoder().decode(readFile(name)), name);
}
