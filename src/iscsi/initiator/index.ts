/** The iSCSI initiator. Read first: data-port.ts, lun-paths.ts, session.ts, connection.ts. */
export type { ChapCredentials } from './chap.ts';
export { IscsiDataPort, type IscsiOpen } from './data-port.ts';
export { IscsiDevice } from './device.ts';
export { discoverTargets, type FoundTarget } from './discovery.ts';
export { IscsiError, type IscsiFailure } from './iscsi-error.ts';
export { LunUnusable } from './lun-facts.ts';
export type { PathReport } from './lun-paths.ts';
export { ISCSI_PORT, type Portal, parsePortal, portalText } from './portal.ts';
export { enforcesChap, type FoundLun, probeLuns } from './probe.ts';
export type { IscsiLog } from './session.ts';
export { REAL_TIME, type Timers } from './timers.ts';
