/** A machine that boots, for scripts in whatever language. */
import type { MachineBootPlan } from '../../../../src/pxe/boot-catalog.ts';

export const CONTEXT = {
  mac: '52:54:00:12:34:56',
  baseUrl: 'http://192.168.50.1:8069',
  nbd: { address: '192.168.50.1', port: 10810 },
};

export const PLAN: MachineBootPlan = {
  kind: 'boot',
  machine: 'web-1',
  vdisk: 'debian',
  version: '3',
  layerId: 'layer-7',
  hasInitrd: true,
  initramfs: 'initramfs-tools',
  rootPartition: 'p1',
  rootFilesystem: 'ext4',
  kernelArguments: ['console=ttyS0 quiet', 'panic=10'],
};
