/**
 * What a failure of the control plane or of the data path is to a XenAPI client. Messages translate first what they
 * know more of (whose VDI it is that is in use …); this is for the rest.
 */
import { BlockError, Fault, type FaultCode } from '../errors/index.ts';
import { backendFailure, XenError, xenError } from './xen-error.ts';

/** Numbers of sm's XE_SR_ERRORCODES.xml. */
const BACKEND: Partial<Readonly<Record<FaultCode, number>>> = {
  NO_SPACE: 44,
  UNREACHABLE: 47,
  UNAVAILABLE: 47,
  ALREADY_EXISTS: 43,
  IN_USE: 46,
  EXPORT_NOT_FOUND: 46,
  TOOL_MISSING: 202,
  HOOK_FAILED: 202,
  LIMIT_EXCEEDED: 202,
  IMAGE_INVALID: 65,
  IMAGE_UNSUPPORTED: 65,
  BACKING_FILE_MISSING: 65,
  UNSUPPORTED: 38,
};

/** @param task of the call, for TASK_CANCELLED */
export function xenErrorOf(error: unknown, task: string): XenError {
  if (error instanceof XenError) return error;
  if (error instanceof BlockError) {
    if (error.errno === 'ENOSPC') return backendFailure(44, error.message);
    return xenError('VDI_IO_ERROR', error.message);
  }
  if (!(error instanceof Fault)) {
    return xenError('INTERNAL_ERROR', error instanceof Error ? error.message : String(error));
  }
  if (error.code === 'CANCELLED') return xenError('TASK_CANCELLED', task);
  if (error.code === 'PERMISSION_DENIED') return xenError('PERMISSION_DENIED', error.message);
  if (error.code === 'INVALID_INPUT') {
    const { field = 'value', value, expected } = error.details;
    const reason = expected === undefined ? error.message : `expected ${expected}`;
    return xenError('VALUE_NOT_SUPPORTED', field, textOf(value), reason);
  }
  const number = BACKEND[error.code];
  if (number !== undefined) return backendFailure(number, error.message);
  return xenError('INTERNAL_ERROR', error.message);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
