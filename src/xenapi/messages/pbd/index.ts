/** The class PBD (xapi_pbd.ml): the one way of the one host to each SR. */
import { updateRepository } from '../../../control/index.ts';
import { type Call, type Handlers, type Implementation, implement } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { PBD } from '../../datamodel/pbd.ts';
import { SR } from '../../datamodel/sr.ts';
import { withoutPasswords } from '../../device-config/passwords.ts';
import { storageFailure } from '../../device-config/storage-failure.ts';
import type { DeviceConfig } from '../../device-config/storage-type.ts';
import { adapterKind } from '../../device-config/storage-types.ts';
import { setFact } from '../../projections/kept-facts.ts';
import { refOfPbd, refOfSr, UNREACHABLE_KEY } from '../../projections/repository-records.ts';
import type { Xen } from '../../xen.ts';
import { XenError, xenError } from '../../xen-error.ts';
import { keepWaitingSecrets, uuidOfPbdSecret } from '../secret/secrets.ts';
import { letGo } from '../sr/end.ts';
import { checkHost, duringSr, type StoredSr, storedSr } from '../sr/stored-sr.ts';
import { type GivenTarget, givenTarget } from '../sr/whole-target.ts';
import { plugPbd } from './plug.ts';
import { unplugPbd } from './unplug.ts';

/** Who of several hosts looks after the SR: xapi says it, no client. */
const MASTER_KEY = 'SRmaster';

export function pbdMessages(xen: Xen): Implementation {
  return implement(
    PBD,
    {
      create: createPbd(xen),
      destroy: destroyPbd(xen),
      plug: plugPbd(xen),
      unplug: unplugPbd(xen),
      set_device_config: () => {
        const reason = 'Only the driver may change it: destroy the PBD, and create another one';
        throw xenError('PERMISSION_DENIED', reason);
      },
    },
    {
      setField: (ref, field, value) => {
        const stored = storedSr(xen, srOf(xen, ref));
        const kept = new Map(value as DeviceConfig);
        kept.delete(UNREACHABLE_KEY); // it is what is, whoever says it again
        xen.kept.set(PBD, stored.id, { [field]: kept });
      },
    },
  );
}

function srOf({ objects }: Xen, pbd: Ref): Ref {
  return objects.require(PBD, pbd).SR;
}

function createPbd(xen: Xen): Handlers<typeof PBD>['create'] {
  return (call, { host, SR: sr, device_config: config, other_config: otherConfig }) => {
    checkHost(host);
    return duringSr(xen, call, sr, 'pbd_create', () => {
      const stored = storedSr(xen, sr);
      const pbd = refOfPbd(stored.id);
      if (xen.objects.find(PBD.name, pbd) !== undefined)
        throw xenError('PBD_EXISTS', sr, host, pbd);
      const master = config.get(MASTER_KEY);
      if (master !== undefined) {
        throw xenError('VALUE_NOT_SUPPORTED', MASTER_KEY, master, 'The server decides this');
      }
      const smConfig = xen.objects.require(SR, sr).sm_config;
      const target = givenTarget(xen, stored.type, { device_config: config, sm_config: smConfig });
      keepPbd(xen, stored, target, { device_config: config, other_config: otherConfig });
      return pbd;
    });
  };
}

function keepPbd(
  xen: Xen,
  { id, repository, type }: StoredSr,
  target: GivenTarget,
  given: { readonly device_config: DeviceConfig; readonly other_config: DeviceConfig },
): void {
  const { control, kept } = xen;
  const adapter = adapterKind(xen, target.kind, type.name);
  const uuidOf = (field: string): string => uuidOfPbdSecret(id, field);
  const shown = withoutPasswords(given.device_config, adapter, uuidOf);
  if (repository !== undefined && repository.kind !== target.kind) {
    const reason = `the SR lies on storage of kind ${repository.kind}`;
    throw xenError('VALUE_NOT_SUPPORTED', 'device_config', target.kind, reason);
  }
  try {
    control.catalog.transaction(() => {
      setFact(xen, 'PBD', id, 'destroyed', false);
      kept.set(PBD, id, { device_config: shown, other_config: given.other_config });
      if (repository === undefined) return keepWaitingSecrets(xen, id, target.secrets);
      const settings = { ...target.settings } as never;
      const old = control.catalog.secrets.fields(id).map((field) => [field, null] as const);
      const secrets = { ...Object.fromEntries(old), ...target.secrets };
      const changed = Object.keys(secrets).length === 0 ? { settings } : { settings, secrets };
      updateRepository(control, repository.name, changed);
    });
  } catch (error) {
    throw error instanceof XenError ? error : storageFailure(type, error);
  }
}

function destroyPbd(xen: Xen): Handlers<typeof PBD>['destroy'] {
  return async (call: Call, { self }) => {
    const sr = srOf(xen, self);
    await duringSr(xen, call, sr, 'pbd_destroy', async () => {
      if (xen.objects.require(PBD, self).currently_attached) {
        throw xenError('OPERATION_NOT_ALLOWED', 'PBD is currently attached');
      }
      const stored = storedSr(xen, sr);
      await letGo(xen, stored);
      dropPbd(xen, stored);
    });
  };
}

/** With its secrets. */
function dropPbd(xen: Xen, { id, repository }: StoredSr): void {
  const { control, kept, objects } = xen;
  const { catalog } = control;
  catalog.transaction(() => {
    kept.delete(PBD, id);
    keepWaitingSecrets(xen, id, {});
    if (repository === undefined) return;
    for (const field of catalog.secrets.fields(id)) catalog.secrets.delete(id, field);
    setFact(xen, 'PBD', id, 'destroyed', true);
  });
  objects.touch(SR.name, refOfSr(id));
}
