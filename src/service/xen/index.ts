/** What XenAPI needs of the service: blocks for its own readers and writers, and disks as NBD exports of sessions. */
export { ServiceDisks, type ServiceDisksParts } from './disk-port.ts';
export { type DiskResolver, openNbdDisk } from './nbd-disks.ts';
export { isDiskExport } from './nbd-name.ts';
