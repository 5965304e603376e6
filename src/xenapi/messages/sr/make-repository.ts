/** A repository begins: its storage is made ours, or taken up, and everything that is kept of it comes and goes with it. */
import {
  createRepository,
  freeName,
  shortDescription,
  type TakenUp,
  type TaskView,
  takeUpVolumes,
} from '../../../control/index.ts';
import type { Call } from '../../call.ts';
import { SR } from '../../datamodel/sr.ts';
import type { Target } from '../../device-config/translate.ts';
import { runOperation } from '../../disks/run-operation.ts';
import { NAMELESS_SR, refOfSr } from '../../projections/repository-records.ts';
import type { Xen } from '../../xen.ts';

export interface WishedRepository extends Target {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly mode: 'create' | 'existing' | 'take-over';
}

/**
 * @param keep what is to be kept of it, in the transaction in which it begins
 * @param undo takes that back when it has come to nothing
 * @throws Fault; XenError TASK_CANCELLED
 */
export async function makeRepository(
  xen: Xen,
  call: Call,
  wished: WishedRepository,
  { keep, undo }: { keep(): void; undo(): void },
): Promise<void> {
  const { control } = xen;
  const { catalog } = control;
  const { id, kind, settings, secrets, mode, label, description } = wished;
  const begin = (): TaskView => {
    keep();
    const name = repositoryName(xen, label);
    const input = {
      ...{ name, kind, mode, description: shortDescription(description) },
      ...{ settings: { ...settings } as never, secrets: { ...secrets } },
    };
    if (mode === 'create') return createRepository(control, input, id);
    return createRepository(control, { ...input, repositoryId: id });
  };
  let hasBegun = false;
  try {
    await runOperation(xen, call, () => {
      const task = catalog.transaction(begin);
      hasBegun = true;
      return task;
    });
  } catch (error) {
    if (hasBegun) catalog.transaction(undo);
    throw error;
  }
}

/** @param id of the one that is to be called so, if it is there */
export function repositoryName({ control: { catalog } }: Xen, label: string, id?: string): string {
  return freeName(label, NAMELESS_SR, (name) => {
    const other = catalog.repositories.byName(name);
    return other !== undefined && other.id !== id;
  });
}

/** In other_config of an SR: true: a scan takes in what others have put on its storage; false: it does not. */
export const ADOPT_KEY = 'rootcast-adopt';
const ISO_FILE = /\.(iso|img)$/i;

/**
 * Volumes that lie on the storage and have no record. Those that were of this repository once always; those of others
 * when that is wished, and in an ISO library images: it is there to show what people put into it.
 * @throws Fault
 */
export function takeUp(xen: Xen, call: Call, id: string): Promise<TakenUp> {
  const { control, objects } = xen;
  const name = control.catalog.repositories.byId(id)?.name ?? id;
  const { type, other_config: otherConfig } = objects.require(SR, refOfSr(id));
  const wish = otherConfig.get(ADOPT_KEY);
  return takeUpVolumes(
    control,
    name,
    (volume) =>
      wish === 'true' || (wish !== 'false' && type === 'iso' && ISO_FILE.test(volume.name)),
    call,
  );
}

/** Of volumes that cannot be told from states of snapshots. */
export function doubtMessage({ doubtful }: TakenUp): string {
  return `${doubtful} volumes were of this repository once, and are left alone: layers of snapshots lie beside them whose records are lost (rootcast volume foreign)`;
}
