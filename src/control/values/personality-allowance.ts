/** How much personality data a machine may have, its collection's counted in. */
import { Fault } from '../../errors/index.ts';
import { MAX_PERSONALITY_BYTES } from '../limits.ts';
import { variableName } from './personality.ts';

export interface SizedName {
  readonly name: string;
  /** UTF-8 bytes of name and value. */
  readonly bytes: number;
}

/** What one collection gives, beside which its machines have data of their own. */
export class PersonalityAllowance {
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #variables: ReadonlyMap<string, string>;
  readonly #bytes: number;

  constructor(inherited: readonly SizedName[]) {
    this.#sizes = new Map(inherited.map(({ name, bytes }) => [name, bytes]));
    this.#variables = new Map(inherited.map(({ name }) => [variableName(name), name]));
    this.#bytes = sum(inherited);
  }

  /**
   * @param owner for the error, e.g. `machine pc-1`
   * @param own what it has itself, which counts instead of what is inherited of the same name
   * @throws Fault LIMIT_EXCEEDED, INVALID_INPUT (two names would be one variable)
   */
  check(owner: string, own: readonly SizedName[]): void {
    const covered = own.reduce((bytes, { name }) => bytes + (this.#sizes.get(name) ?? 0), 0);
    const bytes = this.#bytes - covered + sum(own);
    if (bytes > MAX_PERSONALITY_BYTES) {
      throw new Fault('LIMIT_EXCEEDED', `${owner} would have ${bytes} bytes of personality data`, {
        field: 'personality',
        value: bytes,
        expected: `at most ${MAX_PERSONALITY_BYTES} bytes, a collection's counted for each machine`,
      });
    }
    const seen = new Map(this.#variables);
    for (const { name } of own) {
      const variable = variableName(name);
      const other = seen.get(variable);
      if (other !== undefined && other !== name) {
        throw new Fault('INVALID_INPUT', `${name} and ${other} of ${owner} are the same variable`, {
          field: 'personality.name',
          value: name,
          expected: `one name that becomes ${variable}`,
        });
      }
      seen.set(variable, name);
    }
  }
}

function sum(entries: readonly SizedName[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}
