/** A driver of storage as a record of class SM. */
import { SM } from '../datamodel/sm.ts';
import { featuresOf } from '../device-config/features.ts';
import { secretKeys } from '../device-config/passwords.ts';
import type { StorageType } from '../device-config/storage-type.ts';
import { toDeviceConfig } from '../device-config/translate.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { AnyRecord } from '../objects/objects.ts';
import { refOf, uuidOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';

export const refOfSm = (type: string): string => refOf(SM.name, type);

/** Of the interface between server and driver: there is one, and it is not the client's business. */
const API_VERSION = '1.0';
/** Of a feature that has only one. */
const FIRST_VERSION = 1;

export function smRecord(
  xen: Xen,
  type: StorageType,
  kept: Readonly<Record<string, unknown>>,
): AnyRecord {
  const { version } = xen.control;
  const features = featuresOf(type);
  return {
    ...emptyRecord(SM),
    ...kept,
    uuid: uuidOf(SM.name, type.name),
    name_label: type.label,
    name_description: type.description,
    type: type.name,
    vendor: 'Rootcast',
    copyright: 'The authors of Rootcast',
    version,
    required_api_version: API_VERSION,
    configuration: configurationOf(xen, type),
    capabilities: features,
    features: new Map(features.map((feature) => [feature, FIRST_VERSION])),
  };
}

/** Every key of device_config, and what it means. */
function configurationOf({ control }: Xen, type: StorageType): ReadonlyMap<string, string> {
  const adapters = control.storage.kinds().filter(({ kind }) => type.kinds.includes(kind));
  const keys = new Map(type.keys);
  for (const { name, secret, description } of adapters.flatMap(({ settings }) => settings)) {
    const named = secret ? secretKeys([name], () => '') : toDeviceConfig(type, { [name]: '' });
    for (const key of named.keys()) if (!keys.has(key)) keys.set(key, description);
  }
  return keys;
}
