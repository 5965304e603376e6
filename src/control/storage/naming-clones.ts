import { Fault } from '../../errors/index.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { toldNames } from '../values/told-names.ts';
import { addressOf } from './names.ts';

/**
 * The storage knows clones by its own names; people by theirs.
 * @param what they stand on, e.g. `volume db`
 * @returns what is to be thrown instead: `error` itself unless clones are what it is about
 */
export function namingClones(
  { catalog }: Control,
  error: unknown,
  {
    what,
    field,
    clones: find,
  }: {
    readonly what: string;
    readonly field: string;
    readonly clones: () => readonly VolumeRecord[];
  },
): unknown {
  if (!(error instanceof Fault) || error.code !== 'IN_USE') return error;
  const clones = find();
  if (clones.length === 0) return error;
  const names = clones.map(({ id }) => addressOf(catalog, id));
  const message = `${toldNames(names)} stand on ${what}: ${error.message}`;
  const expected = 'no linked clone that stands on it (rootcast volume split, or delete)';
  return new Fault('IN_USE', message, { field, value: names, expected }, { cause: error });
}
