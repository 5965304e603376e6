import { type Handlers, type Implementation, implement } from '../../call.ts';
import { HOST } from '../../datamodel/host.ts';
import type { HostFacts } from '../../projections/host-facts.ts';
import { PIF_REF } from '../../projections/site-records.ts';
import type { Figures } from '../../rrd/figures.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';

export interface HostMessagesOptions {
  readonly xen: Xen;
  readonly host: HostFacts;
  readonly figures: Figures;
  /** Names of all that can be called. */
  readonly methods: () => readonly string[];
}

export function hostMessages({ xen, host, figures, methods }: HostMessagesOptions): Implementation {
  const { clock } = xen.control;
  return implement(HOST, {
    get_servertime: () => clock.now(),
    // As a date that reads like the local one; the wire has no other way to say it (xapi_host.ml).
    get_server_localtime: () => {
      const now = clock.now();
      return now - new Date(now).getTimezoneOffset() * 60_000;
    },
    ...sourceMessages(figures),
    compute_free_memory: () => host.freeMemory(),
    compute_memory_overhead: () => 0,
    get_vms_which_prevent_evacuation: () => new Map(),
    get_uncooperative_resident_VMs: () => [],
    call_plugin: (_call, { plugin }) => {
      throw xenError('XENAPI_MISSING_PLUGIN', plugin);
    },
    call_extension: (_call, given) => {
      throw xenError('MESSAGE_METHOD_UNKNOWN', given.call);
    },
    has_extension: () => false,
    list_methods: () => methods(),
    get_management_interface: () => PIF_REF,
  });
}

function sourceMessages(figures: Figures) {
  return {
    get_data_sources: () => figures.hostSources(),
    query_data_source: (_call, { data_source }) => figures.hostSource(data_source).value,
    record_data_source: (_call, { data_source }) => void figures.hostSource(data_source),
    forget_data_source_archives: (_call, { data_source }) => figures.forget(data_source),
  } satisfies Partial<Handlers<typeof HOST>>;
}
