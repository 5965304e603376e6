/** Which devices of the control domain are taken, by their numbers: 0 is xvda, hda, sda. */
import { VBD } from '../../datamodel/vbd.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { MAX_VBDS } from './limits.ts';

const AUTODETECT = 'autodetect';

/** @returns what a new VBD is called. @throws XenError INVALID_DEVICE, DEVICE_ALREADY_EXISTS */
export function newDevice(xen: Xen, wanted: string): string {
  const free = freeDevices(xen);
  if (wanted === AUTODETECT) {
    const [first] = free;
    if (first === undefined) throw xenError('INVALID_DEVICE', wanted);
    return String(first);
  }
  const number = deviceNumber(wanted);
  if (number === undefined) throw xenError('INVALID_DEVICE', wanted);
  if (!free.includes(number)) throw xenError('DEVICE_ALREADY_EXISTS', wanted);
  return wanted;
}

/** Numbers, the lowest first. */
export function freeDevices({ objects }: Xen): readonly number[] {
  const taken = new Set<number | undefined>();
  for (const [, { userdevice }] of objects.all(VBD)) taken.add(deviceNumber(userdevice));
  return Array.from({ length: MAX_VBDS }, (_, number) => number).filter((one) => !taken.has(one));
}

function deviceNumber(name: string): number | undefined {
  const letters = /^(?:xvd|hd|sd)([a-z]{1,2})$/.exec(name)?.[1];
  if (letters === undefined) {
    return /^\d{1,3}$/.test(name) && Number(name) < MAX_VBDS ? Number(name) : undefined;
  }
  let number = 0;
  for (const letter of letters) number = number * 26 + letter.charCodeAt(0) - 'a'.charCodeAt(0) + 1;
  return number <= MAX_VBDS ? number - 1 : undefined;
}
