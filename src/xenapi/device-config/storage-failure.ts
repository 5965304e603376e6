/** What a driver of XenServer would have said (sm XE_SR_ERRORCODES.xml, xen-api sm_exec.ml). */
import { Fault, type FaultCode } from '../../errors/index.ts';
import { backendFailure, xenError } from '../xen-error.ts';
import { refusedKey, type StorageType } from './storage-type.ts';

/** 42 SRExists, 44 SRNoSpace, 47 SRUnavailable. What is not here is the same for every class (fault-to-xen.ts). */
const NUMBERS: Partial<Readonly<Record<FaultCode, number>>> = {
  ALREADY_EXISTS: 42,
  NO_SPACE: 44,
  NOT_FOUND: 47,
  UNREACHABLE: 47,
  UNAVAILABLE: 47,
  PERMISSION_DENIED: 47,
};

const SETTINGS = /^repository\.(settings|secrets)\./;

/** Of reaching, making or taking up storage. Other errors pass unchanged. */
export function storageFailure(type: StorageType, error: unknown): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, message, details } = error;
  if (code === 'INVALID_INPUT') {
    const { field = 'device_config', value, expected } = details;
    const key = deviceKey(type, field.replace(SETTINGS, ''));
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    return refusedKey(key, expected === undefined ? message : `expected: ${expected}`, text);
  }
  if (code === 'IN_USE') return xenError('SR_DEVICE_IN_USE');
  const number = type.failures[code] ?? NUMBERS[code];
  return number === undefined ? error : backendFailure(number, message);
}

function deviceKey(type: StorageType, setting: string): string {
  return [...type.toDeviceConfig(new Map([[setting, '']])).keys()][0] ?? setting;
}
