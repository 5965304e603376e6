/** What is being deleted is promised to nobody: its storage may be gone before the catalog says so. */
import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';

/** While `work` deletes a volume or a snapshot. In its turn (turns.ts). */
export async function whileDying<T>(
  { dying }: Control,
  id: string,
  work: () => Promise<T>,
): Promise<T> {
  dying.add(id);
  try {
    return await work();
  } finally {
    dying.delete(id);
  }
}

/** @throws Fault IN_USE */
export function refuseDying({ dying }: Control, id: string, name: string, field: string): void {
  if (!dying.has(id)) return;
  throw new Fault('IN_USE', `${name} is being deleted`, {
    field,
    value: name,
    expected: 'something that stays (rootcast task list)',
  });
}
