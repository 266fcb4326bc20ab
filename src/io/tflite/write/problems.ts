/** What of a network cannot be written, gathered so that one error names all of it. */
import { VireoError } from '../../../errors.ts';

const shownNames = 3;
const shownKinds = 100;

export class Problems {
  readonly #names = new Map<string, string[]>();

  /** `what` and `reason` name the kind of thing, `name` which one it is. */
  add(what: string, reason: string, name: string): void {
    const key = reason === '' ? what : `${what}: ${reason}`;
    const names = this.#names.get(key) ?? [];
    this.#names.set(key, names);
    names.push(name);
  }

  throwIfAny(graph: string): void {
    if (this.#names.size === 0) return;
    const lines = [...this.#names].slice(0, shownKinds).map(([key, names]) => {
      const shown = names.slice(0, shownNames).map((name) => `"${name}"`);
      const more = names.length > shownNames ? ` and ${names.length - shownNames} more` : '';
      return `${key} (${shown.join(', ')}${more})`;
    });
    if (this.#names.size > shownKinds) lines.push(`and ${this.#names.size - shownKinds} kinds more`);
    throw new VireoError('unsupported', `TFLite cannot hold the graph "${graph}":\n  ${lines.join('\n  ')}`);
  }
}
