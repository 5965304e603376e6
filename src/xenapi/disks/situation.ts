/** The facts that rules.ts judges by, of the database of objects. */

import type { Ref } from '../datamodel/description.ts';
import { VBD } from '../datamodel/vbd.ts';
import { VDI } from '../datamodel/vdi.ts';
import type { Xen } from '../xen.ts';
import type { VdiRecord } from './disk.ts';
import { allowedOperations, type VdiSituation } from './rules.ts';

type Parts = Pick<Xen, 'objects' | 'operations'>;

export function situationOf(
  { objects, operations }: Parts,
  ref: Ref,
  record: VdiSituation['record'] & Pick<VdiRecord, 'VBDs'>,
): VdiSituation {
  const { kind } = objects.origin(VDI.name, ref);
  const attached: string[] = [];
  const plugging = new Map<Ref, string>();
  for (const vbd of record.VBDs) {
    const shown = objects.find(VBD.name, vbd);
    if (shown === undefined) continue;
    const { currently_attached: isAttached, mode } = shown;
    if (isAttached === true) attached.push(String(mode));
    for (const [task, operation] of operations.of(vbd)) plugging.set(task, operation);
  }
  return {
    ...{ ref, record, attached, plugging },
    isOfVdisk: kind === 'vdisk' || kind === 'version',
    running: operations.of(ref),
  };
}

/** The records of VDIs get what follows from others. */
export function completeVdis(xen: Parts): void {
  xen.objects.completeWith(VDI.name, (ref, record) => {
    // Its fields are those of the class: the projections made them.
    const at = situationOf(xen, ref, record as unknown as VdiRecord);
    const current = new Map(at.running);
    return { ...record, current_operations: current, allowed_operations: allowedOperations(at) };
  });
}
