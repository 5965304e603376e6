/**
 * Where the values of secrets lie: in the catalog's own table of secrets, whoever made them, and nowhere else. They are
 * no objects of the database, so that no event and no picture of it can have one.
 *
 * A client's has a row that says that it is there. That of a PBD is the secret setting of its repository itself;
 * of a PBD whose repository is not known yet it is what that setting will be.
 */
import type { Ref } from '../../datamodel/description.ts';
import { SECRET } from '../../datamodel/secret.ts';
import { refOf, uuidOf } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';

/** The one field of a client's secret. */
const VALUE = 'value';

/** Whose row a value is, and which. */
export interface StoredSecret {
  readonly uuid: string;
  readonly owner: string;
  readonly field: string;
  /** A PBD's goes with the PBD. */
  readonly isOfPbd: boolean;
}

export const refOfSecret = (uuid: string): Ref => refOf(SECRET.name, uuid);

/** Of a PBD of the SR with that id: the same before and after its repository is known. */
export function uuidOfPbdSecret(srId: string, field: string): string {
  return uuidOf(SECRET.name, `${srId}/${field}`);
}

/** Whose secrets those of a PBD are as long as nothing is known of its repository. */
function waitingOwner(srId: string): string {
  return `PBD/${srId}`;
}

function pbdOwner({ control: { catalog } }: Xen, srId: string): string {
  return catalog.repositories.byId(srId) === undefined ? waitingOwner(srId) : srId;
}

export function clientSecret(uuid: string): StoredSecret {
  return { uuid, owner: `secret/${uuid}`, field: VALUE, isOfPbd: false };
}

/** Those of a PBD, by setting. */
export function secretsOfPbd(xen: Xen, srId: string): Readonly<Record<string, string>> {
  return xen.control.catalog.secrets.of(pbdOwner(xen, srId));
}

/** In the place of all that it had; of one whose repository is not known yet. */
export function keepWaitingSecrets(
  { control: { catalog } }: Xen,
  srId: string,
  secrets: Readonly<Record<string, string>>,
): void {
  const owner = waitingOwner(srId);
  for (const field of catalog.secrets.fields(owner)) catalog.secrets.delete(owner, field);
  for (const [field, value] of Object.entries(secrets)) catalog.secrets.save(owner, field, value);
}

export function* allSecrets(xen: Xen): Iterable<StoredSecret> {
  const { catalog } = xen.control;
  for (const { id } of xen.kept.all(SECRET)) yield clientSecret(id);
  const ids = [...catalog.repositories.all(), ...catalog.xenObjects.all('PBD')].map(({ id }) => id);
  for (const id of new Set(ids)) {
    const owner = pbdOwner(xen, id);
    for (const field of catalog.secrets.fields(owner)) {
      yield { uuid: uuidOfPbdSecret(id, field), owner, field, isOfPbd: true };
    }
  }
}

export function secretByUuid(xen: Xen, uuid: string): StoredSecret | undefined {
  if (xen.control.catalog.xenObjects.get(SECRET.name, uuid) !== undefined)
    return clientSecret(uuid);
  for (const secret of allSecrets(xen)) if (secret.uuid === uuid) return secret;
  return undefined;
}

/** @throws XenError HANDLE_INVALID */
export function requireSecret(xen: Xen, ref: Ref): StoredSecret {
  for (const secret of allSecrets(xen)) if (refOfSecret(secret.uuid) === ref) return secret;
  throw xenError('HANDLE_INVALID', SECRET.name, ref);
}

export function secretValue({ control: { catalog } }: Xen, { owner, field }: StoredSecret): string {
  return catalog.secrets.of(owner)[field] ?? '';
}

/** What device_config names. @throws XenError UUID_INVALID */
export function valueOfUuid(xen: Xen, uuid: string): string {
  const secret = secretByUuid(xen, uuid);
  if (secret === undefined) throw xenError('UUID_INVALID', SECRET.name, uuid);
  return secretValue(xen, secret);
}
