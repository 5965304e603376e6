/** XenAPI, as it is entered by the service. Read first: open-xen-api.ts. */
export { openXenApi, type XenApi, type XenApiOptions } from './open-xen-api.ts';
export type { DiskName, DiskPort, OpenDisk } from './ports.ts';
export type { ThroughputPort, Transferred } from './rrd/throughput-port.ts';
export type { XenSettings } from './xen.ts';
