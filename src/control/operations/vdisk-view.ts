import type { VdiskRecord, VersionRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { VdiskView, VersionView } from '../schemas/vdisk.ts';
import { iso } from './time-view.ts';

export function vdiskView(control: Control, vdisk: VdiskRecord): VdiskView {
  const { catalog, dataPlane } = control;
  const production = catalog.versions.production(vdisk.id);
  return {
    id: vdisk.id,
    name: vdisk.name,
    description: vdisk.description,
    createdAt: iso(vdisk.createdAt),
    production: production?.number ?? null,
    size: production?.size ?? 0,
    dataBytes: production?.dataBytes ?? 0,
    bootable: production?.bootFiles.kernel !== undefined,
    machines: catalog.machines.ofVdisk(vdisk.id).length,
    connections: dataPlane.vdiskConnections(vdisk.id),
    export: `vdisk/${vdisk.name}`,
    versions: catalog.versions.ofVdisk(vdisk.id).map(versionView),
  };
}

function versionView(version: VersionRecord): VersionView {
  return {
    number: version.number,
    state: version.state,
    layerId: version.layerId,
    contentId: version.contentId,
    size: version.size,
    dataBytes: version.dataBytes,
    format: version.format,
    kernel: version.bootFiles.kernel ?? null,
    initrd: version.bootFiles.initrd ?? null,
    initramfs: version.bootFiles.initramfs,
    rootPartition: version.bootFiles.rootPartition,
    rootFilesystem: version.bootFiles.rootFilesystem ?? null,
    kernelArguments: version.kernelArguments,
    createdAt: iso(version.createdAt),
  };
}
