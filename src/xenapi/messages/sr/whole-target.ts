/** From device_config to what a repository is made with; and while something is missing, what it could be. */
import { type ProbeView, probeStorage } from '../../../control/index.ts';
import type { Call } from '../../call.ts';
import { SECRET_ENDING, withPasswords } from '../../device-config/passwords.ts';
import { storageFailure } from '../../device-config/storage-failure.ts';
import type { DeviceConfig, Need, StorageType } from '../../device-config/storage-type.ts';
import { adapterKind } from '../../device-config/storage-types.ts';
import { missingIn, type Target, toTarget, withSmConfig } from '../../device-config/translate.ts';
import type { Xen } from '../../xen.ts';
import { backendFailure, type XenError } from '../../xen-error.ts';
import { valueOfUuid } from '../secret/secrets.ts';
import { choicesXml } from './probe-xml.ts';

export interface GivenConfig {
  readonly device_config: DeviceConfig;
  readonly sm_config: DeviceConfig;
}

export interface GivenTarget extends Target {
  /** With its passwords. */
  readonly config: DeviceConfig;
  readonly missing: Need | undefined;
}

/** @throws XenError VALUE_NOT_SUPPORTED, UUID_INVALID (a secret), SR_UNKNOWN_DRIVER */
export function givenTarget(
  xen: Xen,
  type: StorageType,
  { device_config: deviceConfig, sm_config: smConfig }: GivenConfig,
): GivenTarget {
  // What is missing is asked for first: without it the kind may not be known.
  const early = missingIn(type, deviceConfig);
  const [anyKind = ''] = type.kinds;
  const kind = early === undefined ? type.kindOf(deviceConfig) : anyKind;
  const adapter = adapterKind(xen, kind, type.name);
  const config = withPasswords(deviceConfig, adapter, (uuid) => valueOfUuid(xen, uuid));
  const target = toTarget(type, adapter, withSmConfig(config, smConfig));
  return { ...target, config, missing: missingIn(type, config) };
}

/** Of what is kept of a PBD: its secrets apart. @throws as `givenTarget` */
export function openTarget(
  xen: Xen,
  type: StorageType,
  { device_config: shown, sm_config: smConfig }: GivenConfig,
  secrets: Target['secrets'],
): GivenTarget {
  const open = [...shown].filter(([key]) => !key.endsWith(SECRET_ENDING));
  const config = new Map([...open, ...Object.entries(secrets)]);
  return givenTarget(xen, type, { device_config: config, sm_config: smConfig });
}

/** Looks at the storage. @throws XenError what its driver would say */
export async function probeTarget(
  { control }: Xen,
  { signal }: Pick<Call, 'signal'>,
  type: StorageType,
  { kind, settings, secrets }: Target,
): Promise<ProbeView> {
  const input = { kind, settings: { ...settings } as never, secrets: { ...secrets } };
  try {
    return await probeStorage(control, input, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw storageFailure(type, error);
  }
}

/** As drivers say that something is missing: with what it could be, where that can be found. */
export async function missingFailure(
  xen: Xen,
  call: Pick<Call, 'signal'>,
  type: StorageType,
  given: GivenTarget,
  { oneOf, number, choices }: Need,
): Promise<XenError> {
  const message = `The request is missing or has an incorrect ${oneOf.join(' or ')} parameter`;
  if (choices === undefined) return backendFailure(number, message);
  const { found } = await probeTarget(xen, call, type, given);
  return backendFailure(number, message, choicesXml(choices, found, given.config));
}

/** Complete. @throws XenError what its driver would say of what is missing, and as `givenTarget` */
export async function wholeTarget(
  xen: Xen,
  call: Pick<Call, 'signal'>,
  type: StorageType,
  config: GivenConfig,
): Promise<GivenTarget> {
  const given = givenTarget(xen, type, config);
  if (given.missing === undefined) return given;
  throw await missingFailure(xen, call, type, given, given.missing);
}
