/** The iSCSI adapter: a LUN of any array by our own initiator, carved into volumes. Read first: iscsi-adapter.ts. */
export { iscsiAdapter } from './iscsi-adapter.ts';
export { healthOf, type OpenLun, type OpenLunOptions, openLun } from './iscsi-lun.ts';
export { lunLocator } from './locator.ts';
export { probeIscsi } from './probe.ts';
export { ISCSI_SETTINGS, type IscsiConnection } from './settings.ts';
