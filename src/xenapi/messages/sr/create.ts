/** SR.create and SR.introduce (xapi_sr.ml). */
import { Fault } from '../../../errors/index.ts';
import type { Call, Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { PBD } from '../../datamodel/pbd.ts';
import { SR } from '../../datamodel/sr.ts';
import { withoutPasswords } from '../../device-config/passwords.ts';
import { storageFailure } from '../../device-config/storage-failure.ts';
import type { StorageType } from '../../device-config/storage-type.ts';
import { adapterKind, servedType } from '../../device-config/storage-types.ts';
import { isUuid } from '../../objects/refs.ts';
import { hasFact, setFact, withFact } from '../../projections/kept-facts.ts';
import { refOfSr } from '../../projections/repository-records.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { keepWaitingSecrets, uuidOfPbdSecret } from '../secret/secrets.ts';
import { MAX_INTRODUCED } from './limits.ts';
import { makeRepository } from './make-repository.ts';
import { mayShareSr } from './sr-operations.ts';
import { checkHost } from './stored-sr.ts';
import { type GivenTarget, probeTarget, wholeTarget } from './whole-target.ts';

type Given = Parameters<Handlers<typeof SR>['create']>[1];

export const createSr =
  (xen: Xen): Handlers<typeof SR>['create'] =>
  async (call, given) => {
    checkHost(given.host);
    const type = servedType(xen, given.type);
    const target = await wholeTarget(xen, call, type, given);
    try {
      return await made(xen, call, given, {
        type,
        target,
        id: xen.control.newId(),
        mode: 'create',
      });
    } catch (error) {
      const ended = await endedThere(xen, call, type, target, error);
      if (ended === undefined) throw storageFailure(type, error);
      const again = { type, target, id: ended, mode: 'existing' } as const;
      return await made(xen, call, given, again).catch((failure: unknown) => {
        const lives = xen.control.catalog.repositories.byId(ended) !== undefined;
        if (!lives) setFact(xen, 'SR', ended, 'destroyed', true);
        throw storageFailure(type, failure);
      });
    }
  };

interface Making {
  readonly type: StorageType;
  readonly target: GivenTarget;
  readonly id: string;
  readonly mode: 'create' | 'existing';
}

async function made(
  xen: Xen,
  call: Call,
  given: Given,
  { type, target, id, mode }: Making,
): Promise<Ref> {
  const { kept, operations } = xen;
  const { name_label: label, name_description: description, content_type, shared } = given;
  const { sm_config: smConfig, device_config: deviceConfig } = given;
  const adapter = adapterKind(xen, target.kind, type.name);
  const shown = withoutPasswords(deviceConfig, adapter, (field) => uuidOfPbdSecret(id, field));
  const ref = refOfSr(id);
  const ofSr = { className: SR.name, ref, operation: 'plug', task: call.task };
  await operations.during(ofSr, mayShareSr, () =>
    makeRepository(
      xen,
      call,
      { ...target, id, label, description, mode },
      {
        keep: () => {
          kept.delete(SR, id); // of one that was destroyed
          const names = { name_label: label, name_description: description };
          kept.set(SR, id, {
            ...names,
            type: type.name,
            content_type,
            shared,
            sm_config: smConfig,
          });
          kept.set(PBD, id, { device_config: shown });
        },
        undo: () => {
          kept.delete(SR, id);
          kept.delete(PBD, id);
        },
      },
    ),
  );
  return ref;
}

/** The storage is not empty: it still has the mark of one that SR.destroy has ended. @returns its id */
async function endedThere(
  xen: Xen,
  call: Call,
  type: StorageType,
  target: GivenTarget,
  error: unknown,
): Promise<string | undefined> {
  if (!(error instanceof Fault) || error.code !== 'ALREADY_EXISTS') return undefined;
  const { found } = await probeTarget(xen, call, type, target);
  const id = found.find(({ holds }) => holds !== null)?.holds?.repositoryId;
  return id !== undefined && hasFact(xen, 'SR', id, 'destroyed') ? id : undefined;
}

/** It is on some storage; a PBD will say on which. */
export const introduceSr =
  (xen: Xen): Handlers<typeof SR>['introduce'] =>
  (_call, given) => {
    const { kept, control, objects } = xen;
    const type = servedType(xen, given.type);
    const { name_label, name_description, content_type, shared, sm_config } = given;
    const id = given.uuid === '' ? control.newId() : given.uuid;
    if (!isUuid(id)) {
      throw xenError('VALUE_NOT_SUPPORTED', 'uuid', id, 'a UUID in small letters is expected');
    }
    if (objects.byUuid(SR.name, id) !== undefined) throw xenError('SR_UUID_EXISTS', id);
    if (withFact(xen, 'SR', 'introduced').length >= MAX_INTRODUCED) {
      const reason = `There are ${MAX_INTRODUCED} SRs that were introduced and never plugged: forget some`;
      throw xenError('OPERATION_NOT_ALLOWED', reason);
    }
    control.catalog.transaction(() => {
      // Of one that was destroyed, or that a crash has left.
      kept.delete(SR, id);
      kept.delete(PBD, id);
      keepWaitingSecrets(xen, id, {});
      const names = { name_label, name_description };
      kept.set(SR, id, { ...names, type: type.name, content_type, shared, sm_config });
      setFact(xen, 'SR', id, 'introduced', true);
    });
    return refOfSr(id);
  };
