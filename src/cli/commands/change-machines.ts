/** One change of several machines: all of them or none. */
import type { Items, Machine } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { Session } from '../session.ts';

export interface Selection {
  readonly names: readonly string[];
  /** Instead of names. */
  readonly allIn: string | undefined;
}

/** @throws CliError EXIT_USAGE */
export function requireSelection({ names, allIn }: Selection): void {
  if (names.length > 0 === (allIn !== undefined)) {
    throw new CliError(EXIT_USAGE, 'give names of machines, or --all-in COLLECTION');
  }
}

/** @returns the machines as they are now */
export async function changeMachines(
  session: Session,
  { names, allIn }: Selection,
  change: object,
): Promise<readonly Machine[]> {
  const which = allIn === undefined ? { machines: names } : { collection: allIn };
  const { items } = await session.client.call<Items<Machine>>('POST', '/machines/update', {
    ...which,
    change,
  });
  return items;
}
