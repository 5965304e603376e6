import type { VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { VdiskView } from '../schemas/vdisk.ts';
import { type LayerFacts, VersionSituations } from '../versions/situation.ts';
import { productionVersion } from '../versions/which-version.ts';
import { iso } from './time-view.ts';
import { overlaysElsewhere, repositoryName } from './vdisk-repositories.ts';
import { versionView } from './versions/version-view.ts';

/** @param layers given where several are looked at */
export function vdiskView(control: Control, vdisk: VdiskRecord, layers?: LayerFacts): VdiskView {
  const { catalog, dataPlane, clock } = control;
  const situations = new VersionSituations(control, vdisk, layers);
  const choice = productionVersion(vdisk, situations.versions, clock.now());
  const production = choice.kind === 'sealed' ? choice.version : undefined;
  const machines = catalog.machines.ofVdisk(vdisk.id);
  const owners = [...machines, ...situations.versions].map(({ id }) => id);
  return {
    id: vdisk.id,
    name: vdisk.name,
    description: vdisk.description,
    createdAt: iso(vdisk.createdAt),
    production: production?.number ?? null,
    pinnedVersion: vdisk.pinnedVersion ?? null,
    repository: repositoryName(control, vdisk.repositoryId),
    overlayRepository: repositoryName(control, vdisk.overlayRepositoryId),
    overlaysElsewhere: overlaysElsewhere(control, vdisk, owners),
    ...catalog.vdisks.bootPolicy(vdisk.id),
    size: production?.size ?? 0,
    dataBytes: production?.dataBytes ?? 0,
    bootable: production?.bootFiles.kernel !== undefined,
    machines: machines.length,
    connections: dataPlane.vdiskConnections(vdisk.id),
    export: `vdisk/${vdisk.name}`,
    versions: situations.versions.map((version) => versionView(situations, version, control)),
  };
}
