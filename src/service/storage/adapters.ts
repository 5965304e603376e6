/** Every kind of storage that this service can attach; the control thread and each worker look here. */
import { cephAdapter } from '../../adapters/ceph/index.ts';
import { iscsiAdapter } from '../../adapters/iscsi/index.ts';
import { localAdapter } from '../../adapters/local/index.ts';
import { nfsAdapter } from '../../adapters/nfs/index.ts';
import { SanAdapter } from '../../adapters/san/index.ts';
import { simulatedAdapter } from '../../adapters/simulated/index.ts';
import { type Initiator, type OpenLun, tgtAdapter } from '../../adapters/tgt/index.ts';
import { IscsiDataPort, REAL_TIME } from '../../iscsi/index.ts';
import type { Adapter, AdapterParts } from '../../repositories/index.ts';

/** Our initiator, as the tgt adapter asks for it. */
function initiator({ log, clock }: AdapterParts): Initiator {
  const port = new IscsiDataPort({ log, timers: { ...REAL_TIME, now: clock } });
  return {
    open: ({ chap, ...request }: OpenLun) => {
      if (chap === undefined) return port.open(request);
      const { mutual: incoming, ...account } = chap;
      return port.open({ ...request, chap: { ...account, incoming } });
    },
    close: () => port.close(),
  };
}

export const ADAPTERS: readonly Adapter[] = [
  localAdapter,
  nfsAdapter,
  iscsiAdapter,
  new SanAdapter(),
  cephAdapter,
  tgtAdapter(initiator),
  simulatedAdapter(),
];

export type AdapterOf = (kind: string) => Adapter | undefined;

export const adapterOf: AdapterOf = (kind) => ADAPTERS.find((adapter) => adapter.kind === kind);
