/** Hooks that a crash has kept from being called afterwards: what was frozen then thaws at the next start. */
import type { HookDebt } from '../catalog/storage/hook-debt-table.ts';
import type { Control } from '../control.ts';
import { callAfter, type HookOccasion } from './hooks.ts';
import { inTurn } from './turns.ts';

/** Once at start. A task: nothing waits for hooks. */
export function payHookDebts(control: Control): void {
  const debts = control.catalog.hookDebts.all();
  if (debts.length === 0) return;
  control.tasks.start('hooks.after', 'service', async (_, signal) => {
    const hooks: unknown[] = [];
    for (const debt of debts) {
      signal.throwIfAborted();
      // The next snapshot of the volumes freezes them again: not before this is done.
      const turns = debt.occasion.volumeIds.map((id) => `hooks/${id}`);
      await inTurn(control, turns, async () => {
        const results: Parameters<typeof callAfter>[3] = [];
        await callAfter(control, occasionOf(control, debt), false, results);
        hooks.push(...results);
        control.catalog.transaction(() => control.catalog.hookDebts.delete(debt.id));
      });
    }
    return { hooks };
  });
}

function occasionOf({ catalog }: Control, { occasion }: HookDebt): HookOccasion {
  const { of, subject, volumeIds, groupId, facts } = occasion;
  return {
    ...{ of, subject, facts },
    volumes: volumeIds.flatMap((id) => catalog.volumes.byId(id) ?? []),
    group: groupId === undefined ? undefined : catalog.volumeGroups.byId(groupId),
  };
}
