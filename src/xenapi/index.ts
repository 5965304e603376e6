/** XenAPI, as it is entered by the service. */
export type { DiskName, DiskPort, OpenDisk } from './ports.ts';
