/** sm LVHDoHBASR.py, LVHDSR.py, EXTSR.py: a disk that this server sees, carved into volumes. */
import { CARVED_KEYS, CARVED_RULES } from './carved.ts';
import { type KeyRules, type Need, refusedKey, simpleType } from './storage-type.ts';

const SAN: KeyRules = CARVED_RULES;

/** XenServer makes one volume group of several disks. */
const LOCAL: KeyRules = {
  ignored: CARVED_RULES.ignored,
  replaced: new Map([
    ...CARVED_RULES.replaced,
    [
      'device',
      (value: string) => {
        if (!value.includes(',')) return new Map([['device', value]]);
        throw refusedKey('device', 'one disk is expected: each is an SR', value);
      },
    ],
  ]),
};

/** 91 ConfigDeviceInvalid. */
const failures = { NOT_FOUND: 91 } as const;

const shared = (name: string, label: string, needed: readonly string[]) =>
  simpleType({
    ...{ name, label, kind: 'san', shared: true, rules: SAN, features: [], failures },
    ...{ keys: CARVED_KEYS },
    description: 'A disk of a SAN that this server sees (Fibre Channel, SAS). One SR for each.',
    needs: [{ oneOf: needed, number: 107, choices: 'Devlist' }],
  });

const LOCAL_NEED: Need = { oneOf: ['device'], number: 90, choices: 'Devlist' };

const local = (name: string, label: string) =>
  simpleType({
    ...{ name, label, kind: 'san', shared: false, rules: LOCAL, features: [], failures },
    ...{ keys: CARVED_KEYS, needs: [LOCAL_NEED] },
    description: 'A disk of this server. One SR for each.',
  });

export const SAN_TYPES = [
  shared('lvmohba', 'Hardware HBA', ['SCSIid']),
  shared('lvhdohba', 'Hardware HBA (as lvmohba)', ['SCSIid']),
  shared('hba', 'Hardware HBA (as lvmohba)', ['SCSIid']),
  shared('san', 'Disks that this server sees', ['SCSIid', 'device']),
  local('lvm', 'Local disk'),
  local('lvhd', 'Local disk (as lvm)'),
  local('ext', 'Local disk (as lvm: no file system is made on it)'),
];
