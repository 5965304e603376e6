/**
 * What can be done with an SR now, and if not, why (xapi_sr_operations.ml): asked by messages before they do it, and
 * shown as allowed_operations, so that the two never differ.
 *
 * xapi does one thing at a time with an SR. Here what VDIs of it are going through does not disturb each other, nor
 * looking at it; what begins or ends it is alone.
 */
import type { Ref } from '../../datamodel/description.ts';
import { SR } from '../../datamodel/sr.ts';
import type { StorageOperation } from '../../datamodel/storage-records.ts';
import { featuresOf } from '../../device-config/features.ts';
import { STORAGE_TYPES } from '../../device-config/storage-types.ts';
import type { AnyRecord } from '../../objects/objects.ts';
import type { MayShare } from '../../operations.ts';
import { hasFact } from '../../projections/kept-facts.ts';
import type { Xen } from '../../xen.ts';
import { type XenError, xenError } from '../../xen-error.ts';

/** Those that are told, in xapi's order. */
const TOLD: readonly StorageOperation[] = [
  ...(['scan', 'destroy', 'forget', 'plug', 'unplug', 'vdi_create', 'vdi_destroy'] as const),
  ...(['vdi_resize', 'vdi_clone', 'vdi_snapshot', 'vdi_mirror', 'vdi_enable_cbt'] as const),
  ...(['vdi_disable_cbt', 'vdi_data_destroy', 'vdi_list_changed_blocks'] as const),
  ...(['vdi_set_on_boot', 'vdi_introduce', 'update', 'pbd_create', 'pbd_destroy'] as const),
  'vdi_revert',
];

/** What a type must be able to do. */
const NEEDED: Partial<Readonly<Record<StorageOperation, string>>> = {
  update: 'SR_UPDATE',
  vdi_create: 'VDI_CREATE',
  vdi_destroy: 'VDI_DELETE',
  vdi_resize: 'VDI_RESIZE',
  vdi_introduce: 'VDI_INTRODUCE',
  vdi_snapshot: 'VDI_SNAPSHOT',
  vdi_mirror: 'VDI_MIRROR',
  vdi_enable_cbt: 'VDI_CONFIG_CBT',
  vdi_disable_cbt: 'VDI_CONFIG_CBT',
  vdi_data_destroy: 'VDI_CONFIG_CBT',
  vdi_list_changed_blocks: 'VDI_CONFIG_CBT',
  vdi_set_on_boot: 'VDI_RESET_ON_BOOT',
};

const LOOKS: ReadonlySet<string> = new Set(['scan', 'update']);
const BEGINS_OR_ENDS: ReadonlySet<string> = new Set([
  ...['destroy', 'forget', 'plug', 'unplug', 'pbd_create', 'pbd_destroy'],
]);

export const mayShareSr: MayShare = (running, wanted) => {
  if (running === 'plug' && wanted === 'plug') return true;
  if (BEGINS_OR_ENDS.has(running) || BEGINS_OR_ENDS.has(wanted)) return false;
  return !(LOOKS.has(running) && LOOKS.has(wanted));
};

/** Of a repository, or to become one; else no client may do more with it than look. @throws XenError HANDLE_INVALID */
export function isOfRepository(xen: Xen, ref: Ref): boolean {
  const { kind, id } = xen.objects.origin(SR.name, ref);
  return kind === 'repository' || (kind === 'own' && hasFact(xen, 'SR', id, 'introduced'));
}

export function allowedOperations(
  xen: Xen,
  ref: Ref,
  record: AnyRecord,
): readonly StorageOperation[] {
  if (!isOfRepository(xen, ref)) return TOLD.filter((operation) => LOOKS.has(operation));
  return TOLD.filter((operation) => refusalOf(xen, ref, record, operation) === undefined);
}

/** @throws XenError why it cannot be done now */
export function refuseUnallowed(xen: Xen, ref: Ref, operation: StorageOperation): void {
  const record = xen.objects.requireAny(SR.name, ref);
  if (!isOfRepository(xen, ref)) {
    if (LOOKS.has(operation)) return;
    throw xenError('SR_OPERATION_NOT_SUPPORTED', ref);
  }
  const refusal = refusalOf(xen, ref, record, operation);
  if (refusal !== undefined) throw refusal;
}

function refusalOf(
  xen: Xen,
  ref: Ref,
  record: AnyRecord,
  operation: StorageOperation,
): XenError | undefined {
  for (const [task, running] of xen.operations.of(ref)) {
    if (!mayShareSr(running, operation)) {
      return xenError('OTHER_OPERATION_IN_PROGRESS', SR.name, ref, running, task);
    }
  }
  const needed = NEEDED[operation];
  if (needed !== undefined && !hasFeature(record, needed)) {
    return xenError('SR_OPERATION_NOT_SUPPORTED', ref);
  }
  return operation === 'destroy' || operation === 'forget'
    ? refusalToEnd(xen, ref, record, operation)
    : undefined;
}

function hasFeature(record: AnyRecord, feature: string): boolean {
  const type = STORAGE_TYPES.find(({ name }) => name === record['type']);
  return type !== undefined && featuresOf(type).includes(feature);
}

function refusalToEnd(
  { objects }: Xen,
  ref: Ref,
  record: AnyRecord,
  operation: 'destroy' | 'forget',
): XenError | undefined {
  const pbds = record['PBDs'] as readonly Ref[];
  const isAttached = pbds.some((pbd) => objects.find('PBD', pbd)?.['currently_attached'] === true);
  if (isAttached) return xenError('SR_HAS_PBD', ref);
  if (operation === 'forget') return undefined;
  if (pbds.length === 0) return xenError('SR_HAS_NO_PBDS', ref);
  // Introduced, and never plugged: nothing of it was ever seen, whether it is empty neither.
  if (objects.origin(SR.name, ref).kind !== 'repository') {
    return xenError('SR_OPERATION_NOT_SUPPORTED', ref);
  }
  const isFull = (record['VDIs'] as readonly Ref[]).some(
    (vdi) => objects.find('VDI', vdi)?.['managed'] !== false,
  );
  if (isFull) return xenError('SR_NOT_EMPTY');
  const otherConfig = record['other_config'] as ReadonlyMap<string, string>;
  return otherConfig.get('indestructible') === 'true'
    ? xenError('SR_INDESTRUCTIBLE', ref)
    : undefined;
}
