/** What a failure of the control plane is to who asked for a VDI. */
import { Fault } from '../../errors/index.ts';
import type { Ref } from '../datamodel/description.ts';
import { backendFailure, xenError } from '../xen-error.ts';

/** sm: VDI Invalid size. */
export const VDI_SIZE = 79;

/** Fields of faults that say who has it open, not what stands on it. */
const OPENERS: ReadonlySet<string | undefined> = new Set(['connections', 'volume', 'disk']);

/** Fields of faults that say that its repository is not attached: as the operation sees it, as the storage does. */
const DETACHED: ReadonlySet<string | undefined> = new Set(['repository.state', 'repository']);

/** @returns what is to be thrown instead: `error` itself unless more is known of it here */
export function vdiFault(
  error: unknown,
  { ref, sr, operation }: { readonly ref: Ref; readonly sr: Ref; readonly operation: string },
): unknown {
  if (!(error instanceof Fault)) return error;
  const { field } = error.details;
  switch (error.code) {
    case 'IN_USE':
      return OPENERS.has(field)
        ? xenError('VDI_IN_USE', ref, operation)
        : xenError('OPERATION_NOT_ALLOWED', error.message);
    case 'NOT_FOUND':
      return xenError('HANDLE_INVALID', 'VDI', ref);
    case 'EXPORT_NOT_FOUND':
      return xenError('VDI_NOT_AVAILABLE', ref);
    case 'UNAVAILABLE':
      return DETACHED.has(field) ? xenError('SR_HAS_NO_PBDS', sr) : error;
    case 'UNREACHABLE':
      return field === 'repository.state' ? xenError('SR_NOT_ATTACHED', sr) : error;
    case 'UNSUPPORTED':
      return xenError('SR_OPERATION_NOT_SUPPORTED', sr);
    case 'INVALID_INPUT':
      if (field === 'volume.size') return backendFailure(VDI_SIZE, error.message);
      return field === 'disk' ? xenError('VDI_READONLY', ref) : error;
    default:
      return error;
  }
}
