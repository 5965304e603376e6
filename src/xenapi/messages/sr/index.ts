/** The class SR: repositories of the control plane, as xapi_sr.ml has storage repositories. */
import { type Handlers, type Implementation, implement } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { SR } from '../../datamodel/sr.ts';
import { servedTypes } from '../../device-config/storage-types.ts';
import { isAttached } from '../../projections/repository-records.ts';
import { HOST_REF } from '../../projections/site-records.ts';
import type { Xen } from '../../xen.ts';
import { XenError, xenError } from '../../xen-error.ts';
import { createSr, introduceSr } from './create.ts';
import { dataSourceMessages, type SrFigures } from './data-sources.ts';
import { destroySr, forgetSr } from './end.ts';
import { scanSr, updateSr } from './look.ts';
import { describe, rename } from './names.ts';
import { probeSr, probeSrExt } from './probe.ts';
import { isOfRepository } from './sr-operations.ts';
import { storedSr } from './stored-sr.ts';

/** @param figures of what passes; undefined: nobody counts it */
export function srMessages(xen: Xen, figures?: SrFigures): Implementation {
  return implement(
    SR,
    {
      create: createSr(xen),
      introduce: introduceSr(xen),
      forget: forgetSr(xen),
      destroy: destroySr(xen),
      probe: probeSr(xen),
      probe_ext: probeSrExt(xen),
      scan: scanSr(xen),
      update: updateSr(xen),
      get_supported_types: () => servedTypes(xen).map(({ name }) => name),
      set_name_label: (_call, { sr, value }) => rename(xen, sr, value),
      set_name_description: (_call, { sr, value }) => describe(xen, sr, value),
      set_shared: (_call, { sr, value }) => {
        xen.kept.set(SR, storedSr(xen, sr).id, { shared: value });
      },
      get_live_hosts: (_call, { sr }) => liveHosts(xen, sr),
      ...dataSourceMessages(xen, figures),
      ...refusals(),
    },
    {
      setField: (ref, field, value) => {
        if (!isOfRepository(xen, ref)) throw xenError('SR_OPERATION_NOT_SUPPORTED', ref);
        xen.kept.set(SR, xen.objects.origin(SR.name, ref).id, { [field]: value });
      },
    },
  );
}

function liveHosts(xen: Xen, sr: Ref): readonly Ref[] {
  if (!isOfRepository(xen, sr)) return [HOST_REF];
  const { repository } = storedSr(xen, sr);
  return repository !== undefined && isAttached(xen, repository) ? [HOST_REF] : [];
}

/** What no SR of this server can, and what only drivers of XenServer may say. */
function refusals(): Pick<Handlers<typeof SR>, Refused> {
  const unsupported = (_call: unknown, { sr }: { readonly sr: Ref }): never => {
    throw xenError('SR_OPERATION_NOT_SUPPORTED', sr);
  };
  const measured = (): never => {
    throw xenError('PERMISSION_DENIED', 'The size of an SR is what its storage says');
  };
  return {
    assert_can_host_ha_statefile: unsupported,
    assert_supports_database_replication: unsupported,
    enable_database_replication: unsupported,
    disable_database_replication: unsupported,
    set_physical_size: measured,
    set_virtual_allocation: measured,
    set_physical_utilisation: measured,
    make: () => {
      throw new XenError('MESSAGE_DEPRECATED', []);
    },
  };
}

type Refused =
  | 'assert_can_host_ha_statefile'
  | 'assert_supports_database_replication'
  | 'enable_database_replication'
  | 'disable_database_replication'
  | 'set_physical_size'
  | 'set_virtual_allocation'
  | 'set_physical_utilisation'
  | 'make';
