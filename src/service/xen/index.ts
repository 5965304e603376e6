/** What XenAPI needs of the service: blocks for its own readers and writers, disks as NBD exports of sessions, its listener. */
export { ServiceDisks, type ServiceDisksParts } from './disk-port.ts';
export { type DiskResolver, openNbdDisk } from './nbd-disks.ts';
export { isDiskExport } from './nbd-name.ts';
export { startXenApi, XenEvents } from './start-xen-api.ts';
