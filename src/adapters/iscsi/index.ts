/** The iSCSI adapter: a LUN of any array by our own initiator. What carves it into volumes is not here. */
export { IscsiVolumeData } from './iscsi-data.ts';
export { healthOf, type OpenLun, type OpenLunOptions, openLun } from './iscsi-lun.ts';
export { ISCSI_ADAPTER, type LunAddress, lunLocator } from './locator.ts';
export { probeIscsi } from './probe.ts';
export { ISCSI_SETTINGS, type IscsiConnection } from './settings.ts';
