/** What stands behind an SR: a repository, or nothing yet. */
import type { RepositoryRecord } from '../../../control/index.ts';
import type { Call } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { SR } from '../../datamodel/sr.ts';
import type { StorageOperation } from '../../datamodel/storage-records.ts';
import type { StorageType } from '../../device-config/storage-type.ts';
import { refOfSr, typeOf } from '../../projections/repository-records.ts';
import { HOST_REF } from '../../projections/site-records.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { isOfRepository, mayShareSr, refuseUnallowed } from './sr-operations.ts';

export interface StoredSr {
  readonly ref: Ref;
  /** Its uuid, and that of its repository. */
  readonly id: string;
  /** undefined: it was introduced, and is not known yet. */
  readonly repository: RepositoryRecord | undefined;
  readonly type: StorageType;
}

/** @throws XenError HANDLE_INVALID, SR_OPERATION_NOT_SUPPORTED (it is no repository), SR_UNKNOWN_DRIVER */
export function storedSr(xen: Xen, ref: Ref): StoredSr {
  if (!isOfRepository(xen, ref)) throw xenError('SR_OPERATION_NOT_SUPPORTED', ref);
  const { id } = xen.objects.origin(SR.name, ref);
  const repository = xen.control.catalog.repositories.byId(id);
  const type = typeOf(repository, xen.kept.get(SR, id)?.fields ?? {});
  if (type === undefined) throw xenError('SR_UNKNOWN_DRIVER', repository?.kind ?? '');
  return { ref, id, repository, type };
}

/** Of its repository: somebody may have renamed it while something was waited for. @throws XenError HANDLE_INVALID */
export function nameNow({ control }: Xen, { id }: { readonly id: string }): string {
  const name = control.catalog.repositories.byId(id)?.name;
  if (name === undefined) throw xenError('HANDLE_INVALID', SR.name, refOfSr(id));
  return name;
}

/** @throws XenError HANDLE_INVALID */
export function checkHost(host: Ref): void {
  if (host !== HOST_REF) throw xenError('HANDLE_INVALID', 'host', host);
}

/**
 * Does `work` as an operation of the SR.
 * @throws XenError why it cannot be done now
 */
export async function duringSr<T>(
  xen: Xen,
  call: Pick<Call, 'task'>,
  ref: Ref,
  operation: StorageOperation,
  work: () => T | Promise<T>,
): Promise<T> {
  refuseUnallowed(xen, ref, operation);
  const target = { className: SR.name, ref, operation, task: call.task };
  return xen.operations.during(target, mayShareSr, work);
}
