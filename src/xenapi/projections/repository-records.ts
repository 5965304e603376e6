/** A repository as an SR and its PBD; and an SR that was introduced, and has no repository yet. */
import { isNameOf, type RepositoryRecord } from '../../control/index.ts';
import { PBD } from '../datamodel/pbd.ts';
import { SR } from '../datamodel/sr.ts';
import { SECRET_ENDING, secretKeys } from '../device-config/passwords.ts';
import type { DeviceConfig, StorageType } from '../device-config/storage-type.ts';
import { STORAGE_TYPES, typeOfKind } from '../device-config/storage-types.ts';
import { toDeviceConfig, toTarget, withSmConfig } from '../device-config/translate.ts';
import { descriptionOf } from '../disks/names.ts';
import { uuidOfPbdSecret } from '../messages/secret/secrets.ts';
import { emptyRecord } from '../objects/defaults.ts';
import { isSame } from '../objects/equal.ts';
import type { AnyRecord } from '../objects/objects.ts';
import { refOf, uuidOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { XenError } from '../xen-error.ts';
import { HOST_REF } from './site-records.ts';

export const refOfSr = (id: string): string => refOf(SR.name, id);
export const refOfPbd = (id: string): string => refOf(PBD.name, id);

/** What a repository is called of whose label nothing can be used. */
export const NAMELESS_SR = 'sr';

/** In other_config of a PBD: why its storage cannot be reached. Nobody writes it. */
export const UNREACHABLE_KEY = 'rootcast-unreachable';

/** Bytes that are not known yet. */
export const UNKNOWN_SIZE = -1;

type Kept = Readonly<Record<string, unknown>>;

export function isAttached(
  { control }: Pick<Xen, 'control'>,
  { id, state }: RepositoryRecord,
): boolean {
  return state === 'attached' && control.storage.isAttached(id);
}

/** undefined: of a kind that no driver is for. */
export function typeOf(
  repository: RepositoryRecord | undefined,
  kept: Kept,
): StorageType | undefined {
  const typed = kept['type'];
  const found = STORAGE_TYPES.find(({ name }) => name === typed);
  if (found !== undefined || repository === undefined) return found;
  return typeOfKind(repository.kind, repository.settings);
}

/** Sizes and operations are filled in when it is read. */
export function srRecord(
  id: string,
  repository: RepositoryRecord | undefined,
  kept: Kept,
): AnyRecord {
  const type = typeOf(repository, kept);
  return {
    ...EMPTY_SR,
    type: type?.name ?? repository?.kind ?? '',
    content_type: 'user',
    shared: type?.shared ?? false,
    ...kept,
    ...(repository === undefined ? {} : shownNames(repository, kept)),
    uuid: id,
  };
}

const EMPTY_SR: AnyRecord = {
  ...emptyRecord(SR),
  physical_size: UNKNOWN_SIZE,
  physical_utilisation: UNKNOWN_SIZE,
};

/** As typed, as long as the repository is still called what was made of it. */
function shownNames({ name, description }: RepositoryRecord, kept: Kept) {
  const { name_label: label, name_description: text } = kept;
  return {
    name_label: typeof label === 'string' && isNameOf(name, label, NAMELESS_SR) ? label : name,
    name_description: descriptionOf(typeof text === 'string' ? text : undefined, description),
  };
}

export function pbdRecord(
  xen: Xen,
  id: string,
  repository: RepositoryRecord | undefined,
  kept: { readonly sr: Kept; readonly pbd: Kept },
): AnyRecord {
  const { device_config: typed, other_config: otherConfig = NOTHING } = kept.pbd;
  const shown = repository && deviceConfigOf(xen, repository, kept);
  return {
    ...emptyRecord(PBD),
    uuid: uuidOf(PBD.name, id),
    host: HOST_REF,
    SR: refOfSr(id),
    device_config: shown ?? typed ?? NOTHING,
    currently_attached: repository !== undefined && isAttached(xen, repository),
    other_config: withReason(otherConfig as DeviceConfig, repository),
  };
}

const NOTHING: DeviceConfig = new Map();

/** As a client gave it, unless the repository has been told otherwise since. */
function deviceConfigOf(
  xen: Xen,
  repository: RepositoryRecord,
  kept: { readonly sr: Kept; readonly pbd: Kept },
): DeviceConfig {
  const { id, settings } = repository;
  const type = typeOf(repository, kept.sr);
  if (type === undefined) return NOTHING;
  const fields = xen.control.catalog.secrets.fields(id);
  const secrets = secretKeys(fields, (field) => uuidOfPbdSecret(id, field));
  const typed = kept.pbd['device_config'] as DeviceConfig | undefined;
  if (typed !== undefined && says(xen, type, repository, typed, kept.sr)) {
    const rest = [...typed].filter(([key]) => !key.endsWith(SECRET_ENDING));
    return new Map([...rest, ...secrets]);
  }
  return new Map([...toDeviceConfig(type, settings), ...secrets]);
}

function says(
  { control }: Xen,
  type: StorageType,
  { kind, settings }: RepositoryRecord,
  typed: DeviceConfig,
  keptSr: Kept,
): boolean {
  const adapter = control.storage.kinds().find((candidate) => candidate.kind === kind);
  if (adapter === undefined) return false;
  const smConfig = (keptSr['sm_config'] ?? NOTHING) as DeviceConfig;
  const open = new Map([...typed].filter(([key]) => !key.endsWith(SECRET_ENDING)));
  try {
    return isSame(toTarget(type, adapter, withSmConfig(open, smConfig)).settings, settings);
  } catch (error) {
    if (error instanceof XenError) return false;
    throw error;
  }
}

function withReason(
  otherConfig: DeviceConfig,
  repository: RepositoryRecord | undefined,
): DeviceConfig {
  if (repository?.state !== 'unreachable' || repository.reason === undefined) return otherConfig;
  return new Map([...otherConfig, [UNREACHABLE_KEY, repository.reason]]);
}
