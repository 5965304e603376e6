/** The class secret (xapi_secret.ml): see secrets.ts for where values lie. */
import { type Implementation, implement, type OwnRecords } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { SECRET } from '../../datamodel/secret.ts';
import { isUuid } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { MAX_SECRET_VALUE_LENGTH, MAX_SECRETS } from './limits.ts';
import {
  allSecrets,
  clientSecret,
  refOfSecret,
  requireSecret,
  type StoredSecret,
  secretByUuid,
  secretValue,
} from './secrets.ts';

export function secretMessages(xen: Xen): Implementation {
  const { control, kept } = xen;
  const { catalog } = control;
  return implement(
    SECRET,
    {
      create: (_call, { value, other_config: otherConfig }) =>
        made(xen, control.newId(), value, otherConfig),
      introduce: (_call, { uuid, value, other_config: otherConfig }) => {
        if (!isUuid(uuid) || secretByUuid(xen, uuid) !== undefined) {
          throw xenError('INVALID_VALUE', 'uuid', uuid);
        }
        return made(xen, uuid, value, otherConfig);
      },
      destroy: (_call, { self }) => {
        const { uuid, owner, field, isOfPbd } = requireSecret(xen, self);
        if (isOfPbd) {
          throw xenError('OPERATION_NOT_ALLOWED', 'It is a PBD that has this secret: destroy that');
        }
        catalog.transaction(() => {
          catalog.secrets.delete(owner, field);
          kept.delete(SECRET, uuid);
        });
      },
    },
    { own: records(xen), setField: (ref, field, value) => setField(xen, ref, field, value) },
  );
}

function made(
  { control, kept }: Xen,
  uuid: string,
  value: string,
  otherConfig: ReadonlyMap<string, string>,
): Ref {
  checkValue(value);
  const { catalog } = control;
  const count = catalog.xenObjects.all(SECRET.name).length;
  if (count >= MAX_SECRETS) {
    throw xenError('OPERATION_NOT_ALLOWED', `There are ${count} secrets already: destroy some`);
  }
  const { owner, field } = clientSecret(uuid);
  catalog.transaction(() => {
    kept.set(SECRET, uuid, { other_config: otherConfig });
    catalog.secrets.save(owner, field, value);
  });
  return refOfSecret(uuid);
}

/** Nothing of it is repeated. */
function checkValue(value: string): void {
  if (value.length <= MAX_SECRET_VALUE_LENGTH) return;
  const reason = `at most ${MAX_SECRET_VALUE_LENGTH} characters are expected`;
  throw xenError('VALUE_NOT_SUPPORTED', 'value', '', reason);
}

function setField(xen: Xen, ref: Ref, name: string, value: unknown): void {
  const { uuid, owner, field, isOfPbd } = requireSecret(xen, ref);
  if (name === 'value') {
    const text = String(value);
    checkValue(text);
    // A repository that is attached goes on with what it was attached with.
    xen.control.catalog.secrets.save(owner, field, text);
  } else if (isOfPbd) {
    throw xenError(
      'OPERATION_NOT_ALLOWED',
      'It is a PBD that has this secret: nothing is kept of it',
    );
  } else xen.kept.set(SECRET, uuid, { [name]: value });
}

function records(xen: Xen): OwnRecords {
  const recordOf = (secret: StoredSecret): Readonly<Record<string, unknown>> => ({
    uuid: secret.uuid,
    value: secretValue(xen, secret),
    other_config: xen.kept.get(SECRET, secret.uuid)?.fields['other_config'] ?? new Map(),
  });
  return {
    record: (_caller, ref) => recordOf(requireSecret(xen, ref)),
    refs: () => [...allSecrets(xen)].map(({ uuid }) => refOfSecret(uuid)),
    byUuid: (_caller, uuid) => {
      const secret = secretByUuid(xen, uuid);
      return secret && refOfSecret(secret.uuid);
    },
  };
}
