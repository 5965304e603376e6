/** The Ceph adapter: images of RBD. Read first: ceph-control.ts, servers.ts, rbd-device.ts. */
import type { Adapter } from '../../repositories/index.ts';
import { CephControl } from './ceph-control.ts';
import { CephData } from './ceph-data.ts';
import { probeCeph } from './probe.ts';
import { CEPH_ADAPTER, CEPH_SETTINGS, readSettings } from './settings.ts';

export const cephAdapter: Adapter = {
  kind: CEPH_ADAPTER,
  description: 'A pool of a Ceph cluster (RBD)',
  settings: CEPH_SETTINGS,
  probe: (connection, _parts, signal) => probeCeph(connection, signal),
  attach: (connection, parts, options) => CephControl.attach(connection, parts, options),
  openData: (connection, parts, ask) =>
    new CephData(ask, parts.clock, readSettings(connection).patienceMs),
};
