/** The local adapter: a folder of sparse files. */
export { FileDevice, type FileDeviceOptions } from './file-device.ts';
export { HolePuncher, type Punch, type PunchResult } from './hole-puncher.ts';
export { localAdapter } from './local-adapter.ts';
export { LocalVolumeControl } from './local-control.ts';
export { LocalVolumeData, type LocalVolumeDataOptions, type Warnings } from './local-data.ts';
